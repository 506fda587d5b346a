"""A bug in one batch, or a request that only an earlier version took, ends that batch and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import select

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.cj.clients import ContentReader, LLMProviderClient
from eng5_runner.stack.cj.inbox import Inbox
from eng5_runner.stack.cj.plan import is_raised
from eng5_runner.stack.cj.service import CJService
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.kafka import open_publisher, open_reader
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.tables import cj_requests
from eng5_runner.transport.kafka import stop_client
from tests.support.stack.driver import batch_id_of, embedded, request

NOBODY = "http://127.0.0.1:1"
ESSAYS = [{"essay_id": name, "text_storage_id": "0" * 32} for name in ("one", "two")]


class BuggyContents(ContentReader):
    async def text(self, storage_id: str) -> str:
        raise ZeroDivisionError(f"SECRET ESSAY {storage_id}")


async def test_a_bug_in_a_batch_is_its_failure_and_the_service_goes_on(tmp_path: Path) -> None:
    stored = request(ESSAYS, llm_config_overrides={"max_tokens_override": 10**20})
    spoilt = [request(ESSAYS, metadata={"max_comparisons": 1}) for _ in range(2)]
    async with embedded_broker() as bootstrap, open_store(tmp_path) as store, aiohttp.ClientSession() as http:
        await Inbox(store).put([(batch_id_of(stored), stored)])
        async with (
            open_publisher(embedded(bootstrap)) as publisher,
            open_reader(embedded(bootstrap), Topic.REQUEST) as requests,
            open_reader(embedded(bootstrap), Topic.COMPARISON) as results,
            open_reader(embedded(bootstrap), Topic.FAILED) as failures,
        ):
            service = CJService(
                store=store,
                publisher=publisher,
                contents=BuggyContents(http, NOBODY),
                provider=LLMProviderClient(http, NOBODY),
            )
            working = asyncio.create_task(service.run(requests, results))
            producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
            await producer.start()
            told: list[bytes] = []
            for raw in (None, *spoilt):
                if raw is not None:
                    await producer.send_and_wait(Topic.REQUEST.value, raw)
                while not any(found := (await failures.getmany(timeout_ms=50)).values()):
                    assert not working.done()
                told += [record.value for records in found for record in records]
            await stop_client(producer)
            while await store.rows(select(cj_requests).where(cj_requests.c.done_at.is_(None))):
                assert not working.done()
            working.cancel()
            await asyncio.wait({working})

    events = [json.loads(raw)["data"] for raw in told]
    assert [event["entity_id"] for event in events] == [batch_id_of(raw) for raw in (stored, *spoilt)]
    reasons = [event["system_metadata"]["error_info"]["error_message"] for event in events]
    assert "max_tokens_override" in reasons[0]
    assert all("internal error" in reason for reason in reasons[1:])
    assert not any(b"SECRET" in raw for raw in told)


@pytest.mark.parametrize("error_info", [{}, {"n": 10**20}])
def test_a_request_that_cannot_be_written_again_is_no_raised_one(error_info: dict[str, int]) -> None:
    before = request(ESSAYS, metadata={"max_cost_usd": 1}, system_metadata={"error_info": error_info})
    later = json.loads(before)
    later["metadata"]["max_cost_usd"] = 2

    assert is_raised(json.dumps(later).encode(), than=before) is not bool(error_info)
