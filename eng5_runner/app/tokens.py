"""Who the user is to the services: logging in and out, and which token is used.

The token for the CJ service's admin routes is the first of: the variable HULEEDU_SERVICE_ACCOUNT_TOKEN, the variable
HULEEDU_ADMIN_TOKEN, the login in the cache, and, if ENVIRONMENT is development, one made here with JWT_SECRET_KEY.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import aiohttp
import platformdirs
from pydantic import TypeAdapter, ValidationError

from eng5_runner.app.addresses import IDENTITY_DEFAULT
from eng5_runner.contracts.services import ADMIN_ROLE, TOKEN_AUDIENCE, TOKEN_ISSUER, TokenText
from eng5_runner.effects.clock import SystemClock, new_run_id
from eng5_runner.effects.identity.client import Claims, IdentityClient, development_token
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.effects.identity.session import current_login, log_in, log_out
from eng5_runner.errors import ConfigurationError, NotAllowed
from eng5_runner.transport.http import Service, http_session
from eng5_runner.transport.stack_secret import StackSecret

_SECRET = "JWT_SECRET_KEY"  # noqa: S105 - the variable's name

Source: TypeAlias = Literal["HULEEDU_SERVICE_ACCOUNT_TOKEN", "HULEEDU_ADMIN_TOKEN", "login_cache", "development"]
VARIABLES: tuple[Source, ...] = ("HULEEDU_SERVICE_ACCOUNT_TOKEN", "HULEEDU_ADMIN_TOKEN")
SOURCES: Mapping[Source, str] = MappingProxyType({
    "HULEEDU_SERVICE_ACCOUNT_TOKEN": "the variable HULEEDU_SERVICE_ACCOUNT_TOKEN",
    "HULEEDU_ADMIN_TOKEN": "the variable HULEEDU_ADMIN_TOKEN",
    "login_cache": "the login cache",
    "development": "made here with JWT_SECRET_KEY, for development only",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token.

    Attributes:
        value: never shown.
        source: where it comes from, a key of `SOURCES`.
    """

    value: str = field(repr=False)
    source: Source


async def admin_token(
    environment: Mapping[str, str], *, identity_url: str | None = None, announce: Callable[[str], None]
) -> Token | None:
    """The token for the CJ service's admin routes, or None if there is none.

    Args:
        environment: the process's variables.
        identity_url: the Identity Service whose login is used; None for `IDENTITY_SERVICE_URL` or the default.
        announce: called with a sentence when a token is made here.

    Raises:
        NotAllowed: the login has expired and cannot be renewed.
        ServiceUnavailable: the login has expired and the Identity Service cannot be used.
        ConfigurationError: a variable holds something that is not a token, or others can read the login cache.
        RunnerError: the login cache cannot be used.
    """
    for name in VARIABLES:
        if given := environment.get(name, "").strip():
            return Token(value=_fit_for_a_header(given, name=name), source=name)
    url = identity_url or environment.get("IDENTITY_SERVICE_URL") or IDENTITY_DEFAULT
    if (login := await _current_login(environment, url.rstrip("/"))) is not None:
        return Token(value=login.access_token, source="login_cache")
    secret = environment.get(_SECRET)
    if secret and is_development(environment):
        announce("using a token made here with JWT_SECRET_KEY, because ENVIRONMENT is development")
        return Token(value=development_token(secret, now=SystemClock().now()), source="development")
    return None


async def _current_login(environment: Mapping[str, str], url: str) -> Login | None:
    cache = LoginCache(state_folder(environment), identity_url=url)
    if cache.read() is None:
        return None
    async with http_session(connections=1, secret=StackSecret.of(environment)) as session:
        return await current_login(cache, _identity(session, url), clock=SystemClock())


async def log_in_at(url: str, environment: Mapping[str, str], *, email: str, password: str) -> Login:
    """Log in at the Identity Service at `url`, and keep the login.

    Raises:
        RunnerError: see `log_in`.
    """
    cache = LoginCache(state_folder(environment), identity_url=url)
    async with http_session(connections=1, secret=StackSecret.of(environment)) as session:
        return await log_in(cache, _identity(session, url), email=email, password=password, clock=SystemClock())


async def log_out_at(url: str, environment: Mapping[str, str]) -> tuple[bool, bool]:
    """Forget the login at the Identity Service at `url`, here and there.

    Returns:
        Whether there was a login, and whether the service has revoked it.

    Raises:
        RunnerError: the login cache cannot be used.
    """
    cache = LoginCache(state_folder(environment), identity_url=url)
    async with http_session(connections=1, secret=StackSecret.of(environment)) as session:
        return await log_out(cache, _identity(session, url))


def _identity(session: aiohttp.ClientSession, url: str) -> IdentityClient:
    headers = {"Content-Type": "application/json", "X-Correlation-ID": str(new_run_id())}
    service = Service(
        session=session, name="Identity Service", url=url, setting="--identity-service-url", headers=headers
    )
    return IdentityClient(service)


def no_token(environment: Mapping[str, str]) -> NotAllowed:
    """The error if a token is needed and there is none."""
    unused = environment.get(_SECRET) and not is_development(environment)
    return NotAllowed(
        "There is no token for the CJ service's admin routes.",
        remedy="Log in (`eng5-runner admin login`), or set HULEEDU_ADMIN_TOKEN or HULEEDU_SERVICE_ACCOUNT_TOKEN."
        + (" JWT_SECRET_KEY is used only if ENVIRONMENT is development." if unused else ""),
    )


def is_development(environment: Mapping[str, str]) -> bool:
    """Whether tokens may be made here."""
    return environment.get("ENVIRONMENT", "").strip().lower() == "development"


def state_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the login cache."""
    return Path(environment.get("ENG5_STATE_DIR") or platformdirs.user_state_path("eng5-runner"))


def _fit_for_a_header(token: str, *, name: str) -> str:
    try:
        return TypeAdapter(TokenText).validate_python(token)
    except ValidationError:
        raise ConfigurationError(
            f"{name} does not hold a token: it has spaces or other characters that a token cannot have.",
            remedy=f"Set {name} to the token alone, without `Bearer`.",
        ) from None


def doubts(claims: Claims) -> list[str]:
    """Why the CJ service's admin routes will probably reject the token."""
    reasons = []
    if claims.expires_at is not None and claims.expires_at <= datetime.now(UTC):
        reasons.append("it has expired")
    if ADMIN_ROLE not in claims.roles:
        reasons.append(f"it does not have the role {ADMIN_ROLE}")
    if claims.issuer != TOKEN_ISSUER:
        reasons.append(f"its issuer is not {TOKEN_ISSUER}")
    if TOKEN_AUDIENCE not in claims.audience:
        reasons.append(f"it is not for {TOKEN_AUDIENCE}")
    return reasons
