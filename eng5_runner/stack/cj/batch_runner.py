"""The course of one batch: waves of pairs, each asked when all callbacks of the last are there.

Whatever is about to be asked stands in the record first, under a correlation id that follows from the batch and the
pair. So a batch that was cut off, or that ended at its cost limit and got a higher one, goes on by the same code: what
is on record is not decided again, what has an answer is not asked again, and what is asked again is the same question
to the provider.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid5

import structlog
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.services import ComparisonBody, ModelEntry, PromptBlock
from eng5_runner.contracts.stopping import CostStop, Look
from eng5_runner.contracts.topics import ComparisonEnvelope, Topic
from eng5_runner.judges.cost_bound import ATTEMPTS, call_at_most_usd, prompt_bytes
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.measure.design.pairing import Pair
from eng5_runner.stack.cj.clients import LLMProviderClient, NeighbourFailed
from eng5_runner.stack.cj.outcome import Outcome, beyond_hope
from eng5_runner.stack.cj.pairing_policy import look_at, next_wave
from eng5_runner.stack.cj.repository import Batch, BatchRepository, PairAttempt
from eng5_runner.stack.cj.spend_limit import SpendLimit


class PromptBuilder:
    """The questions of one batch."""

    def __init__(self, batch: Batch, texts: Mapping[str, str], *, model: ModelEntry | None) -> None:
        """Set the questions up.

        Args:
            batch: what was decided.
            texts: by essay id.
            model: whose prices bound what a question costs; needed where the batch has a cost limit.
        """
        self._batch = batch
        self._texts = texts
        self._model = model

    def body(self, asked: PairAttempt, *, repeat: int) -> ComparisonBody:
        """The question of one asking; `repeat` is how often the pair was asked before in this order, retries apart."""
        plan, blocks = self._batch.plan, self._blocks(asked)
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
                "repeat_index": repeat,
            },
        )

    def most(self, asked: PairAttempt) -> Decimal:
        """USD that one asking can cost at most."""
        size, overrides = prompt_bytes(prompt_text(self._blocks(asked))), self._batch.plan.overrides
        most = None if self._model is None else call_at_most_usd(self._model, prompt_bytes=size, overrides=overrides)
        if most is None:
            raise AssertionError("a batch with a cost limit has a model whose price is known")
        return most

    def _blocks(self, asked: PairAttempt) -> tuple[PromptBlock, ...]:
        plan = self._batch.plan
        return prompt_blocks(
            task=plan.task,
            criteria=plan.criteria,
            essay_a=self._texts[asked.essay_a_id],
            essay_b=self._texts[asked.essay_b_id],
        )


log = structlog.get_logger(__name__)

_ASKED_AT_ONCE = 16
# After so long without any answer the open questions are asked again: a callback can be lost, the answer is not.
_PATIENCE_SECONDS = 30.0


class BatchRun:
    """One batch at work."""

    def __init__(
        self, *, batch: Batch, repository: BatchRepository, provider: LLMProviderClient, model: ModelEntry | None = None
    ) -> None:
        """Set the run up.

        Args:
            batch: what was decided.
            repository: where it is stored.
            provider: who is asked.
            model: whose prices bound what a comparison costs; needed where the batch has a cost limit.
        """
        self._batch = batch
        self._model = model
        self._spend_limit = SpendLimit(batch.plan.study_options.max_cost_usd)
        self._recorded: dict[int, list[Pair]] = {}
        self._repeat: dict[tuple[int, int], int] = {}
        self._times: Counter[Pair] = Counter()
        self._repository = repository
        self._provider = provider
        self._prompts = PromptBuilder(batch, {}, model=model)
        self._asked: dict[tuple[int, int, int], PairAttempt] = {}
        self._results: dict[str, LLMComparisonResult] = {}
        self._open: dict[str, PairAttempt] = {}
        self._complete = asyncio.Event()
        self._last_news = 0.0

    def deliver(self, result: LLMComparisonResult) -> None:
        """Take a callback that is in the record, if it answers an open question; any other changes nothing.

        One that came before this run asked was perhaps published before the asker of the batch listened: it is asked
        for once more, and the provider publishes it again.
        """
        asked = self._open.pop(result.correlation_id or "", None)
        if asked is None:
            return
        self._take(result, asked)
        self._last_news = asyncio.get_running_loop().time()
        if not self._open:
            self._complete.set()

    async def run(self, earlier: Sequence[PairAttempt], texts: Mapping[str, str]) -> Outcome:
        """Ask all pairs that have no answer yet, wave by wave.

        Args:
            earlier: what stands in the record already.
            texts: by essay id.

        Returns:
            What came of it; it ends early where the success rate cannot be reached any more.

        Raises:
            NeighbourFailed: the LLM provider refused, or could not be reached.
        """
        self._prompts = PromptBuilder(self._batch, texts, model=self._model)
        self._recall(earlier)
        waves: list[Sequence[Pair]] = []
        looks: list[Look] = []
        failed, wanted = 0, self._batch.plan.budget
        while pairs := await self._pairs(waves):
            waves.append(pairs)
            if not await self._wave(len(waves) - 1, pairs):
                break
            failed += sum(self._needs(len(waves) - 1, place, attempt=ATTEMPTS) for place in range(len(pairs)))
            if beyond_hope(failed, wanted=wanted):
                break
            seen = await self._look(waves)
            looks += [seen] if seen else []
            if seen and seen.verdict == "precise enough" and len(waves) not in self._recorded:
                wanted = sum(map(len, waves))
                break
        return self._outcome(looks, wanted=wanted)

    def _recall(self, earlier: Sequence[PairAttempt]) -> None:
        for each in sorted(earlier, key=lambda asked: (asked.wave, asked.place)):
            self._asked[each.wave, each.place, each.attempt] = each
            if each.attempt == 0:
                self._recorded.setdefault(each.wave, []).append(Pair(first=each.essay_a_id, second=each.essay_b_id))
            result = read_result(each.raw) if each.raw else None
            if result is not None:
                self._take(result, each)

    def _take(self, result: LLMComparisonResult, asked: PairAttempt) -> None:
        self._results[asked.correlation_id] = result
        self._spend_limit.settle(asked.correlation_id, result, most=partial(self._prompts.most, asked))

    async def _pairs(self, waves: Sequence[Sequence[Pair]]) -> Sequence[Pair]:
        """The next wave: as it stands in the record, else decided now."""
        number, plan = len(waves), self._batch.plan
        pairs: Sequence[Pair] = self._recorded.get(number, ())
        if not pairs:
            results = tuple(self._last().values()) if plan.study_options.design == "adaptive" else ()
            pairs = await asyncio.to_thread(next_wave, plan, waves, results=results)
        for place, pair in enumerate(pairs):
            self._repeat[number, place] = self._times[pair]
            self._times[pair] += 1
        return pairs

    async def _look(self, waves: Sequence[Sequence[Pair]]) -> Look | None:
        plan, asked = self._batch.plan, sum(map(len, waves))
        if not plan.has_target:
            return None
        results = tuple(self._last().values())
        return await asyncio.to_thread(look_at, plan, results, wave=len(waves) - 1, asked=asked)

    async def _wave(self, number: int, pairs: Sequence[Pair]) -> bool:
        """Ask a wave's pairs, and those that failed again; gives whether there was money for all of it."""
        for attempt in range(ATTEMPTS):
            keys = [
                (number, place, attempt) for place in range(len(pairs)) if self._needs(number, place, attempt=attempt)
            ]
            new = [self._new(key, pairs[key[1]]) for key in keys if key not in self._asked]
            if new:
                await self._repository.add(self._batch.number, new)
                self._asked.update({(each.wave, each.place, each.attempt): each for each in new})
            await self._until_answered([self._asked[key] for key in keys])
            if self._spend_limit.refused:
                return False
        return True

    def _needs(self, wave: int, place: int, *, attempt: int) -> bool:
        """Whether a pair is to be asked: the first time always, then while it fails."""
        if attempt == 0:
            return True
        last = self._asked.get((wave, place, attempt - 1))
        return last is not None and self._results[last.correlation_id].winner is None

    def _new(self, key: tuple[int, int, int], pair: Pair) -> PairAttempt:
        wave, place, attempt = key
        return PairAttempt(
            wave=wave,
            place=place,
            attempt=attempt,
            essay_a_id=pair.first,
            essay_b_id=pair.second,
            correlation_id=str(uuid5(UUID(self._batch.plan.batch_id), f"{wave}/{place}/{attempt}")),
        )

    async def _until_answered(self, asked: Sequence[PairAttempt]) -> None:
        """Ask until all is answered, or until the next question could cost more than there is."""
        while missing := [each for each in asked if each.correlation_id not in self._results]:
            self._open = {each.correlation_id: each for each in missing}
            self._complete.clear()
            self._last_news = asyncio.get_running_loop().time()
            await self._ask(missing)
            if self._spend_limit.refused:
                return
            await self._complete_or_quiet()
            if self._open:
                log.warning("no answers: asking again", batch_id=self._batch.plan.batch_id, open=len(self._open))

    async def _ask(self, asked: Sequence[PairAttempt]) -> None:
        queue, turn = iter(asked), asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(_ASKED_AT_ONCE, len(asked))):
                    tasks.create_task(self._ask_each(queue, turn))
        except* NeighbourFailed as group:
            raise NeighbourFailed(str(group.exceptions[0])) from group

    async def _ask_each(self, queue: Iterator[PairAttempt], turn: asyncio.Lock) -> None:
        """Work off a queue that several share, as far as there is money; what is asked is asked in its order."""
        while True:
            async with turn:
                each = next((one for one in queue if one.correlation_id not in self._results), None)
                if each is None:
                    return
                most = partial(self._prompts.most, each)
                admission = await self._spend_limit.admit(each.correlation_id, most, patience=_PATIENCE_SECONDS)
                if admission != "ask":
                    for _ in queue:  # whoever waits for a turn finds nothing left
                        pass
                    return
            repeat = self._repeat[each.wave, each.place]
            await self._provider.ask(self._prompts.body(each, repeat=repeat))

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

    def _last(self) -> dict[tuple[int, int], LLMComparisonResult]:
        """Each pair's last result, by wave and place."""
        last: dict[tuple[int, int], LLMComparisonResult] = {}
        for (wave, place, _), each in sorted(self._asked.items()):
            if each.correlation_id in self._results:
                last[wave, place] = self._results[each.correlation_id]
        return last

    def _outcome(self, looks: Sequence[Look], *, wanted: int) -> Outcome:
        results = tuple(self._last().values())
        refused, limit = self._spend_limit.refused, self._batch.plan.study_options.max_cost_usd
        stop = None
        if refused is not None and limit is not None:
            stop = CostStop(
                max_cost_usd=limit,
                spent_usd=float(refused.spent),
                next_at_most_usd=float(refused.most),
                comparisons=len(results),
                comparisons_wanted=wanted,
            )
        return Outcome(results=results, callbacks=len(self._results), wanted=wanted, looks=tuple(looks), cost_stop=stop)


def read_result(raw: bytes) -> LLMComparisonResult | None:
    """A message of the comparison topic, None if it is not one."""
    try:
        return ComparisonEnvelope.model_validate_json(raw, extra="ignore").data
    except ValidationError:
        return None
