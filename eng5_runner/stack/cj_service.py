"""The CJ Assessment Service: requests come by Kafka, several batches run at the same time, answers go by Kafka.

The same request again (event id and data) for a batch on record is answered again: everything that was answered, byte
for byte, then the rest. A broker that has forgotten everything is caught up that way; a batch on record that nobody
asks for again is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog
from aiokafka import AIOKafkaConsumer
from pydantic import BaseModel, ConfigDict, ValidationError

from eng5_runner.contracts.base import Lenient, describe
from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from eng5_runner.stack import cj_events
from eng5_runner.stack.cj_assignments import Assignments
from eng5_runner.stack.cj_plan import Plan, RequestRejected, plan_batch, request_digest
from eng5_runner.stack.cj_record import Asked, Batch, BatchRecord
from eng5_runner.stack.cj_rounds import BatchRun, Outcome, read_result
from eng5_runner.stack.cj_scores import score
from eng5_runner.stack.cj_texts import fetch_texts
from eng5_runner.stack.clients import ContentClient, LLMProviderClient, NeighbourFailed
from eng5_runner.stack.kafka import Publisher
from eng5_runner.stack.store import Store

log = structlog.get_logger(__name__)

_POLL_MILLISECONDS = 200
_POLL_RECORDS = 1000


class _Readable(BaseModel):
    """What can be told of a request that breaks the contract, so that its failure can be told to somebody."""

    model_config = ConfigDict(extra="ignore")

    class Data(BaseModel):
        """The one field that says who asked."""

        model_config = ConfigDict(extra="ignore")
        entity_id: str

    data: Data
    correlation_id: Lenient[UUID] = None


class CJService:
    """The service's Kafka side."""

    def __init__(
        self, *, store: Store, publisher: Publisher, contents: ContentClient, provider: LLMProviderClient
    ) -> None:
        """Set the service up.

        Args:
            store: where it keeps its record.
            publisher: where its events go.
            contents: where texts come from.
            provider: who judges.
        """
        self._assignments = Assignments(store)
        self._record = BatchRecord(store)
        self._publisher = publisher
        self._contents = contents
        self._provider = provider
        # None while a batch is on its way from a request to a run.
        self._active: dict[str, BatchRun | None] = {}

    async def run(self, reader: AIOKafkaConsumer) -> None:
        """Serve what the reader brings until cancelled. A bug in one batch ends the service, loudly."""
        async with asyncio.TaskGroup() as batches:
            while True:
                polled = await reader.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
                by_topic: dict[str, list[bytes]] = {}
                for partition, messages in polled.items():
                    by_topic.setdefault(partition.topic, []).extend(message.value or b"" for message in messages)
                await self._take_results(by_topic.get(Topic.COMPARISON, []))
                for raw in by_topic.get(Topic.REQUEST, []):
                    await self._take_request(raw, batches)

    async def _take_results(self, messages: Sequence[bytes]) -> None:
        """Keep callbacks, then tell the batches."""
        read = [(raw, read_result(raw)) for raw in messages]
        results: list[tuple[bytes, LLMComparisonResult]] = [(raw, result) for raw, result in read if result is not None]
        if len(results) < len(read):
            log.warning("messages that are no comparison results", messages=len(read) - len(results))
        if not results:
            return
        await self._record.answer([(result.correlation_id, raw) for raw, result in results if result.correlation_id])
        for _, result in results:
            run = self._active.get(result.request_metadata.batch or "")
            if run is not None:
                run.deliver(result)

    async def _take_request(self, raw: bytes, batches: asyncio.TaskGroup) -> None:
        try:
            envelope = Envelope[CJAssessmentRequest].model_validate_json(raw, extra="ignore")
        except ValidationError as error:
            await self._refuse_unreadable(raw, error)
            return
        batch_id = envelope.data.entity_id
        if batch_id in self._active:
            log.info("request skipped: the batch is at work", batch_id=batch_id)
            return
        self._active[batch_id] = None
        batches.create_task(self._serve(envelope), name=f"batch {batch_id}")

    async def _refuse_unreadable(self, raw: bytes, error: ValidationError) -> None:
        try:
            told = _Readable.model_validate_json(raw)
        except ValidationError:
            log.warning("a request without a readable batch id", reason=describe(error))
            return
        correlation_id = told.correlation_id or uuid4()
        info = cj_events.processing_error(f"the request breaks the contract: {describe(error)}", correlation_id)
        message = cj_events.failed(
            batch_id=told.data.entity_id, parent_id=None, correlation_id=correlation_id, error_info=info
        )
        await self._publish(Topic.FAILED, message, batch_id=told.data.entity_id)

    async def _serve(self, envelope: Envelope[CJAssessmentRequest]) -> None:
        """One request from beginning to end; whatever can be foreseen to go wrong ends in a failure event."""
        batch_id, number = envelope.data.entity_id, None
        try:
            batch = await self._batch_of(envelope)
            number = batch.number
            await self._finish(batch)
        except (RequestRejected, NeighbourFailed) as error:
            log.warning("batch failed", batch_id=batch_id, reason=str(error))
            message = cj_events.failed(
                batch_id=batch_id,
                parent_id=envelope.data.assignment_id,
                correlation_id=envelope.correlation_id,
                error_info=cj_events.processing_error(str(error), envelope.correlation_id),
                job=number,
            )
            await self._publish(Topic.FAILED, message, batch_id=batch_id)
        finally:
            del self._active[batch_id]

    async def _batch_of(self, envelope: Envelope[CJAssessmentRequest]) -> Batch:
        """The batch of a request: the one on record, or a new one.

        Raises:
            RequestRejected: the request cannot be served, or its batch id belongs to another request.
            NeighbourFailed: the Content Service does not give what the plan needs.
        """
        digest = request_digest(envelope)
        batch = await self._record.find(envelope.data.entity_id)
        if batch is None:
            plan = await plan_batch(envelope, assignments=self._assignments, contents=self._contents)
            log.info("batch accepted", batch_id=plan.batch_id, essays=len(plan.essays), comparisons=plan.budget)
            return await self._record.accept(plan, digest)
        if batch.request_sha256 != digest:
            raise RequestRejected("this batch id belongs to another request (other event id or data)")
        return batch

    async def _finish(self, batch: Batch) -> None:
        """Answer again what was answered, do the rest, and publish how it ended.

        Raises:
            NeighbourFailed: the Content Service or the LLM provider failed.
        """
        plan = batch.plan
        run = BatchRun(batch=batch, record=self._record, provider=self._provider)
        self._active[plan.batch_id] = run
        earlier = await self._record.asked(batch.number)
        await self._answer_again(plan, earlier)
        events = await self._record.closing(batch.number)
        if not events:
            outcome = await run.run(earlier, await fetch_texts(plan, self._contents))
            events = await self._closing_events(batch, outcome)
            await self._record.close(batch.number, events)
        for topic, message in events:
            await self._publish(Topic(topic), message, batch_id=plan.batch_id)
        log.info("batch finished", batch_id=plan.batch_id, events=[topic for topic, _ in events])

    async def _answer_again(self, plan: Plan, earlier: Sequence[Asked]) -> None:
        answered = [each.raw for each in earlier if each.raw is not None]
        if answered:
            log.info("batch answered again", batch_id=plan.batch_id, callbacks=len(answered))
        await self._publisher.publish_all(Topic.COMPARISON.value, answered)

    async def _closing_events(self, batch: Batch, outcome: Outcome) -> list[tuple[str, bytes]]:
        if outcome.too_many_failed:
            plan = batch.plan
            message = cj_events.failed(
                batch_id=plan.batch_id,
                parent_id=plan.assignment_id,
                correlation_id=plan.correlation_id,
                error_info=cj_events.low_success_rate(outcome),
                job=batch.number,
            )
            return [(Topic.FAILED.value, message)]
        scores = await asyncio.to_thread(score, batch.plan, outcome)
        return [
            (Topic.COMPLETED.value, cj_events.completed(batch, outcome=outcome, scores=scores)),
            (Topic.RESULT.value, cj_events.result(batch, outcome=outcome, scores=scores)),
        ]

    async def _publish(self, topic: Topic, message: bytes, *, batch_id: str) -> None:
        await self._publisher.publish(topic.value, message, key=batch_id.encode())
