"""A login on the disk: who can read it, when it is renewed, by how many processes at once, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from eng5_runner.effects.identity import login_cache
from eng5_runner.effects.identity.client import IdentityClient
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.effects.identity.session import REFRESH_MARGIN, current_login, log_in, log_out
from eng5_runner.errors import ConfigurationError, DiskError, NotAllowed, ServiceUnavailable, TemporaryFailure
from eng5_runner.transport.http import http_session
from tests.admin.site import EMAIL, PASSWORD, Site, identity_at
from tests.support.servers import serving

START = datetime(2027, 1, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A wall clock that a test sets."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class Double:
    """An Identity Service that counts; each pair of tokens has a number."""

    status: int = 200
    rotates: bool = True
    refreshes: list[str] = field(default_factory=list)
    pause: float = 0.0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/refresh"):
            self.refreshes.append((await request.json())["refresh_token"])
            await asyncio.sleep(self.pause)
        if self.status != 200:
            return web.Response(status=self.status)
        number = len(self.refreshes)
        pair = {"access_token": f"access-{number}", "expires_in": 900}
        return web.json_response(pair | ({"refresh_token": f"refresh-{number}"} if self.rotates or not number else {}))


@dataclass
class Place:
    """A cache, a service and a clock."""

    cache: LoginCache
    identity: IdentityClient
    double: Double
    clock: Clock
    folder: Path

    async def current(self) -> str | None:
        login = await current_login(self.cache, self.identity, clock=self.clock)
        return None if login is None else login.access_token

    @property
    def file(self) -> Path:
        (found,) = (self.folder / "logins").glob("*.json")
        return found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session(connections=16, secret=None) as made:
        yield made


@pytest.fixture
async def place(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[Place]:
    """Somebody has logged in at START, for 900 s."""
    double, clock = Double(), Clock()
    async with serving(double) as url:
        cache = LoginCache(tmp_path / "state", identity_url=url)
        identity = identity_at(session, url)
        await log_in(cache, identity, email=EMAIL, password=PASSWORD, clock=clock)
        yield Place(cache, identity, double, clock, tmp_path / "state")


async def test_only_the_user_can_read_it_whatever_the_umask(place: Place) -> None:
    place.folder.joinpath("logins").chmod(0o777)
    before = os.umask(0)
    try:
        await log_in(place.cache, place.identity, email=EMAIL, password=PASSWORD, clock=place.clock)
    finally:
        os.umask(before)
    modes = {path.name.split(".")[-1]: stat.S_IMODE(path.stat().st_mode) for path in place.file.parent.iterdir()}
    assert modes == {"json": 0o600, "lock": 0o600}
    assert stat.S_IMODE(place.file.parent.stat().st_mode) == 0o700
    assert PASSWORD not in place.file.read_text()
    assert "access-0" not in repr(place.cache.read())


async def test_it_is_renewed_a_minute_before_it_expires_and_not_earlier(place: Place) -> None:
    place.clock.at = START + timedelta(seconds=900) - REFRESH_MARGIN - timedelta(seconds=1)
    assert await place.current() == "access-0"
    place.clock.at += timedelta(seconds=1)
    assert await place.current() == "access-1"
    assert await place.current() == "access-1"
    place.clock.at += timedelta(days=3)
    assert await place.current() == "access-2"
    assert place.double.refreshes == ["refresh-0", "refresh-1"]


async def test_a_service_that_keeps_the_refresh_token_is_asked_with_it_again(place: Place) -> None:
    place.double.rotates = False
    for _ in range(3):
        place.clock.at += timedelta(hours=1)
        await place.current()
    assert place.double.refreshes == ["refresh-0"] * 3


async def test_a_clock_that_was_set_back_makes_it_renewed(place: Place) -> None:
    place.clock.at = START - timedelta(hours=1)
    assert await place.current() == "access-1"


async def test_many_at_once_renew_it_once(place: Place) -> None:
    place.clock.at += timedelta(hours=1)
    place.double.pause = 0.05
    assert await asyncio.gather(*(place.current() for _ in range(10))) == ["access-1"] * 10
    assert place.double.refreshes == ["refresh-0"]


async def test_a_service_in_trouble_is_forgiven_as_long_as_the_token_lasts(place: Place) -> None:
    place.double.status = 503
    place.clock.at = START + timedelta(seconds=870)
    assert await place.current() == "access-0"
    place.clock.at = START + timedelta(seconds=900)
    with pytest.raises(ServiceUnavailable):
        await place.current()
    place.double.status = 429
    with pytest.raises(TemporaryFailure):
        await place.current()
    place.double.status = 200
    assert await place.current() == "access-4"


async def test_a_login_that_the_service_does_not_renew_wants_another(place: Place) -> None:
    place.double.status = 401
    place.clock.at = START + timedelta(seconds=870)  # even if there were a moment left: it was revoked
    with pytest.raises(NotAllowed) as caught:
        await place.current()
    assert "eng5-runner admin login" in caught.value.remedy
    assert "refresh-0" not in caught.value.message


async def test_a_login_without_a_refresh_token_lasts_to_its_end(place: Place) -> None:
    login = place.cache.read()
    assert login is not None
    place.cache.write(login.model_copy(update={"refresh_token": None}))
    place.clock.at = START + timedelta(seconds=899)
    assert await place.current() == "access-0"
    place.clock.at = START + timedelta(seconds=900)
    with pytest.raises(NotAllowed, match="has expired"):
        await place.current()
    assert await log_out(place.cache, place.identity) == (True, False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"access_token": "x"}', b"x" * 100_000, b'{"identity_url": 1}']
)
async def test_a_damaged_file_is_no_login_and_the_next_one_replaces_it(place: Place, content: bytes) -> None:
    place.file.write_bytes(content)
    assert await place.current() is None
    await log_in(place.cache, place.identity, email=EMAIL, password=PASSWORD, clock=place.clock)
    assert await place.current() == "access-0"


async def test_a_login_of_another_service_is_none_of_this_one(place: Place) -> None:
    assert LoginCache(place.folder, identity_url="http://other").read() is None
    found = json.loads(place.file.read_text())
    place.file.write_text(json.dumps(found | {"identity_url": "http://other"}))
    assert await place.current() is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
async def test_a_file_that_others_can_read_is_not_used_and_can_be_ended(place: Place, mode: int) -> None:
    place.file.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        await place.current()
    assert f"chmod 600 {place.file}" in caught.value.remedy
    assert await log_out(place.cache, place.identity) == (True, False)
    assert await place.current() is None


async def test_a_file_of_another_user_is_not_used(place: Place) -> None:
    """A file that another user put there must not make us act in that user's name; only root can make such a file."""
    if os.geteuid() != 0:
        pytest.skip("giving a file to another user needs root")
    os.chown(place.file, 65534, -1)
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="Other users can read"):
        await place.current()


