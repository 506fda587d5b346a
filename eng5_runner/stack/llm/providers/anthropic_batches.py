"""Anthropic's Message Batches API: one request holds all questions; a batch has no place for an id of our own.

So a batch that may have been made is recognised by its results, which name the questions: it has the right number of
questions, was made at the right time, and is looked into when it has ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import orjson

from eng5_runner.canonical import Json
from eng5_runner.judges.credentials import Access
from eng5_runner.stack.llm.providers.anthropic_messages import headers_of, message_reply, message_request
from eng5_runner.stack.llm.providers.batches import (
    CANCELLED,
    CLOCKS_DIFFER_SECONDS,
    EXPIRED,
    LEFT_OUT,
    Answer,
    BatchState,
    BatchStatus,
    OwnBatch,
    Search,
    count_in,
    id_in,
    pages,
    refused,
)
from eng5_runner.stack.llm.providers.post import JsonPost
from eng5_runner.stack.llm.providers.protocol import Call
from eng5_runner.stack.llm.providers.replies import field

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_UNANSWERED = MappingProxyType({"canceled": CANCELLED, "expired": EXPIRED})
_STATUS_OF: Mapping[str, int] = MappingProxyType({
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
})  # fmt: skip
_SERVERS_ERROR = 500


class AnthropicBatches:
    """A client of the API, with its limits by Anthropic's guide."""

    most_requests = 100_000
    most_bytes = 256_000_000

    def __init__(self, access: Access) -> None:
        self._url = f"{access.url.rstrip('/')}/v1/messages/batches"
        self._http = JsonPost(self._url, headers_of(access))

    def line(self, queue_id: str, call: Call) -> bytes:
        """A question as the request has it."""
        return orjson.dumps({"custom_id": queue_id, "params": message_request(call)})

    async def prepare(self, own_id: str, lines: Sequence[bytes]) -> bytes:  # noqa: ARG002 - the protocol's
        """The whole request."""
        return b'{"requests":[' + b",".join(lines) + b"]}"

    async def create(self, own_id: str, prepared: bytes) -> str:  # noqa: ARG002 - the protocol's
        """Make the batch."""
        return id_in(await self._http.exchange("POST", self._url, data=prepared))

    async def find(self, batch: OwnBatch) -> str | Search:
        """Look into the batches of that time and size; one that has not ended could be ours."""
        found, after = Search.MISSING, ""
        for _ in pages():
            body = await self._http.look_up(f"{self._url}?limit=100{after}")
            rows = field(body, "data")
            listed = rows if isinstance(rows, list) else []
            for row in listed:
                if count_in(field(row, "request_counts"), *_COUNTS) != len(batch.queue_ids) or _is_older(row, batch):
                    continue
                if field(row, "processing_status") != "ended":
                    found = Search.UNDECIDED
                elif await self._is_in(id_in(row), batch):
                    return id_in(row)
            if field(body, "has_more") is not True or not listed or _is_older(listed[-1], batch):
                break
            after = f"&after_id={id_in(listed[-1])}"
        return found

    async def look(self, provider_id: str) -> BatchState:
        """How far a batch is."""
        body = await self._http.look_up(f"{self._url}/{provider_id}")
        ended = field(body, "processing_status") == "ended"
        return BatchState(
            status=BatchStatus.ENDED if ended else BatchStatus.RUNNING,
            answered=count_in(field(body, "request_counts"), "succeeded"),
        )

    async def results(self, provider_id: str, state: BatchState) -> AsyncIterator[tuple[str, Answer]]:  # noqa: ARG002 - the protocol's
        """The lines of the results. Their address follows from the id: the key goes to no address out of an answer."""
        async for line in self._http.lines(f"{self._url}/{provider_id}/results"):
            queue_id = field(line, "custom_id")
            if isinstance(queue_id, str):
                yield queue_id, _answer(field(line, "result"))

    async def cancel(self, provider_id: str) -> None:
        """Ask the provider to stop."""
        await self._http.exchange("POST", f"{self._url}/{provider_id}/cancel", data=b"{}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _is_in(self, provider_id: str, batch: OwnBatch) -> bool:
        """Whether the first result of a batch is of one of our questions."""
        state = BatchState(status=BatchStatus.ENDED)
        async for queue_id, _ in self.results(provider_id, state):
            return queue_id in batch.queue_ids
        return False


def _is_older(row: Json, batch: OwnBatch) -> bool:
    """Whether a batch was certainly made before ours was begun."""
    made = field(row, "created_at")
    try:
        at = datetime.fromisoformat(made).timestamp() if isinstance(made, str) else None
    except ValueError:
        return False
    return at is not None and at < batch.since - CLOCKS_DIFFER_SECONDS


def _answer(result: Json) -> Answer:
    kind = field(result, "type")
    if kind == "succeeded":
        return message_reply(field(result, "message"))
    if kind == "errored":
        error = field(result, "error")
        body = field(error, "error") if field(error, "error") is not None else error
        name = field(body, "type")
        return refused(
            _STATUS_OF.get(name, _SERVERS_ERROR) if isinstance(name, str) else _SERVERS_ERROR, {"error": body}
        )
    return _UNANSWERED.get(kind, LEFT_OUT) if isinstance(kind, str) else LEFT_OUT
