"""How many comparisons a run requests. The plan, the request and the progress display all use this rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from eng5_runner.contracts.choices import SwapShare
from eng5_runner.core.spec import Budget
from eng5_runner.measure.design.planning import comparisons_for_reliability, comparisons_for_se
from eng5_runner.phrases import counted

# Judgements per essay if the user gives no number: the embedded service's default and the method's recommendation.
DEFAULT_PER_ESSAY = 20
# The most comparisons that the field's CJ service makes in a request, and the variable by which its operator raises it.
FIELD_CAP = 120
FIELD_CAP_VARIABLE = "CJ_ASSESSMENT_SERVICE_MAX_PAIRWISE_COMPARISONS"
# σ of the essays' quality in logits: a homogeneous class, a typical one, a wide range. A target's upper limit covers
# all three, because nobody knows σ before the study.
SPREADS = (1.0, 1.8, 3.0)
# σ in logits where no pilot has measured it: panels of people are near 1 to 2, decisive language models reach 6.
ASSUMED_SPREADS = (1.0, 2.0, 4.0, 6.0)
# Which share of the pairs is also compared in the other order.
_SWAPPED: Mapping[SwapShare, float] = MappingProxyType({"none": 0.0, "audit": 0.1, "all": 1.0})


def asked_per_pair(budget: Budget) -> float:
    """How often each pair is compared, on average.

    A repeat in the same or the other order shows how consistent the judge is. It says little new about the essays'
    positions, so a plan counts each pair once.

    >>> asked_per_pair(Budget(repeats=2, swap="all"))
    4.0
    """
    return budget.repeats * (1.0 + _SWAPPED[budget.swap])


def comparisons_wanted(budget: Budget, *, essays: int) -> tuple[int, str]:
    """The total number of comparisons, and the option or rule that it comes from.

    With a target, the total is an upper limit: the number that the target needs at the least favourable of `SPREADS`.
    The study ends as soon as it reaches the target.

    Args:
        budget: of the run.
        essays: number of essays to compare, anchors included; at least two.

    Example:
        >>> comparisons_wanted(Budget(comparisons_per_essay=8), essays=6)
        (24, '--comparisons-per-essay: 8 judgements per essay')
    """
    if budget.max_comparisons is not None:
        return budget.max_comparisons, f"--max-comparisons: {_in_rounds(budget.max_comparisons, pairs=essays // 2)}"
    if budget.design == "boundary":
        pairs = len(budget.pairs)
        return (
            pairs * 2 * budget.repeats,
            f"{counted(pairs, 'named pair')}, both orders, {counted(budget.repeats, 'time')}",
        )
    if budget.comparisons_per_essay is not None:
        per_essay = budget.comparisons_per_essay
        return math.ceil(essays * per_essay / 2), f"--comparisons-per-essay: {per_essay:g} judgements per essay"
    needed = _needed_for_targets(budget, essays)
    if needed:
        total = math.ceil(max(needed) * asked_per_pair(budget))
        return total, "upper limit for the target; the study ends as soon as it reaches the target"
    return essays * DEFAULT_PER_ESSAY // 2, f"{DEFAULT_PER_ESSAY} judgements per essay, the default"


def comparisons_under_cap(budget: Budget, wanted: int) -> int:
    """How many of the comparisons come from a service that makes only `FIELD_CAP` for each request.

    >>> comparisons_under_cap(Budget(), 440), comparisons_under_cap(Budget(top_up=True), 440)
    (120, 440)
    """
    requests = budget.max_requests if budget.top_up else 1
    return min(wanted, FIELD_CAP * requests)


def _in_rounds(comparisons: int, *, pairs: int) -> str:
    """The comparisons as rounds, in each of which every essay is compared once."""
    rounds, rest = divmod(comparisons, pairs)
    part = f"{rest} of the {counted(pairs, 'pair')} of {'another' if rounds else 'a'} round"
    whole = f"{counted(rounds, 'whole round')} of {counted(pairs, 'pair')}"
    if not rounds:
        return part
    return f"{whole} and {part}" if rest else whole


def _needed_for_targets(budget: Budget, essays: int) -> list[int]:
    """The number of balanced pairs that each target needs, for each of `SPREADS`; each pair is compared once."""
    needed: list[int] = []
    if budget.target_reliability is not None:
        reliability = budget.target_reliability
        needed += [comparisons_for_reliability(essays=essays, spread=s, reliability=reliability) for s in SPREADS]
    if budget.target_se is not None:
        # A standard error that is not below the spread needs no comparison at all.
        se = budget.target_se
        needed += [comparisons_for_se(essays=essays, spread=s, se=se) for s in SPREADS if se < s]
    return needed
