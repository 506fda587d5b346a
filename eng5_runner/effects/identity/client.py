"""The Identity Service: tokens for credentials; and the claims of a token.

Request bodies hold passwords and refresh tokens, and a broken service may repeat them in its answer. So its error
messages are never shown, and a refused request is not sent again.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from jwt.warnings import InsecureKeyLengthWarning
from pydantic import BaseModel, ConfigDict, ValidationError

from eng5_runner.contracts.base import Lenient
from eng5_runner.contracts.services import (
    ADMIN_ROLE,
    TOKEN_AUDIENCE,
    TOKEN_ISSUER,
    ErrorAnswer,
    LoginBody,
    RefreshBody,
    TokenPair,
)
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, TemporaryFailure
from eng5_runner.transport.http import Response, Service

DEVELOPMENT_SUBJECT = "eng5-runner-development"
_DEVELOPMENT_VALID = timedelta(hours=1)
_EVERY_REFUSAL = frozenset(range(400, 600))
_NOT_THERE = frozenset((404, 405))
_TOO_MANY = 429
_BROKEN = 500
_CODES = frozenset((
    "AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR", "INVALID_CREDENTIALS", "ACCOUNT_LOCKED", "EMAIL_NOT_VERIFIED",
    "RATE_LIMIT", "RESOURCE_NOT_FOUND", "VALIDATION_ERROR", "INTERNAL_ERROR", "EXTERNAL_SERVICE_ERROR", "TIMEOUT",
))  # fmt: skip


class IdentityClient:
    """A client of one Identity Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def url(self) -> str:
        """Its address; the login cache has a file for each."""
        return self._service.url

    async def login(self, email: str, *, password: str) -> TokenPair:
        """Exchange credentials for tokens.

        Raises:
            NotAllowed: it does not accept them.
            TemporaryFailure: too many logins have failed.
            ServiceUnavailable: it cannot be reached or is broken.
            ConfigurationError: something else is at the address.
        """
        answer = await self._post("login", LoginBody(email=email, password=password))
        if answer.status >= 400:  # noqa: PLR2004 - the beginning of refusals
            remedy = "Check the e-mail address and the password; the account needs to be allowed to log in."
            raise self._refused(answer, refusal="does not accept the login", remedy=remedy)
        return self._service.parse(TokenPair, answer)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token for new tokens; the old one may become useless.

        Raises:
            NotAllowed: it does not accept the refresh token, or no longer.
            TemporaryFailure: it asks to try again later.
            ServiceUnavailable: it cannot be reached or is broken.
            ConfigurationError: something else is at the address.
        """
        answer = await self._post("refresh", RefreshBody(refresh_token=refresh_token))
        if answer.status >= 400:  # noqa: PLR2004 - the beginning of refusals
            raise self._refused(
                answer, refusal="does not renew the login", remedy="Log in again: `eng5-runner admin login`."
            )
        return self._service.parse(TokenPair, answer)

    async def revoke(self, refresh_token: str) -> bool:
        """Make a refresh token useless; returns whether the service has done so.

        Raises:
            ServiceUnavailable: it cannot be reached.
            ConfigurationError: something else is at the address.
        """
        answer = await self._post("logout", RefreshBody(refresh_token=refresh_token))
        return answer.status < 300  # noqa: PLR2004 - the end of the success range

    async def _post(self, path: str, body: LoginBody | RefreshBody) -> Response:
        return await self._service.call(
            "POST", f"{self._service.url}/{path}", body=body.model_dump_json().encode(), allow=_EVERY_REFUSAL
        )

    def _refused(self, answer: Response, *, refusal: str, remedy: str) -> RunnerError:
        """The error for a refusal, from its status and its error code."""
        name = f"The {self._service.name} at {self._service.url}"
        code = _code(answer)
        status = f"{answer.status} {code}".strip()
        if answer.status in _NOT_THERE:
            return ConfigurationError(
                f"{name} answered {status}: this is not the address for logins.",
                remedy=f"Set {self._service.setting} to the service's address with its path, …/v1/auth.",
            )
        if answer.status == _TOO_MANY:
            return TemporaryFailure(
                f"{name} answered {status}: too many logins have failed.", remedy="Wait some minutes, then try again."
            )
        if answer.status >= _BROKEN:
            return self._service.unavailable(f"it answered {status}")
        return NotAllowed(f"{name} {refusal} ({status}).", remedy=remedy)


def _code(answer: Response) -> str:
    """The error code, if it is one of the contract; the service's own words stay out."""
    try:
        code = ErrorAnswer.model_validate_json(answer.body, extra="ignore").error.error_code
    except ValidationError:
        return ""
    return code if code in _CODES else ""


class _ClaimsModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sub: Lenient[str] = None
    iss: Lenient[str] = None
    aud: Lenient[str | tuple[str, ...]] = None
    roles: Lenient[tuple[str, ...]] = None
    exp: Lenient[float] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a token, not verified.

    Attributes:
        subject: who the bearer is.
        issuer: who made the token.
        audience: the services that may accept it.
        roles: what the bearer may do.
        expires_at: in UTC; None if there is none, or it is not a date.
    """

    subject: str | None
    issuer: str | None
    audience: tuple[str, ...]
    roles: tuple[str, ...]
    expires_at: datetime | None


def claims_of(token: str) -> Claims | None:
    """The claims of a JWT, not verified; None if it is not a JWT."""
    try:
        decoded = jwt.decode(token, options={"verify_signature": False})
        read = _ClaimsModel.model_validate_json(json.dumps(decoded))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    audience = (read.aud,) if isinstance(read.aud, str) else read.aud or ()
    return Claims(
        subject=read.sub, issuer=read.iss, audience=audience, roles=read.roles or (), expires_at=_instant(read.exp)
    )


def _instant(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def development_token(secret: str, *, now: datetime) -> str:
    """An administrator's token, valid for an hour, for development services that share the secret."""
    claims = {
        "sub": DEVELOPMENT_SUBJECT,
        "iss": TOKEN_ISSUER,
        "aud": TOKEN_AUDIENCE,
        "iat": now,
        "exp": now + _DEVELOPMENT_VALID,
        "roles": [ADMIN_ROLE],
    }
    with warnings.catch_warnings():
        # The secret is the services' own; in development it is often short and protects nothing.
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(claims, secret, algorithm="HS256")
