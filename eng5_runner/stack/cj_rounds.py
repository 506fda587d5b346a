"""The course of one batch: waves of pairs, each asked when all callbacks of the last are there.

Whatever is about to be asked stands in the record first, under a correlation id that follows from the batch and the
pair. So a batch that was cut off goes on by the same code: what is on record is not decided again, what has an answer
is not asked again, and what is asked again is the same question to the provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

import structlog
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.contracts.topics import Topic
from eng5_runner.measure.pairing import Pair
from eng5_runner.stack.cj_record import Asked, Batch, BatchRecord
from eng5_runner.stack.clients import LLMProviderClient, NeighbourFailed
from eng5_runner.stack.prompts import prompt_blocks, prompt_text

log = structlog.get_logger(__name__)

ATTEMPTS = 3
SUCCESS_RATE_THRESHOLD = 0.8
_ASKED_AT_ONCE = 16
# After so long without any answer the open questions are asked again: a callback can be lost, the answer is not.
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the comparisons of a batch came to.

    Attributes:
        results: each pair's last result, in the order of the pairs.
        callbacks: results in all, retried ones included.
        wanted: the pairs of the plan.
    """

    results: tuple[LLMComparisonResult, ...]
    callbacks: int
    wanted: int

    @property
    def judged(self) -> tuple[LLMComparisonResult, ...]:
        """The results with a winner."""
        return tuple(result for result in self.results if result.winner is not None)

    @property
    def failed(self) -> tuple[LLMComparisonResult, ...]:
        """The last errors of the pairs that failed every time."""
        return tuple(result for result in self.results if result.winner is None)

    @property
    def success_rate(self) -> float:
        """The share of the pairs answered so far that have a winner."""
        return len(self.judged) / max(len(self.results), 1)

    @property
    def too_many_failed(self) -> bool:
        """Whether the batch has no result for its failures' sake."""
        return beyond_hope(len(self.failed), wanted=self.wanted)


def beyond_hope(failed: int, *, wanted: int) -> bool:
    """Whether so many of the wanted comparisons failed for good that the success rate cannot reach 0.8 any more."""
    return (wanted - failed) / wanted < SUCCESS_RATE_THRESHOLD


