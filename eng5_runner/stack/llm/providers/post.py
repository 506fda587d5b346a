"""The one HTTP request that all providers need: a JSON object is posted, a JSON answer comes back.

The client libraries of the providers take some ten times the computing time for it, hide whether a request was sent
before it failed, and refuse answers that a judge can use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import aiohttp
import orjson

from eng5_runner.canonical import Json
from eng5_runner.judges.credentials import is_loopback
from eng5_runner.stack.llm.providers.protocol import ProviderError, by_status, cut_off, too_slow, unreachable

_OK, _REDIRECT = 200, 300
_TYPE = "Content-Type"
_CONNECT_SECONDS = 30.0
_LONGEST_ANSWER = 8 << 20
# Servers close a connection that was idle for 5 s or more. Ours is closed first: a request on a connection that is
# just being closed is lost, and nobody knows whether it was read.
_IDLE_SECONDS = 4.0
# No connection was made, so nothing was sent.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


ReadHeaders: TypeAlias = Callable[[Mapping[str, str]], None]


def ignored(_: Mapping[str, str]) -> None:
    """For a client without a rate limiter."""


class JsonPost:
    """A connection pool to one address."""

    def __init__(self, url: str, headers: Mapping[str, str], *, read: ReadHeaders = ignored) -> None:
        """Set it up; the first request opens the first connection.

        Args:
            url: of the requests, the whole address.
            headers: of each request; they can hold a key and are never shown.
            read: is given the headers of each answer to a request, also of an error.
        """
        self._url = url
        self._read = read
        self._headers = {**headers, _TYPE: "application/json", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def send(self, body: Mapping[str, object]) -> Json:
        """The answer to a request; None if it cannot be read as JSON.

        Raises:
            AttemptFailed: there is no answer, or it says that there is an error.
        """
        return await self.exchange("POST", self._url, data=orjson.dumps(body))

    async def look_up(self, url: str) -> Json:
        """The answer to a GET of another address of the same API; for the errors see `send`."""
        return await self.exchange("GET", url, data=None)

    async def exchange(self, method: str, url: str, *, data: bytes | aiohttp.FormData | None) -> Json:
        """The answer to a request to an address of the same API, JSON or a form; for the errors see `send`."""
        # A form says by itself of what type it is.
        headers = {name: each for name, each in self._headers.items() if name != _TYPE or isinstance(data, bytes)}
        with _failures():
            async with self._opened().request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                answer = _read(await _bytes_of(response))
        if method == "POST":
            self._read(response.headers)
        if not _OK <= response.status < _REDIRECT:
            raise by_status(response.status, response.headers, error=ProviderError.of(answer))
        return answer

    async def lines(self, url: str) -> AsyncIterator[Json]:
        """The lines of an answer to a GET, each read as JSON; an unreadable one is None. For the errors see `send`.

        The answer may be long; one line of it may not.
        """
        headers = {name: each for name, each in self._headers.items() if name != _TYPE}
        with _failures():
            async with self._opened().get(url, headers=headers, allow_redirects=False) as response:
                if not _OK <= response.status < _REDIRECT:
                    error = ProviderError.of(_read(await _bytes_of(response)))
                    raise by_status(response.status, response.headers, error=error)
                begun = bytearray()
                async for chunk in response.content.iter_chunked(1 << 16):
                    begun += chunk
                    *whole, rest = bytes(begun).split(b"\n")
                    begun = bytearray(rest)
                    for line in whole:
                        if line.strip():
                            yield _read(line)
                    if len(begun) > _LONGEST_ANSWER:
                        raise cut_off()
                if begun.strip():
                    yield _read(bytes(begun))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # The rate limiter bounds the number of connections, and the time of an attempt.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                trust_env=not is_loopback(self._url),  # proxies, which cannot reach this machine's own addresses
            )
        return self._session


@contextmanager
def _failures() -> Iterator[None]:
    """Raises the errors of a connection as failed attempts."""
    try:
        yield
    except (*_NOT_SENT, UnicodeError):  # the latter from the codec for internationalised names
        raise unreachable() from None
    except TimeoutError:
        raise too_slow() from None
    except (aiohttp.ClientError, OSError):
        raise cut_off() from None


async def _bytes_of(response: aiohttp.ClientResponse) -> bytes:
    """The decompressed body; empty if it is too long to be an answer."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > _LONGEST_ANSWER:
            return b""
    return bytes(content)


def _read(raw: bytes) -> Json:
    try:
        read: Json = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    return read
