"""The embedded Identity Service over HTTP: who gets tokens, for how long, and how often one may be wrong."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from eng5_runner.contracts.services import AnchorListing, ErrorAnswer, TokenPair
from eng5_runner.effects.identity.client import claims_of
from eng5_runner.stack.identity.accounts import FIRST_ADMIN_EMAIL, GRACE_SECONDS, REFRESH_TOKEN_SECONDS, Accounts
from eng5_runner.stack.identity.service import FAILURES, FAILURES_SECONDS, FailedLogins, Lines
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.store import FILE_NAME, open_store
from eng5_runner.stack.platform.web import RequestRefused
from tests.admin.site import EMAIL, PASSWORD, TEACHER, Site, Time


async def post(site: Site, path: str, body: Any) -> tuple[int, bytes, aiohttp.ClientResponse]:
    headers = {"X-Correlation-ID": "c-7"}
    async with site.http.post(f"{site.identity_url}/{path}", json=body, headers=headers) as response:
        assert response.headers["X-Correlation-ID"] == "c-7"
        return response.status, await response.read(), response


async def login(site: Site, email: str = EMAIL, password: str = PASSWORD) -> TokenPair:
    status, body, _ = await post(site, "login", {"email": email, "password": password})
    assert status == 200, body
    return TokenPair.model_validate_json(body)


async def refresh(site: Site, token: str | None) -> TokenPair | None:
    status, body, _ = await post(site, "refresh", {"refresh_token": token})
    assert status in (200, 401)
    return TokenPair.model_validate_json(body) if status == 200 else None


def code(body: bytes) -> str:
    error = ErrorAnswer.model_validate_json(body, extra="ignore").error
    assert (error.correlation_id, error.service) == ("c-7", "identity_service")
    return error.error_code


async def anchors(site: Site, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with site.http.get(f"{site.cj_url}/admin/v1/anchors/assignment/a1", headers=headers) as response:
        if response.status == 200:
            AnchorListing.model_validate_json(await response.read())
        return response.status


async def test_a_login_s_token_opens_the_admin_side_for_administrators_only(site: Site) -> None:
    admin, teacher = await login(site), await login(site, TEACHER)

    assert admin.expires_in == 900
    claims = claims_of(admin.access_token)
    assert claims is not None
    assert (claims.subject, claims.roles) == (EMAIL, ("admin", "teacher"))
    # 404: let in, and the assignment is unknown.
    tokens = (admin.access_token, teacher.access_token, str(admin.refresh_token), "")
    assert [await anchors(site, token) for token in tokens] == [404, 403, 401, 401]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "unknown", 404), ("DELETE", "judge-rubrics", 405)])
async def test_roles_are_checked_before_anything_else_on_the_admin_side(
    site: Site, method: str, path: str, status: int
) -> None:
    found = []
    for token in ("", site.token("teacher"), site.token("admin")):
        headers = {"Authorization": f"Bearer {token}"}
        async with site.http.request(method, f"{site.cj_url}/admin/v1/{path}", headers=headers) as response:
            found.append(response.status)
            assert ErrorAnswer.model_validate_json(await response.read(), extra="ignore").error.service
    assert found == [401, 403, status]


async def test_the_address_may_be_written_otherwise(site: Site) -> None:
    assert await login(site, f"  {EMAIL.upper()} ")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"email": EMAIL, "password": "wrong"}, 401, "AUTHENTICATION_ERROR"),
        ({"email": "nobody@school.example", "password": PASSWORD}, 401, "AUTHENTICATION_ERROR"),
        ({"email": EMAIL, "password": PASSWORD + " "}, 401, "AUTHENTICATION_ERROR"),
        ({"email": EMAIL}, 400, "VALIDATION_ERROR"),
        ({"email": "", "password": ""}, 400, "VALIDATION_ERROR"),
        ({"email": EMAIL, "password": "x" * 1025}, 400, "VALIDATION_ERROR"),
        ([PASSWORD], 400, "VALIDATION_ERROR"),
        ({"email": EMAIL, "password": "x" * 20_000}, 413, "VALIDATION_ERROR"),
    ],
)
async def test_other_credentials_are_refused_in_the_contract_s_shape(
    site: Site, body: Any, status: int, error: str
) -> None:
    found, answer, _ = await post(site, "login", body)

    assert (found, code(answer)) == (status, error)
    assert PASSWORD.encode() not in answer
    assert b"canary" not in answer


async def test_there_is_nothing_else_at_the_address(site: Site) -> None:
    status, body, _ = await post(site, "register", {})
    assert (status, code(body)) == (404, "RESOURCE_NOT_FOUND")
    async with site.http.get(site.identity_url.removesuffix("/v1/auth") + "/healthz") as response:
        assert (await response.json())["status"] == "healthy"


async def test_a_refresh_token_is_good_once_and_its_successor_too(site: Site) -> None:
    first = await login(site)

    second = await refresh(site, first.refresh_token)
    assert second is not None
    third = await refresh(site, second.refresh_token)
    assert third is not None
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert await anchors(site, third.access_token) == 404


async def test_an_answer_that_was_lost_may_be_asked_for_again_shortly_afterwards(site: Site) -> None:
    first = await login(site)
    assert await refresh(site, first.refresh_token)
    site.time.seconds += GRACE_SECONDS

    again = await refresh(site, first.refresh_token)

    assert again is not None
    assert await refresh(site, again.refresh_token)


async def test_a_spent_refresh_token_that_comes_later_ends_everything_from_the_same_login(site: Site) -> None:
    first, other = await login(site), await login(site)
    second = await refresh(site, first.refresh_token)
    assert second is not None
    site.time.seconds += GRACE_SECONDS + 1

    assert await refresh(site, first.refresh_token) is None
    assert await refresh(site, second.refresh_token) is None
    assert await refresh(site, other.refresh_token)


async def test_a_refresh_token_ends_after_a_week_and_at_logout(site: Site) -> None:
    old = await login(site)
    site.time.seconds += REFRESH_TOKEN_SECONDS
    assert await refresh(site, old.refresh_token) is None

    first = await login(site)
    second = await refresh(site, first.refresh_token)
    assert second is not None
    status, _, _ = await post(site, "logout", {"refresh_token": first.refresh_token})
    assert status == 200
    assert await refresh(site, second.refresh_token) is None
    assert (await post(site, "logout", {"refresh_token": "unknown"}))[0] == 200


async def test_after_too_many_failures_even_the_right_password_waits_and_other_accounts_do_not(site: Site) -> None:
    for email in (EMAIL, "nobody@school.example"):
        tries = [await post(site, "login", {"email": email, "password": "wrong"}) for _ in range(FAILURES + 1)]
        assert [status for status, _, _ in tries] == [401] * FAILURES + [429]
        _, body, response = tries[-1]
        assert (code(body), int(response.headers["Retry-After"])) == ("RATE_LIMIT", FAILURES_SECONDS)

    assert (await post(site, "login", {"email": EMAIL, "password": PASSWORD}))[0] == 429
    assert await login(site, TEACHER)
    site.time.seconds += FAILURES_SECONDS
    assert await login(site)


async def test_many_guesses_at_once_are_no_more_than_the_limit(site: Site) -> None:
    guesses = [post(site, "login", {"email": EMAIL, "password": f"guess {n}"}) for n in range(30)]
    statuses = [status for status, _, _ in await asyncio.gather(*guesses)]
    assert (statuses.count(401), statuses.count(429)) == (FAILURES, 30 - FAILURES)


def test_the_watch_over_accounts_forgets_the_oldest_of_too_many_and_the_successful() -> None:
    now = Time()
    failed = FailedLogins(now)
    for _ in range(FAILURES):
        assert failed.begin("first", "a") == 0
    assert failed.begin("first", "a") == FAILURES_SECONDS
    assert failed.begin("first", "b") == 0
    failed.succeeded("first", "a")
    assert failed.begin("first", "a") == 0
    for number in range(10_000):
        failed.begin(f"stranger {number}", "a")
    assert len(failed._failures) == 10_000
    assert ("first", "a") not in failed._failures


async def test_a_locked_account_lets_the_right_password_in_from_another_address(site: Site) -> None:
    for _ in range(FAILURES):
        await post(site, "login", {"email": EMAIL, "password": "wrong"})
    assert (await post(site, "login", {"email": EMAIL, "password": PASSWORD}))[0] == 429
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as elsewhere:
        assert await login(replace(site, http=elsewhere))


async def test_a_flood_from_one_address_takes_one_turn_at_a_time_and_leaves_others_theirs() -> None:
    lines, may_end, checked = Lines(longest=3), asyncio.Event(), list[str]()

    async def log_in(address: str) -> None:
        async with lines.turn(address):
            checked.append(address)
            await may_end.wait()

    async with asyncio.TaskGroup() as tasks:
        for address in ("flood", "flood", "flood", "other"):
            tasks.create_task(log_in(address))
        await asyncio.sleep(0)
        assert checked == ["flood", "other"]
        with pytest.raises(RequestRefused) as refused:
            await log_in("flood")
        assert refused.value.status == 429
        may_end.set()
    assert sorted(checked) == ["flood", "flood", "flood", "other"]
    assert not lines._lines


async def test_an_unknown_account_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    """Measured at the place that decides, in turn and as this process's own time: others are at work as well."""
    hasher = PasswordHasher(time_cost=3, memory_cost=16 * 1024, parallelism=1)
    async with open_store(tmp_path) as store:
        accounts = Accounts(store, hasher=hasher)
        await accounts.create(EMAIL, password=PASSWORD, roles=())

        least = {EMAIL: math.inf, "nobody@school.example": math.inf}
        for email in 6 * list(least):
            began = time.process_time()
            assert await accounts.authenticate(email, password="wrong") is None
            least[email] = min(least[email], time.process_time() - began)
    known, unknown = least.values()
    assert 0.4 < unknown / known < 2.5


