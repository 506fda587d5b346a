"""Runs one batch as a stream of pairs.

Where the choice of pairs or the end of the study depends on answers, it depends on those to all waves but the last one.
So the next wave is asked while the last answers to a wave are still awaited. A study that is precise enough has asked
one wave more then.

Each attempt has its place in the stream. A pair that failed is asked again a fixed number of attempts later, or at the
end. So the answers alone decide what is asked in which order, and not the times at which they arrive.

An attempt is stored before it is made, under a correlation id that follows from the batch and the pair. So a batch that
was interrupted, or that got a higher cost limit after it had ended at a lower one, continues with the same code: stored
pairs are not chosen again, answered attempts are not repeated, and a repeated call is the same comparison for the
provider.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from uuid import UUID, uuid5

import structlog

from eng5_runner.contracts.callbacks import IS_INTERRUPTED, IS_RETRYABLE, LLMComparisonResult
from eng5_runner.contracts.services import COMPARISONS_AT_ONCE, ModelEntry
from eng5_runner.contracts.stopping import PRECISE_ENOUGH, CostStop, DecidedPairs, Look
from eng5_runner.judges.cost_bound import ATTEMPTS
from eng5_runner.measure.design.pairing import Pair
from eng5_runner.stack.cj.clients import LLMProviderClient
from eng5_runner.stack.cj.outcome import Outcome, beyond_hope, is_unusable, read_result
from eng5_runner.stack.cj.pairing_policy import (
    by_first_essay,
    decided_pairs,
    depends_on_answers,
    look_at,
    next_wave,
    waves_together,
)
from eng5_runner.stack.cj.prompt_builder import PromptBuilder
from eng5_runner.stack.cj.repository import Batch, BatchRepository, PairAttempt
from eng5_runner.stack.cj.spend_limit import SpendLimit

log = structlog.get_logger(__name__)

# Attempts that may wait for their answers, and that may follow one that waits: a slow answer holds up no other. Fewer
# until there are verdicts: a judge that gives none is soon noticed.
_AHEAD_AT_FIRST, _MOST_OPEN, _MOST_AHEAD = 256, 1000, 10_000
# A judge without one verdict in so many answers does not reach the success rate with three answers a pair.
_HOPELESS_AFTER = 50
# Of the mean cost of earlier comparisons; so much more may the next ones cost.
_MORE_THAN_THE_MEAN = Decimal("1.25")
# After this time without a callback the open attempts are repeated: a callback can get lost, its answer does not.
_PATIENCE_SECONDS = 30.0
# The same where a provider's batch API answers, for which silence is usual.
_BATCH_PATIENCE_SECONDS = 3600.0


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
        # By wave, and in it by place: the last attempt of each pair that has its answer.
        self._answered: dict[int, list[PairAttempt | None]] = {}
        self._open: dict[str, PairAttempt] = {}
        # The attempts in the order of the stream from the first one on that was not yet looked at.
        self._stream: deque[PairAttempt] = deque()
        self._left: Counter[int] = Counter()  # of the stream, by wave
        self._waves: list[Sequence[Pair]] = []
        self._looks: list[Look] = []
        self._decided: DecidedPairs | None = None
        self._verdicts = self._verdicts_seen = self._failed = self._unusable_seen = 0
        self._wanted = batch.plan.budget
        # The open attempts that are not made yet, by correlation id; one task makes them, several at a time.
        self._unsent: dict[str, PairAttempt] = {}
        self._is_sending = False
        self._was_sent = asyncio.Event()
        self._patience = _BATCH_PATIENCE_SECONDS if batch.plan.is_batched else _PATIENCE_SECONDS
        self._tasks = asyncio.TaskGroup()
        self._news = asyncio.Event()
        self._last_news = 0.0
        self._has_fault = False

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
            if self._batch.plan.is_batched and self._spend_limit.is_in_danger:
                self._spend_limit.close()
        except Exception as error:  # one batch's boundary: its callback must not end the reader of all callbacks
            log.exception("a callback could not be delivered", batch_id=self._batch.plan.batch_id)
            if not self._has_fault:
                self._has_fault = True
                self._tasks.create_task(_raise(error))
        self._last_news = asyncio.get_running_loop().time()
        self._news.set()

    async def run(self, earlier: Sequence[PairAttempt], texts: Mapping[str, str]) -> Outcome:
        """Compare all pairs that have no result yet.

        Args:
            earlier: the stored attempts.
            texts: by essay id.

        Returns:
            The outcome; the batch ends early if the required success rate can no longer be reached.

        Raises:
            NeighbourFailed: the LLM provider refused, or could not be reached.
            LeaseLost: another worker has the batch.
            Exception: the error of a callback that could not be delivered.
        """
        self._prompts = PromptBuilder(self._batch, texts, model=self._model)
        self._recall(earlier)
        self._last_news = asyncio.get_running_loop().time()
        try:
            async with self._tasks:
                if not await self._compare():
                    await self._end_early()
                elif self._batch.plan.study_options.stop_decided:
                    self._decided = decided_pairs(self._batch.plan, self._last())
                    self._wanted = self._decided.comparisons
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return self._outcome()

    async def _compare(self) -> bool:
        """Compare wave after wave; false if the cost limit, or too many failures, ended that."""
        while True:
            number = len(self._waves)
            if not await self._look_at(number - 1):
                return False
            if self._is_enough(number) or not (pairs := await self._pairs()):
                break
            self._waves.append(pairs)
            together = await self._together(pairs)
            if together is None or not await self._ask(together):
                return False
        if self._looks and self._looks[-1].verdict == PRECISE_ENOUGH:
            self._wanted = sum(map(len, self._waves))
            return await self._to_the_end()
        return await self._to_the_end() and await self._look_at(len(self._waves))

    def _is_enough(self, wave: int) -> bool:
        """Whether the study was precise enough at its last look, and the wave that would follow is not stored."""
        return bool(self._looks) and self._looks[-1].verdict == PRECISE_ENOUGH and wave not in self._recorded

    async def _look_at(self, waves: int) -> bool:
        """Wait for all answers to so many waves, and look at each; false if the cost limit, or failures, ended that."""
        plan = self._batch.plan
        if not depends_on_answers(plan, wave=len(self._waves)):
            return True
        if not await self._answers_to(waves):
            return False
        for wave in range(len(self._looks), waves) if plan.has_target else ():
            results, asked = self._last(wave + 1), sum(map(len, self._waves[: wave + 1]))
            self._looks.append(await asyncio.to_thread(look_at, plan, results, wave=wave, asked=asked))
        return True

    async def _answers_to(self, waves: int) -> bool:
        """Wait for all answers to so many waves; false if the cost limit, or too many failures, ended that."""
        while any(self._left[wave] for wave in range(waves)):
            if not await self._see_next():
                return False
        return True

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
        answered = self._answered.setdefault(asked.wave, [])
        answered += [None] * (asked.place + 1 - len(answered))
        before = answered[asked.place]
        if before is None or before.attempt < asked.attempt:
            answered[asked.place] = asked
        self._verdicts += result.winner is not None
        self._spend_limit.settle(asked.correlation_id, result, most=partial(self._prompts.most, asked))

    async def _pairs(self) -> Sequence[Pair]:
        """The next wave: the stored pairs, else newly chosen ones."""
        number, plan = len(self._waves), self._batch.plan
        pairs: Sequence[Pair] = self._recorded.get(number, ())
        if not pairs:
            follows = depends_on_answers(plan, wave=number)
            results = self._last(number - 1) if follows else ()
            pairs = await asyncio.to_thread(next_wave, plan, self._waves, results=results)
        for place, pair in enumerate(pairs):
            self._repeat[number, place] = self._times[pair]
            self._times[pair] += 1
        return pairs

    async def _together(self, pairs: Sequence[Pair]) -> Mapping[int, Sequence[Pair]] | None:
        """These pairs of the newest wave, and the waves that are asked together with it.

        With a cost limit, only waves that it is expected to pay for are asked together: whichever it ends before has
        judged all essays about equally often. What is expected follows from the answers to waves that lie so far back
        that nobody waits for them, and before there are any from the most that a comparison can cost.

        Returns:
            None if the cost limit, or too many failures, ended the study meanwhile.
        """
        most, limit, number = waves_together(self._batch.plan), self._spend_limit.limit, len(self._waves) - 1
        waves, sizes = {number: pairs}, [len(wave) for wave in self._waves]
        known = next((wave for wave in range(number, 0, -1) if sum(sizes[wave:number]) >= _MOST_OPEN), 0)
        if most > 1 and limit is not None and not await self._answers_to(known):
            return None
        expected = self._expected_cost(known) if most > 1 and limit is not None else None
        while len(waves) < most:
            asked = sum(map(len, self._waves)) + len(pairs)
            if limit is not None and expected is not None and expected(asked) > limit:
                break
            if not (more := await self._pairs()):
                break
            waves[len(self._waves)] = more
            self._waves.append(more)
        return waves

    def _expected_cost(self, known: int) -> Callable[[int], Decimal]:
        """Gives USD of so many pairs, from the cost of the first waves, of which the answers are known."""
        if not known:
            each = self._prompts.most_of_any()
            return lambda pairs: pairs * each
        calls = [asked.correlation_id for (wave, _, _), asked in self._asked.items() if wave < known]
        cost, answered = self._spend_limit.cost_of(calls), sum(map(len, self._waves[:known]))
        return lambda pairs: cost + (pairs - answered) * cost / answered * _MORE_THAN_THE_MEAN

    async def _ask(self, waves: Mapping[int, Sequence[Pair]]) -> bool:
        """Bring pairs of waves into the stream; false if the cost limit, or too many failures, ended that."""
        pairs = {(wave, place, 0): waves[wave][place] for wave, place in by_first_essay(waves)}
        await self._store([self._new(key, pair) for key, pair in pairs.items() if key not in self._asked])
        for key in pairs:
            if not await self._make_room() or not await self._admit(self._asked[key]):
                return False
        return True

    async def _make_room(self) -> bool:
        """Wait until another attempt may be made, and then until a whole request of them may.

        Of a provider's batch, all may be made that can be asked.

        Returns:
            False if the cost limit, or too many failures, ended that.
        """
        more_open = more_ahead = 1
        while not self._batch.plan.is_batched:
            # With a cost limit, no time may decide where in the stream a failed pair is asked again.
            counted = self._verdicts if self._spend_limit.limit is None else self._verdicts_seen
            open_at_most, ahead = (_AHEAD_AT_FIRST + 4 * verdicts for verdicts in (self._verdicts, counted))
            is_full = len(self._open) + more_open > min(open_at_most, _MOST_OPEN)
            is_far = len(self._stream) + more_ahead > min(ahead, _MOST_AHEAD)
            if not is_full and not is_far:
                break
            more_open = COMPARISONS_AT_ONCE if is_full else more_open
            more_ahead = COMPARISONS_AT_ONCE if is_far else more_ahead
            if not is_far or self._stream[0].correlation_id not in self._results:
                await self._wait_for_news()
            elif not await self._see_next():
                return False
        return True

    async def _to_the_end(self) -> bool:
        """Wait for all answers; false if the cost limit, or too many failures, ended that."""
        while self._stream:
            if not await self._see_next():
                return False
        return True

    async def _see_next(self) -> bool:
        """Wait for the first answer that was not looked at, and ask again if that can help.

        Returns:
            False if the cost limit does not allow that, too many pairs have failed, or no answer can be used.
        """
        asked = self._stream.popleft()
        self._left[asked.wave] -= 1
        while asked.correlation_id not in self._results:
            if self._spend_limit.refused is not None:
                return False
            await self._wait_for_news()
        result = self._results[asked.correlation_id]
        self._verdicts_seen += result.winner is not None
        self._unusable_seen += is_unusable(result)
        if self._is_hopeless:
            return False
        earlier = (self._asked[asked.wave, asked.place, number] for number in range(asked.attempt + 1))
        if may_ask([self._results[each.correlation_id] for each in earlier]):
            key = (asked.wave, asked.place, asked.attempt + 1)
            if key not in self._asked:
                await self._store([self._new(key, Pair(first=asked.essay_a_id, second=asked.essay_b_id))])
            return await self._admit(self._asked[key])
        self._failed += result.winner is None
        return not beyond_hope(self._failed, wanted=self._wanted)

    @property
    def _is_hopeless(self) -> bool:
        """Whether the judge's answers are paid for and none can be used: to ask on would cost money for nothing."""
        return self._unusable_seen >= _HOPELESS_AFTER and not self._verdicts_seen

    async def _store(self, new: Sequence[PairAttempt]) -> None:
        if new:
            await self._repository.add(self._batch.number, new)
            self._asked.update({(each.wave, each.place, each.attempt): each for each in new})

    async def _admit(self, attempt: PairAttempt) -> bool:
        """Make an attempt, unless it has its answer; false if it could exceed the cost limit."""
        if attempt.correlation_id not in self._results:
            most = partial(self._prompts.most, attempt)
            while (
                admission := await self._spend_limit.admit(attempt.correlation_id, most, patience=self._patience)
            ) != "ask":
                if admission == "over the limit":
                    return False
                self._ask_again()
            self._open[attempt.correlation_id] = attempt
            self._send([attempt])
        self._stream.append(attempt)
        self._left[attempt.wave] += 1
        return True

    async def _wait_for_news(self) -> None:
        """Wait for a callback; after a long silence the open attempts are repeated."""
        clock = asyncio.get_running_loop().time
        self._news.clear()
        try:
            async with asyncio.timeout(max(self._last_news + self._patience - clock(), 0.0)):
                await self._news.wait()
        except TimeoutError:
            if self._last_news + self._patience <= clock():
                self._ask_again()

    async def _end_early(self) -> None:
        """Wait for the answers that are under way: they are paid for. What a provider's batch can still save is saved.

        A batch that was interrupted may have been asked attempts that are not open now, so the provider says which of
        the unanswered ones it has.
        """
        if self._batch.plan.is_batched:
            self._unsent.clear()
            while self._is_sending:
                await self._was_sent.wait()
            left = {each.correlation_id: each for each in self._asked.values()}
            names = [name for name in left if name not in self._results]
            # Open before they are cancelled: their callbacks can come before the answer.
            self._open.update((name, left[name]) for name in names)
            known = await self._provider.cancel(names)
            for name in names:
                if name not in known:
                    self._open.pop(name, None)
            log.info("the rest of a batch is cancelled", batch_id=self._batch.plan.batch_id, open=len(self._open))
        while self._open:
            await self._wait_for_news()

    def _ask_again(self) -> None:
        """Repeat the open attempts after a silence; the provider recognises them."""
        log.warning("no answers: asking again", batch_id=self._batch.plan.batch_id, open=len(self._open))
        self._last_news = asyncio.get_running_loop().time()
        self._send(self._open.values())

    def _send(self, attempts: Iterable[PairAttempt]) -> None:
        self._unsent.update((attempt.correlation_id, attempt) for attempt in attempts)
        if not self._is_sending:
            self._is_sending = True
            self._tasks.create_task(self._send_all())

    async def _send_all(self) -> None:
        """Make the attempts in their order, in groups of those that are there."""
        self._was_sent.clear()
        try:
            while self._unsent:
                group = [self._unsent.pop(name) for name in tuple(islice(self._unsent, COMPARISONS_AT_ONCE))]
                still_open = [attempt for attempt in group if attempt.correlation_id in self._open]
                repeats = [self._repeat[attempt.wave, attempt.place] for attempt in still_open]
                await self._provider.ask_all(
                    [self._prompts.body(each, repeat=repeat) for each, repeat in zip(still_open, repeats, strict=True)]
                )
        finally:
            self._is_sending = False
            self._was_sent.set()

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

    def _last(self, waves: float = math.inf) -> tuple[LLMComparisonResult, ...]:
        """Each pair's last result, by wave and place, in the first waves, or in all."""
        answered = (self._answered[wave] for wave in sorted(self._answered) if wave < waves)
        return tuple(self._results[each.correlation_id] for wave in answered for each in wave if each is not None)

    def _outcome(self) -> Outcome:
        results, wanted = self._last(), self._wanted
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
        return Outcome(
            results=results,
            callbacks=len(self._results),
            wanted=wanted,
            looks=tuple(self._looks),
            cost_stop=stop,
            decided=self._decided,
            is_hopeless=self._is_hopeless,
        )


async def _raise(error: Exception) -> None:
    """End a task group, whatever its tasks wait for."""
    raise error


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