async def test_a_link_in_its_place_is_not_followed(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    place.file.rename(elsewhere)
    (place.folder / "logins" / f"{next((place.folder / 'logins').glob('*.lock')).stem}.json").symlink_to(elsewhere)
    with pytest.raises(DiskError, match="cannot be read"):
        await place.current()
    await log_in(place.cache, place.identity, email=EMAIL, password=PASSWORD, clock=place.clock)
    assert not place.file.is_symlink()
    assert await place.current() == "access-0"


async def test_a_state_folder_that_cannot_be_is_told(place: Place) -> None:
    beneath_a_file = LoginCache(place.file, identity_url="http://x")
    login = place.cache.read()
    assert login is not None
    with pytest.raises(DiskError) as caught:
        beneath_a_file.write(login)
    assert "ENG5_STATE_DIR" in caught.value.remedy
    with pytest.raises(DiskError):
        await log_out(beneath_a_file, place.identity)


async def test_whoever_holds_the_lock_for_ever_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_cache, "LOCK_SECONDS", 0.2)  # law: patches - ten seconds of waiting prove no more
    place.clock.at += timedelta(hours=1)
    async with place.cache.held():
        with pytest.raises(TemporaryFailure, match="Another process"):
            await place.current()
    assert await place.current() == "access-1"


PROCESS = """
import asyncio, sys
from pathlib import Path
from eng5_runner.app.tokens import admin_token
token = asyncio.run(admin_token({"ENG5_STATE_DIR": sys.argv[1]}, identity_url=sys.argv[2], announce=print))
print(token.value)
"""


async def test_several_processes_renew_it_once(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    double = Double(pause=0.3)
    async with serving(double) as url:
        long_ago = datetime.now(UTC) - timedelta(days=1)
        LoginCache(tmp_path, identity_url=url).write(
            Login(
                identity_url=url,
                access_token="access-0",
                refresh_token="refresh-0",
                obtained_at=long_ago,
                expires_at=long_ago + timedelta(minutes=15),
            )
        )
        command = (sys.executable, "-c", PROCESS, str(tmp_path), url)
        started = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(4)]
        told = [(await process.communicate())[0] for process in started]
    assert told == [b"access-1\n"] * 4
    assert double.refreshes == ["refresh-0"]


async def test_a_real_login_is_renewed_and_ended_at_the_service(site: Site, tmp_path: Path) -> None:
    cache, clock = LoginCache(tmp_path / "state", identity_url=site.identity_url), Clock()
    first = await log_in(cache, site.identity(), email=EMAIL, password=PASSWORD, clock=clock)
    clock.at += timedelta(minutes=15)
    second = await current_login(cache, site.identity(), clock=clock)
    assert second is not None
    assert second.refresh_token != first.refresh_token
    assert await log_out(cache, site.identity()) == (True, True)
    assert await log_out(cache, site.identity()) == (False, False)
    with pytest.raises(NotAllowed):
        await site.identity().refresh(str(second.refresh_token))


@pytest.mark.usefixtures("at_once")
async def test_logging_out_forgets_here_even_if_the_service_is_away(place: Place) -> None:
    place.double.status = 500
    assert await log_out(place.cache, place.identity) == (True, False)
    assert not list((place.folder / "logins").glob("*.json"))
