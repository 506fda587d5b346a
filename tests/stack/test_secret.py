"""Who may use a stack: its judges cost money, and its essays are private."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.launch import Secrets
from eng5_runner.transport.stack_secret import HTTP_HEADER, KAFKA_HEADER, StackSecret
from tests.support.run.messages import completed
from tests.support.runner import artefact, newest, run, stack_up, start
from tests.support.small_study import build_study
from tests.support.stack.driver import Client, RecordingJudge, batch_id_of, request, running

SECRET = StackSecret("a secret of 32 characters or more")


def test_a_signature_is_of_one_topic_and_one_value() -> None:
    headers = SECRET.kafka_headers("topic", b"value")
    assert SECRET.has_signed("topic", b"value", headers=headers)
    assert SECRET.has_signed("topic", b"value", headers=[("traceparent", b"00"), (KAFKA_HEADER, b"x"), *headers])
    assert not SECRET.has_signed("topic", b"other", headers=headers)
    assert not SECRET.has_signed("topi", b"cvalue", headers=headers)
    assert not SECRET.has_signed("topic", b"value", headers=[])
    assert not StackSecret.new().has_signed("topic", b"value", headers=headers)


def test_a_secret_is_random_and_shown_nowhere() -> None:
    assert StackSecret.new() != StackSecret.new()
    assert SECRET.value not in repr(SECRET)


@pytest.mark.parametrize("text", ["short", "a secret with spaces that is long enough", "ü" * 40])
def test_a_variable_without_a_usable_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ENG5_STACK_SECRET"):
        StackSecret.of({"ENG5_STACK_SECRET": text})
    assert StackSecret.of({"ENG5_STACK_SECRET": " "}) is None


@pytest.fixture
async def judge() -> RecordingJudge:
    return RecordingJudge()


@pytest.fixture
async def stack(tmp_path: Path, judge: RecordingJudge) -> AsyncIterator[Client]:
    async with running(tmp_path / "stack", judge=judge, secrets=Secrets(clients=SECRET)) as client:
        yield client


async def test_a_client_without_the_secret_gets_nothing(stack: Client, judge: RecordingJudge) -> None:
    stored = await stack.upload("An essay.")
    reads = [
        f"{stack.at.content_service_url}/{stored}",
        f"{stack.at.llm_provider_service_url}/models",
        f"{stack.at.cj_service_url}/admin/v1/assessment-instructions",
    ]
    writes = [
        stack.at.content_service_url,
        f"{stack.at.llm_provider_service_url}/comparison",
        f"{stack.at.cj_service_url}/api/v1/anchors/register",
        f"{stack.at.identity_service_url}/login",
    ]
    for headers in ({}, {HTTP_HEADER: "guessed"}, {HTTP_HEADER: ""}):
        async with aiohttp.ClientSession(headers=headers | {"Content-Type": "application/json"}) as stranger:
            answers = [await _status(stranger, "GET", url) for url in reads]
            answers += [await _status(stranger, "POST", url) for url in writes]
            assert answers == [401] * 7
            assert await _status(stranger, "GET", f"{stack.at.cj_service_url}/healthz") == 200
    assert judge.prompts == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
    ],
)
async def test_a_web_page_gets_nothing(stack: Client, headers: dict[str, str]) -> None:
    stored = await stack.upload("An essay.")
    async with stack.http.get(f"{stack.at.content_service_url}/{stored}", headers=headers) as response:
        assert response.status == 403
        assert "essay" not in await response.text()


async def test_only_json_is_read_as_json(stack: Client, judge: RecordingJudge) -> None:
    url = f"{stack.at.llm_provider_service_url}/comparison"
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        async with stack.http.post(url, data=b"{}", headers={"Content-Type": content_type}) as response:
            assert response.status == 415
    async with stack.http.post(url, data=b"{}", headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
    assert judge.prompts == []


async def test_a_stored_text_is_never_run(stack: Client) -> None:
    stored = await stack.upload("<script>alert(1)</script>")
    async with stack.http.get(f"{stack.at.content_service_url}/{stored}") as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_a_request_without_the_signature_costs_nothing(stack: Client, judge: RecordingJudge) -> None:
    forged = request(await stack.essays(3), metadata={"max_comparisons": 3})
    genuine = request(await stack.essays(4), metadata={"max_comparisons": 6})
    await _send_unsigned(stack.at.kafka_bootstrap, Topic.REQUEST, forged)
    await stack.run(genuine)
    assert len(judge.prompts) == 6


def test_the_runner_and_a_stack_of_the_user_share_a_secret(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    execute = ("--mode", "execute", "--assets", "study", "--max-comparisons", 12, "--yes")
    with stack_up(tmp_path / "up") as shown:
        exported = _variables(shown)
        ran = run(*execute, cwd=tmp_path, env=exported)
        assert ran.code == 0, ran.err
        without = {key: value for key, value in exported.items() if key != "ENG5_STACK_SECRET"}
        refused = run(*execute, cwd=tmp_path, env=without)
        assert refused.code == 77
        assert "Set ENG5_STACK_SECRET" in refused.err
    kept = tmp_path / "up" / "data" / "stack.secret"
    assert kept.read_text() == exported["ENG5_STACK_SECRET"]
    assert kept.stat().st_mode & 0o077 == 0
    written = [path for path in newest(tmp_path).parent.rglob("*") if path.is_file()]
    assert not [path for path in written if exported["ENG5_STACK_SECRET"].encode() in path.read_bytes()]
    with stack_up(tmp_path / "up") as again:
        assert again["ENG5_STACK_SECRET"] == exported["ENG5_STACK_SECRET"]


def test_an_open_stack_serves_clients_that_know_no_secret(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    execute = ("--mode", "execute", "--assets", "study", "--max-comparisons", 12, "--yes")
    with stack_up(tmp_path / "up", "--open") as shown:
        exported = _variables(shown)
        assert "ENG5_STACK_SECRET" not in exported
        ran = run(*execute, cwd=tmp_path, env=exported)
    assert ran.code == 0, ran.err


async def test_a_forged_completion_does_not_end_a_run(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    with stack_up(tmp_path / "up") as shown:
        exported = _variables(shown)
        execute = ("--mode", "execute", "--assets", "study", "--max-comparisons", 40, "--yes")
        process = start(*execute, cwd=tmp_path, env=exported)
        try:
            run_id = await _requested_batch(exported["KAFKA_BOOTSTRAP_SERVERS"])
            forged = completed(run_id)
            await _send_unsigned(exported["KAFKA_BOOTSTRAP_SERVERS"], Topic(forged.topic), forged.value)
            code = await asyncio.to_thread(process.wait, 120)
        finally:
            process.kill()
    assert code == 3
    made = artefact(newest(tmp_path))
    assert len(made["llm_comparisons"]) == 40
    lines = (newest(tmp_path) / "ledger.jsonl").read_text().splitlines()
    rejected = [event["reason"] for event in map(json.loads, lines) if event["type"] == "CallbackRejected"]
    assert rejected == ["it does not have the stack's signature: somebody else wrote it"]


async def _requested_batch(bootstrap: str) -> UUID:
    """The batch of the first request that a stranger reads from the broker."""
    reader = AIOKafkaConsumer(Topic.REQUEST.value, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(60), reader:
        message = await reader.getone()
        return UUID(batch_id_of(message.value))


def _variables(shown: dict[str, object]) -> dict[str, str]:
    """What a person exports of what `stack up --json` shows."""
    return {name: value for name, value in shown.items() if isinstance(value, str)}


async def _status(http: aiohttp.ClientSession, method: str, url: str) -> int:
    async with http.request(method, url, data=b"{}" if method == "POST" else None) as response:
        return response.status


async def _send_unsigned(bootstrap: str, topic: Topic, raw: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic.value, raw)
