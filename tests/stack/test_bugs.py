"""A bug in one batch, or a request that only an earlier version took, ends that batch and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import select, update

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.cj.clients import ContentReader, LLMProviderClient
from eng5_runner.stack.cj.inbox import Inbox
from eng5_runner.stack.cj.plan import is_raised
from eng5_runner.stack.cj.service import CJService
from eng5_runner.stack.llm.providers.entries import offline_baseline
from eng5_runner.stack.llm.service import LLMProvider
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.kafka import (
    LARGEST_MESSAGE_BYTES,
    MessageRefused,
    Publisher,
    open_publisher,
    open_reader,
)
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.tables import cj_closing_events, cj_requests
from eng5_runner.stack.platform.web import served
from eng5_runner.transport.kafka import stop_client
from tests.support.stack.driver import at_work, batch_id_of, embedded, request, running
from tests.support.stack.llm import Site, comparison

BIG = b"a long note"
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


async def test_a_result_that_is_too_large_for_the_broker_fails_its_batch_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        raw = request(await stack.essays(2), metadata={"max_comparisons": 1})
        await stack.run(raw)
    async with open_store(tmp_path) as store:
        large = b" " * LARGEST_MESSAGE_BYTES + b"{}"
        grown = update(cj_closing_events).where(cj_closing_events.c.topic == Topic.RESULT.value).values(raw=large)
        await store.carry_out(lambda connection: connection.execute(grown))

    async with running(tmp_path) as stack:
        failed = await stack.run(raw)
        other = await stack.run(request(await stack.essays(2), metadata={"max_comparisons": 1}))

    assert f"{len(large)} bytes are too large" in failed.failed.reason
    assert {message.topic for message in failed.messages} == {Topic.COMPARISON, Topic.FAILED}
    assert len(other.comparisons) == 1
    assert other.rich.batch_id == other.batch_id


async def test_a_comparison_that_is_too_large_for_the_broker_is_published_as_failed(tmp_path: Path) -> None:
    """A broker may allow less than our services do; the others are delivered."""

    class Narrow(Publisher):
        async def publish(self, topic: str, value: bytes, *, key: bytes | None = None) -> None:
            if b'"winner":"Essay' in value and BIG in value:
                raise MessageRefused("too large")
            await super().publish(topic, value, key=key)

    async with embedded_broker() as bootstrap, open_store(tmp_path) as store, aiohttp.ClientSession() as http:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        async with open_reader(embedded(bootstrap), Topic.COMPARISON) as reader:
            service = LLMProvider(
                store=store, publisher=Narrow(producer, None, cluster=embedded(bootstrap)), judges=(offline_baseline(),)
            )
            async with at_work(service.run()) as working:
                async with served(service.application()) as url:
                    site = Site(url, http, reader)
                    for note in (BIG.decode(), "small"):
                        metadata = {"essay_a_id": "a", "essay_b_id": "b", "note": note}
                        await site.queued(comparison(metadata=metadata))
                    results = [json.loads(raw)["data"] for raw in await site.messages(2)]
                service.close()
                await asyncio.wait({working}, timeout=5)
        await stop_client(producer)

    codes = {one["request_metadata"]["note"]: (one.get("error_detail") or {}).get("error_code") for one in results}
    assert codes == {"small": None, BIG.decode(): "LLM_CONTENT_TOO_LONG"}
