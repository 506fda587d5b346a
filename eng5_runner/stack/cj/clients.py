"""The CJ service's HTTP clients of the Content Service and the LLM Provider Service."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from itertools import accumulate
from typing import assert_never

import aiohttp
from pydantic import ValidationError

from eng5_runner.contracts.services import (
    CANCELLED_AT_ONCE,
    CancelComparisons,
    ComparisonBody,
    ComparisonQueued,
    ComparisonRefused,
    ComparisonsCancelled,
    ModelManifest,
    SeveralQueued,
    StoredContent,
)
from eng5_runner.errors import DiskError
from eng5_runner.transport.http import reason_in, retry_after

# PromptBuilder on their way to the LLM provider, texts from the Content Service.
CONNECTIONS = 100
# The provider's queue is bounded. When it is full, a working judge makes room within this number of attempts.
_FULL_QUEUE_ATTEMPTS = 600
_USUAL_RETRY_AFTER_SECONDS, _LONGEST_RETRY_AFTER_SECONDS = 1.0, 5.0
# A worker that restarts is back within this time.
_AWAY_SECONDS = 30.0
_AWAY_PAUSE_SECONDS = 0.5
_SKIPPED_SECONDS = 2.0
_CREATED, _OK, _ACCEPTED, _NOT_FOUND, _BAD_REQUEST, _UNAVAILABLE = 201, 200, 202, 404, 400, 503
_INSUFFICIENT_STORAGE = 507
# Below the largest body that the service takes, also if one comparison alone is large.
_LARGEST_GROUP_BYTES = 4 << 20
_JSON = "application/json"


class NeighbourFailed(Exception):
    """Another service refused, or could not be reached; the message names it and the cause."""


class ContentMissing(NeighbourFailed):
    """The Content Service does not know an id."""


class ContentReader:
    """Reads and writes texts of the Content Service.

    Attributes:
        url: of the service, with its path `/v1/content`.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def text(self, storage_id: str) -> str:
        """The text of an id.

        Raises:
            ContentMissing: the id is unknown or malformed.
            DiskError: the service's disk is full.
            NeighbourFailed: the service failed, or the bytes are not UTF-8 text.
        """
        try:
            async with self._session.get(f"{self.url}/{storage_id}", allow_redirects=False) as response:
                if response.status in (_NOT_FOUND, _BAD_REQUEST):
                    raise ContentMissing(storage_id)
                await _check_disk(response)
                if response.status != _OK:
                    raise NeighbourFailed(f"Content Service: HTTP {response.status} for storage id {storage_id}")
                return (await response.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NeighbourFailed(f"storage id {storage_id} is not UTF-8 text") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NeighbourFailed(f"Content Service: {error!r}") from error

    async def knows(self, storage_id: str) -> bool:
        """Whether the service has a text with this id.

        Raises:
            NeighbourFailed: the service failed, or cannot be reached.
        """
        try:
            async with self._session.get(f"{self.url}/{storage_id}", allow_redirects=False) as response:
                if response.status not in (_OK, _NOT_FOUND, _BAD_REQUEST):
                    raise NeighbourFailed(f"Content Service: HTTP {response.status} for storage id {storage_id}")
                return response.status == _OK
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NeighbourFailed(f"Content Service: {error!r}") from error

    async def store(self, text: str) -> str:
        """Store a text and return its storage id.

        Raises:
            NeighbourFailed: the service did not accept it.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        try:
            async with self._session.post(
                self.url, data=io.BytesIO(text.encode()), headers=headers, allow_redirects=False
            ) as response:
                body = await response.read()
                if response.status != _CREATED:
                    raise NeighbourFailed(f"Content Service: {_reason(response.status, body)}")
                return StoredContent.model_validate_json(body, extra="ignore").storage_id
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            raise NeighbourFailed(f"Content Service: {error!r}") from error


class LLMProviderClient:
    """Asks the LLM Provider Service for comparisons. It can have several workers, each with its own address.

    Attributes:
        urls: of the workers, with their path `/api/v1`.
    """

    def __init__(self, session: aiohttp.ClientSession, *urls: str) -> None:
        self._session = session
        self.urls = urls
        self._turn = 0
        self._skipped_until = dict.fromkeys(urls, 0.0)
        self._at_once: dict[str, int] = {}

    async def ask_all(self, comparisons: Sequence[ComparisonBody]) -> None:
        """Queue comparisons; wait while the queue is full.

        A worker that cannot be reached is skipped for two seconds. A second request with the same correlation id
        changes nothing, so the other workers can be asked instead.

        Raises:
            NeighbourFailed: the service refused one, or no worker could be reached for half a minute.
            DiskError: the service's disk is full.
        """
        clock = asyncio.get_running_loop().time
        reached, left = clock(), [*comparisons]
        for _ in range(_FULL_QUEUE_ATTEMPTS):
            url = self._next(clock())
            try:
                left, wait = await self._ask_some(url, left)
            except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
                if clock() - reached > _AWAY_SECONDS:
                    raise NeighbourFailed(f"LLM provider: {error!r}") from error
                self._skipped_until[url] = clock() + _SKIPPED_SECONDS
                wait = 0.0 if self._reachable(clock()) else _AWAY_PAUSE_SECONDS
            else:
                reached = clock()
            if not left:
                return
            await asyncio.sleep(wait)
        raise NeighbourFailed("LLM provider: its queue stayed full")

    async def cancel(self, correlation_ids: Sequence[str]) -> frozenset[str]:
        """Let a provider's batches answer no more of these comparisons.

        Returns:
            Those that the service was asked. Each has a result on the topic, or gets one.

        Raises:
            NeighbourFailed: no worker could be reached for half a minute, or the service refused.
        """
        known: set[str] = set()
        for start in range(0, len(correlation_ids), CANCELLED_AT_ONCE):
            body = CancelComparisons(correlation_ids=tuple(correlation_ids[start : start + CANCELLED_AT_ONCE]))
            known |= await self._cancel(body)
        return frozenset(known)

    async def _cancel(self, some: CancelComparisons) -> set[str]:
        clock = asyncio.get_running_loop().time
        began, message = clock(), some.model_dump_json().encode()
        while True:
            url = self._next(clock())
            try:
                async with self._session.post(
                    f"{url}/comparisons/cancel",
                    data=io.BytesIO(message),
                    headers={"Content-Type": _JSON},
                    allow_redirects=False,
                ) as response:
                    await _check_disk(response)
                    body = await response.read()
                if response.status == _OK:
                    return set(ComparisonsCancelled.model_validate_json(body, extra="ignore").known)
                if response.status != _UNAVAILABLE or clock() - began > _AWAY_SECONDS:
                    raise NeighbourFailed(f"LLM provider: {_reason(response.status, body)}")
            except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
                if clock() - began > _AWAY_SECONDS:
                    raise NeighbourFailed(f"LLM provider: {error!r}") from error
                self._skipped_until[url] = clock() + _SKIPPED_SECONDS
            await asyncio.sleep(_AWAY_PAUSE_SECONDS)

    async def models(self) -> ModelManifest:
        """The service's models with their prices.

        Raises:
            NeighbourFailed: the service does not answer.
        """
        try:
            return await self._manifest(self._next(asyncio.get_running_loop().time()))
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            raise NeighbourFailed(f"LLM provider: {error!r}") from error

    async def _manifest(self, url: str) -> ModelManifest:
        async with self._session.get(f"{url}/models", allow_redirects=False) as response:
            body = await response.read()
            if response.status != _OK:
                raise NeighbourFailed(f"LLM provider: {_reason(response.status, body)}")
            return ModelManifest.model_validate_json(body, extra="ignore")

    def _next(self, now: float) -> str:
        """The workers in turn."""
        self._turn += 1
        urls = self._reachable(now) or self.urls
        return urls[self._turn % len(urls)]

    def _reachable(self, now: float) -> tuple[str, ...]:
        return tuple(url for url in self.urls if self._skipped_until[url] <= now)

    async def _ask_some(self, url: str, comparisons: Sequence[ComparisonBody]) -> tuple[list[ComparisonBody], float]:
        """Ask for as many of the comparisons as one worker takes in one go.

        Returns:
            The comparisons that are left, and the seconds to wait before they are asked for.
        """
        at_once = await self._taken_at_once(url)
        if not at_once:
            return _left(comparisons, await asyncio.gather(*(self._ask_one(url, each) for each in comparisons)))
        bodies = [each.model_dump_json().encode() for each in comparisons[:at_once]]
        count = _fitting(bodies)
        message = b'{"comparisons":[' + b",".join(bodies[:count]) + b"]}"
        async with self._session.post(
            f"{url}/comparisons", data=io.BytesIO(message), headers={"Content-Type": _JSON}, allow_redirects=False
        ) as response:
            await _check_disk(response)
            body = await response.read()
            if response.status == _UNAVAILABLE:
                return [*comparisons], _pause(retry_after(response.headers))
            if response.status == _NOT_FOUND:  # another version serves there now
                self._at_once[url] = 0
                return [*comparisons], 0.0
            if response.status != _ACCEPTED:
                raise NeighbourFailed(f"LLM provider refused: {_reason(response.status, body)}")
        answers = SeveralQueued.model_validate_json(body, extra="ignore").answers
        if len(answers) != count:
            raise NeighbourFailed("LLM provider: it does not say of each comparison whether it took it")
        left, wait = _left(comparisons[:count], [_wait_for(answer) for answer in answers])
        return [*left, *comparisons[count:]], wait

    async def _taken_at_once(self, url: str) -> int:
        """How many comparisons a worker takes in one request, as it says; 0 for one in the contract's form."""
        if url not in self._at_once:
            try:
                self._at_once[url] = (await self._manifest(url)).comparisons_at_once or 0
            except NeighbourFailed:  # a service without a manifest, or one that cannot read it now
                return 0
        return self._at_once[url]

    async def _ask_one(self, url: str, comparison: ComparisonBody) -> float | None:
        """None if the comparison is queued, else the seconds to wait before the next attempt."""
        async with self._session.post(
            f"{url}/comparison",
            data=io.BytesIO(comparison.model_dump_json().encode()),
            headers={"Content-Type": _JSON, "X-Correlation-ID": comparison.correlation_id},
            allow_redirects=False,
        ) as response:
            await _check_disk(response)
            body = await response.read()
            if response.status == _ACCEPTED:
                ComparisonQueued.model_validate_json(body, extra="ignore")
                return None
            if response.status != _UNAVAILABLE:
                raise NeighbourFailed(f"LLM provider refused: {_reason(response.status, body)}")
            return _pause(retry_after(response.headers))


def _fitting(bodies: Sequence[bytes]) -> int:
    """How many of the bodies go into one request; at least one."""
    sizes = accumulate(len(body) + 1 for body in bodies)
    return max(sum(size <= _LARGEST_GROUP_BYTES for size in sizes), 1)


def _left(comparisons: Sequence[ComparisonBody], waits: Sequence[float | None]) -> tuple[list[ComparisonBody], float]:
    """The comparisons with a wait, and the longest wait."""
    left = [each for each, wait in zip(comparisons, waits, strict=True) if wait is not None]
    return left, max((wait for wait in waits if wait is not None), default=0.0)


def _wait_for(answer: ComparisonQueued | ComparisonRefused) -> float | None:
    """None if a comparison is queued, else the seconds to wait before the next attempt.

    Raises:
        NeighbourFailed: the service refused it for good.
        DiskError: the service's disk is full.
    """
    match answer:
        case ComparisonQueued():
            return None
        case ComparisonRefused(status=status, error=error):
            if status == _INSUFFICIENT_STORAGE:
                raise _full_disk(error.message)
            if status != _UNAVAILABLE:
                raise NeighbourFailed(f"LLM provider refused: {error.message}")
            return _pause(answer.retry_after)
        case _:
            assert_never(answer)


def _pause(asked_for: float | None) -> float:
    return _USUAL_RETRY_AFTER_SECONDS if asked_for is None else min(asked_for, _LONGEST_RETRY_AFTER_SECONDS)


async def _check_disk(response: aiohttp.ClientResponse) -> None:
    """A service whose disk is full says nothing about the batch, which can go on later.

    Raises:
        DiskError: it is full.
    """
    if response.status == _INSUFFICIENT_STORAGE:
        raise _full_disk(_reason(response.status, await response.read()))


def _full_disk(reason: str) -> DiskError:
    return DiskError(f"a service that the CJ service needs cannot work: {reason}", remedy="Free disk space.")


def _reason(status: int, body: bytes) -> str:
    """The service's own reason, else the status."""
    return reason_in(body) or f"HTTP {status}"
