"""The LLM Provider Service: takes comparisons over HTTP, has them judged, publishes the results.

A result is stored before it is published, so that nothing is judged, and paid for, twice. After a second request with
the same correlation id and prompt, the stored result is published again.

Several processes can share one database. Each takes as many comparisons at a time as the providers allow,
under leases that it renews, so only one process judges a comparison. When a process dies, another one takes its
comparisons after the lease. A language model is then not asked again here, as it may be paid: the client decides.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge
from pydantic import JsonValue

from eng5_runner.contracts.request import BATCHING_MODE, BatchingMode, Provider, batching_mode
from eng5_runner.contracts.services import (
    COMPARISONS_AT_ONCE,
    CancelComparisons,
    ComparisonBody,
    ComparisonQueued,
    ComparisonRefused,
    ComparisonsCancelled,
    ModelManifest,
    ProviderTrouble,
    SeveralComparisons,
    SeveralQueued,
)
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import RunnerError
from eng5_runner.judges.compatibility import chosen_model, refusals
from eng5_runner.stack.llm.batch_desk import BatchDesk
from eng5_runner.stack.llm.batch_work import Ask
from eng5_runner.stack.llm.judge import JudgeFailed, Question, Spent, Verdict
from eng5_runner.stack.llm.pace import Pace
from eng5_runner.stack.llm.provider_batches import ProviderBatches
from eng5_runner.stack.llm.providers.entries import JudgeEntry, calls_under_way
from eng5_runner.stack.llm.queue import UNANSWERABLE, AlreadyQueued, Entry, Full, QueueRepository, new_entry
from eng5_runner.stack.llm.results import (
    SERVICE,
    failure,
    metadata_of,
    question_of,
    refused_by_broker,
    repeat_index,
    success,
    unanswerable,
)
from eng5_runner.stack.platform.group_commit import Closed
from eng5_runner.stack.platform.kafka import MessageRefused
from eng5_runner.stack.platform.leases import RENEWED_EVERY_SECONDS
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.transactions import FAILURES
from eng5_runner.stack.platform.web import (
    MEASURING,
    TROUBLES,
    Measuring,
    RequestRefused,
    Troubles,
    answer,
    error_body,
    invalid,
    parsed,
    service,
)

log = structlog.get_logger(__name__)

PATH = "/api/v1"
_LARGEST_BODY = 20 * 1024 * 1024
_QUEUE_LENGTH = 1000
# More than these wait until outcomes are stored and published.
_LEASED_FOR_EACH_PLACE = 2
_RETRY_AFTER_SECONDS = 1
# A look for what no worker holds: where nothing is known to wait, and at most so often when places become free.
_LOOK_EVERY_SECONDS, _LOOK_AT_MOST_EVERY_SECONDS = 1.0, 0.1
# While comparisons are taken, other workers are counted so often: when a study begins, they begin one after the other.
_COUNT_EVERY_SECONDS = 0.25
_LET_GO_SECONDS = 2.0


class ResultPublisher(Protocol):
    """Publishes the results of comparisons."""

    async def publish(self, topic: str, value: bytes) -> None:
        """Append a message to a topic."""


class LLMProvider:
    """The service: its handlers, its queue and its workers."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: ResultPublisher,
        judges: Sequence[JudgeEntry],
        workers: int | None = None,
        queue_length: int = _QUEUE_LENGTH,
    ) -> None:
        """Set the service up.

        Args:
            store: the database of the queue.
            publisher: of the results.
            judges: the judges; the first of a provider is its default model.
            workers: comparisons that are judged at the same time; None for as many as the providers take.
            queue_length: comparisons that may wait; more are refused with 503.
        """
        self._queue = QueueRepository(store, length=queue_length)
        self._publisher = publisher
        self._judges = tuple(judges)
        places = {entry.model.provider: entry.concurrency for entry in judges}
        # What waits here for a place of its provider is kept from other workers, so the baseline's places do not count.
        asked = [count for provider, count in places.items() if provider != Provider.MOCK.value]
        self._workers = workers or sum(asked) or sum(places.values())
        self._pace = Pace(time.monotonic)
        # Of these the judge is asked; the other leased ones were refused for now, or their outcomes are being stored.
        self._asking: set[str] = set()
        self._leased: set[str] = set()
        self._desk = BatchDesk(
            batches=ProviderBatches(store, worker=self._queue.worker),
            judge_for=lambda entry: self._entry_for(entry.body),
            judges=self._judges,
            conclude=self._conclude,
        )
        self._bundles: WeakValueDictionary[tuple[JsonValue, JsonValue], asyncio.Lock] = WeakValueDictionary()
        self._woken = asyncio.Event()
        self._closing = False
        self._app, registry = service(SERVICE, largest_body=_LARGEST_BODY)
        self._waiting = Gauge(
            "comparisons_waiting", "Comparisons that no worker has taken yet, of all workers.", registry=registry
        )
        self._judged = Counter("comparisons", "Judged comparisons.", ["provider", "outcome"], registry=registry)

    def application(self) -> web.Application:
        """The service's HTTP side."""
        self._app.router.add_post(PATH + "/comparison", self.compare)
        self._app.router.add_post(PATH + "/comparisons", self.compare_several)
        self._app.router.add_post(PATH + "/comparisons/cancel", self.cancel)
        self._app.router.add_get(PATH + "/models", self.models)
        self._app[TROUBLES] = Troubles(self._troubles, partial(calls_under_way, self._judges))
        self._app[MEASURING] = Measuring(self._measure)
        return self._app

    def _troubles(self) -> dict[str, ProviderTrouble]:
        return {entry.model.provider: trouble for entry in self._judges if (trouble := entry.trouble()) is not None}

    async def _measure(self) -> None:
        try:
            self._waiting.set(await self._queue.waiting())
        except (*FAILURES, RunnerError):  # the database is away; the other metrics are known
            self._waiting.set(math.nan)

    async def models(self, _: web.Request) -> web.StreamResponse:
        """The manifest of the models that can be asked."""
        by_provider = {
            provider: tuple(entry.model for entry in self._judges if entry.model.provider == provider)
            for provider in dict.fromkeys(entry.model.provider for entry in self._judges)
        }
        manifest = ModelManifest(
            providers=by_provider, total_models=len(self._judges), comparisons_at_once=COMPARISONS_AT_ONCE
        )
        return answer(manifest)

    async def compare(self, request: web.Request) -> web.StreamResponse:
        """Queue a comparison.

        Raises:
            RequestRefused: the body is invalid (400), or as `_queue_one`.
        """
        return answer(await self._queue_one(await parsed(request, ComparisonBody)), status=202)

    async def compare_several(self, request: web.Request) -> web.StreamResponse:
        """Queue several comparisons, which are stored together: a refused one does not stop the others.

        Raises:
            RequestRefused: 400, the body is invalid.
        """
        several = await parsed(request, SeveralComparisons)
        answers = await asyncio.gather(*map(self._queued_or_refused, several.comparisons))
        return answer(SeveralQueued(answers=tuple(answers)), status=202)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """End comparisons early that go to a provider's batch API; those that have a result get it again.

        Raises:
            RequestRefused: 400, the body is invalid.
        """
        cancelled = await self._desk.cancel((await parsed(request, CancelComparisons)).correlation_ids)
        for topic, raw in cancelled.outcomes:
            await self._publisher.publish(topic, raw)
        return answer(ComparisonsCancelled(known=cancelled.known))

    async def _queued_or_refused(self, body: ComparisonBody) -> ComparisonQueued | ComparisonRefused:
        try:
            return await self._queue_one(body)
        except RequestRefused as refusal:
            wait = refusal.headers.get("Retry-After")
            error = error_body(refusal, name=SERVICE, correlation_id=body.correlation_id)
            return ComparisonRefused(
                status=refusal.status, error=error, retry_after=None if wait is None else float(wait)
            )

    async def _queue_one(self, body: ComparisonBody) -> ComparisonQueued:
        """Queue a comparison.

        Raises:
            RequestRefused: 400: the correlation id belongs to another prompt, there is no such provider or model, or
                the model does not take a parameter; 503: the queue is full, or the provider has failed too often.
        """
        prompt_sha256 = hashlib.sha256(body.user_prompt.encode()).hexdigest()
        judge, mode = self._entry_for(body), batching_mode(body.metadata.get(BATCHING_MODE))
        entry = new_entry(body, prompt_sha256, is_batched=_is_batched(judge, mode))
        _check_answerable(entry)
        _check_askable(judge, body, mode=mode)
        try:
            queued = await self._queue.accepted.add(entry)
        except Closed as error:
            raise RequestRefused(503, error_code="SERVICE_UNAVAILABLE", message="the service is ending") from error
        if isinstance(queued, Full):
            headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
            raise RequestRefused(503, error_code="LLM_QUEUE_FULL", message="too many comparisons wait", headers=headers)
        # A batch that an earlier version began asks in other words now; its comparison is in the record already.
        if queued.prompt_sha256 != prompt_sha256 and not queued.is_for(body):
            raise invalid("this correlation_id was used for another prompt")
        if queued.queue_id == entry.queue_id and entry.is_batched:
            self._desk.wake()
        elif queued.queue_id == entry.queue_id:
            self._woken.set()
        else:
            await self._publish_again(queued, body.callback_topic)
        message = f"Queued; the result comes on {body.callback_topic}."
        return ComparisonQueued(queue_id=queued.queue_id, message=message)

    async def _publish_again(self, queued: AlreadyQueued, topic: str) -> None:
        if queued.outcome is not None and queued.outcome != UNANSWERABLE:
            await self._publisher.publish(topic, queued.outcome)

    def _entry_for(self, body: ComparisonBody) -> JudgeEntry:
        """The judge for the wanted provider and model.

        Raises:
            RequestRefused: 400, no provider is named, or there is no such judge.
        """
        provider, model = body.llm_config_overrides.provider_override, body.llm_config_overrides.model_override
        if provider is None:
            raise invalid("llm_config_overrides.provider_override is required")
        judges = {entry.model.model_id: entry for entry in self._judges if entry.model.provider == provider.value}
        chosen = chosen_model([entry.model for entry in judges.values()], model)
        if chosen is not None:
            return judges[chosen.model_id]
        offered = ", ".join(f"{entry.model.provider}/{entry.model.model_id}" for entry in self._judges)
        wanted = f"{provider.value}/{model}" if model else provider.value
        message = f"no judge for {wanted}; this service has {offered}"
        raise RequestRefused(400, error_code="LLM_CONFIGURATION_ERROR", message=message)

    async def run(self) -> None:
        """Judge until cancelled or closed, starting with comparisons that were left unfinished."""
        try:
            async with asyncio.TaskGroup() as helpers:
                helping = [
                    *self._queue.start(helpers.create_task),
                    helpers.create_task(self._keep_leases()),
                    helpers.create_task(self._desk.run()),
                ]
                async with asyncio.TaskGroup() as judging:
                    await self._take(judging)
                for task in helping:
                    task.cancel()
        finally:
            await self._let_go()

    def close(self) -> None:
        """Finish the running comparisons and end; the rest of the queue stays in the database."""
        self._closing = True
        self._woken.set()

    async def _take(self, judging: asyncio.TaskGroup) -> None:
        """Take waiting comparisons as workers become free; look regularly for those that other processes left."""
        clock, hold = asyncio.get_running_loop().time, partial(self._hold, judging)
        looked = counted = -math.inf
        while not self._closing:
            self._woken.clear()
            if self._leased:
                await asyncio.sleep(self._pace.wait)
            # Comparisons are taken in groups. An answered one needs no place any more; its transaction may be slow. A
            # refused one needs none while it waits, and then waits in the provider's rate limiter for its turn.
            most = max(self._workers // self._pace.sharing, 1) + self._pace.ahead()
            places = max(min(most - len(self._asking), _LEASED_FOR_EACH_PLACE * most - len(self._leased)), 0)
            if places and (self._queue.may_wait or clock() - looked >= _LOOK_AT_MOST_EVERY_SECONDS):
                self._queue.offer(0)
                looked = clock()
                taken = await self._queue.take(places, leased=self._leased)
                self._pace.took = clock() - looked
                if taken and clock() - counted >= _COUNT_EVERY_SECONDS:
                    counted = clock()
                    await self._share()
                for entry in taken:
                    hold(entry)
                if len(taken) == places:
                    continue
                places -= len(taken)
            # Who holds none has to know first how many workers share the limits.
            self._queue.offer(places if self._leased and not self._queue.may_wait else 0, hold=hold)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                    await self._woken.wait()
        self._queue.offer(0)

    def _hold(self, judging: asyncio.TaskGroup, entry: Entry) -> None:
        self._leased.add(entry.queue_id)
        judging.create_task(self._judge(entry))

    async def _judge(self, entry: Entry) -> None:
        try:
            async with self._in_bundle(entry):
                self._asking.add(entry.queue_id)
                try:
                    raw = await self._outcome(entry, self._asked_now(entry))
                    self._pace.answered()
                finally:
                    self._give_way(entry.queue_id)
                await self._keep(entry, raw)
        except Closed:  # another part of the service has failed, and says why
            log.warning("an outcome could not be stored, as the service ends", queue_id=entry.queue_id)
        finally:
            self._leased.discard(entry.queue_id)
            self._woken.set()

    def _asked_now(self, entry: Entry) -> Ask:
        async def ask(judge: JudgeEntry, question: Question) -> Verdict:
            begin, give_way = partial(self._queue.begun.add, entry.queue_id), partial(self._give_way, entry.queue_id)
            return await judge.judge(replace(question, begin=begin, give_way=give_way))

        return ask

    def _give_way(self, queue_id: str) -> None:
        """Let another comparison be taken in the place of one that is answered, or that its provider refused."""
        self._asking.discard(queue_id)
        self._woken.set()

    def _in_bundle(self, entry: Entry) -> AbstractAsyncContextManager[None]:
        """Held while a comparison of a serial bundle is asked: those of one batch that share their first essay."""
        about = entry.body.metadata
        if batching_mode(about.get(BATCHING_MODE)) is not BatchingMode.SERIAL_BUNDLE:
            return nullcontext()
        bundle = (about.get("bos_batch_id"), about.get("essay_a_id"))
        return self._bundles.setdefault(bundle, asyncio.Lock())

    async def _conclude(self, entry: Entry, ask: Ask) -> None:
        """Ask a comparison in the given way, store its outcome, and publish it.

        Raises:
            Closed: the outcome could not be stored, as the service ends.
        """
        await self._keep(entry, await self._outcome(entry, ask))

    async def _keep(self, entry: Entry, raw: bytes) -> None:
        if not await self._queue.finished.add((entry.queue_id, raw)):
            log.warning("judged by another worker meanwhile", queue_id=entry.queue_id)
        elif raw != UNANSWERABLE:
            await self._deliver(entry, raw)

    async def _deliver(self, entry: Entry, raw: bytes) -> None:
        """Publish a result; if the broker does not take it, publish that the comparison failed."""
        topic = entry.body.callback_topic
        try:
            await self._publisher.publish(topic, raw)
        except MessageRefused as refused:
            log.warning("a result was refused", queue_id=entry.queue_id, reason=str(refused))
            with suppress(MessageRefused):  # the client asks again, and is refused
                await self._publisher.publish(topic, refused_by_broker(entry, raw, reason=str(refused)))

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_EVERY_SECONDS)
            if self._leased:
                await self._queue.renew(tuple(self._leased))
                await self._share()
            await self._desk.keep_leases()

    async def _share(self) -> None:
        """Keep to an equal part of the providers' limits, if other workers judge too."""
        sharing = self._pace.sharing = self._queue.finished.sharing = await self._queue.workers()
        for judge in self._judges:
            judge.share(sharing)

    async def _let_go(self) -> None:
        """Release the leases, so that other processes need not wait for them to expire."""
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                await self._queue.release()
                await self._desk.release()
        except (*FAILURES, RunnerError, TimeoutError) as error:
            log.warning("the running comparisons stay leased until their leases expire", cause=type(error).__name__)

    async def _outcome(self, entry: Entry, ask: Ask) -> bytes:
        """The message of a comparison's result, also if a bug prevented the judgement."""
        problem = unanswerable(entry)
        if problem is not None:  # an earlier version accepted it
            log.error("no valid result can be written for a comparison", queue_id=entry.queue_id, reason=problem)
            return UNANSWERABLE
        try:
            return await self._judged_message(entry, ask)
        except RunnerError:  # expected, and not of this comparison, such as a full disk
            raise
        except Exception:  # one comparison's boundary: a bug in it must not end the others
            log.exception("a comparison failed", queue_id=entry.queue_id)
            self._judged.labels(_provider_of(entry.body), "failed").inc()
            failed = JudgeFailed("INTERNAL_ERROR", "internal error; see the log", spent=Spent(cost=None))
            return failure(entry, failed, metadata={}, model=self._entry_for(entry.body).model)

    async def _judged_message(self, entry: Entry, ask: Ask) -> bytes:
        """The message of a comparison's result."""
        provider = _provider_of(entry.body)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            judge = self._entry_for(entry.body)
        except RequestRefused as refusal:  # queued by an earlier process that had another judge
            self._judged.labels(provider, "failed").inc()
            return failure(entry, JudgeFailed(refusal.error_code, refusal.message, is_final=True), metadata={})
        question = question_of(entry)
        metadata = metadata_of(judge, question)
        try:
            verdict = await ask(judge, question)
        except JudgeFailed as failed:
            self._judged.labels(provider, "failed").inc()
            return failure(entry, failed, metadata=metadata, model=judge.model)
        self._judged.labels(provider, "replayed" if verdict.replay_of else "judged").inc()
        took = clock() - began if verdict.seconds is None else verdict.seconds
        return success(entry, model=judge.model, verdict=verdict, response_seconds=took, metadata=metadata)


