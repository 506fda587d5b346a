"""OpenAI's Batch API: a file with the questions is uploaded, a batch is made of it, files with results come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType

import aiohttp
import orjson

from eng5_runner.canonical import Json
from eng5_runner.contracts.request import Provider
from eng5_runner.judges.credentials import Access
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
    Unanswered,
    count_in,
    id_in,
    pages,
    refused,
)
from eng5_runner.stack.llm.providers.openai_chat import chat_reply, chat_request
from eng5_runner.stack.llm.providers.post import JsonPost
from eng5_runner.stack.llm.providers.protocol import Call, plain
from eng5_runner.stack.llm.providers.replies import field

_ENDPOINT = "/v1/chat/completions"
_WINDOW = "24h"
_KEY = "eng5_batch"
_OK, _REDIRECT = 200, 300
_STATUS: Mapping[str, BatchStatus] = MappingProxyType({
    "completed": BatchStatus.ENDED,
    "expired": BatchStatus.ENDED,
    "cancelled": BatchStatus.ENDED,
    "failed": BatchStatus.REFUSED,
})  # fmt: skip
_ERRORS: Mapping[str, Unanswered] = MappingProxyType({"batch_expired": EXPIRED, "batch_cancelled": CANCELLED})


class OpenAIBatches:
    """A client of the API, with its limits by OpenAI's guide."""

    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, access: Access) -> None:
        self._base = access.url.rstrip("/")
        self._own_server = access.own_server
        self._http = JsonPost(f"{self._base}/batches", {"Authorization": f"Bearer {access.key or 'none-needed'}"})

    def line(self, queue_id: str, call: Call) -> bytes:
        """A question as the file has it."""
        body = chat_request(call, own_server=self._own_server)
        return orjson.dumps({"custom_id": queue_id, "method": "POST", "url": _ENDPOINT, "body": body})

    async def prepare(self, own_id: str, lines: Sequence[bytes]) -> bytes:
        """Upload the file; returns its id."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        name = f"{own_id}.jsonl"
        form.add_field("file", b"\n".join(lines) + b"\n", filename=name, content_type="application/jsonl")
        return id_in(await self._http.exchange("POST", f"{self._base}/files", data=form)).encode()

    async def create(self, own_id: str, prepared: bytes) -> str:
        """Make the batch, with our id in its metadata."""
        request = {
            "input_file_id": prepared.decode(),
            "endpoint": _ENDPOINT,
            "completion_window": _WINDOW,
            "metadata": {_KEY: own_id},
        }
        return id_in(await self._http.send(request))

    async def find(self, batch: OwnBatch) -> str | Search:
        """Look for our id in the list of batches, which begins with the newest."""
        after = ""
        for _ in pages():
            body = await self._http.look_up(f"{self._base}/batches?limit=100{after}")
            rows = field(body, "data")
            listed = rows if isinstance(rows, list) else []
            for row in listed:
                if field(field(row, "metadata"), _KEY) == batch.own_id and _status(row) is not BatchStatus.REFUSED:
                    return id_in(row)
            made = [at for row in listed if isinstance(at := field(row, "created_at"), int | float)]
            if field(body, "has_more") is not True or not listed:
                break
            if made and min(made) < batch.since - CLOCKS_DIFFER_SECONDS:
                break
            after = f"&after={id_in(listed[-1])}"
        return Search.MISSING

    async def look(self, provider_id: str) -> BatchState:
        """How far a batch is."""
        body = await self._http.look_up(f"{self._base}/batches/{provider_id}")
        errors = field(field(body, "errors"), "data")
        first = errors[0] if isinstance(errors, list) and errors else None
        code = field(first, "code")
        files = [id_in(body, name=name) for name in ("output_file_id", "error_file_id") if field(body, name)]
        return BatchState(
            status=_status(body),
            answered=count_in(field(body, "request_counts"), "completed"),
            reason=plain(code) if isinstance(code, str) else "",
            places=tuple(files),
        )

    async def results(self, provider_id: str, state: BatchState) -> AsyncIterator[tuple[str, Answer]]:  # noqa: ARG002 - the protocol's
        """The lines of the files with the answers and with the errors."""
        for file in state.places:
            async for line in self._http.lines(f"{self._base}/files/{file}/content"):
                queue_id = field(line, "custom_id")
                if isinstance(queue_id, str):
                    yield queue_id, _answer(line)

    async def cancel(self, provider_id: str) -> None:
        """Ask the provider to stop."""
        await self._http.exchange("POST", f"{self._base}/batches/{provider_id}/cancel", data=b"{}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _status(batch: Json) -> BatchStatus:
    status = field(batch, "status")
    return _STATUS.get(status, BatchStatus.RUNNING) if isinstance(status, str) else BatchStatus.RUNNING


def _answer(line: Json) -> Answer:
    response = field(line, "response")
    status = field(response, "status_code")
    if isinstance(status, int) and _OK <= status < _REDIRECT:
        return chat_reply(field(response, "body"), provider=Provider.OPENAI)
    if isinstance(status, int):
        return refused(status, field(response, "body"))
    code = field(field(line, "error"), "code")
    return _ERRORS.get(code, LEFT_OUT) if isinstance(code, str) else LEFT_OUT
