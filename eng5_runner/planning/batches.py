"""What a study takes in a provider's batches, beside what it takes in single calls.

A batch is answered within an hour as a rule, and within a day at most. Rounds that follow from answers wait for each
other, and so do comparisons that a cost limit admits only after earlier ones are paid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from eng5_runner.judges.cost_bound import batch_factor
from eng5_runner.planning.pricing import Estimate, Interval, Workload

_HOUR = 3600.0
_USUAL_HOURS, _MOST_HOURS = 1.0, 24.0
_MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEstimate:
    """A study in batches.

    Attributes:
        is_chosen: whether the run asks for batches.
        usd: for all comparisons in batches; `usd_single`: in single calls. None if the price is unknown.
        usd_at_most: in batches, if each call costs the most that it can.
        rounds: batches that wait for each other, without retries.
        seconds: of all rounds, from the usual to the longest.
    """

    is_chosen: bool
    usd: Interval | None
    usd_single: Interval | None
    usd_at_most: float | None
    rounds: int
    seconds: Interval


def batch_estimate(single: Estimate, *, work: Workload, is_chosen: bool) -> BatchEstimate | None:
    """A study in batches; None if the judge's provider has no batch API or no price for it.

    Args:
        single: the same study in single calls.
        work: the comparisons.
        is_chosen: whether the run asks for batches.
    """
    factor = batch_factor(single.pricing.entry)
    if factor is None or work.free_waves is None:
        return None
    share = float(factor)
    rounds = 1 + int(max(work.waves - work.free_waves, 0))
    if work.limit is not None and single.usd is not None and single.call_at_most_usd is not None:
        mean = share * (single.usd.low + single.usd.high) / 2 / work.comparisons
        most = share * single.call_at_most_usd
        rounds = max(rounds, _rounds_of_limit(work.comparisons, limit=work.limit, mean=mean, most=most))
    return BatchEstimate(
        is_chosen=is_chosen,
        usd=single.usd and single.usd.times(share),
        usd_single=single.usd,
        usd_at_most=None if single.usd_at_most is None else single.usd_at_most * share,
        rounds=rounds,
        seconds=Interval(low=rounds * _USUAL_HOURS * _HOUR, high=rounds * _MOST_HOURS * _HOUR),
    )


def in_batches(single: Estimate, batches: BatchEstimate | None) -> Estimate:
    """The estimate of a run that asks for batches; of any other run as it is."""
    factor = batch_factor(single.pricing.entry)
    if batches is None or not batches.is_chosen or factor is None:
        return single
    share, within, at_least = float(factor), single.within_limit, single.within_limit_at_least
    return replace(
        single,
        usd=batches.usd,
        call_at_most_usd=None if single.call_at_most_usd is None else single.call_at_most_usd * share,
        usd_at_most=batches.usd_at_most,
        seconds=batches.seconds,
        within_limit=within and within.times(1 / share),
        within_limit_at_least=None if at_least is None else math.floor(at_least / share),
    )


def _rounds_of_limit(comparisons: int, *, limit: float, mean: float, most: float) -> int:
    """How often a cost limit makes comparisons wait for answers: each open one counts with the most that it can cost.

    >>> _rounds_of_limit(100, limit=1.0, mean=0.01, most=0.02)
    7
    """
    left, spent, rounds = comparisons, 0.0, 0
    while left > 0 and rounds < _MOST_ROUNDS:
        admitted = min(left, math.floor((limit - spent) / most)) if most > 0 else left
        if admitted < 1:
            break
        left, spent, rounds = left - admitted, spent + admitted * mean, rounds + 1
    return max(rounds, 1)