async def test_only_hashes_are_on_the_disk(site: Site) -> None:
    pair = await login(site)

    with closing(sqlite3.connect(site.folder / "data" / FILE_NAME)) as database:
        hashes = [row[0] for row in database.execute("SELECT password_hash FROM identity_accounts")]
    files = b"".join(path.read_bytes() for path in (site.folder / "data").iterdir())
    assert {extract_parameters(one).type for one in hashes} == {Type.ID}
    assert len(set(hashes)) == 2
    for secret in (PASSWORD, str(pair.refresh_token), pair.access_token):
        assert secret.encode() not in files


async def test_the_first_start_makes_an_administrator_and_no_later_one_does(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        made = [await Accounts(store).create_first_admin() for _ in range(2)]
    async with open_store(tmp_path) as store:
        made.append(await Accounts(store).create_first_admin())
        first = made[0]
        assert first is not None
        assert made[1:] == [None, None]
        account = await Accounts(store).authenticate(first.email, password=first.password)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        ((kept,),) = database.execute("SELECT password_hash FROM identity_accounts").fetchall()

    assert extract_parameters(kept).memory_cost == 65536
    assert account is not None
    assert (account.email, account.roles) == (FIRST_ADMIN_EMAIL, ("admin",))
    assert first.password not in repr(first)
    assert len(first.password) >= 24


def test_authorities_that_share_a_secret_know_each_other_s_tokens() -> None:
    token = TokenAuthority(secret="shared " * 8).issue(subject="x", roles=("admin",), valid_for=timedelta(hours=1))
    assert TokenAuthority(secret="shared " * 8).roles(token) == ("admin",)
