"""HTTP as the runner uses it: bounded in time and size, no redirects, retries only where they can help."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
import stamina
from pydantic import ValidationError

from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.services import ErrorAnswer, Health
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable

WireModelT = TypeVar("WireModelT", bound=WireModel)

ANSWER_LIMIT = 1 << 20
ATTEMPTS = 5
RETRY_SECONDS = 45.0
RETRY_AFTER_LIMIT = 60.0
_WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
# Of one attempt, in seconds; `total` does not count waiting for a place, which the caller's own limit does.
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10, sock_read=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A service's answer, read to its end.

    Attributes:
        status: 200 to 299, or what the caller allowed.
        body: at most `ANSWER_LIMIT` bytes, decompressed.
        date: the service's clock, in whole seconds; None if it does not tell.
    """

    status: int
    body: bytes
    content_type: str
    date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A service that answers.

    Attributes:
        health: what it says of itself; None where it says that it is not well.
        date: its clock, in whole seconds; None if it does not tell.
    """

    health: Health | None
    date: datetime | None = None


class _TryAgain(Exception):
    """An answer that another attempt may better."""

    def __init__(self, told: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(told)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service over one session.

    Attributes:
        session: shared by a run's requests to it.
        name: for people.
        url: where it is.
        setting: which option or variable holds `url`.
        headers: sent each time; may hold a token, so it is never shown.
    """

    session: aiohttp.ClientSession
    name: str
    url: str
    setting: str
    headers: Mapping[str, str] = field(repr=False)

    async def call(
        self, method: str, url: str, *, body: bytes | None = None, allow: frozenset[int] = frozenset()
    ) -> Response:
        """One request, tried up to five times within 45 s where that can help.

        Args:
            method: such as `POST`.
            url: absolute.
            body: raw bytes.
            allow: statuses from 400 on that the caller deals with itself.

        Raises:
            ServiceUnavailable: it cannot be reached, is broken, or refuses.
            NotAllowed: 401 or 403.
            ConfigurationError: it redirects, so the URL is not the service's.
        """
        attempts = stamina.retry_context(
            on=_worth_retrying, attempts=ATTEMPTS, timeout=RETRY_SECONDS, wait_initial=0.2, wait_max=10.0
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return await self._attempt(method, url, body=body, allow=allow)
        except _TryAgain as error:
            raise self.unavailable(str(error)) from None
        except TimeoutError:
            raise self.unavailable("no answer in time") from None
        except aiohttp.ClientError as error:
            raise self.unavailable(_plain(error)) from None
        except UnicodeError:  # of the codec for internationalised names
            raise self.unavailable("its address holds no host name") from None
        raise AssertionError("an attempt returns or raises")

    async def _attempt(self, method: str, url: str, *, body: bytes | None, allow: frozenset[int]) -> Response:
        async with self.session.request(
            method, url, data=body, headers=self.headers, timeout=_TIMEOUT, allow_redirects=False
        ) as response:
            content = await _read_bounded(response)
            if content is None:
                raise self.unavailable(f"its answer is longer than {ANSWER_LIMIT} bytes")
            status = response.status
            if status in _WORTH_RETRYING and status not in allow:
                told = f"{status} {self._reason(content)}".strip()
                raise _TryAgain(told, status=status, retry_after=_retry_after(response.headers))
            if status < 300 or status in allow:  # noqa: PLR2004 - the end of the success range
                date = _instant(response.headers.get("Date", ""))
                return Response(status=status, body=content, content_type=response.content_type, date=date)
            raise self._refusal(status, content=content, location=response.headers.get("Location", ""))

    def _refusal(self, status: int, *, content: bytes, location: str) -> RunnerError:
        if status < 400:  # noqa: PLR2004 - redirects
            return ConfigurationError(
                f"The {self.name} at {self.url} redirects to {self._line(location) or 'somewhere'}.",
                remedy=f"Set {self.setting} to the service's own address.",
            )
        told = f"The {self.name} at {self.url} answered {status} {self._reason(content)}".strip()
        if status in (401, 403):
            return NotAllowed(
                f"{told}.",
                remedy="`eng5-runner admin login`, or check HULEEDU_ADMIN_TOKEN; `admin whoami` tells which.",
            )
        return ServiceUnavailable(f"{told}.", remedy=f"Check {self.setting} and the service's log.")

    def _reason(self, content: bytes) -> str:
        """What a refusal says, in brackets."""
        line = self._line(_told(content))
        return f"({line})" if line else ""

    def _line(self, told: str) -> str:
        """A stranger's words as one short printable line, without the token that they may repeat."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        safe = told.replace(token, "…") if token else told
        return " ".join("".join(char if char.isprintable() else " " for char in safe).split())[:200]

    def told(self, answer: Response) -> str:
        """What an answer that the caller has allowed says is wrong, in brackets."""
        return self._reason(answer.body)

    def unavailable(self, cause: str) -> ServiceUnavailable:
        """The error for a service that cannot be used."""
        return ServiceUnavailable(
            f"The {self.name} at {self.url} cannot be used: {cause}.",
            remedy=f"Check that it is up and that {self.setting} is right, then resume.",
        )

    async def alive(self, *, at: str, though: frozenset[int] = frozenset()) -> Alive:
        """Ask whether it is up.

        Args:
            at: the address without the API's path.
            though: statuses from 400 on with which it counts as up.

        Raises:
            ServiceUnavailable: it is not.
        """
        answer = await self.call("GET", f"{at}/healthz", allow=though)
        health = None if answer.status in though else self.parse(Health, answer)
        return Alive(health=health, date=answer.date)

    def parse(self, model: type[WireModelT], answer: Response) -> WireModelT:
        """The answer's body as a wire model.

        Raises:
            ServiceUnavailable: it is not one.
        """
        try:
            return model.model_validate_json(answer.body, extra="ignore")
        except ValidationError as error:
            raise self.unavailable(f"its answer is not a {model.__name__} ({describe(error)})") from None


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The decompressed body, or None if it is too long."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > ANSWER_LIMIT:
            return None
    return bytes(content)


def _worth_retrying(error: Exception) -> bool | float:
    if isinstance(error, _TryAgain):
        return error.retry_after or True
    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | TimeoutError)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either form of the header, at most a minute."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_LIMIT)
    when = _instant(value)
    if when is None:
        return None
    return min(max((when - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_LIMIT)


def _instant(value: str) -> datetime | None:
    """What an HTTP date means; None for anything else."""
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _told(content: bytes) -> str:
    """What a refusal says."""
    try:
        refusal = ErrorAnswer.model_validate_json(content, extra="ignore")
    except ValidationError:
        return _bare_error(content)
    return f"{refusal.error.error_code}: {refusal.error.message}"


def _bare_error(content: bytes) -> str:
    """CJ's anchor registration answers `{"error": "…"}`; anything else is not worth showing."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    told = found.get("error") if isinstance(found, dict) else None
    return told if isinstance(told, str) else ""


def _plain(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio puts its own words in the place of the system's; only the system's errors have positive numbers.
        number = error.os_error.errno or 0
        system_s_own = number > 0 and not isinstance(error, aiohttp.ClientSSLError)
        return os.strerror(number) if system_s_own else error.os_error.strerror or str(error.os_error)
    return " ".join(str(error).split()) or type(error).__name__


@asynccontextmanager
async def http_session(*, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with at most so many connections, for one run."""
    # Servers close idle connections after 15 s or more; ours go first, so no request meets a closing one.
    connector = aiohttp.TCPConnector(limit=connections, limit_per_host=connections, keepalive_timeout=10)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        yield session
