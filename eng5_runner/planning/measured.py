"""The figures of a pilot run, and what comparisons take by them, in place of assumptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from eng5_runner.judges.cost_bound import batch_factor
from eng5_runner.planning.pricing import CallCost, Estimate, Interval, Workload, study_seconds, within_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotMeasures:
    """What a run took for one comparison with a winner, failed ones included in the sum.

    Attributes:
        usd: None where the price was not known.
        seconds: of the whole run's pace.
        answer_seconds: the mean time of one answer; None where the service did not say it.
        cached: the share of the tokens read that came from the provider's cache.
        batched: whether it ran in the provider's batches: `usd` is then their price, and the times are their waits.
    """

    prompt_tokens: Interval
    completion_tokens: Interval
    usd: Interval | None
    seconds: Interval
    answer_seconds: Interval | None = None
    cached: float = 0.0
    batched: bool = False

    def in_single_calls(self, factor: Decimal | None) -> PilotMeasures:
        """What single calls would have cost, where an answer in a batch costs such a part; None: as much."""
        if not self.batched or self.usd is None or factor is None:
            return self
        return replace(self, usd=self.usd.times(1 / float(factor)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """A run's figures.

    Attributes:
        comparisons: with a winner.
        failed: without.
        essays: that were compared.
        spread: σ̂ of the judge's positions, in logits.
        spread_90: its 90% interval.
        agreement: r of its order with the teachers' grades; None where no grades were projected.
        step: between two grades, in logits; None where no grades were projected.
        judge: provider and model; None where there were several, or where nearly all was a replay, so that the figures
            say nothing about either.
        measured: tokens, money and time. No money where a language model cost nothing: its price was not known.
        worth_90: how many bare wins one judgement was worth, a 90% interval; None where judgements counted as wins.
    """

    label: str
    comparisons: int
    failed: int
    essays: int
    spread: float
    spread_90: Interval
    step: float | None
    judge: tuple[str, str] | None
    measured: PilotMeasures
    worth_90: Interval | None = None
    agreement: float | None = None


def measured_estimate(assumed: Estimate, found: PilotMeasures, *, work: Workload) -> Estimate:
    """The same in single calls from what a pilot run took; the worst case stays as it was.

    A pilot in batches says what is read, written and paid, and nothing of the time of single calls.
    """
    found = found.in_single_calls(batch_factor(assumed.pricing.entry))
    usd, answer, seconds = found.usd, found.answer_seconds, found.seconds.times(work.comparisons)
    if found.batched:
        answer, seconds = assumed.answer_seconds, assumed.seconds
    elif answer is not None and work.free_waves is not None:
        tokens = found.prompt_tokens.plus(found.completion_tokens)
        each = CallCost(tokens=tokens, usd=usd, most_usd=assumed.call_at_most_usd)
        seconds = study_seconds(assumed.pricing, answer=answer, work=work, of_each=each)
    return replace(
        assumed,
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
        usd=usd and usd.times(work.comparisons),
        seconds=seconds,
        answer_seconds=answer or assumed.answer_seconds,
        within_limit=within_limit(usd, limit=work.limit),
        measured=True,
        paced=not found.batched,
        cached=_cached_at_least(assumed.cached, found),
    )


def _cached_at_least(assumed: Interval | None, found: PilotMeasures) -> Interval | None:
    """A larger study uses its essays more often, so it finds no less in the cache than its pilot in single calls."""
    if assumed is None or found.batched:
        return assumed
    return Interval(low=found.cached, high=max(assumed.high, found.cached))
