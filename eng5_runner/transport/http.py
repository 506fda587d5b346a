"""HTTP clients: bounded in time and size, no redirects, retries only where they can help.

The runner and the embedded services share sessions and the reading of error answers. `Service` is the runner's client
of one service; the services call each other with a session of their own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
import stamina
from pydantic import ValidationError

from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.services import ErrorAnswer, Health
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

WireModelT = TypeVar("WireModelT", bound=WireModel)

ANSWER_LIMIT = 1 << 20
ATTEMPTS = 5
RETRY_SECONDS = 45.0
_NO_TIME = 0.001  # 0 would stand for no limit
RETRY_AFTER_LIMIT = 60.0
_WORTH_RETRYING = frozenset((408, 425, 429, 500, 502, 503, 504))
# Of one attempt, in seconds. Waiting for a free connection does not count; the caller's own time limit covers that.
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10, sock_read=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A service's answer, read to its end.

    Attributes:
        status: 200 to 299, or what the caller allowed.
        body: at most `ANSWER_LIMIT` bytes, decompressed.
        date_header: as it came; empty if it did not.
    """

    status: int
    body: bytes
    content_type: str
    date_header: str

    @property
    def date(self) -> datetime | None:
        """The service's clock, in whole seconds; None without a Date header."""
        return _instant(self.date_header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A service that answers.

    Attributes:
        health: the body of its health check; None if the check failed with an allowed status.
        date: its clock, in whole seconds; None without a Date header.
    """

    health: Health | None
    date: datetime | None = None


class _TryAgain(Exception):
    """An answer after which another attempt can help."""

    def __init__(self, message: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service over one session.

    Attributes:
        session: shared by all requests of a run.
        name: for messages.
        url: its address.
        setting: the option or variable that holds `url`, for messages.
        headers: sent with each request; never shown, as they can hold a token.
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
            allow: statuses from 400 on that the caller handles itself.

        Raises:
            ServiceUnavailable: the service cannot be reached, fails, or refuses.
            NotAllowed: 401 or 403.
            ConfigurationError: the service redirects, so the URL is not its own.
        """
        try:
            return await self._tried(method, url, body=body, allow=allow)
        except _TryAgain as error:
            raise self.unavailable(str(error)) from None
        except TimeoutError:
            raise self.unavailable("no answer in time") from None
        except aiohttp.ClientError as error:
            raise self.unavailable(_plain(error)) from None
        except UnicodeError:  # of the codec for internationalised names
            raise self.unavailable("its address holds no host name") from None

    async def _tried(self, method: str, url: str, *, body: bytes | None, allow: frozenset[int]) -> Response:
        """The same, with the errors of the last attempt.

        To prepare for further attempts takes a quarter of an upload's time, so the first one is made without.
        """
        began = time.monotonic()
        try:
            return await self._attempt(method, url, body=body, allow=allow)
        except (_TryAgain, aiohttp.ClientError, TimeoutError) as error:
            failures = [error]
        left = max(RETRY_SECONDS - (time.monotonic() - began), _NO_TIME)
        attempts = stamina.retry_context(
            on=_worth_retrying, attempts=ATTEMPTS, timeout=left, wait_initial=0.2, wait_max=10.0
        )
        async for attempt in attempts:
            with attempt:
                if failures:
                    raise failures.pop()
                return await self._attempt(method, url, body=body, allow=allow)
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
                message = f"{status} {self._reason(content)}".strip()
                raise _TryAgain(message, status=status, retry_after=retry_after(response.headers))
            if status < 300 or status in allow:  # noqa: PLR2004 - the end of the success range
                date = response.headers.get("Date", "")
                return Response(status=status, body=content, content_type=response.content_type, date_header=date)
            raise self._refusal(status, content=content, location=response.headers.get("Location", ""))

    def _refusal(self, status: int, *, content: bytes, location: str) -> RunnerError:
        if status < 400:  # noqa: PLR2004 - redirects
            return ConfigurationError(
                f"The {self.name} at {self.url} redirects to {self._line(location) or 'somewhere'}.",
                remedy=f"Set {self.setting} to the service's own address.",
            )
        message = f"The {self.name} at {self.url} answered {status} {self._reason(content)}".strip()
        if status in (401, 403) and VARIABLE in message:
            return NotAllowed(f"{message}.", remedy=f"Set {VARIABLE} to what `stack up` prints.")
        if status in (401, 403):
            return NotAllowed(
                f"{message}.",
                remedy="Log in (`eng5-runner admin login`), or check HULEEDU_ADMIN_TOKEN. `eng5-runner admin whoami` "
                "shows which token is used.",
            )
        return ServiceUnavailable(f"{message}.", remedy=f"Check {self.setting} and the service's log.")

    def _reason(self, content: bytes) -> str:
        """The reason in an error answer, in brackets."""
        line = self._line(reason_in(content))
        return f"({line})" if line else ""

    def _line(self, text: str) -> str:
        """Foreign text as one short printable line, without our token, which it may repeat."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        safe = text.replace(token, "…") if token else text
        return " ".join("".join(char if char.isprintable() else " " for char in safe).split())[:200]

    def told(self, answer: Response) -> str:
        """The reason in an error answer that the caller has allowed, in brackets."""
        return self._reason(answer.body)

    def unavailable(self, cause: str) -> ServiceUnavailable:
        """The error for a service that cannot be used."""
        return ServiceUnavailable(
            f"The {self.name} at {self.url} cannot be used: {cause}.",
            remedy=f"Check that it is up and that {self.setting} is right.",
        )

    async def alive(self, *, at: str, though: frozenset[int] = frozenset()) -> Alive:
        """Check its health.

        Args:
            at: the address without the API's path.
            though: statuses from 400 on with which it still counts as up.

        Raises:
            ServiceUnavailable: it is not up.
        """
        # A health check needs no token, and the address may be somebody else's.
        headers = {name: value for name, value in self.headers.items() if name != "Authorization"}
        answer = await replace(self, headers=headers).call("GET", f"{at}/healthz", allow=though)
        health = None if answer.status in though else self.parse(Health, answer)
        return Alive(health=health, date=answer.date)

    def parse(self, model: type[WireModelT], answer: Response) -> WireModelT:
        """The answer's body as a wire model.

        Raises:
            ServiceUnavailable: the body does not fit the model.
        """
        try:
            return model.model_validate_json(answer.body, extra="ignore")
        except ValidationError as error:
            raise self.unavailable(f"its answer is not a {model.__name__} ({describe(error)})") from None


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The decompressed body; None if it is too long."""
    length = response.content_length
    if length is not None and length <= ANSWER_LIMIT and "Content-Encoding" not in response.headers:
        return await response.read()
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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for (a number or a date), at most 60; None without a valid header."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_LIMIT)
    when = _instant(value)
    if when is None:
        return None
    return min(max((when - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_LIMIT)


def _instant(value: str) -> datetime | None:
    """The instant of an HTTP date; None for anything else."""
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def reason_in(content: bytes) -> str:
    """The code and the message of an error answer's body; empty if it has neither."""
    try:
        refusal = ErrorAnswer.model_validate_json(content, extra="ignore")
    except ValidationError:
        return _bare_error(content)
    return f"{refusal.error.error_code}: {refusal.error.message}"


def _bare_error(content: bytes) -> str:
    """The CJ service's anchor registration answers `{"error": "…"}`; other bodies are not shown."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, str) else ""


def _plain(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio replaces the system's message by its own; only the system's errors have positive numbers.
        number = error.os_error.errno or 0
        is_systems = number > 0 and not isinstance(error, aiohttp.ClientSSLError)
        return os.strerror(number) if is_systems else error.os_error.strerror or str(error.os_error)
    return " ".join(str(error).split()) or type(error).__name__


@asynccontextmanager
async def http_session(*, connections: int, secret: StackSecret | None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with at most so many connections at the same time, for services that share the secret, if any."""
    # Servers close idle connections after 15 s or more. We close ours first, so that no request meets a closing one.
    connector = aiohttp.TCPConnector(limit=connections, limit_per_host=connections, keepalive_timeout=10)
    headers = secret.http_headers if secret else None
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=_TIMEOUT, trust_env=False
    ) as session:
        yield session
