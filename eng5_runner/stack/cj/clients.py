"""How the CJ service asks its neighbours, over HTTP as in the field."""

from __future__ import annotations

import asyncio
import io

import aiohttp
from pydantic import ValidationError

from eng5_runner.contracts.services import ComparisonBody, ComparisonQueued, ErrorAnswer, ModelManifest, StoredContent

HTTP_TIMES = aiohttp.ClientTimeout(total=60, connect=10)
# The provider's queue is bounded: it says when to come again, and a judge that works at all makes room within this.
_FULL_QUEUE_ATTEMPTS = 600
_LONGEST_RETRY_AFTER_SECONDS = 5.0
# A worker that is started anew is back within this.
_AWAY_SECONDS = 30.0
_AWAY_PAUSE_SECONDS = 0.5
_LEFT_ALONE_SECONDS = 2.0
_CREATED, _OK, _ACCEPTED, _NOT_FOUND, _BAD_REQUEST, _UNAVAILABLE = 201, 200, 202, 404, 400, 503


class NeighbourFailed(Exception):
    """Another service refused, or could not be reached; the message says which and why."""


class ContentMissing(NeighbourFailed):
    """The Content Service does not know an id."""


class ContentReader:
    """Texts of the Content Service.

    Attributes:
        url: of the service, with its path `/v1/content`.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def text(self, storage_id: str) -> str:
        """The text of an id.

        Raises:
            ContentMissing: the id is unknown or cannot be one.
            NeighbourFailed: the service failed, or the bytes are not UTF-8 text.
        """
        try:
            async with self._session.get(f"{self.url}/{storage_id}", allow_redirects=False) as response:
                if response.status in (_NOT_FOUND, _BAD_REQUEST):
                    raise ContentMissing(storage_id)
                if response.status != _OK:
                    raise NeighbourFailed(f"Content Service: HTTP {response.status} for storage id {storage_id}")
                return (await response.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NeighbourFailed(f"storage id {storage_id} is not UTF-8 text") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NeighbourFailed(f"Content Service: {error!r}") from error

    async def store(self, text: str) -> str:
        """Keep a text; gives its storage id.

        Raises:
            NeighbourFailed: the service did not take it.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        try:
            async with self._session.post(
                self.url, data=io.BytesIO(text.encode()), headers=headers, allow_redirects=False
            ) as response:
                body = await response.read()
                if response.status != _CREATED:
                    raise NeighbourFailed(f"Content Service: {_told(response.status, body)}")
                return StoredContent.model_validate_json(body, extra="ignore").storage_id
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            raise NeighbourFailed(f"Content Service: {error!r}") from error


class LLMProviderClient:
    """Comparisons by the LLM Provider Service, which may have several workers at addresses of their own.

    Attributes:
        urls: of the workers, with their path `/api/v1`.
    """

    def __init__(self, session: aiohttp.ClientSession, *urls: str) -> None:
        self._session = session
        self.urls = urls
        self._asked = 0
        self._left_alone_until = dict.fromkeys(urls, 0.0)

    async def ask(self, comparison: ComparisonBody) -> str:
        """Have a pair judged; gives the queue id. A full queue is waited for.

        A worker that cannot be reached is left alone for a moment and the others are asked: asking again with the same
        correlation id changes nothing.

        Raises:
            NeighbourFailed: the service refused, in its words, or no worker could be reached for half a minute.
        """
        clock = asyncio.get_running_loop().time
        reached = clock()
        for _ in range(_FULL_QUEUE_ATTEMPTS):
            url = self._next(clock())
            try:
                answered = await self._ask_one(url, comparison)
            except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
                if clock() - reached > _AWAY_SECONDS:
                    raise NeighbourFailed(f"LLM provider: {error!r}") from error
                self._left_alone_until[url] = clock() + _LEFT_ALONE_SECONDS
                answered = 0.0 if self._reachable(clock()) else _AWAY_PAUSE_SECONDS
            else:
                reached = clock()
            if isinstance(answered, str):
                return answered
            await asyncio.sleep(answered)
        raise NeighbourFailed("LLM provider: its queue stayed full")

    async def models(self) -> ModelManifest:
        """The models that it can ask, with their prices.

        Raises:
            NeighbourFailed: the service does not say.
        """
        now = asyncio.get_running_loop().time()
        url = self._next(now)
        try:
            async with self._session.get(f"{url}/models", allow_redirects=False) as response:
                body = await response.read()
                if response.status != _OK:
                    raise NeighbourFailed(f"LLM provider: {_told(response.status, body)}")
                return ModelManifest.model_validate_json(body, extra="ignore")
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            raise NeighbourFailed(f"LLM provider: {error!r}") from error

    def _next(self, now: float) -> str:
        """The workers in turn."""
        self._asked += 1
        urls = self._reachable(now) or self.urls
        return urls[self._asked % len(urls)]

    def _reachable(self, now: float) -> tuple[str, ...]:
        return tuple(url for url in self.urls if self._left_alone_until[url] <= now)

    async def _ask_one(self, url: str, comparison: ComparisonBody) -> str | float:
        """The queue id, or in how many seconds it may be asked again."""
        async with self._session.post(
            f"{url}/comparison",
            data=comparison.model_dump_json().encode(),
            headers={"Content-Type": "application/json", "X-Correlation-ID": comparison.correlation_id},
            allow_redirects=False,
        ) as response:
            body = await response.read()
            if response.status == _ACCEPTED:
                return ComparisonQueued.model_validate_json(body, extra="ignore").queue_id
            if response.status != _UNAVAILABLE:
                raise NeighbourFailed(f"LLM provider refused: {_told(response.status, body)}")
            return _seconds(response.headers.get("Retry-After"))


def _seconds(retry_after: str | None) -> float:
    """What the service asks for, between nothing and 5 s; 1 s when it does not say it in seconds."""
    wanted = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
    return min(wanted, _LONGEST_RETRY_AFTER_SECONDS)


def _told(status: int, body: bytes) -> str:
    """The neighbour's own message, without anything that it may have copied from a text."""
    try:
        error = ErrorAnswer.model_validate_json(body, extra="ignore").error
    except ValidationError:
        return f"HTTP {status}"
    return f"{error.message} ({error.error_code})"
