"""Why a study ended: our extensions of the CJ service's events. Other readers of the contract ignore them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from eng5_runner.contracts.base import Lenient, WireModel

# The reason in the `error_info` of a completion that a higher cost limit lets continue.
COST_LIMIT = "cost_limit"
# The verdict of a look that ends a study because it reached its target.
PRECISE_ENOUGH = "precise enough"
# What a result says of a boundary design all of whose pairs were asked to the end or decided.
PAIRS_DECIDED = "pairs decided"
# How the reason of a batch begins that could not be started or continued; ours goes on when it is requested again.
PROCESSING_FAILED = "CJ assessment processing failed: "
Usd = Annotated[float, Field(ge=0)]
# JSON readers take numbers up to this for whole ones.
Count = Annotated[int, Field(ge=0, le=2**53)]


class CostStop(WireModel):
    """The state of a batch that stopped at its cost limit.

    Attributes:
        max_cost_usd: the limit.
        spent_usd: the cost so far; a comparison of unknown cost counts at its upper bound.
        next_at_most_usd: the upper bound of the next comparison, which did not fit below the limit.
        comparisons: number of pairs with an answer.
        comparisons_wanted: number of pairs in the whole batch.
    """

    max_cost_usd: Usd
    spent_usd: Usd
    next_at_most_usd: Usd
    comparisons: Count
    comparisons_wanted: Count


class DecidedPairs(WireModel):
    """What it saved that decided pairs of a boundary design were not judged to the end.

    Attributes:
        pairs: number of named pairs that were left out early.
        comparisons: number of comparisons that were asked.
        comparisons_wanted: number of comparisons if no pair had been left out.
    """

    pairs: Count
    comparisons: Count
    comparisons_wanted: Count


class Look(WireModel):
    """A check after a whole round whether the study can end.

    Attributes:
        round: 1 for the first.
        comparisons: requested so far, failed ones and repeats included.
        judgements: what the judgements with a winner count for: those that repeat each other count for less.
        fewest: number of judgements of the essay that has the fewest.
        components: number of groups of essays that no judgement connects; 1 when all are connected.
        reliability: of the judge's order, 0 to 1.
        reliability_low: lower end of its 90% interval; None if it was not computed because it could change nothing.
        reliability_high: upper end of that interval.
        standard_error_90: the 90th percentile of the standard errors, in logits.
        verdict: `go on`, `precise enough` or `budget spent`.
    """

    round: Count
    comparisons: Count
    judgements: float
    fewest: float
    components: Count
    reliability: float
    reliability_low: Lenient[float] = None
    reliability_high: Lenient[float] = None
    standard_error_90: float
    verdict: str
