"""A running stack as a client sees it: real HTTP, the real Kafka protocol, nothing from the inside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from jsonschema import Draft202012Validator, FormatChecker

from eng5_runner.contracts.callbacks import AssessmentResult, CJAssessmentCompleted, CJAssessmentFailed
from eng5_runner.contracts.callbacks import LLMComparisonResult as Result
from eng5_runner.contracts.messages import batch_of, parse_callback
from eng5_runner.contracts.request import READS_TO_END
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.judges.catalogue import BASELINE_MODEL
from eng5_runner.stack.launch import Secrets, StackAddresses, serve
from eng5_runner.stack.llm.judge import BaselineJudge, JudgeFailed, Question, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baseline
from eng5_runner.stack.platform.kafka import Cluster
from eng5_runner.transport.kafka import stop_client
from tests.support.stack.texts import essay
from tests.support.wire_schemas import wire_schemas

SCALE = "eng5_np_legacy_9_step"
NO_SECRETS = Secrets()


@cache
def _writer(topic: Topic) -> Draft202012Validator:
    schema = wire_schemas()[f"{topic}.writer.schema.json"]
    return Draft202012Validator(schema, format_checker=FormatChecker())


def writer_breaches(topic: Topic, raw: bytes) -> list[str]:
    """Where a message breaks the schema of what our services may publish."""
    return [f"{error.json_path}: {error.message}"[:200] for error in _writer(topic).iter_errors(json.loads(raw))]


class RecordingJudge:
    """The baseline, which notes what it was asked and fails where it is told to.

    Attributes:
        prompts: every question's prompt, in order.
        failures: how often each prompt still fails; -1 for always.
        code: of the failures.
        stop_after: after so many questions `reached` is set.
    """

    def __init__(
        self,
        *,
        failures: int = 0,
        share: float = 1.0,
        stop_after: int | None = None,
        code: str = "LLM_PROVIDER_TIMEOUT",
    ) -> None:
        self.prompts: list[str] = []
        self.reached = asyncio.Event()
        self._failures = failures
        self._share = share
        self._code = code
        self._stop_after = stop_after
        self._failed: dict[str, int] = {}
        self._baseline = BaselineJudge()

    async def __call__(self, question: Question) -> Verdict:
        self.prompts.append(question.prompt)
        if len(self.prompts) == self._stop_after:
            self.reached.set()
        times = self._failed.get(question.prompt, 0)
        unlucky = uuid5(NAMESPACE_OID, question.prompt).int % 1000 < 1000 * self._share
        if unlucky and (self._failures < 0 or times < self._failures):
            self._failed[question.prompt] = times + 1
            raise JudgeFailed(self._code, "the judge slept")
        return await self._baseline(question)

    def entry(self) -> JudgeEntry:
        return JudgeEntry(offline_baseline().model, self)


@dataclass(frozen=True)
class Message:
    """One message of a callback topic."""

    topic: Topic
    raw: bytes
    sent_at_ms: int
    event: Result | CJAssessmentCompleted | CJAssessmentFailed | AssessmentResult


@dataclass
class Batch:
    """All that came for one batch."""

    batch_id: str
    messages: list[Message] = field(default_factory=list)

    def raw(self, topic: Topic) -> list[bytes]:
        return [message.raw for message in self.messages if message.topic is topic]

    @property
    def comparisons(self) -> list[Result]:
        return [message.event for message in self.messages if isinstance(message.event, Result)]

    @property
    def thin(self) -> CJAssessmentCompleted:
        return self._only(CJAssessmentCompleted)

    @property
    def rich(self) -> AssessmentResult:
        return self._only(AssessmentResult)

    @property
    def failed(self) -> CJAssessmentFailed:
        return self._only(CJAssessmentFailed)

    @property
    def pairs(self) -> list[tuple[str, str, str | None]]:
        """(shown first, shown second, winner) in a fixed order."""
        metadata = [(one.request_metadata, one.winner) for one in self.comparisons]
        return sorted((about.essay_a_id, about.essay_b_id, winner) for about, winner in metadata)

    @property
    def over(self) -> bool:
        topics = {message.topic for message in self.messages}
        return Topic.FAILED in topics or {Topic.COMPLETED, Topic.RESULT} <= topics

    def _only(self, kind: type[Any]) -> Any:
        (found,) = [message.event for message in self.messages if isinstance(message.event, kind)]
        return found


class Client:
    """What a test does with a stack."""

    def __init__(
        self,
        *,
        at: StackAddresses,
        http: aiohttp.ClientSession,
        producer: AIOKafkaProducer,
        consumer: AIOKafkaConsumer,
        alive: Callable[[], bool],
    ) -> None:
        self.at = at
        self.http = http
        self._producer = producer
        self._consumer = consumer
        self._alive = alive
        self._batches: dict[str, Batch] = {}
        self.from_before: frozenset[bytes] = frozenset()
        """Messages that an earlier version wrote: they are published as they are on record."""

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.at.admin_token}"}

    async def upload(self, text: str) -> str:
        async with self.http.post(self.at.content_service_url, data=text.encode()) as response:
            assert response.status == 201
            return (await response.json())["storage_id"]

    async def essays(self, count: int) -> list[dict[str, str]]:
        """Uploaded essays as a request names them."""
        return [
            {"essay_id": f"student_{number:02}", "text_storage_id": await self.upload(essay(number))}
            for number in range(count)
        ]

    async def publish(self, raw: bytes, topic: Topic = Topic.REQUEST) -> None:
        headers = self.at.secret.kafka_headers(topic.value, raw) if self.at.secret else None
        await self._producer.send_and_wait(topic.value, raw, headers=headers)

    async def run(self, raw: bytes) -> Batch:
        """Publish a request and take everything that comes for it from now on."""
        self._batches.pop(batch_id_of(raw), None)
        await self.publish(raw)
        return await self.outcome(batch_id_of(raw))

    async def outcome(self, batch_id: str) -> Batch:
        """Read until the batch is over and nothing more is in the topics."""
        batch = self._batches.setdefault(batch_id, Batch(batch_id))
        while not (batch.over and await self._read_up()):
            await self._poll()
        return batch

    async def until(self, batch_id: str, comparisons: int) -> Batch:
        """Read until so many comparisons of the batch have come."""
        batch = self._batches.setdefault(batch_id, Batch(batch_id))
        while len(batch.comparisons) < comparisons:
            await self._poll()
        return batch

    async def _poll(self) -> None:
        assert self._alive(), "the stack has died"
        for partition, records in (await self._consumer.getmany(timeout_ms=50)).items():
            for record in records:
                assert record.value in self.from_before or writer_breaches(Topic(partition.topic), record.value) == []
                event = parse_callback(Topic(partition.topic), record.value).data
                batch_id = batch_of(event)
                batch = self._batches.setdefault(batch_id, Batch(batch_id))
                batch.messages.append(Message(Topic(partition.topic), record.value, record.timestamp, event))

    async def _read_up(self) -> bool:
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        return all([await self._consumer.position(at) >= end for at, end in ends.items()])

    async def set_up_assignment(self, assignment_id: str, anchors: Sequence[tuple[str, str, str]]) -> None:
        """Instructions and anchors (label, grade, text)."""
        body = {
            "assignment_id": assignment_id,
            "instructions_text": "Judge the content, the structure and the language.",
            "grade_scale": SCALE,
        }
        async with self.http.post(
            f"{self.at.cj_service_url}/admin/v1/assessment-instructions", json=body, headers=self.admin
        ) as response:
            assert response.status == 200, await response.text()
        for label, grade, text in anchors:
            anchor = {"assignment_id": assignment_id, "grade": grade, "anchor_label": label, "essay_text": text}
            async with self.http.post(f"{self.at.cj_service_url}/api/v1/anchors/register", json=anchor) as response:
                assert response.status == 201, await response.text()


def request(
    essays: Sequence[dict[str, str]], *, assignment_id: str | None = None, metadata: Any = None, **data: Any
) -> bytes:
    """A request as the runner writes it."""
    batch_id = str(uuid4())
    return json.dumps(
        {
            "event_id": str(uuid4()),
            "event_type": Topic.REQUEST.value,
            "event_timestamp": "2026-11-22T11:03:57.439371Z",
            "source_service": "eng5_np_batch_runner",
            "schema_version": 1,
            "correlation_id": str(uuid4()),
            "data": {
                "event_name": "els.cj_assessment.requested",
                "entity_id": batch_id,
                "entity_type": "batch",
                "parent_id": assignment_id,
                "timestamp": "2026-11-22T11:03:57.437855Z",
                "system_metadata": {"entity_id": batch_id, "processing_stage": "pending"},
                "essays_for_cj": list(essays),
                "language": "en",
                "course_code": "ENG5",
                "student_prompt_ref": None,
                "llm_config_overrides": {"provider_override": "mock", "model_override": BASELINE_MODEL},
                "assignment_id": assignment_id,
                "user_id": "tester",
                "org_id": None,
                "a_field_of_tomorrow": True,
            }
            | data,
            "metadata": {"runner_mode": "execute", "batch_label": "test", READS_TO_END: True} | (metadata or {}),
        }
    ).encode()


def batch_id_of(raw: bytes) -> str:
    return json.loads(raw)["data"]["entity_id"]


def embedded(bootstrap: str) -> Cluster:
    return Cluster(bootstrap=bootstrap, is_embedded=True)


@asynccontextmanager
async def at_work(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A service's task. If it fails, the test waits no longer for what never comes, and fails with its error."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield task
        task.cancel()


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    judge: RecordingJudge | None = None,
    kafka_bootstrap: str | None = None,
    secrets: Secrets = NO_SECRETS,
) -> AsyncIterator[Client]:
    """A stack on a data directory, with a client; ended cleanly, and raising what it died of."""
    stop = asyncio.Event()
    up: asyncio.Future[StackAddresses] = asyncio.get_running_loop().create_future()
    judges = None if judge is None else (judge.entry(),)
    task = asyncio.create_task(
        serve(
            data_dir,
            ready=up.set_result,
            stop=stop,
            judges=judges,
            kafka_bootstrap=kafka_bootstrap,
            secrets=secrets,
        )
    )
    await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        async with client(up.result(), alive=lambda: not task.done()) as made:
            try:
                yield made
            finally:
                stop.set()
    finally:
        await task


@asynccontextmanager
async def client(at: StackAddresses, *, alive: Callable[[], bool] = lambda: True) -> AsyncIterator[Client]:
    producer = AIOKafkaProducer(bootstrap_servers=at.kafka_bootstrap)
    consumer = AIOKafkaConsumer(
        *CALLBACK_TOPICS,
        bootstrap_servers=at.kafka_bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=25,
    )
    async with aiohttp.ClientSession(headers=at.secret.http_headers if at.secret else None) as http:
        try:
            await producer.start()
            await consumer.start()
            yield Client(at=at, http=http, producer=producer, consumer=consumer, alive=alive)
        finally:
            await stop_client(producer)
            await stop_client(consumer)
