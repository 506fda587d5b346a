"""The CJ Assessment Service: takes requests from Kafka, runs several batches at the same time, publishes the results.

A request is stored in the database before its Kafka offset is committed. One process at a time runs its batch, under a
lease. Every process reads all comparison results and stores those of its own batches. When a process dies, another one
takes over its batches after the lease and continues from the database. A result that was lost meanwhile is requested
again, and the provider repeats it from its own database.

On a Kafka that it shares with other services, a request is for this service only if the Content Service has one of its
texts. Any other request ends silently here: another service answers it.

If the same request (event id and data) arrives again after its batch has ended, all events are published again, byte
for byte. That brings a broker that lost its data up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiokafka import AIOKafkaConsumer
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest, reads_to_end
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import RunnerError, ServiceUnavailable
from eng5_runner.stack.cj import events as cj_events
from eng5_runner.stack.cj.assignments import Assignments
from eng5_runner.stack.cj.clients import ContentReader, LLMProviderClient, NeighbourFailed
from eng5_runner.stack.cj.events import ended_at_cost_limit
from eng5_runner.stack.cj.inbox import Held, Inbox, LeaseLost
from eng5_runner.stack.cj.intake import Intake, Refusals, knows_any, polled
from eng5_runner.stack.cj.outcome import Outcome, Scores, may_be_of, read_result
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
from eng5_runner.stack.platform.kafka import MessageRefused, Publisher
from eng5_runner.stack.platform.leases import RENEWED_EVERY_SECONDS
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.transactions import FAILURES, ValueRefused
from eng5_runner.transport.kafka import RestingPoll
from eng5_runner.transport.stack_secret import StackSecret

if TYPE_CHECKING:
    from eng5_runner.stack.cj.batch_runner import BatchRun

log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_LET_GO_SECONDS = 2.0
_LONGEST_REST_SECONDS = 0.1
# More than these wait, or go to other workers.
_BATCHES_AT_ONCE = 32
_CONTENT_AWAY_SECONDS = 2.0
# A client that stops at the result has by then read the comparisons that it got before.
_BEFORE_CLOSING_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What runs a batch, and what gives its figures."""

    batch_run: type[BatchRun]
    score: Callable[[BatchPlan, Outcome], Scores]


def load_statistics() -> _Statistics:
    """Load what the first batch needs and no start waits for: it takes as long as the rest of a service's start."""
    from eng5_runner.stack.cj.batch_runner import BatchRun  # noqa: PLC0415 - see above  # law: inner_import - see above
    from eng5_runner.stack.cj.scoring import score  # noqa: PLC0415 - see above  # law: inner_import - see above

    return _Statistics(BatchRun, score)


class _NotOurs(Exception):
    """The request is for another service on the same Kafka."""


