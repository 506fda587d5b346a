"""When a study can end. The rule is checked after whole rounds only, and uses figures that stay valid if checked often.

A study can end if every item has enough judgements, all items are connected, and the targets are met: the lower end of
the reliability's interval, and the 90th percentile of the standard errors. The rule does not ask whether positions
still change, because every estimate changes less as judgements add up. It does not use the separation reliability,
because adaptive pairing inflates it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from eng5_runner.measure.design.planning import FEWEST_OF_AN_ITEM
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval

if TYPE_CHECKING:
    from eng5_runner.measure.model.bradley_terry import Fit

Verdict: TypeAlias = Literal["go on", "precise enough", "budget spent"]

_SE_QUANTILE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The targets of a study; without any target the study ends when its budget is spent.

    Attributes:
        reliability: the target for the lower end of ρ_EB's interval, 0 to 1; None for no such target.
        se: the target for the 90th percentile of the standard errors, in logits; None for no such target.
        budget: the largest number of comparisons.
        judgements: the number that every item must have before the study can end as precise enough.
        level: of the reliability's interval.

    Raises:
        ValueError: a value is outside its range.
    """

    reliability: float | None
    se: float | None
    budget: int
    judgements: float = FEWEST_OF_AN_ITEM
    level: float = 0.9

    def __post_init__(self) -> None:
        if not (0.0 < self.level < 1.0 and (self.reliability is None or 0.0 < self.reliability < 1.0)):
            raise ValueError("the reliability and the level lie between 0 and 1")
        if self.se is not None and not 0.0 < self.se < math.inf:
            raise ValueError("the standard error must be positive")
        if self.budget < 1 or self.judgements < 0.0:
            raise ValueError("the budget must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingLook:
    """The figures after a round, and the verdict.

    Attributes:
        round: the number of the round, 1 for the first.
        judgements: number of judgements in all.
        fewest: number of judgements of the item that has the fewest.
        components: number of components of the graph of comparisons.
        reliability: ρ_EB.
        interval: of ρ_EB; None if it was not computed because it could not change the verdict.
        se: the 90th percentile of the standard errors, in logits.
        verdict: "precise enough" and "budget spent" end the study.
    """

    round: int
    judgements: float
    fewest: float
    components: int
    reliability: float
    interval: tuple[float, float] | None
    se: float
    verdict: Verdict


def look(fitted: Fit, *, rule: Rule, round_number: int, asked: int | None = None) -> StoppingLook:
    """Check a study after a whole round. The same study gives the same result.

    The reliability's interval takes three more fits, and is computed only if everything else lets the study end.

    Args:
        fitted: the fit of the judgements so far.
        rule: the targets of the study.
        round_number: 1 for the first.
        asked: number of comparisons so far, failed ones and repeats included; None if it is the number of judgements.
    """
    judgements = float(fitted.comparisons.weight.sum())
    fewest = float(fitted.counts.min())
    se = float(np.quantile(fitted.standard_errors, _SE_QUANTILE))
    reliability = empirical_bayes(fitted)
    precise = (
        fewest >= rule.judgements and fitted.components == 1 and not (rule.reliability is None and rule.se is None)
    )
    precise = precise and (rule.se is None or se <= rule.se)
    interval = None
    if precise and rule.reliability is not None:
        precise = reliability >= rule.reliability
        if precise:
            interval = reliability_interval(fitted, level=rule.level)
            precise = interval[0] >= rule.reliability
    spent = (judgements if asked is None else asked) >= rule.budget
    verdict: Verdict = "precise enough" if precise else "budget spent" if spent else "go on"
    return StoppingLook(
        round=round_number,
        judgements=judgements,
        fewest=fewest,
        components=fitted.components,
        reliability=reliability,
        interval=interval,
        se=se,
        verdict=verdict,
    )
