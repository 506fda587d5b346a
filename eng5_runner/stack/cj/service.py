"""The CJ Assessment Service: requests come by Kafka, several batches run at the same time, answers go by Kafka.

A request is kept in the database before Kafka is told that it was read, and its batch is worked off by one process at
a time, which holds it under a lease. Every process hears all results and keeps those of its own batches. When a process
dies, another takes its batches after the lease and goes on from the record; a result that nobody kept meanwhile is
asked for again, and the provider answers it from its own record.

The same request again (event id and data) for a batch that is over is answered again: everything that was answered,
byte for byte, then the rest. A broker that has forgotten everything is caught up that way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, ValidationError

from eng5_runner.contracts.base import Lenient, describe
from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import RunnerError, ServiceUnavailable
from eng5_runner.stack.cj import events as cj_events
from eng5_runner.stack.cj.assignments import Assignments
from eng5_runner.stack.cj.batch_runner import BatchRun, read_result
from eng5_runner.stack.cj.clients import ContentReader, LLMProviderClient, NeighbourFailed
from eng5_runner.stack.cj.events import ended_at_cost_limit
from eng5_runner.stack.cj.inbox import Held, Inbox, LeaseLost
from eng5_runner.stack.cj.outcome import Outcome, score
from eng5_runner.stack.cj.plan import (
    BatchPlan,
    RequestRejected,
    fetch_texts,
    plan_batch,
    request_digest,
    study_options_of,
)
from eng5_runner.stack.cj.repository import Batch, BatchRepository, PairAttempt, keep_answers
from eng5_runner.stack.cj.spend_limit import priced_model
from eng5_runner.stack.platform.kafka import Publisher
from eng5_runner.stack.platform.leases import RENEWED_EVERY_SECONDS
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.transactions import FAILURES, ValueRefused

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


class Intake:
    """Takes requests in; whoever cannot be read is told so."""

    def __init__(self, requests: Inbox, *, publisher: Publisher, arrived: asyncio.Event) -> None:
        """Set it up.

        Args:
            requests: where they are kept.
            publisher: where refusals go.
            arrived: set when there are new ones.
        """
        self._inbox = requests
        self._publisher = publisher
        self._arrived = arrived

    async def run(self, reader: AIOKafkaConsumer, *, commit: bool) -> None:
        """Take in what the reader brings until cancelled, and commit it if asked to."""
        while True:
            messages = await polled(reader)
            if not messages:
                continue
            readable = []
            for raw in messages:
                try:
                    envelope = Envelope[CJAssessmentRequest].model_validate_json(raw, extra="ignore")
                except ValidationError as error:
                    await refuse_unreadable(self._publisher, raw, error=error)
                else:
                    readable.append((envelope.data.entity_id, raw))
            await self._inbox.put(readable)
            self._arrived.set()
            if commit:
                await _commit(reader)


async def refuse_unreadable(publisher: Publisher, raw: bytes, *, error: ValidationError) -> None:
    """Tell whoever sent a request how it breaks the contract, if the batch can be read in it."""
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
    await publisher.publish(Topic.FAILED.value, message, key=told.data.entity_id.encode())


async def polled(reader: AIOKafkaConsumer) -> list[bytes]:
    """The next messages, perhaps none.

    Raises:
        ServiceUnavailable: Kafka refuses.
    """
    try:
        polled = await reader.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka cannot be read: {error!r}", remedy="Check the broker and our rights."
        ) from error
    return [message.value or b"" for messages in polled.values() for message in messages]


async def _commit(reader: AIOKafkaConsumer) -> None:
    """Tell the group what was read; if that fails it is read again, and then it changes nothing."""
    try:
        await reader.commit()
    except KafkaError as error:
        log.warning("what was read of the requests could not be committed", cause=type(error).__name__)


log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 0.5
_LET_GO_SECONDS = 2.0
# More than these wait, or go to other workers.
_BATCHES_AT_ONCE = 32


class CJService:
    """The service's Kafka side."""

    def __init__(
        self, *, store: Store, publisher: Publisher, contents: ContentReader, provider: LLMProviderClient
    ) -> None:
        """Set the service up.

        Args:
            store: where it keeps its record.
            publisher: where its events go.
            contents: where texts come from.
            provider: who judges.
        """
        self._store = store
        self._assignments = Assignments(store)
        self._inbox = Inbox(store)
        self._publisher = publisher
        self._contents = contents
        self._provider = provider
        self._woken = asyncio.Event()
        # By the request's number.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        # By batch id; None while a batch is on its way from a request to a run.
        self._active: dict[str, BatchRun | None] = {}

    async def forget_requests(self) -> None:
        """Leave batches that were not finished alone until they are asked for again: the broker is a new one."""
        await self._inbox.forget()

    async def run(self, requests: AIOKafkaConsumer, results: AIOKafkaConsumer, *, commit: bool = False) -> None:
        """Serve until cancelled. A bug in one batch ends that batch, and is logged.

        Args:
            requests: reads the requests.
            results: reads all comparison results, from now on at the latest.
            commit: whether Kafka is told what was read of the requests.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                intake = Intake(self._inbox, publisher=self._publisher, arrived=self._woken)
                tasks.create_task(intake.run(requests, commit=commit))
                tasks.create_task(self._listen(results))
                tasks.create_task(self._keep_leases())
                await self._work_off(tasks)
        finally:
            await self._let_go()

    async def _listen(self, reader: AIOKafkaConsumer) -> None:
        while True:
            await self._take_results(await polled(reader))

    async def _take_results(self, messages: Sequence[bytes]) -> None:
        """Keep callbacks of our batches, then tell the batches."""
        read = [(raw, read_result(raw)) for raw in messages]
        results: list[tuple[bytes, LLMComparisonResult]] = [(raw, result) for raw, result in read if result is not None]
        if len(results) < len(read):
            log.warning("messages that are no comparison results", messages=len(read) - len(results))
        ours = [(raw, result) for raw, result in results if (result.request_metadata.batch or "") in self._active]
        answers = [(result.correlation_id, raw) for raw, result in ours if result.correlation_id]
        if not answers:
            return
        await keep_answers(self._store, answers)
        for _, result in ours:
            run = self._active.get(result.request_metadata.batch or "")
            if run is not None:
                run.deliver(result)

    async def _work_off(self, tasks: asyncio.TaskGroup) -> None:
        """Take requests as there is room for their batches; those that others left are looked for now and then."""
        while True:
            self._woken.clear()
            places = _BATCHES_AT_ONCE - len(self._tasks)
            for held in await self._inbox.take(places, leased=tuple(self._tasks)) if places else []:
                self._tasks[held.number] = tasks.create_task(self._serve(held), name=f"request {held.number}")
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                    await self._woken.wait()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_EVERY_SECONDS)
            ours = dict(self._tasks)
            held = await self._inbox.renew(tuple(ours))
            for number, task in ours.items():
                if number not in held and not task.done():
                    log.warning("a batch was taken by another worker", request=number)
                    task.cancel()

    async def _let_go(self) -> None:
        """What is not finished need not wait for the end of the lease."""
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                await self._inbox.release()
        except (*FAILURES, ServiceUnavailable, TimeoutError) as error:
            log.warning("the batches at work stay taken until their lease ends", cause=type(error).__name__)

    async def _serve(self, held: Held) -> None:
        """One request from beginning to end."""
        try:
            await self._worked_off(held)
            await self._inbox.note(held, done=True)
        except LeaseLost:
            log.warning("a batch was taken by another worker", request=held.number)
        finally:
            del self._tasks[held.number]
            self._woken.set()

    async def _worked_off(self, held: Held) -> None:
        """What a request asks for; whatever goes wrong with this one alone ends in a failure event.

        Raises:
            LeaseLost: another worker has taken it.
        """
        try:
            envelope = Envelope[CJAssessmentRequest].model_validate_json(held.raw, extra="ignore")
        except ValidationError as error:  # an earlier version took it in, whose contract was wider
            await refuse_unreadable(self._publisher, held.raw, error=error)
            return
        batch_id, repository, job = envelope.data.entity_id, BatchRepository(self._store, held), None
        self._active[batch_id] = None
        try:
            batch = await self._batch_of(envelope, repository)
            job = batch.number
            await self._finish(batch, repository=repository, held=held)
        except (RequestRejected, NeighbourFailed, ValueRefused) as error:
            log.warning("batch failed", batch_id=batch_id, reason=str(error))
            await self._fail(envelope, held=held, job=job, reason=str(error))
        except (LeaseLost, RunnerError, *FAILURES):  # the database or the broker is away, which is no batch's own
            raise
        except Exception:  # one batch's boundary: a bug in it must not end the others
            log.exception("batch failed", batch_id=batch_id)
            await self._fail(envelope, held=held, job=job, reason="internal error; see the log")
        finally:
            del self._active[batch_id]

    async def _fail(self, envelope: Envelope[CJAssessmentRequest], *, held: Held, job: int | None, reason: str) -> None:
        """Tell that a batch has failed.

        Raises:
            LeaseLost: another worker has taken it, and it has not failed there.
        """
        await self._store.carry_out(held.check)
        message = cj_events.failed(
            batch_id=envelope.data.entity_id,
            parent_id=envelope.data.assignment_id,
            correlation_id=envelope.correlation_id,
            error_info=cj_events.processing_error(reason, envelope.correlation_id),
            job=job,
        )
        await self._publish(Topic.FAILED, message, batch_id=envelope.data.entity_id)

    async def _batch_of(self, envelope: Envelope[CJAssessmentRequest], repository: BatchRepository) -> Batch:
        """The batch of a request: the one on record, or a new one.

        Raises:
            RequestRejected: the request cannot be served, or its batch id belongs to another request.
            NeighbourFailed: the Content Service does not give what the plan needs.
            LeaseLost: another worker has taken it.
        """
        digest = request_digest(envelope)
        batch = await repository.find(envelope.data.entity_id)
        if batch is None:
            plan = await plan_batch(envelope, assignments=self._assignments, contents=self._contents)
            log.info("batch accepted", batch_id=plan.batch_id, essays=len(plan.essays), comparisons=plan.budget)
            return await repository.accept(plan, digest)
        if batch.request_sha256 != digest:
            raise RequestRejected("this batch id belongs to another request (other event id or data)")
        return await _with_the_limit_of(envelope, batch, repository=repository)

    async def _finish(self, batch: Batch, *, repository: BatchRepository, held: Held) -> None:
        """Answer again what was answered, do the rest, and publish how it ended.

        Raises:
            RequestRejected: it has a cost limit, and nobody knows what a comparison costs.
            NeighbourFailed: the Content Service or the LLM provider failed.
            LeaseLost: another worker has taken it.
        """
        plan = batch.plan
        model = await priced_model(plan, self._provider)
        run = BatchRun(batch=batch, repository=repository, provider=self._provider, model=model)
        self._active[plan.batch_id] = run
        earlier = await repository.asked(batch.number)
        if not held.answered:
            await self._answer_again(plan, earlier)
            await self._inbox.note(held)
        elif earlier:
            log.info("batch taken over", batch_id=plan.batch_id, asked=len(earlier))
        events = await repository.closing(batch.number)
        if not events:
            outcome = await run.run(earlier, await fetch_texts(plan, self._contents))
            await repository.close(batch.number, await self._closing_events(batch, outcome))
            events = await repository.closing(batch.number)
        for topic, message in events:
            await self._publish(Topic(topic), message, batch_id=plan.batch_id)
        log.info("batch finished", batch_id=plan.batch_id, events=[topic for topic, _ in events])

    async def _answer_again(self, plan: BatchPlan, earlier: Sequence[PairAttempt]) -> None:
        answered = [each.raw for each in earlier if each.raw is not None]
        if answered:
            log.info("batch answered again", batch_id=plan.batch_id, callbacks=len(answered))
        try:
            await self._publisher.publish_all(Topic.COMPARISON.value, answered)
        except* ServiceUnavailable as several:
            raise several.exceptions[0] from None

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


async def _with_the_limit_of(
    envelope: Envelope[CJAssessmentRequest], batch: Batch, *, repository: BatchRepository
) -> Batch:
    """The batch on record; a higher cost limit lets it go on where it had ended for the lower one's sake.

    Raises:
        RequestRejected: the limit is none that can be.
        LeaseLost: another worker has taken the batch.
    """
    limit, before = study_options_of(envelope.metadata or {}).max_cost_usd, batch.plan.study_options.max_cost_usd
    closing = await repository.closing(batch.number)
    if limit is None or before is None or limit <= before or (closing and not ended_at_cost_limit(closing)):
        return batch
    log.info("cost limit raised", batch_id=batch.plan.batch_id, before=before, now=limit)
    return await repository.go_on(batch, batch.plan.with_limit(limit))
