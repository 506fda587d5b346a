"""The embedded services that administration talks to, over real HTTP, and the command line as a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
from argon2 import PasswordHasher

from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.effects.identity.client import IdentityClient
from eng5_runner.stack.cj.admin import CJAdmin
from eng5_runner.stack.cj.clients import ContentReader
from eng5_runner.stack.content import service as content
from eng5_runner.stack.content.service import ContentService
from eng5_runner.stack.identity import service as identity_service
from eng5_runner.stack.identity.accounts import Accounts
from eng5_runner.stack.identity.service import IdentityService
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.web import served
from eng5_runner.transport.http import Service
from tests.support.runner import Ran, run

EMAIL = "ada@school.example"
PASSWORD = "canary pässword #@%: 9f31"
TEACHER = "teacher@school.example"
SECRET = "a secret that the services of this test share"
SCALE = "eng5_np_legacy_9_step"
# As argon2's own choice, with a hundredth of the work.
CHEAP = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
ESSAY = "An anchor's text has to be long enough to be compared with, and this one is. " * 2


@dataclass
class Time:
    """Seconds that pass when a test says so."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Site:
    """The services, and clients of them."""

    cj_url: str
    identity_url: str
    http: aiohttp.ClientSession
    authority: TokenAuthority
    accounts: Accounts
    time: Time
    folder: Path
    tokens: list[str] = field(default_factory=list)

    def token(self, *roles: str, valid_for: timedelta = timedelta(hours=1)) -> str:
        return self.authority.issue(subject="tester", roles=roles, valid_for=valid_for)

    def identity(self) -> IdentityClient:
        return identity_at(self.http, self.identity_url)

    def administration(self, token: str | None = None) -> CJAdminClient:
        return administration_at(self.http, self.cj_url, token=self.token("admin") if token is None else token)

    async def cli(self, *arguments: object, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
        """Run the command line against the services, its state in the test's folder."""
        urls = {"CJ_SERVICE_URL": self.cj_url, "IDENTITY_SERVICE_URL": self.identity_url}
        return await cli(*arguments, cwd=self.folder, stdin=stdin, env=urls | dict(env or {}))


def identity_at(http: aiohttp.ClientSession, url: str) -> IdentityClient:
    headers = {"Content-Type": "application/json"}
    return IdentityClient(
        Service(session=http, name="Identity Service", url=url, setting="--identity-service-url", headers=headers)
    )


def administration_at(http: aiohttp.ClientSession, url: str, *, token: str = "") -> CJAdminClient:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return CJAdminClient(Service(session=http, name="CJ service", url=url, setting="--cj-service-url", headers=headers))


async def cli(*arguments: object, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    """Run the command line to its end while this process goes on serving."""
    ours = {"ENG5_STATE_DIR": str(cwd / "state"), "ENVIRONMENT": "", "JWT_SECRET_KEY": ""}
    env = ours | dict(env or {})
    return await asyncio.to_thread(run, "admin", *arguments, cwd=cwd, env=env, stdin=stdin)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    """The services with two accounts, an administrator's and a teacher's."""
    authority, time = TokenAuthority(secret=SECRET), Time()
    async with (
        open_store(folder / "data") as store,
        aiohttp.ClientSession() as http,
        served(ContentService(store).application()) as content_url,
    ):
        accounts = Accounts(store, now=time, hasher=CHEAP)
        await accounts.create(EMAIL, password=PASSWORD, roles=("admin", "teacher"))
        await accounts.create(TEACHER, password=PASSWORD, roles=("teacher",))
        contents = ContentReader(http, content_url + content.PATH)
        admin = CJAdmin(store=store, contents=contents, authority=authority)
        identity = IdentityService(accounts=accounts, authority=authority, now=time)
        async with served(admin.application()) as cj_url, served(identity.application()) as identity_url:
            yield Site(
                cj_url=cj_url,
                identity_url=identity_url + identity_service.PATH,
                http=http,
                authority=authority,
                accounts=accounts,
                time=time,
                folder=folder,
            )
