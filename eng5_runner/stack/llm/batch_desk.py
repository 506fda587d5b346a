"""Sees to provider batches: puts the comparisons that wait into batches, and has each brought to its end.

Comparisons are collected until no more come, so a batch has all that can be asked: a whole study, or a whole round
where the next one follows from its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from eng5_runner.stack.llm.batch_work import BatchWork, Conclude, failing
from eng5_runner.stack.llm.judge import JudgeFailed, Question, Verdict
from eng5_runner.stack.llm.provider_batches import Cancelled, ProviderBatch, ProviderBatches
from eng5_runner.stack.llm.providers.batches import BatchJudge, BatchState
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.queue import Entry
from eng5_runner.stack.llm.results import question_of
from eng5_runner.stack.platform.web import RequestRefused

log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 5.0


def batches_of(judge: JudgeEntry) -> BatchJudge:
    """The judge in batches.

    Raises:
        JudgeFailed: the service speaks no batch API of its provider.
    """
    if judge.batches is None:
        message = f"the service speaks no batch API of {judge.model.provider}"
        raise JudgeFailed("LLM_CONFIGURATION_ERROR", message, is_final=True)
    return judge.batches


@dataclass(slots=True)
class _Chosen:
    """The comparisons of a batch that is not stored yet, and its bytes."""

    queue_ids: list[str] = field(default_factory=list)
    size: int = 0


# Provider, model, and study: each study has batches of its own, so that one can be cancelled without the others.
_Key: TypeAlias = tuple[str, str, str]


def _key(judge: JudgeEntry, entry: Entry) -> _Key:
    return judge.model.provider, judge.model.model_id, str(entry.body.metadata.get("bos_batch_id"))


class BatchDesk:
    """The part of the service that uses batch APIs."""

    def __init__(
        self,
        *,
        batches: ProviderBatches,
        judge_for: Callable[[Entry], JudgeEntry],
        judges: Sequence[JudgeEntry],
        conclude: Conclude,
    ) -> None:
        """Set it up.

        Args:
            batches: in the database.
            judge_for: the judge of a comparison; raises `RequestRefused` if there is none.
            judges: all judges.
            conclude: stores and publishes the outcome of a comparison, which is asked with the given function.
        """
        self._batches = batches
        self._judge_for = judge_for
        self._judges = {(entry.model.provider, entry.model.model_id): entry for entry in judges}
        self._conclude = conclude
        batched = [entry.batches.limits for entry in judges if entry.batches is not None]
        self._quiet = max((limits.collect_seconds for limits in batched), default=0.0)
        self._leased: set[str] = set()
        self._seen = (0, 0)
        self._woken = asyncio.Event()
        # Fewer than the provider's limit after it refused a batch because too much waits there.
        self._most: dict[tuple[str, str], int] = {}

    def wake(self) -> None:
        """Look now: a comparison has come."""
        self._woken.set()

    async def run(self) -> None:
        """See to batches until cancelled."""
        if all(entry.batches is None for entry in self._judges.values()):
            return
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                for batch in await self._batches.take(leased=tuple(self._leased)):
                    self._leased.add(batch.own_id)
                    tasks.create_task(self._see_to(batch))
                if await self._collect():
                    continue
                if self._seen[0]:
                    await asyncio.sleep(self._quiet)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                        await self._woken.wait()

    async def cancel(self, correlation_ids: Sequence[str]) -> Cancelled:
        """End comparisons early: no batch of theirs is sent any more, and those at a provider are cancelled.

        Returns:
            Those that are known. Each of them has an outcome, or gets one once its batch has ended.
        """
        while True:
            cancelled = await self._batches.cancel(correlation_ids)
            groups: dict[_Key, list[str]] = {}
            for entry in cancelled.waiting:
                groups.setdefault(_key(self._judge_for(entry), entry), []).append(entry.queue_id)
            formed = [
                await self._batches.form(queue_ids, provider=provider, model=model, is_cancelled=True)
                for (provider, model, _), queue_ids in groups.items()
            ]
            self.wake()
            if all(formed):  # else they came into another batch meanwhile, which is then cancelled
                return cancelled

    async def keep_leases(self) -> None:
        """Renew the leases; to be called regularly."""
        if self._leased:
            await self._batches.renew(tuple(self._leased))

    async def release(self) -> None:
        """End the leases, so that another worker can go on at once."""
        await self._batches.release()

    async def _collect(self) -> bool:
        """Put the comparisons that wait into batches, once no more come; returns whether it did."""
        waiting = await self._batches.waiting()
        before, self._seen = self._seen, waiting
        if not waiting[0] or waiting != before:
            return False
        self._seen = (0, 0)
        chosen: dict[_Key, _Chosen] = {}
        after: int | None = 0
        while after is not None:
            entries, after = await self._batches.waiting_entries(after=after)
            sized = await asyncio.gather(*map(self._size, entries))
            for entry, size in zip(entries, sized, strict=True):
                if size is not None:
                    await self._choose(entry, size, chosen=chosen)
        for (provider, model, _), batch in chosen.items():
            await self._batches.form(batch.queue_ids, provider=provider, model=model)
        return True

    async def _choose(self, entry: Entry, size: int, *, chosen: dict[_Key, _Chosen]) -> None:
        """Add a comparison to the batch of its model and study; a full batch is stored, and the next one begun."""
        judge = self._judge_for(entry)
        key = _key(judge, entry)
        limits, batch = batches_of(judge).limits, chosen.setdefault(key, _Chosen())
        most = min(limits.requests, self._most.get(key[:2], limits.requests))
        if batch.queue_ids and (len(batch.queue_ids) >= most or batch.size + size > limits.size):
            await self._batches.form(batch.queue_ids, provider=key[0], model=key[1])
            batch = chosen[key] = _Chosen()
        batch.queue_ids.append(entry.queue_id)
        batch.size += size

    async def _size(self, entry: Entry) -> int | None:
        """The bytes of a comparison in a batch; None if it need not be asked, and its outcome is stored."""
        try:
            judge = self._judge_for(entry)
            question, batches = question_of(entry), batches_of(judge)
            recalled = await batches.recalled(question)
        except (RequestRefused, JudgeFailed) as failed:
            await self._conclude(entry, failing(failed.error_code, failed.message))
            return None
        if recalled is None:
            return len(batches.line(question)) + 1

        async def ask(_: JudgeEntry, __: Question) -> Verdict:
            return recalled

        await self._conclude(entry, ask)
        return None

    async def _see_to(self, batch: ProviderBatch) -> None:
        """Bring a batch to its end."""
        try:
            judge = self._judges.get((batch.provider, batch.model))
            if judge is None or judge.batches is None:
                log.warning("a batch whose model cannot be asked now", provider=batch.provider, model=batch.model)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                return
            work = BatchWork(self._batches, batch, judges=judge.batches, conclude=self._conclude)
            refused = await work.done()
            if refused is not None:
                await self._retry_smaller(batch, refused, judges=judge.batches)
        finally:
            self._leased.discard(batch.own_id)
            self._woken.set()

    async def _retry_smaller(self, batch: ProviderBatch, refused: BatchState, *, judges: BatchJudge) -> None:
        """Too many tokens wait in batches: let the comparisons wait for a later batch, which is smaller."""
        key = (batch.provider, batch.model)
        log.warning("the provider takes no such batch now", reason=refused.reason, comparisons=batch.comparisons)
        self._most[key] = max(1, batch.comparisons // 2)
        await asyncio.sleep(judges.limits.poll_seconds)
        await self._batches.dissolve(batch)
