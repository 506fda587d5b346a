"""Runs one batch: wave after wave of pairs; a wave begins when all callbacks of the one before have arrived.

An attempt is stored before it is made, under a correlation id that follows from the batch and the pair. So a batch that
was interrupted, or that got a higher cost limit after it had ended at a lower one, continues with the same code: stored
pairs are not chosen again, answered attempts are not repeated, and a repeated call is the same comparison for the
provider.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import count
from uuid import UUID, uuid5

import structlog
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import IS_INTERRUPTED, IS_RETRYABLE, LLMComparisonResult
from eng5_runner.contracts.services import ComparisonBody, ModelEntry, PromptBlock
from eng5_runner.contracts.stopping import PRECISE_ENOUGH, CostStop, Look
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
    """Builds the requests to the LLM provider for one batch."""

    def __init__(self, batch: Batch, texts: Mapping[str, str], *, model: ModelEntry | None) -> None:
        """Set the builder up.

        Args:
            batch: the batch with its plan.
            texts: by essay id.
            model: the model with the prices; needed if the batch has a cost limit.
        """
        self._batch = batch
        self._texts = texts
        self._model = model

    def body(self, asked: PairAttempt, *, repeat: int) -> ComparisonBody:
        """The request of an attempt; `repeat` is how often the pair was asked before in this order, without retries."""
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
        """USD that the call of an attempt can cost at most."""
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
# After this time without a callback the open attempts are repeated: a callback can get lost, its answer does not.
_PATIENCE_SECONDS = 30.0


class BatchRun:
    """One running batch."""

    def __init__(
        self, *, batch: Batch, repository: BatchRepository, provider: LLMProviderClient, model: ModelEntry | None = None
    ) -> None:
        """Set the run up.

        Args:
            batch: the batch with its plan.
            repository: of batches.
            provider: the LLM Provider Service.
            model: the model with the prices; needed if the batch has a cost limit.
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
        self._fault: Exception | None = None

    def deliver(self, result: LLMComparisonResult) -> None:
        """Take a stored callback, if it answers an open attempt; any other changes nothing.

        A callback that arrived before this run made its attempt may have been published before the client of the batch
        listened. The attempt is made again, and the provider publishes the callback again. An error that was not
        foreseen ends this batch: `run` raises it.
        """
        asked = self._open.pop(result.correlation_id or "", None)
        if asked is None:
            return
        try:
            self._take(result, asked)
        except Exception as error:  # one batch's boundary: its callback must not end the reader of all callbacks
            log.exception("a callback could not be delivered", batch_id=self._batch.plan.batch_id)
            self._fault = error
            self._complete.set()
            return
        self._last_news = asyncio.get_running_loop().time()
        if not self._open:
            self._complete.set()

    async def run(self, earlier: Sequence[PairAttempt], texts: Mapping[str, str]) -> Outcome:
        """Compare all pairs that have no result yet, wave by wave.

        Args:
            earlier: the stored attempts.
            texts: by essay id.

        Returns:
            The outcome; the batch ends early if the required success rate can no longer be reached.

        Raises:
            NeighbourFailed: the LLM provider refused, or could not be reached.
            Exception: the error of a callback that could not be delivered.
        """
        self._prompts = PromptBuilder(self._batch, texts, model=self._model)
        self._recall(earlier)
        waves: list[Sequence[Pair]] = []
        looks: list[Look] = []
        wanted = self._batch.plan.budget
        while pairs := await self._pairs(waves):
            waves.append(pairs)
            if not await self._wave(len(waves) - 1, pairs):
                break
            failed = sum(result.winner is None for result in self._last().values())
            if beyond_hope(failed, wanted=wanted):
                break
            seen = await self._look(waves)
            looks += [seen] if seen else []
            if seen and seen.verdict == PRECISE_ENOUGH and len(waves) not in self._recorded:
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
        """The next wave: the stored pairs, else newly chosen ones."""
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
        """Compare a wave's pairs, and retry failed ones. False if the cost limit did not allow all of it."""
        for attempt in count():
            places = [place for place in range(len(pairs)) if self._needs(number, place, attempt=attempt)]
            if not places:
                return True
            keys = [(number, place, attempt) for place in places]
            new = [self._new(key, pairs[key[1]]) for key in keys if key not in self._asked]
            if new:
                await self._repository.add(self._batch.number, new)
                self._asked.update({(each.wave, each.place, each.attempt): each for each in new})
            await self._until_answered([self._asked[key] for key in keys])
            if self._spend_limit.refused:
                return False
        raise AssertionError("a pair has few attempts")

    def _needs(self, wave: int, place: int, *, attempt: int) -> bool:
        """Whether a pair needs this attempt: the first one always, a retry after a failure that it can help against.

        An attempt that the provider's end interrupted does not count: it says nothing about the question.
        """
        earlier = [self._asked.get((wave, place, number)) for number in range(attempt)]
        answers = [self._results[each.correlation_id] for each in earlier if each is not None]
        return len(answers) == attempt and may_ask(answers)

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
        """Make these attempts until all have a result, or until the next call could exceed the cost limit."""
        while missing := [each for each in asked if each.correlation_id not in self._results]:
            self._open = {each.correlation_id: each for each in missing}
            self._complete.clear()
            self._last_news = asyncio.get_running_loop().time()
            await self._ask(missing)
            if self._spend_limit.refused and self._fault is None:
                return
            await self._complete_or_quiet()
            if self._fault is not None:
                raise self._fault
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
        """Make the attempts of a shared queue in its order, as far as the cost limit allows."""
        while True:
            async with turn:
                attempt = next((waiting for waiting in queue if waiting.correlation_id not in self._results), None)
                if attempt is None:
                    return
                most = partial(self._prompts.most, attempt)
                admission = await self._spend_limit.admit(attempt.correlation_id, most, patience=_PATIENCE_SECONDS)
                if admission != "ask":
                    for _ in queue:  # the other tasks find an empty queue
                        pass
                    return
            repeat = self._repeat[attempt.wave, attempt.place]
            await self._provider.ask(self._prompts.body(attempt, repeat=repeat))

    async def _complete_or_quiet(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._open and self._fault is None:
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


def may_ask(answers: Sequence[LLMComparisonResult]) -> bool:
    """Whether a pair may be asked after these answers, in their order: it has none, or another attempt can help."""
    if not answers:
        return True
    errors = [answer.error_detail for answer in answers if answer.error_detail is not None]
    if len(errors) < len(answers):
        return False
    details = [error.details or {} for error in errors]
    counted = [each for each in details if each.get(IS_INTERRUPTED) is not True]
    return details[-1].get(IS_RETRYABLE) is not False and len(counted) < ATTEMPTS


def read_result(raw: bytes) -> LLMComparisonResult | None:
    """The result in a message of the comparison topic; None if it has none."""
    try:
        return ComparisonEnvelope.model_validate_json(raw, extra="ignore").data
    except ValidationError:
        return None