class CJService:
    """The service's Kafka side."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        contents: ContentReader,
        provider: LLMProviderClient,
        shares_broker: bool = False,
    ) -> None:
        """Set the service up.

        Args:
            store: its database.
            publisher: of its events.
            contents: the Content Service.
            provider: the LLM Provider Service.
            shares_broker: whether the topics also have the requests of other services.
        """
        self._store = store
        self._shares_broker = shares_broker
        self._refusals = Refusals(publisher=publisher, contents=contents, shares_broker=shares_broker)
        self._assignments = Assignments(store)
        self._inbox = Inbox(store)
        self._publisher = publisher
        self._contents = contents
        self._provider = provider
        self._woken = asyncio.Event()
        # By the number of the request.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        # By batch id; None while the batch is being prepared.
        self._active: dict[str, BatchRun | None] = {}

    async def forget_requests(self) -> None:
        """Forget unfinished batches until they are requested again, as the broker is a new one."""
        await self._inbox.forget()

    async def run(
        self,
        requests: AIOKafkaConsumer,
        results: AIOKafkaConsumer,
        *,
        commit: bool = False,
        secret: StackSecret | None = None,
    ) -> None:
        """Serve until cancelled. A bug in one batch ends that batch, and is logged.

        Args:
            requests: reads the requests.
            results: reads all comparison results, at the latest from now on.
            commit: whether the offsets of the requests are committed.
            secret: that must have signed both; None where other services write too.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                intake = Intake(self._inbox, refusals=self._refusals, arrived=self._woken)
                tasks.create_task(intake.run(requests, commit=commit, secret=secret))
                tasks.create_task(self._listen(results, secret=secret))
                tasks.create_task(self._keep_leases())
                await self._take_requests(tasks)
        finally:
            await self._let_go()

    async def _listen(self, reader: AIOKafkaConsumer, *, secret: StackSecret | None) -> None:
        """Take results: what comes while some are stored, and for as long again after it, is stored together."""
        poll, clock = RestingPoll(reader), asyncio.get_running_loop().time
        while True:
            messages = await polled(poll, secret=secret)
            began = clock()
            await self.take_results(messages)
            await asyncio.sleep(min(clock() - began, _LONGEST_REST_SECONDS))

    async def take_results(self, messages: Sequence[bytes]) -> None:
        """Store the callbacks of this process's batches, then deliver them to the batches.

        The worker of its batch says that a message is no result; all workers do if it does not say its batch.
        """
        read = [(raw, read_result(raw)) for raw in messages if may_be_of(self._active, raw)]
        results: list[tuple[bytes, LLMComparisonResult]] = [(raw, result) for raw, result in read if result is not None]
        if len(results) < len(read):
            log.warning("messages that are not comparison results", messages=len(read) - len(results))
        ours = [(raw, result) for raw, result in results if (result.request_metadata.batch or "") in self._active]
        answers = [(result.correlation_id, raw) for raw, result in ours if result.correlation_id]
        if not answers:
            return
        await keep_answers(self._store, answers)
        for _, result in ours:
            run = self._active.get(result.request_metadata.batch or "")
            if run is not None:
                run.deliver(result)

    async def _take_requests(self, tasks: asyncio.TaskGroup) -> None:
        """Take requests while there is room for their batches; look regularly for those that other processes left."""
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
            held = await self._inbox.renew(tuple(ours)) if ours else ()
            for number, task in ours.items():
                if number not in held and not task.done():
                    log.warning("a batch was taken by another worker", request=number)
                    task.cancel()

    async def _let_go(self) -> None:
        """Release the leases, so that other processes need not wait for them to expire."""
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                await self._inbox.release()
        except (*FAILURES, RunnerError, TimeoutError) as error:
            log.warning("the running batches stay leased until their leases expire", cause=type(error).__name__)

    async def _serve(self, held: Held) -> None:
        """Serve one request."""
        try:
            await self._run_batch(held)
            await self._inbox.note(held, done=True)
        except LeaseLost:
            log.warning("a batch was taken by another worker", request=held.number)
        finally:
            del self._tasks[held.number]
            self._woken.set()

    async def _run_batch(self, held: Held) -> None:
        """Run the batch of a request; an error of this batch alone ends in a failure event.

        Raises:
            LeaseLost: another worker has taken it.
        """
        try:
            envelope = Envelope[CJAssessmentRequest].model_validate_json(held.raw, extra="ignore")
        except ValidationError as error:  # accepted by an earlier version with a wider contract
            await self._refusals.refuse(held.raw, error)
            return
        batch_id, repository, job = envelope.data.entity_id, BatchRepository(self._store, held), None
        self._active[batch_id] = None
        try:
            batch = await self._batch_of(envelope, repository)
            job = batch.number
            await self._finish(batch, repository=repository, held=held, reads_to_end=reads_to_end(envelope.metadata))
        except _NotOurs:
            log.info("a request for another service", batch_id=batch_id)
        except (RequestRejected, NeighbourFailed, ValueRefused, MessageRefused) as error:
            log.warning("batch failed", batch_id=batch_id, reason=str(error))
            await self._fail(envelope, held=held, job=job, reason=str(error))
        except (LeaseLost, RunnerError, *FAILURES):  # the database or the broker is away: no error of this batch
            raise
        except Exception:  # one batch's boundary: a bug in it must not end the others
            log.exception("batch failed", batch_id=batch_id)
            await self._fail(envelope, held=held, job=job, reason="internal error; see the log")
        finally:
            del self._active[batch_id]

    async def _fail(self, envelope: Envelope[CJAssessmentRequest], *, held: Held, job: int | None, reason: str) -> None:
        """Publish that a batch has failed.

        Raises:
            LeaseLost: another worker has taken the batch, where it has not failed.
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
        """The batch of a request: the stored batch, or a new one.

        Raises:
            _NotOurs: the request is for another service.
            RequestRejected: the request cannot be served, or its batch id belongs to another request.
            NeighbourFailed: the Content Service does not return a text that the plan needs.
            LeaseLost: another worker has taken it.
        """
        batch = await repository.find(envelope.data.entity_id)
        if batch is None and not await self._is_ours(envelope.data):
            raise _NotOurs
        digest = request_digest(envelope)
        if batch is None:
            plan = await plan_batch(envelope, assignments=self._assignments, contents=self._contents)
            log.info("batch accepted", batch_id=plan.batch_id, essays=len(plan.essays), comparisons=plan.budget)
            return await repository.accept(plan, digest)
        if batch.request_sha256 != digest:
            raise RequestRejected("this batch id belongs to another request (other event id or data)")
        return await _with_the_limit_of(envelope, batch, repository=repository)

    async def _is_ours(self, request: CJAssessmentRequest) -> bool:
        """Whether a request is for this service; waits for the Content Service, without which nobody can say."""
        while self._shares_broker:
            try:
                return await knows_any(self._contents, (essay.text_storage_id for essay in request.essays_for_cj))
            except NeighbourFailed as error:
                log.warning("a request waits for the Content Service", batch_id=request.entity_id, reason=str(error))
                await asyncio.sleep(_CONTENT_AWAY_SECONDS)
        return True

    async def _finish(self, batch: Batch, *, repository: BatchRepository, held: Held, reads_to_end: bool) -> None:
        """Publish earlier callbacks again, run the rest, and publish the closing events.

        A client that does not say that it reads the comparisons to their end gets time to read them before the result.

        Raises:
            RequestRejected: it has a cost limit, and the price of a comparison is not known.
            NeighbourFailed: the Content Service or the LLM provider failed.
            MessageRefused: the broker does not take an event of the batch, for example a result that is too large.
            LeaseLost: another worker has taken it.
        """
        plan, statistics = batch.plan, await asyncio.to_thread(load_statistics)
        model = await priced_model(plan, self._provider)
        run = statistics.batch_run(batch=batch, repository=repository, provider=self._provider, model=model)
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
            await repository.close(batch.number, await _closing_events(batch, outcome, score=statistics.score))
            events = await repository.closing(batch.number)
        if not reads_to_end:
            await asyncio.sleep(_BEFORE_CLOSING_SECONDS)
        for topic, message in events:
            await self._publish(Topic(topic), message, batch_id=plan.batch_id)
        log.info("batch finished", batch_id=plan.batch_id, events=[topic for topic, _ in events])

    async def _answer_again(self, plan: BatchPlan, earlier: Sequence[PairAttempt]) -> None:
        answered = [attempt.raw for attempt in earlier if attempt.raw is not None]
        if answered:
            log.info("batch answered again", batch_id=plan.batch_id, callbacks=len(answered))
        try:
            await self._publisher.publish_all(Topic.COMPARISON.value, answered)
        except* (ServiceUnavailable, MessageRefused) as several:
            raise several.exceptions[0] from None

    async def _publish(self, topic: Topic, message: bytes, *, batch_id: str) -> None:
        await self._publisher.publish(topic.value, message, key=batch_id.encode())


async def _with_the_limit_of(
    envelope: Envelope[CJAssessmentRequest], batch: Batch, *, repository: BatchRepository
) -> Batch:
    """The stored batch; with a higher cost limit it continues where the lower one had ended it.

    Raises:
        RequestRejected: the limit is not valid.
        LeaseLost: another worker has taken the batch.
    """
    limit, before = study_options_of(envelope.metadata or {}).max_cost_usd, batch.plan.study_options.max_cost_usd
    closing = await repository.closing(batch.number)
    if limit is None or before is None or limit <= before or (closing and not ended_at_cost_limit(closing)):
        return batch
    log.info("cost limit raised", batch_id=batch.plan.batch_id, before=before, now=limit)
    return await repository.go_on(batch, batch.plan.with_limit(limit))


async def _closing_events(
    batch: Batch, outcome: Outcome, *, score: Callable[[BatchPlan, Outcome], Scores]
) -> list[tuple[str, bytes]]:
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
    # The result first: if the broker refuses it, the batch has failed and is not complete.
    return [
        (Topic.RESULT.value, cj_events.result(batch, outcome=outcome, scores=scores)),
        (Topic.COMPLETED.value, cj_events.completed(batch, outcome=outcome, scores=scores)),
    ]
