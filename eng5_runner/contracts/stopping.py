"""Why a study ended: extensions of ours in the CJ service's events, which a reader of the contract ignores."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from eng5_runner.contracts.base import Lenient, WireModel

# The reason in `error_info` of a completion that a higher cost limit lets go on.
COST_LIMIT = "cost_limit"
Usd = Annotated[float, Field(ge=0)]
# Within what JSON's readers take as a whole number.
Count = Annotated[int, Field(ge=0, le=2**53)]


class CostStop(WireModel):
    """Where a batch stands that ended at its cost limit; an extension of ours.

    Attributes:
        max_cost_usd: the limit.
        spent_usd: with what is not known counted at its highest.
        next_at_most_usd: what the next comparison could have cost, which no longer fitted.
        comparisons: pairs with an answer.
        comparisons_wanted: pairs of the whole batch.
    """

    max_cost_usd: Usd
    spent_usd: Usd
    next_at_most_usd: Usd
    comparisons: Count
    comparisons_wanted: Count


class Look(WireModel):
    """One look at a study after a whole round: may it end? An extension of ours.

    Attributes:
        round: 1 for the first.
        comparisons: asked for so far, failed ones and repeats included.
        judgements: different ones with a winner; a repeat is no new one.
        fewest: judgements of the essay that has the fewest.
        components: groups of essays that no judgement links; 1 when all are linked.
        reliability: of the judge's order, 0 to 1.
        reliability_low: lower end of its 90% interval; None where it could not have mattered and was not computed.
        reliability_high: the upper end.
        standard_error_90: what 90% of the standard errors do not exceed, in logits.
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
