"""A run's figures, live on a port and in the file at its end, with everything in it that can be counted."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from tests.support.kafka.cluster import free_ports
from tests.support.runner import artefact, ledger_types, newest, stack_up, start, wait_for
from tests.support.servers import serving

COMPARISONS = 400
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = {"TRACEPARENT": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "TRACESTATE": "vendor=1"}

Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """An embedded stack that takes callbacks of the test too, as the runner's environment."""
    with stack_up(tmp_path / "stack", "--open") as told:
        del told["first_admin"]
        yield told


@asynccontextmanager
async def refusing_once(url: str) -> AsyncIterator[str]:
    """The service at the address, behind a door that answers the first upload with 503."""
    refused = []

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and not refused:
            refused.append(request.path)
            return web.Response(status=503)
        body = await request.read()
        async with session.request(request.method, url + request.path, data=body) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    async with aiohttp.ClientSession() as session, serving(handle) as door:
        yield door


def figures(text: str) -> Figures:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Figures, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def scraped(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return ""


def spoil(bootstrap: str, raw: str) -> None:
    """Say one comparison again, and once more with a winner that cannot be."""
    broken = json.loads(raw)
    broken["data"] |= {"request_id": "damaged", "winner": "Essay C"}
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for said in (raw.encode(), json.dumps(broken).encode()):
        producer.produce(Topic.COMPARISON, said, partition=0)
    assert producer.flush(30) == 0


def headers_of_the_request(bootstrap: str) -> list[tuple[str, bytes]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests", "log_level": 0})
    try:
        partitions = consumer.list_topics(Topic.REQUEST, timeout=30).topics[Topic.REQUEST].partitions
        consumer.assign([TopicPartition(Topic.REQUEST, number, OFFSET_BEGINNING) for number in partitions])
        message = consumer.poll(30)
        assert message is not None and not message.error()
        return message.headers() or []
    finally:
        consumer.close()


def accepted(run_directory: Path) -> list[str]:
    """The comparisons in the ledger, as they came."""
    lines = (run_directory / "ledger.jsonl").read_text().splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("}\n")]
    return [one["raw"] for one in events if one["type"] == "CallbackAccepted" and one["kind"] == "comparison"]


async def test_every_figure_is_there_while_it_runs_and_at_its_end(
    study: Path, tmp_path: Path, services: Mapping[str, str]
) -> None:
    (port,) = free_ports(1)
    content = services["CONTENT_SERVICE_URL"]
    async with refusing_once(content.removesuffix("/v1/content")) as door:
        env = {**services, **TRACE, "CONTENT_SERVICE_URL": f"{door}/v1/content"}
        arguments = ("--mode", "execute", "--seed", 3, "--max-comparisons", COMPARISONS, "--metrics-port", port)
        process = start(*arguments, "--assets", study, cwd=tmp_path, env=env)
        live: list[str] = []

        def has_begun() -> bool:
            live.append(scraped(port))
            return process.poll() is not None or (
                (tmp_path / "runs" / "latest").exists()
                and "CallbackAccepted" in ledger_types(newest(tmp_path))
                and "eng5_lag_records{" in live[-1]
            )

        await asyncio.to_thread(wait_for, has_begun, what="the first comparisons and their metrics")
        spoil(services["KAFKA_BOOTSTRAP_SERVERS"], accepted(newest(tmp_path))[0])
        code = await asyncio.to_thread(process.wait, 120)
    assert code == 3, (tmp_path / "err").read_text()
    assert 'eng5_callbacks_total{outcome="judged"}' in live[-1], "it was there while the run went on"
    found = figures((newest(tmp_path) / "metrics.prom").read_text())
    status = artefact(newest(tmp_path))["runner_status"]
    assert value(found, "eng5_uploads_total", source="upload") == 17
    assert value(found, "eng5_http_retries_total", cause="503") == 1
    assert value(found, "eng5_callbacks_total", outcome="judged") == COMPARISONS
    assert value(found, "eng5_callbacks_total", outcome="completed") == 1
    assert value(found, "eng5_callbacks_total", outcome="failed") == 0
    assert value(found, "eng5_callbacks_total", outcome="duplicate") == status["duplicates"] == 1
    assert value(found, "eng5_callbacks_total", outcome="rejected") == len(status["rejected"]) == 1
    assert {value(found, "eng5_lag_records", topic=topic) for topic in CALLBACK_TOPICS} == {0}
    stages = {dict(labels)["stage"] for name, labels in found if name == "eng5_stage_seconds"}
    assert stages == {"preflight", "upload", "publish", "gather"}
    who = {"provider": "mock", "model": artefact(newest(tmp_path))["llm_comparisons"][0]["model"]}
    assert value(found, "eng5_cost_usd_total", **who) == 0
    assert value(found, "eng5_tokens_total", **who, kind="prompt") > 0
    assert headers_of_the_request(services["KAFKA_BOOTSTRAP_SERVERS"]) == [
        ("traceparent", TRACE["TRACEPARENT"].encode()),
        ("tracestate", b"vendor=1"),
    ]
    log = [json.loads(line) for line in (newest(tmp_path) / "run.log.jsonl").read_text().splitlines()]
    assert {line["trace_id"] for line in log} == {TRACE_ID}
