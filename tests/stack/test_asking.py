"""The CJ service's client of the LLM provider: in groups where the service takes them, else one at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.stack.cj.clients import LLMProviderClient, NeighbourFailed
from tests.support.stack.llm import comparison


class Service:
    """An LLM provider that notes what it is asked; the first answer to each comparison is that the queue is full."""

    def __init__(self, *, at_once: int | None, refuses: bool = False) -> None:
        self.manifest = {"providers": {}, "total_models": 0, "comparisons_at_once": at_once}
        self.refuses = refuses
        self.groups: list[list[str]] = []
        self.seen: set[str] = set()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["correlation_id"]
        if self.refuses:
            return {"status": 400, "error": {"error_code": "VALIDATION_ERROR", "message": "not this one"}}
        if name not in self.seen:
            self.seen.add(name)
            return {"status": 503, "error": {"error_code": "LLM_QUEUE_FULL", "message": "full"}, "retry_after": 0.0}
        return {"queue_id": f"of {name}"}

    async def several(self, request: web.Request) -> web.Response:
        if self.manifest["comparisons_at_once"] is None:
            raise web.HTTPNotFound
        bodies = json.loads(await request.read())["comparisons"]
        self.groups.append([body["correlation_id"] for body in bodies])
        return web.json_response({"answers": [self.answer(body) for body in bodies]}, status=202)

    async def one(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.groups.append([body["correlation_id"]])
        told = self.answer(body)
        return web.json_response(told, status=told.get("status", 202), headers={"Retry-After": "0"})

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response(self.manifest)


@asynccontextmanager
async def asking(service: Service) -> AsyncIterator[LLMProviderClient]:
    app = web.Application(client_max_size=20 << 20)
    app.router.add_post("/comparisons", service.several)
    app.router.add_post("/comparison", service.one)
    app.router.add_get("/models", service.models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield LLMProviderClient(http, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def bodies(count: int, **change: Any) -> list[ComparisonBody]:
    return [ComparisonBody.model_validate(comparison(**change)) for _ in range(count)]


async def test_groups_are_as_large_as_the_service_takes_them_and_what_it_refused_is_asked_again() -> None:
    service, asked = Service(at_once=4), bodies(6)
    async with asking(service) as client:
        await client.ask_all(asked)

    assert [len(group) for group in service.groups] == [4, 4, 2, 2]
    names = [body.correlation_id for body in asked]
    assert service.groups[0] == service.groups[1] == names[:4], "those that found the queue full come first"
    assert sorted(name for group in service.groups for name in group) == sorted(2 * names)


async def test_large_comparisons_go_in_several_requests() -> None:
    service, asked = Service(at_once=100), bodies(3, user_prompt="x" * (3 << 20), prompt_blocks=None)
    async with asking(service) as client:
        await client.ask_all(asked)
    assert [len(group) for group in service.groups] == [1] * 6


@pytest.mark.parametrize("told", [None, 100])
async def test_a_service_that_takes_one_at_a_time_is_asked_so(told: int | None) -> None:
    """Also one that took several, as its manifest said, before another version replaced it."""
    service, asked = Service(at_once=told), bodies(3)
    async with asking(service) as client:
        await client.ask_all(bodies(1))
        service.groups.clear()
        service.manifest["comparisons_at_once"] = None
        await client.ask_all(asked)
    assert sorted(service.groups) == sorted([body.correlation_id] for body in asked for _ in range(2))


@pytest.mark.parametrize("at_once", [None, 100])
async def test_a_refusal_is_told_in_the_service_s_words(at_once: int | None) -> None:
    async with asking(Service(at_once=at_once, refuses=True)) as client:
        with pytest.raises(NeighbourFailed, match="not this one"):
            await client.ask_all(bodies(2))