def _provider_of(body: ComparisonBody) -> str:
    return (body.llm_config_overrides.provider_override or Provider.MOCK).value


def _check_answerable(entry: Entry) -> None:
    """Refuse a comparison for which no valid result could be written.

    Raises:
        RequestRefused: 400: the topic is not ours, the correlation id is not a canonical UUID, or the metadata does not
            name two essays or cannot be returned.
    """
    body = entry.body
    if body.callback_topic != Topic.COMPARISON:
        raise invalid(f"callback_topic: results go to {Topic.COMPARISON.value} only")
    repeat_index(body)
    try:
        written = str(UUID(body.correlation_id))
    except ValueError as error:
        raise invalid("correlation_id must be a UUID") from error
    if written != body.correlation_id.lower():  # it can be longer than its column
        raise invalid("correlation_id must be a UUID in its usual form")
    problem = unanswerable(entry)
    if problem is not None:
        raise invalid(problem)


def _is_batched(judge: JudgeEntry, mode: BatchingMode | None) -> bool:
    """Whether a comparison goes to a batch API. The offline baseline answers at once and costs nothing."""
    return mode is BatchingMode.PROVIDER_BATCH_API and judge.batches is not None


def _check_askable(entry: JudgeEntry, body: ComparisonBody, *, mode: BatchingMode | None) -> None:
    """Refuse what the judge does not take.

    Raises:
        RequestRefused: 400: the model does not take a parameter; 503: its provider has failed too often.
    """
    today = datetime.now(UTC).date()
    refused = next(refusals(entry.model, body.llm_config_overrides, today=today, batching=mode), None)
    if refused is not None:
        raise RequestRefused(400, error_code="LLM_CONFIGURATION_ERROR", message=refused.for_clients())
    pause = math.ceil(entry.pauses())
    if pause > 0:
        message = f"{entry.model.provider} has failed too often; it is tried again in {pause} s"
        raise RequestRefused(
            503, error_code="LLM_PROVIDER_UNAVAILABLE", message=message, headers={"Retry-After": str(pause)}
        )
