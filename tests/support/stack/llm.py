"""An LLM provider service alone, on a broker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer

from eng5_runner.contracts.services import ComparisonQueued, ErrorAnswer
from eng5_runner.contracts.topics import Topic
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baseline
from eng5_runner.stack.llm.service import LLMProvider
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.kafka import open_publisher, open_reader
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.web import served
from tests.support.stack.driver import at_work, embedded
from tests.support.stack.texts import essay


def comparison(first: int = 0, second: int = 1, **change: Any) -> dict[str, Any]:
    blocks = prompt_blocks(task=None, criteria=None, essay_a=essay(first), essay_b=essay(second))
    return {
        "user_prompt": prompt_text(blocks),
        "prompt_blocks": [block.model_dump() for block in blocks],
        "callback_topic": Topic.COMPARISON.value,
        "llm_config_overrides": {"provider_override": "mock"},
        "correlation_id": str(uuid4()),
        "user_id": "tester",
        "metadata": {"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": "batch", "of_tomorrow": [1]},
    } | change


class Site:
    def __init__(self, url: str, http: aiohttp.ClientSession, reader: AIOKafkaConsumer) -> None:
        self.url = url
        self.http = http
        self._reader = reader

    async def ask(self, body: Any) -> tuple[int, bytes, Any]:
        async with self.http.post(f"{self.url}/api/v1/comparison", json=body) as response:
            return response.status, await response.read(), response.headers

    async def queued(self, body: Any) -> str:
        status, answered, _ = await self.ask(body)
        assert status == 202, answered
        return ComparisonQueued.model_validate_json(answered).queue_id

    async def refused(self, body: Any, status: int) -> tuple[str, str]:
        found, answered, _ = await self.ask(body)
        assert found == status, answered
        error = ErrorAnswer.model_validate_json(answered, extra="ignore").error
        return error.error_code, error.message

    async def messages(self, count: int) -> list[bytes]:
        """The next messages of the callback topic."""
        read: list[bytes] = []
        while len(read) < count:
            for records in (await self._reader.getmany(timeout_ms=50)).values():
                read.extend(record.value for record in records)
        return read


@asynccontextmanager
async def provider(data_dir: Path, *judges: JudgeEntry, **limits: int) -> AsyncIterator[Site]:
    async with (
        embedded_broker() as bootstrap,
        open_store(data_dir) as store,
        open_publisher(embedded(bootstrap)) as publisher,
        open_reader(embedded(bootstrap), Topic.COMPARISON) as reader,
        aiohttp.ClientSession() as http,
    ):
        service = LLMProvider(store=store, publisher=publisher, judges=judges or (offline_baseline(),), **limits)
        async with at_work(service.run()) as working:
            async with served(service.application()) as url:
                yield Site(url, http, reader)
            service.close()
            await asyncio.wait({working}, timeout=0.5)
