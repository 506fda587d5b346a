"""A local server that speaks the batch APIs of OpenAI and Anthropic, keeps its own bill, and misbehaves."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from eng5_runner.stack.platform.web import served
from tests.support.judges.paid import INPUT, OUTPUT

HALF = Decimal("0.5")
ANSWERED_BEFORE_CANCELLED = 3


def prompt_of(question: Mapping[str, Any]) -> str:
    """The user prompt, in one part or in several."""
    content = question["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@dataclass
class Batch:
    """A batch that was made: its questions by their ids, and its results once it has ended."""

    name: str
    questions: Mapping[str, Any]
    metadata: Mapping[str, str]
    made_at: float
    looks: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    is_ended: bool = False
    is_cancelled: bool = False


@dataclass
class BatchServer:
    """The longer essay wins.

    Attributes:
        misbehaves: of the first batch, every third question expires; every fifth fails. Results come twice.
        holds: only the first batch ends by itself. A cancelled one has answered three questions.
        written: tokens of an answer.
        ends_after: looks at a batch, by itself or in the list, before it has ended.
        spent: USD that the batches cost.
        prompts: how often each prompt was answered for money.
    """

    misbehaves: bool = False
    holds: bool = False
    written: int = 40
    ends_after: int = 2
    spent: Decimal = Decimal(0)
    prompts: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    url: str = ""

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent = form["file"]
        assert form["purpose"] == "batch"
        assert isinstance(sent, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = sent.file.read()
        return web.json_response({"id": name, "object": "file"})

    async def make(self, request: web.Request) -> web.Response:
        body = await request.json()
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert all(line["url"] == body["endpoint"] == "/v1/chat/completions" for line in lines)
        return web.json_response(self._made({each["custom_id"]: each["body"] for each in lines}, body["metadata"]))

    async def make_messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response(self._made({each["custom_id"]: each["params"] for each in body["requests"]}, {}))

    def _made(self, questions: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        self.batches[name] = Batch(name, questions, metadata, time.time())
        return self._shown(self.batches[name])

    async def list(self, request: web.Request) -> web.Response:
        newest = [self._shown(batch) for batch in reversed(self.batches.values())]
        names = [batch["id"] for batch in newest]
        after = request.query.get("after") or request.query.get("after_id")
        rest = newest[names.index(after) + 1 :] if after else newest
        for shown in rest[:2]:
            self._go_on(self.batches[shown["id"]])
        return web.json_response({"data": rest[:2], "has_more": len(rest) > 2})  # pages of two

    async def look(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["name"]]
        self._go_on(batch)
        return web.json_response(self._shown(batch))

    def _go_on(self, batch: Batch) -> None:
        batch.looks += 1
        is_held = self.holds and batch.name != "batch_0" and not batch.is_cancelled
        if batch.looks >= self.ends_after and not batch.is_ended and not is_held:
            self._work_on(batch)

    def _work_on(self, batch: Batch) -> None:
        batch.is_ended = True
        is_first = batch.name == "batch_0"
        for number, (custom_id, question) in enumerate(batch.questions.items()):
            if batch.is_cancelled and number >= ANSWERED_BEFORE_CANCELLED:
                batch.errors[custom_id] = "cancelled"
            elif self.misbehaves and is_first and number % 3 == 0:
                batch.errors[custom_id] = "expired"
            elif self.misbehaves and is_first and number % 5 == 0:
                batch.errors[custom_id] = "failed"
            else:
                batch.answers[custom_id] = self._answer(question)

    def _answer(self, question: Mapping[str, Any]) -> Any:
        prompt = prompt_of(question)
        self.prompts[prompt] += 1
        usage = (900 + len(prompt) % 300, self.written + self.prompts.total() % 9)
        self.spent += HALF * (usage[0] * INPUT + usage[1] * OUTPUT)
        first, second = prompt.split("**Essay A:**")[1].split("**Essay B:**")
        winner = "Essay A" if len(first) >= len(second) else "Essay B"
        text = json.dumps({"winner": winner, "justification": "The longer one.", "confidence": 3})
        if "system" in question:
            counted = {"input_tokens": usage[0], "output_tokens": usage[1]}
            return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": counted}
        counted = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": counted}

    def _shown(self, batch: Batch) -> dict[str, Any]:
        """The batch in both forms at once: neither client knows the other's fields."""
        failed = Counter(batch.errors.values())
        waiting = 0 if batch.is_ended else len(batch.questions)
        anthropic = {
            "processing": waiting,
            "succeeded": len(batch.answers),
            "errored": failed["failed"],
            "canceled": failed["cancelled"],
            "expired": failed["expired"],
        }
        counts = anthropic | {
            "total": len(batch.questions),
            "completed": len(batch.answers),
            "failed": len(batch.errors),
        }
        is_messages = not batch.metadata
        made = datetime.fromtimestamp(batch.made_at, UTC).isoformat() if is_messages else batch.made_at
        done = "cancelled" if batch.is_cancelled else "expired" if failed["expired"] else "completed"
        return {
            "id": batch.name,
            "status": done if batch.is_ended else "in_progress",
            "processing_status": "ended" if batch.is_ended else "in_progress",
            "metadata": batch.metadata,
            "created_at": made,
            "request_counts": counts,
            "output_file_id": f"out-{batch.name}" if batch.is_ended else None,
            "error_file_id": f"err-{batch.name}" if batch.errors else None,
        }

    async def file(self, request: web.Request) -> web.Response:
        kind, _, name = request.match_info["name"].partition("-")
        batch = self.batches[name]
        answered = [
            {"custom_id": each, "response": {"status_code": 200, "body": body}, "error": None}
            for each, body in batch.answers.items()
        ]
        failed = [_openai_failure(each, why) for each, why in batch.errors.items()]
        return self._lines(answered if kind == "out" else failed)

    async def results(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["name"]]
        answered = [
            {"custom_id": each, "result": {"type": "succeeded", "message": body}}
            for each, body in batch.answers.items()
        ]
        return self._lines([_anthropic_failure(each, why) for each, why in batch.errors.items()] + answered)

    def _lines(self, lines: list[Any]) -> web.Response:
        """In another order, and each result twice, where the server misbehaves."""
        said = [*reversed(lines), *lines] if self.misbehaves else lines
        return web.Response(text="".join(f"{json.dumps(line)}\n" for line in said))

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["name"]]
        batch.is_cancelled = not batch.is_ended
        self.cancelled.append(batch.name)
        return web.json_response(self._shown(batch))


