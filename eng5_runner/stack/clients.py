"""How the CJ service asks its neighbours, over HTTP as in the field."""

from __future__ import annotations

import asyncio
import io

import aiohttp
from pydantic import ValidationError

from eng5_runner.contracts.services import ComparisonBody, ComparisonQueued, ErrorAnswer, StoredContent

# The provider's queue is bounded: it says when to come again, and a judge that works at all makes room within this.
_FULL_QUEUE_ATTEMPTS = 600
_LONGEST_RETRY_AFTER_SECONDS = 5.0
_CREATED, _OK, _ACCEPTED, _NOT_FOUND, _BAD_REQUEST, _UNAVAILABLE = 201, 200, 202, 404, 400, 503


class NeighbourFailed(Exception):
    """Another service refused, or could not be reached; the message says which and why."""


class ContentMissing(NeighbourFailed):
    """The Content Service does not know an id."""


class ContentClient:
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
    """Comparisons by the LLM Provider Service.

    Attributes:
        url: of the service, with its path `/api/v1`.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(self, comparison: ComparisonBody) -> str:
        """Have a pair judged; gives the queue id. A full queue is waited for.

        Raises:
            NeighbourFailed: the service refused, in its words, or could not be reached.
        """
        for _ in range(_FULL_QUEUE_ATTEMPTS):
            try:
                async with self._session.post(
                    f"{self.url}/comparison",
                    data=comparison.model_dump_json().encode(),
                    headers={"Content-Type": "application/json", "X-Correlation-ID": comparison.correlation_id},
                    allow_redirects=False,
                ) as response:
                    body = await response.read()
                    if response.status == _ACCEPTED:
                        return ComparisonQueued.model_validate_json(body, extra="ignore").queue_id
                    if response.status != _UNAVAILABLE:
                        raise NeighbourFailed(f"LLM provider refused: {_told(response.status, body)}")
                    pause = _seconds(response.headers.get("Retry-After"))
            except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
                raise NeighbourFailed(f"LLM provider: {error!r}") from error
            await asyncio.sleep(pause)
        raise NeighbourFailed("LLM provider: its queue stayed full")


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
