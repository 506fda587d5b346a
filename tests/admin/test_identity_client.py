"""The Identity Service as a client sees it: each refusal's meaning, and no secret in anything that is said."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import jwt
import pytest
from aiohttp import web
from jwt.warnings import InsecureKeyLengthWarning

from eng5_runner.contracts.services import TOKEN_AUDIENCE, TOKEN_ISSUER, TokenPair
from eng5_runner.effects.identity.client import claims_of, development_token
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable, TemporaryFailure
from eng5_runner.transport.http import http_session
from tests.admin.site import EMAIL, PASSWORD, Site, identity_at
from tests.support.servers import closed_port, serving

REFRESH = "canary-refresh-55b1"
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session(connections=4, secret=None) as made:
        yield made


async def test_it_logs_in_refreshes_and_revokes(site: Site) -> None:
    identity = site.identity()
    pair = await identity.login(EMAIL, password=PASSWORD)
    renewed = await identity.refresh(str(pair.refresh_token))
    assert await identity.revoke(str(renewed.refresh_token))
    with pytest.raises(NotAllowed) as caught:
        await identity.refresh(str(renewed.refresh_token))
    assert "admin login" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, NotAllowed) for status in (400, 401, 403, 409, 422, 423)),
        *((status, ConfigurationError) for status in (307, 404, 405)),
        (429, TemporaryFailure),
        *((status, ServiceUnavailable) for status in (500, 502, 503, 599)),
    ],
)
async def test_a_refusal_is_told_at_once_without_the_words_of_a_service_that_repeats_secrets(
    session: aiohttp.ClientSession, status: int, error: type[RunnerError]
) -> None:
    asked = []

    async def repeat(request: web.Request) -> web.StreamResponse:
        said = (await request.read()).decode()
        asked.append(json.loads(said))
        body = {"error": {"error_code": PASSWORD.upper(), "message": said}, "detail": said}
        return web.json_response(body, status=status, reason="Refused")

    async with serving(repeat) as url:
        identity = identity_at(session, url)
        for call in (identity.login(EMAIL, password=PASSWORD), identity.refresh(REFRESH)):
            with pytest.raises(error) as caught:
                await call
            told = "".join(traceback.format_exception(caught.value)) + caught.value.remedy + repr(identity)
            assert str(status) in told or status == 307
            assert "canary" not in told.casefold()
    assert asked == [{"email": EMAIL, "password": PASSWORD}, {"refresh_token": REFRESH}]


async def test_the_contract_s_codes_are_told(session: aiohttp.ClientSession) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"error_code": "EMAIL_NOT_VERIFIED", "message": "m"}}, status=403)

    async with serving(refuse) as url:
        with pytest.raises(NotAllowed, match=r"403 EMAIL_NOT_VERIFIED"):
            await identity_at(session, url).login(EMAIL, password=PASSWORD)


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "<html>",
        '{"access_token": "a b", "expires_in": 900}',
        '{"access_token": "a\\nb", "refresh_token": "r", "expires_in": 900}',
        '{"access_token": "a", "refresh_token": "r", "expires_in": 0}',
        '{"access_token": "a", "refresh_token": "r", "expires_in": 1e300}',
        '{"refresh_token": "canary", "expires_in": 900}',
    ],
)
async def test_an_answer_that_holds_no_tokens_is_told(session: aiohttp.ClientSession, body: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    async with serving(answer) as url:
        with pytest.raises(ServiceUnavailable, match="its answer is not a TokenPair") as caught:
            await identity_at(session, url).login(EMAIL, password=PASSWORD)
    assert "canary" not in caught.value.message


@pytest.mark.usefixtures("at_once")
async def test_nobody_at_the_address_is_told(session: aiohttp.ClientSession) -> None:
    identity = identity_at(session, f"http://127.0.0.1:{await closed_port()}/v1/auth")
    for call in (identity.login(EMAIL, password=PASSWORD), identity.refresh(REFRESH), identity.revoke(REFRESH)):
        with pytest.raises(ServiceUnavailable, match="Connection refused") as caught:
            await call
        assert "canary" not in "".join(traceback.format_exception(caught.value))


async def test_a_service_that_cannot_revoke_is_no_error(session: aiohttp.ClientSession) -> None:
    async def unknown(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    async with serving(unknown) as url:
        assert not await identity_at(session, url).revoke(REFRESH)


def test_tokens_do_not_show_in_the_pair() -> None:
    pair = TokenPair(access_token="canary-a", refresh_token="canary-r", expires_in=900)
    assert "canary" not in f"{pair!r} {pair}"
    assert TokenPair.model_validate_json('{"access_token": "a", "expires_in": "900"}').refresh_token is None


def test_a_development_token_is_what_the_contract_wants_of_an_administrator_s() -> None:
    token = development_token("short", now=NOW)  # as development secrets are; and it warns nobody
    now = NOW.timestamp()
    options = {"verify_exp": False, "verify_iat": False}
    with pytest.warns(InsecureKeyLengthWarning):
        claims = jwt.decode(
            token, "short", algorithms=["HS256"], issuer=TOKEN_ISSUER, audience=TOKEN_AUDIENCE, options=options
        )
    assert (claims["roles"], claims["iat"], claims["exp"]) == (["admin"], now, now + 3600)


def test_a_token_s_claims_are_read_whatever_they_are() -> None:
    def read(**claims: object) -> object:
        return claims_of(jwt.encode(claims, "a key that has thirty-two bytes!", algorithm="HS256"))

    full = claims_of(development_token("a key that has thirty-two bytes!", now=NOW))
    assert full is not None
    assert (full.issuer, full.audience, full.roles) == (TOKEN_ISSUER, (TOKEN_AUDIENCE,), ("admin",))
    assert full.expires_at == NOW + timedelta(hours=1)
    empty = read()
    assert empty == read(roles="admin", aud=7, exp="soon") == read(exp=1e300) == read(roles=[1])
    assert read(aud=["a", "b"], sub="x") != empty
    for other in ("", "opaque", "a.b.c", "a.b.c.d", "é", "eyJhbGciOiJub25lIn0.W10.", f"{'e' * 5000}.x.y"):
        assert claims_of(other) is None
