"""One provider batch: it is sent, awaited, and its results are taken.

Everything is stored before it is done. A batch that may have been made when the service ended, or when the connection
broke, is looked for at the provider before it is made again.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import structlog

from eng5_runner.stack.llm.judge import JudgeFailed, Question, Spent, Verdict
from eng5_runner.stack.llm.provider_batches import ProviderBatch, ProviderBatches
from eng5_runner.stack.llm.providers.batches import (
    CANCELLED,
    LEFT_OUT,
    Answer,
    BatchJudge,
    BatchState,
    BatchStatus,
    OwnBatch,
    Search,
    Unanswered,
)
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Retry, too_slow
from eng5_runner.stack.llm.queue import Entry
from eng5_runner.stack.llm.results import question_of

log = structlog.get_logger(__name__)

AnsweredT = TypeVar("AnsweredT")
Ask: TypeAlias = Callable[[JudgeEntry, Question], Awaitable[Verdict]]
Conclude: TypeAlias = Callable[[Entry, Ask], Awaitable[None]]

_FIRST_WAIT, _GROWTH = 1.0, 1.5
_REQUEST_SECONDS = 900.0
_TAKEN_TOGETHER = 200
_READ_AT_MOST = 3
_NOT_FOUND, _TOO_MANY = 404, 429
_NOT_FOUND_AT_MOST = 5
# Batches end within a day. One that does not is cancelled.
_LONGEST_SECONDS = 26 * 3600.0


def failing(code: str, message: str, *, is_final: bool = True, may_be_charged: bool = False) -> Ask:
    """Says that a comparison has no verdict; `is_final`: another attempt would end alike."""

    async def ask(_: JudgeEntry, __: Question) -> Verdict:
        spent = Spent(cost=None) if may_be_charged else None
        raise JudgeFailed(code, message, spent=spent, is_final=is_final)

    return ask


def _lost(message: str) -> Ask:
    return failing("LLM_PROVIDER_API_ERROR", message, is_final=False, may_be_charged=True)


class BatchWork:
    """What is done for one batch, from where it was left."""

    def __init__(
        self,
        batches: ProviderBatches,
        batch: ProviderBatch,
        *,
        judges: BatchJudge,
        conclude: Conclude,
    ) -> None:
        """Set it up.

        Args:
            batches: in the database.
            batch: as it is stored.
            judges: its model.
            conclude: stores and publishes the outcome of a comparison, which is asked with the given function.
        """
        self._batches = batches
        self._batch = batch
        self._judge = judges
        self._conclude = conclude
        self._log = log.bind(batch=batch.own_id, provider=batch.provider, comparisons=batch.comparisons)

    async def done(self) -> BatchState | None:
        """Send the batch if it was not sent, await its end, and store all outcomes.

        Returns:
            The batch's state if the provider has no room for it now, else None.
        """
        provider_id = self._batch.provider_id or await self._sent()
        if provider_id is not None:
            state = await self._ended(provider_id)
            if state is None:
                await self._conclude_rest(_lost("the provider no longer knows its batch; it may be charged"))
            elif state.is_over_quota and self._batch.comparisons > 1:
                return state
            elif state.status is BatchStatus.REFUSED:
                reason = f": {state.reason}" if state.reason else ""
                await self._conclude_rest(failing("LLM_PROVIDER_API_ERROR", f"the provider refused its batch{reason}"))
            else:
                await self._take(provider_id, state)
        await self._batches.note_done(self._batch)
        return None

    async def _sent(self) -> str | None:
        """Make the batch, or find it made; returns the provider's id, or None if the provider does not take it."""
        begun, pauses = self._batch.sending_at, self._pauses()
        while True:
            if begun is not None:
                found = await self._found(begun)
                if found is not None:
                    return found
            if await self._batches.is_cancelled(self._batch):
                await self._conclude_rest(failing(CANCELLED.error_code, CANCELLED.message, is_final=False))
                return None
            try:
                prepared = await self._prepared()
                begun = await self._batches.note_sending(self._batch)
                provider_id = await self._in_time(self._judge.api.create(self._batch.own_id, prepared))
            except AttemptFailed as failed:
                if failed.retry is Retry.NEVER:
                    await self._conclude_rest(failing(failed.error_code, failed.message))
                    return None
                self._log.warning("a batch could not be made", reason=failed.message)
                if begun is not None and failed.retry is Retry.HERE and failed.status in (None, _TOO_MANY):
                    await self._batches.note_unsent(self._batch)
                    begun = None
                await asyncio.sleep(next(pauses))
            else:
                await self._batches.note_sent(self._batch, provider_id)
                self._log.info("a batch was sent", provider_id=provider_id)
                return provider_id

    async def _prepared(self) -> bytes:
        entries = await self._batches.entries(self._batch, await self._batches.open_ids(self._batch))
        # Those with the same first essay follow each other: the provider may read what they share from its cache.
        ordered = sorted(entries, key=lambda entry: str(entry.body.metadata.get("essay_a_id")))
        lines = [self._judge.line(question_of(entry)) for entry in ordered]
        return await self._in_time(self._judge.api.prepare(self._batch.own_id, lines))

    async def _found(self, begun: float) -> str | None:
        """The provider's id of the batch, which may have been made; None once it is sure that it was not."""
        queue_ids, pauses = await self._batches.all_ids(self._batch), self._pauses()
        wanted = OwnBatch(own_id=self._batch.own_id, queue_ids=queue_ids, since=begun)
        while True:
            settled = time.time() - begun >= self._judge.limits.settle_seconds or time.time() < begun
            try:
                found = await self._in_time(self._judge.api.find(wanted))
            except AttemptFailed as failed:
                self._log.warning("the list of batches cannot be read", reason=failed.message)
            else:
                if isinstance(found, str):
                    await self._batches.note_sent(self._batch, found)
                    self._log.info("a batch was found", provider_id=found)
                    return found
                if found is Search.MISSING and settled:
                    return None
            await asyncio.sleep(next(pauses))

    async def _ended(self, provider_id: str) -> BatchState | None:
        """The state in which the batch ended; None if the provider does not know it."""
        pauses, unknown, is_cancelled = self._pauses(), 0, False
        while True:
            try:
                state = await self._in_time(self._judge.api.look(provider_id))
                if state.status is not BatchStatus.RUNNING:
                    return state
                if not is_cancelled and (self._is_overdue() or await self._batches.is_cancelled(self._batch)):
                    await self._in_time(self._judge.api.cancel(provider_id))
                    is_cancelled = True
                    self._log.info("a batch is cancelled", provider_id=provider_id)
            except AttemptFailed as failed:
                unknown = unknown + 1 if failed.status == _NOT_FOUND else 0
                self._log.warning("a batch cannot be looked at", reason=failed.message)
                if unknown >= _NOT_FOUND_AT_MOST:
                    return None
            await asyncio.sleep(next(pauses))

    def _is_overdue(self) -> bool:
        return time.time() - (self._batch.sending_at or time.time()) > _LONGEST_SECONDS

    async def _take(self, provider_id: str, state: BatchState) -> None:
        """Store the outcomes of all comparisons. A batch's results are read again if some are missing."""
        pauses, read = self._pauses(), 0
        while True:
            left = set(await self._batches.open_ids(self._batch))
            try:
                answered, unanswered = await self._read(provider_id, state, left=left)
            except AttemptFailed as failed:
                self._log.warning("the results of a batch cannot be read", reason=failed.message)
                await asyncio.sleep(next(pauses))
                continue
            await self._conclude_these({queue_id: unanswered[queue_id] for queue_id in left & unanswered.keys()})
            left -= unanswered.keys()
            if not left:
                return
            # Who counts no more answers than there are has not worked on the others.
            if state.answered is not None and state.answered <= answered:
                await self._conclude_these(dict.fromkeys(left, LEFT_OUT))
                return
            read += 1
            if read >= _READ_AT_MOST:
                await self._conclude_rest(_lost("the results of its batch do not name it; it may be charged"))
                return
            await asyncio.sleep(next(pauses))

    async def _read(
        self, provider_id: str, state: BatchState, *, left: set[str]
    ) -> tuple[int, Mapping[str, Unanswered]]:
        """Read the results once, and store the outcomes of the comparisons that have an answer.

        Args:
            provider_id: of the batch.
            state: in which it ended.
            left: the comparisons without an outcome; those with an answer are removed.

        Returns:
            How many comparisons have an answer, and the results of those that have none.
        """
        replied: set[str] = set()
        unanswered: dict[str, Unanswered] = {}
        replies: dict[str, Answer] = {}
        async for queue_id, each in self._judge.api.results(provider_id, state):
            if isinstance(each, Unanswered):
                unanswered.setdefault(queue_id, each)
                continue
            replied.add(queue_id)
            if queue_id in left:
                left.discard(queue_id)
                replies[queue_id] = each
            if len(replies) >= _TAKEN_TOGETHER:
                await self._conclude_these(replies)
                replies = {}
        await self._conclude_these(replies)
        return len(replied), unanswered

    async def _conclude_these(self, answers: Mapping[str, Answer]) -> None:
        entries = await self._batches.entries(self._batch, list(answers))
        await asyncio.gather(*(self._conclude(each, self._reading(each, answers[each.queue_id])) for each in entries))

    async def _conclude_rest(self, ask: Ask) -> None:
        entries = await self._batches.entries(self._batch, await self._batches.open_ids(self._batch))
        await asyncio.gather(*(self._conclude(each, ask) for each in entries))

    def _reading(self, entry: Entry, answer: Answer) -> Ask:
        """Reads the verdict out of an answer. It took all the time from the question on."""

        async def ask(_: JudgeEntry, question: Question) -> Verdict:
            verdict = await self._judge.verdict(question, answer)
            seconds = (datetime.now(UTC) - entry.requested_at).total_seconds()
            return replace(verdict, seconds=max(seconds, 0.0))

        return ask

    async def _in_time(self, asked: Awaitable[AnsweredT]) -> AnsweredT:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                return await asked
        except TimeoutError:
            raise too_slow() from None

    def _pauses(self) -> Iterator[float]:
        """Seconds between attempts: they grow up to the longest."""
        longest = self._judge.limits.poll_seconds
        growing = (min(_FIRST_WAIT * _GROWTH**number, longest) for number in range(20))
        return itertools.chain(growing, itertools.repeat(longest))
