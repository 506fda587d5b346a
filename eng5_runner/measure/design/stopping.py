"""When a study may end: looked at after whole rounds only, by what stays honest when looked at often.

The rule asks for the lower end of the reliability's interval and for the 90th percentile of the standard errors, once
every item has been judged often enough and all are linked. It does not ask whether the positions have settled (any
estimate settles as judgements add up) nor for the separation reliability (adaptive pairing inflates it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval

if TYPE_CHECKING:
    from eng5_runner.measure.model.bradley_terry import Fit

Verdict: TypeAlias = Literal["go on", "precise enough", "budget spent"]

_SE_QUANTILE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a study aims at; with neither a reliability nor a standard error it ends at its budget.

    Attributes:
        reliability: what the lower end of ρ_EB's interval must reach, 0 to 1; None if that is not asked for.
        se: what 90% of the standard errors must not exceed, in logits; None if that is not asked for.
        budget: how many judgements there may be at most.
        judgements: how many every item must have before the study may end as precise enough.
        level: of the reliability's interval.
        draws: of its bootstrap.

    Raises:
        ValueError: a value is outside its range.
    """

    reliability: float | None
    se: float | None
    budget: int
    judgements: float = 10.0
    level: float = 0.9
    draws: int = 200

    def __post_init__(self) -> None:
        if not (0.0 < self.level < 1.0 and (self.reliability is None or 0.0 < self.reliability < 1.0)):
            raise ValueError("the reliability and the level lie between 0 and 1")
        if self.se is not None and not 0.0 < self.se < math.inf:
            raise ValueError("the standard error must be positive")
        if self.budget < 1 or self.draws < 1 or self.judgements < 0.0:
            raise ValueError("the budget and the number of draws must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingLook:
    """What was seen at the end of a round and what follows: plain values, to be recorded at every look.

    Attributes:
        round: its number, 1 for the first.
        judgements: how many there were in all.
        fewest: how many the item with the fewest had.
        components: of the graph of comparisons.
        reliability: ρ_EB.
        interval: of it; None where it could not change the verdict and was not computed.
        se: the 90th percentile of the standard errors, in logits.
        verdict: "precise enough" or "budget spent" end the study.
    """

    round: int
    judgements: float
    fewest: float
    components: int
    reliability: float
    interval: tuple[float, float] | None
    se: float
    verdict: Verdict


def look(fitted: Fit, *, rule: Rule, round_number: int, seed: int, asked: int | None = None) -> StoppingLook:
    """Looks at a study after a whole round; the same study and seed give the same look.

    The bootstrap is drawn only where all else would let the study end.

    Args:
        fitted: what the judgements so far say.
        rule: what is aimed at.
        round_number: 1 for the first.
        seed: of the bootstrap, not negative.
        asked: how much of the budget is used, failed comparisons and repeats included; None if it is what was fitted.

    Raises:
        ValueError: the seed is negative.
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
            interval = reliability_interval(fitted, fitted.comparisons, seed=seed, draws=rule.draws, level=rule.level)
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