def _openai_failure(custom_id: str, why: str) -> dict[str, Any]:
    if why in ("expired", "cancelled"):
        return {"custom_id": custom_id, "response": None, "error": {"code": f"batch_{why}", "message": "SECRET"}}
    return {"custom_id": custom_id, "response": {"status_code": 500, "body": {"error": {"message": "SECRET"}}}}


def _anthropic_failure(custom_id: str, why: str) -> dict[str, Any]:
    if why in ("expired", "cancelled"):
        return {"custom_id": custom_id, "result": {"type": "canceled" if why == "cancelled" else why}}
    error = {"type": "error", "error": {"type": "api_error", "message": "SECRET"}}
    return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}


@asynccontextmanager
async def batch_server(server: BatchServer) -> AsyncIterator[BatchServer]:
    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/v1/files", server.upload)
    app.router.add_get("/v1/files/{name}/content", server.file)
    app.router.add_post("/v1/batches", server.make)
    app.router.add_post("/v1/messages/batches", server.make_messages)
    app.router.add_get("/v1/messages/batches/{name}/results", server.results)
    for path in ("/v1/batches", "/v1/messages/batches"):
        app.router.add_get(path, server.list)
        app.router.add_get(path + "/{name}", server.look)
        app.router.add_post(path + "/{name}/cancel", server.cancel)
    async with served(app) as url:
        server.url = url
        yield server