class BatchRun:
    """One batch at work."""

    def __init__(self, *, batch: Batch, record: BatchRecord, provider: LLMProviderClient) -> None:
        """Set the run up.

        Args:
            batch: what was decided.
            record: where it is kept.
            provider: who is asked.
        """
        self._batch = batch
        self._record = record
        self._provider = provider
        self._texts: Mapping[str, str] = {}
        self._asked: dict[tuple[int, int, int], Asked] = {}
        self._results: dict[str, LLMComparisonResult] = {}
        self._open: set[str] = set()
        self._complete = asyncio.Event()
        self._last_news = 0.0

    def deliver(self, result: LLMComparisonResult) -> None:
        """Take a callback that is in the record, if it answers an open question; any other changes nothing.

        One that came before this run asked was perhaps published before the asker of the batch listened: it is asked
        for once more, and the provider publishes it again.
        """
        if result.correlation_id not in self._open:
            return
        self._results[result.correlation_id] = result
        self._open.discard(result.correlation_id)
        self._last_news = asyncio.get_running_loop().time()
        if not self._open:
            self._complete.set()

    async def run(self, earlier: Sequence[Asked], texts: Mapping[str, str]) -> Outcome:
        """Ask all pairs that have no answer yet, wave by wave.

        Args:
            earlier: what stands in the record already.
            texts: by essay id.

        Returns:
            What came of it; it ends early where the success rate cannot be reached any more.

        Raises:
            NeighbourFailed: the LLM provider refused, or could not be reached.
        """
        for each in earlier:
            self._asked[each.wave, each.place, each.attempt] = each
            result = read_result(each.raw) if each.raw else None
            if result is not None:
                self._results.setdefault(each.correlation_id, result)
        self._texts = texts
        failed = 0
        for number, pairs in enumerate(await asyncio.to_thread(self._batch.plan.waves)):
            await self._wave(number, pairs)
            failed += sum(self._needs(number, place, attempt=ATTEMPTS) for place in range(len(pairs)))
            if beyond_hope(failed, wanted=self._batch.plan.budget):
                break
        return self._outcome()

    async def _wave(self, number: int, pairs: Sequence[Pair]) -> None:
        for attempt in range(ATTEMPTS):
            keys = [
                (number, place, attempt) for place in range(len(pairs)) if self._needs(number, place, attempt=attempt)
            ]
            new = [self._new(key, pairs[key[1]]) for key in keys if key not in self._asked]
            if new:
                await self._record.add(self._batch.number, new)
                self._asked.update({(each.wave, each.place, each.attempt): each for each in new})
            await self._until_answered([self._asked[key] for key in keys])

    def _needs(self, wave: int, place: int, *, attempt: int) -> bool:
        """Whether a pair is to be asked: the first time always, then while it fails."""
        if attempt == 0:
            return True
        last = self._asked.get((wave, place, attempt - 1))
        return last is not None and self._results[last.correlation_id].winner is None

    def _new(self, key: tuple[int, int, int], pair: Pair) -> Asked:
        wave, place, attempt = key
        return Asked(
            wave=wave,
            place=place,
            attempt=attempt,
            essay_a_id=pair.first,
            essay_b_id=pair.second,
            correlation_id=str(uuid5(UUID(self._batch.plan.batch_id), f"{wave}/{place}/{attempt}")),
        )

    async def _until_answered(self, asked: Sequence[Asked]) -> None:
        while missing := [each for each in asked if each.correlation_id not in self._results]:
            self._open = {each.correlation_id for each in missing}
            self._complete.clear()
            self._last_news = asyncio.get_running_loop().time()
            await self._ask(missing)
            await self._complete_or_quiet()
            if self._open:
                log.warning("no answers: asking again", batch_id=self._batch.plan.batch_id, open=len(self._open))

    async def _ask(self, asked: Sequence[Asked]) -> None:
        queue = iter(asked)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(_ASKED_AT_ONCE, len(asked))):
                    tasks.create_task(self._ask_each(queue))
        except* NeighbourFailed as group:
            raise NeighbourFailed(str(group.exceptions[0])) from group

    async def _ask_each(self, queue: Iterator[Asked]) -> None:
        """Work off a queue that several share."""
        for each in queue:
            await self._provider.ask(self._comparison(each))

    async def _complete_or_quiet(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._open:
            left = self._last_news + _PATIENCE_SECONDS - clock()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._complete.wait()
            except TimeoutError:
                continue

    def _comparison(self, asked: Asked) -> ComparisonBody:
        plan = self._batch.plan
        blocks = prompt_blocks(
            task=plan.task,
            criteria=plan.criteria,
            essay_a=self._texts[asked.essay_a_id],
            essay_b=self._texts[asked.essay_b_id],
        )
        return ComparisonBody(
            user_prompt=prompt_text(blocks),
            prompt_blocks=blocks,
            callback_topic=Topic.COMPARISON.value,
            llm_config_overrides=plan.overrides,
            correlation_id=asked.correlation_id,
            user_id=plan.user_id,
            metadata={
                "essay_a_id": asked.essay_a_id,
                "essay_b_id": asked.essay_b_id,
                "bos_batch_id": plan.batch_id,
                "cj_batch_id": str(self._batch.number),
                "cj_source": "els",
                "cj_request_type": "cj_retry" if asked.attempt else "cj_comparison",
                "comparison_iteration": asked.wave + 1,
            },
        )

    def _outcome(self) -> Outcome:
        last: dict[tuple[int, int], LLMComparisonResult] = {}
        for (wave, place, _), each in sorted(self._asked.items()):
            if each.correlation_id in self._results:
                last[wave, place] = self._results[each.correlation_id]
        return Outcome(results=tuple(last.values()), callbacks=len(self._results), wanted=self._batch.plan.budget)


def read_result(raw: bytes) -> LLMComparisonResult | None:
    """A message of the comparison topic, None if it is not one."""
    try:
        return Envelope[LLMComparisonResult].model_validate_json(raw, extra="ignore").data
    except ValidationError:
        return None
