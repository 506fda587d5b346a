"""A server that answers in many odd ways, charges for each answer that it makes, and keeps the account itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from eng5_runner.stack.platform.web import served
from tests.support.judges.paid import INPUT, OUTPUT

VERDICT = json.dumps({"winner": "Essay A", "justification": "It argues better.", "confidence": 3})
Completion = dict[str, Any]


def _usage(change: Any) -> Callable[[Completion], object]:
    """The completion with another usage: another object, or other fields of it."""

    def odd(told: Completion) -> object:
        usage = told["usage"] | change if isinstance(change, dict) else change
        return told | {"usage": usage}

    return odd


def _end(reason: object) -> Callable[[Completion], object]:
    return lambda told: told | {"choices": [told["choices"][0] | {"finish_reason": reason}]}


def _content(content: object) -> Callable[[Completion], object]:
    message = {"role": "assistant", "content": content}
    return lambda told: told | {"choices": [told["choices"][0] | {"message": message}]}


# What becomes of a completion: another JSON value, or the bytes of the body.
READABLE: Mapping[str, Callable[[Completion], object]] = {
    "as it should be": lambda told: told,
    "ended by eos": _end("eos"),
    "ended by nothing": _end(None),
    "ended by STOP": _end("STOP"),
    "ended by end_turn": _end("end_turn"),
    "ended by a number": _end(7),
    "content in parts": _content([{"type": "text", "text": VERDICT[:20]}, {"type": "text", "text": VERDICT[20:]}]),
    "no total": lambda told: told | {"usage": {k: v for k, v in told["usage"].items() if k != "total_tokens"}},
    "counts with a point": _usage({"prompt_tokens": 700.0}),
    "a mark in front": lambda told: b"\xef\xbb\xbf" + json.dumps(told).encode(),
    "no usage": _usage(None),
    "negative usage": _usage({"prompt_tokens": -5}),
    "usage in words": _usage({"prompt_tokens": "many"}),
    "usage is a list": _usage([1, 2]),
    "hardly any usage": _usage({"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}),
    "a wrong total": _usage({"total_tokens": -1}),
    "more from the cache than read": _usage({"prompt_tokens_details": {"cached_tokens": 10**6}}),
}
UNREADABLE: Mapping[str, Callable[[Completion], object]] = {
    "nothing": lambda _: b"",
    "a page": lambda _: b"<html>Welcome</html>",
    "an empty object": lambda _: {},
    "no choices": lambda told: told | {"choices": [], "usage": None},
    "an error inside": lambda _: {"error": {"code": 502, "message": "upstream"}},
    "half a body": lambda told: json.dumps(told).encode()[:-40],
    "a number for a text": _content(7),
    "no text": _content(None),
    "a stream": lambda told: b"data: " + json.dumps(told).encode(),
    "not a number": lambda told: json.dumps(told | {"created": float("nan")}).encode(),
}
STATUSES = {"error 500": 500, "error 502": 502, "error 504": 504, "error 520": 520}
CUTS = ("cut before the answer", "cut in the answer", "too slow")
UNCHARGED = {"busy": 429, "overloaded": 503}
ALL = (*READABLE, *UNREADABLE, *STATUSES, *CUTS, *UNCHARGED)


@dataclass
class Hostile:
    """The server.

    Attributes:
        kinds: the ways in which it answers, in turn.
        calls: how often it was asked, by the prompt.
        answered: how often it answered in each way.
        spent: USD, by its own count of tokens: one for four bytes.
    """

    kinds: tuple[str, ...] = ALL
    calls: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    spent: Decimal = Decimal(0)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        prompt = json.loads(body)["messages"][1]["content"]
        kind = self.kinds[self.answered.total() % len(self.kinds)]
        self.calls[prompt] += 1
        self.answered[kind] += 1
        if kind in UNCHARGED:
            return web.Response(status=UNCHARGED[kind], headers={"Retry-After": "0"})
        usage = {"prompt_tokens": len(body) // 4, "completion_tokens": 30, "total_tokens": len(body) // 4 + 30}
        self.spent += usage["prompt_tokens"] * INPUT + usage["completion_tokens"] * OUTPUT
        message = {"role": "assistant", "content": VERDICT}
        told = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        if kind in STATUSES:
            return web.Response(status=STATUSES[kind], text="bad gateway")
        if kind in CUTS:
            return await self._cut(request, kind)
        made = (READABLE | UNREADABLE)[kind](told)
        raw = made if isinstance(made, bytes) else json.dumps(made).encode()
        return web.Response(body=raw, content_type="application/json")

    async def _cut(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500"})
        if kind == "cut in the answer":
            await response.prepare(request)
            await response.write(b'{"choices": [')
        if kind == "too slow":
            await self.closing.wait()
        if request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def hostile(*kinds: str) -> AsyncIterator[Hostile]:
    """The server, on loopback."""
    server = Hostile(kinds or ALL)
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/chat/completions", server.chat)
    async with served(app) as server.url:
        try:
            yield server
        finally:
            server.closing.set()
