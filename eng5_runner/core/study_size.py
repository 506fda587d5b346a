"""How many comparisons a run asks for: one rule, for the plan, the request and the progress shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from eng5_runner.core.spec import Budget, Swap
from eng5_runner.measure.design.planning import comparisons_for_reliability, comparisons_for_se

# Judgements an essay where no total is given: the embedded service's default and the method's recommendation.
DEFAULT_PER_ESSAY = 20
# σ in logits: a homogeneous class, a typical one, a wide range. Unknown beforehand, so all three are shown.
SPREADS = (1.0, 1.8, 3.0)
# Of the pairs, as many are asked in the other order too; the audit's share is `measure.designs.audit`'s.
_SWAPPED: Mapping[Swap, float] = MappingProxyType({"none": 0.0, "audit": 0.1, "all": 1.0})


def asked_per_pair(budget: Budget) -> float:
    """How often each pair is asked on average.

    Asking again in the same order, or in the other one, tells how consistent the judge is; of the essays' positions it
    tells little that is new, so a plan counts each pair once.
    """
    return budget.repeats * (1.0 + _SWAPPED[budget.swap])


def comparisons_wanted(budget: Budget, *, essays: int) -> tuple[int, str]:
    """The total and, in words, where it comes from.

    With a target it is the most that may be needed: what the target takes under the least favourable of `SPREADS`. A
    study that reaches its target earlier ends earlier.

    Args:
        budget: of the run.
        essays: that are compared, anchors among them; at least two.
    """
    if budget.max_comparisons is not None:
        return budget.max_comparisons, f"--max-comparisons{_rounds(budget.max_comparisons, essays)}"
    if budget.design == "boundary":
        return len(
            budget.pairs
        ) * 2 * budget.repeats, f"{len(budget.pairs)} named pairs, both orders, {budget.repeats} times"
    if budget.comparisons_per_essay is not None:
        each = budget.comparisons_per_essay
        return math.ceil(essays * each / 2), f"--comparisons-per-essay: {each:g} judgements an essay"
    ceilings = _ceilings(budget, essays)
    if ceilings:
        return math.ceil(
            max(ceilings) * asked_per_pair(budget)
        ), "the most that the target may take; it ends earlier where it is reached earlier"
    return essays * DEFAULT_PER_ESSAY // 2, f"{DEFAULT_PER_ESSAY} judgements an essay, the default"


def _rounds(comparisons: int, essays: int) -> str:
    rounds, rest = divmod(comparisons, essays // 2)
    told = f": {rounds} whole rounds of {essays // 2} pairs"
    return told + (f" and the first {rest} pairs of another" if rest else "")


def _ceilings(budget: Budget, essays: int) -> list[int]:
    """What each target takes, in balanced pairs that are asked once.

    A standard error that is no smaller than a spread is reached without any comparison.
    """
    found: list[int] = []
    if budget.target_reliability is not None:
        wanted = budget.target_reliability
        found += [comparisons_for_reliability(essays=essays, spread=s, reliability=wanted) for s in SPREADS]
    if budget.target_se is not None:
        wanted = budget.target_se
        found += [comparisons_for_se(essays=essays, spread=s, se=wanted) for s in SPREADS if wanted < s]
    return found
