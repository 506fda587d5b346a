"""Local HTTP servers that speak the providers' APIs, and say what a test tells them to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from eng5_runner.stack.platform.web import served

KEY = "sk-canary-0123456789abcdef"
GOOD = {"winner": "Essay B", "justification": "It argues better.", "confidence": 4}


@dataclass(frozen=True)
class Said:
    """One answer of a server, given after some seconds, or not before an event."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    until: asyncio.Event | None = None


@dataclass
class Asked:
    """One request that came."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float


Script = Callable[[Asked], Said]


@dataclass
class Server:
    """What came, and what is said to it."""

    script: Script
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    closing: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        asked = Asked(request.path, request.headers, json.loads(await request.read()), now)
        self.asked.append(asked)
        said = self.script(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.wait({self.closing}, timeout=said.after)
            if said.until:
                let_go = asyncio.ensure_future(said.until.wait())
                await asyncio.wait({self.closing, let_go}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.at_once -= 1
        if isinstance(said.body, str):
            return web.Response(status=said.status, text=said.body, content_type="text/html", headers=said.headers)
        return web.json_response(said.body, status=said.status, headers=said.headers)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    server = Server(script)
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    async with served(app) as url:
        server.url = url
        try:
            yield server
        finally:
            server.closing.set_result(None)


def in_turn(*said: Said) -> Script:
    """These answers, one after the other; the last one again and again."""
    left = list(said)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def chat(
    content: Any = None, *, finish: str = "stop", usage: Any = (1200, 80), refusal: str | None = None, **more: Any
) -> Said:
    """A chat completion; `usage` is prompt and completion tokens, or the whole object."""
    text = json.dumps(GOOD) if content is None else content
    if isinstance(usage, tuple):
        usage = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    message = {"role": "assistant", "content": None if refusal else text, "refusal": refusal}
    return Said(
        body={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "served-7b",
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": usage,
        },
        **more,
    )


def openai_error(
    status: int,
    code: str | int | None = None,
    *,
    type: str = "error",  # noqa: A002 - the field's name
    param: str | None = None,
    message: str = "",
    **headers: str,
) -> Said:
    """An error that repeats the key and the prompt, as real ones can."""
    told = {
        "message": f"{message} Incorrect API key provided: {KEY}. SECRET ESSAY",
        "type": type,
        "param": param,
        "code": code,
    }
    return Said(status=status, body={"error": told}, headers={k.replace("_", "-"): v for k, v in headers.items()})


def message(content: Any = None, *, stop: str = "end_turn", usage: tuple[int, int] = (1200, 80)) -> Said:
    """An answer of the Messages API, thinking first."""
    text = json.dumps(GOOD) if content is None else content
    return Said(
        body={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "served-7b",
            "content": [
                {"type": "thinking", "thinking": "Essay A?", "signature": "x"},
                {"type": "text", "text": text},
            ],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        }
    )


def anthropic_error(status: int, kind: str, **headers: str) -> Said:
    told = {"type": "error", "error": {"type": kind, "message": f"{KEY} SECRET ESSAY"}}
    return Said(status=status, body=told, headers={k.replace("_", "-"): v for k, v in headers.items()})
