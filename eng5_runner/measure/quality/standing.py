"""How often each judge agrees with the other judges, and how often it should.

Each judge is held against the positions that the others' judgements give. A judgement agrees if its winner has the
higher position there. Close pairs are judged either way by good judges, too, so the expected share of agreement follows
from the same positions and their uncertainty.

    standings({"ada": ada, "bo": bo, "cy": cy}, prior_sd=1.5)[0].expected     # .78
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtri

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import TIE, merged
from eng5_runner.measure.quality.needed import judgements_needed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

_NINETY = float(ndtri(0.95))
# Above so many judges they are held in groups against those of the other groups: a fit for each would take too long.
_MOST_FITS = 12
# Of all judges of a study together, that any is named by chance.
_FALSE_ALARM = 0.01
# Judges of one school differ a little in what they value; only a difference that a reader would see is named.
_LEAST_GAP = 0.1
# Positions that are nearer, in logits, differ by rounding alone: neither item is the higher one.
_NO_DIFFERENCE = 1e-6
# With fewer judgements of a judge, chance explains nearly everything.
FEWEST_OF_A_JUDGE = 10
# Of judges, for their differences to be part of an interval.
_FEWEST_CLUSTERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One judge against the others.

    Attributes:
        judge: its name.
        judgements: how many can agree: those that are no tie.
        agreed: the share of them whose winner is the one that the others place higher; None without judgements.
        expected: the share that is expected of a judge like the others; None without judgements.
        disagrees: whether it agrees so much less often that chance does not explain it.
    """

    judge: str
    judgements: float
    agreed: float | None
    expected: float | None
    disagrees: bool


def standings(
    judges: Mapping[str, Comparisons], *, prior_sd: float, position_effect: bool = True
) -> tuple[Standing, ...]:
    """Each judge against all others; empty for fewer than two judges.

    Args:
        judges: the judgements of each judge, all of the same items.
        prior_sd: σ of the fit of all, in logits.
        position_effect: as for `fit`.
    """
    names = sorted(name for name, data in judges.items() if data.weight.any())
    if len(names) <= 1:
        return ()
    groups = min(len(names), _MOST_FITS)
    stated: dict[str, Standing] = {}
    for number in range(groups):
        own = names[number::groups]
        others = merged([judges[name] for name in names if name not in own])
        fitted = fit(others, prior_sd=prior_sd, position_effect=position_effect)
        stated |= {name: _standing(name, judges[name], fitted=fitted, among=len(names)) for name in own}
    return tuple(stated[name] for name in names)


def agreed_and_expected(fitted: Fit, data: Comparisons) -> tuple[float, float, float, float]:
    """How many judgements can agree with positions that others gave, agree, are expected to, and the variance of that.

    Args:
        fitted: the positions.
        data: judgements that are no part of the fit, of the same items.
    """
    x = np.append(fitted.theta, fitted.position_effect)
    chance = expit(fitted.expected_log_odds(data))
    gap = data.contrasts(x) - x[-1]
    first_is_higher = gap > 0.0
    can = data.weight * (data.outcome != TIE) * (np.abs(gap) > _NO_DIFFERENCE)
    agrees = np.where(first_is_higher, data.outcome, 1.0 - data.outcome)
    likely = np.where(first_is_higher, chance, 1.0 - chance)
    return (
        float(can.sum()),
        float((can * agrees).sum()),
        float((can * likely).sum()),
        float((can * likely * (1.0 - likely)).sum()),
    )


def _standing(name: str, data: Comparisons, *, fitted: Fit, among: int) -> Standing:
    can, agreed, expected, variance = agreed_and_expected(fitted, data)
    if not can:
        return Standing(judge=name, judgements=0.0, agreed=None, expected=None, disagrees=False)
    least = expected + float(ndtri(_FALSE_ALARM / among)) * math.sqrt(variance)
    disagrees = can >= FEWEST_OF_A_JUDGE and agreed < least and agreed < expected - _LEAST_GAP * can
    return Standing(judge=name, judgements=can, agreed=agreed / can, expected=expected / can, disagrees=disagrees)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgesAgreement:
    """How often judgements agree with an order that others gave.

    Attributes:
        asked: how many judgements can agree.
        share: of them that do.
        interval: 90% interval of `share`; with five judges and more it allows for judges that differ.
        needed: how many judgements would make the interval as narrow as ± .05.
    """

    asked: float
    share: float
    interval: tuple[float, float]
    needed: int


def agreement_of(counts: Sequence[tuple[float, float]]) -> JudgesAgreement | None:
    """The agreement of several judges together.

    Args:
        counts: of each judge, how many judgements can agree and how many do.

    Returns:
        None if no judgement can agree.

    >>> [round(end, 2) for end in agreement_of([(50, 30), (50, 28)]).interval]
    [0.5, 0.66]
    """
    asked, agreed = sum(can for can, _ in counts), sum(did for _, did in counts)
    if not asked:
        return None
    share = agreed / asked
    # With two more judgements of each kind, a share of 1 has an interval, too.
    likely = (agreed + 2.0) / (asked + 4.0)
    inflation = 1.0
    judges = [(can, did) for can, did in counts if can]
    if len(judges) >= _FEWEST_CLUSTERS:
        between = sum((did - share * can) ** 2 for can, did in judges) * len(judges) / (len(judges) - 1)
        inflation = max(1.0, between / (asked * likely * (1.0 - likely)))
    error = math.sqrt(inflation * likely * (1.0 - likely) / (asked + 4.0))
    return JudgesAgreement(
        asked=asked,
        share=share,
        interval=(max(0.0, min(share, likely - _NINETY * error)), min(1.0, max(share, likely + _NINETY * error))),
        needed=judgements_needed(likely, inflation=inflation),
    )


def same_pair(data: Comparisons) -> tuple[float, float]:
    """How many pairs of judgements are of the same two items, and how many of these agree; ties are left out."""
    low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
    keys, place = np.unique(low * len(data.items) + high, return_inverse=True)
    can = data.weight * (data.outcome != TIE)
    low_won = np.where(data.first == low, data.outcome, 1.0 - data.outcome) * can
    won, asked = np.bincount(place, low_won, keys.size), np.bincount(place, can, keys.size)
    lost = asked - won
    agree = won * (won - 1.0) + lost * (lost - 1.0)
    return float((asked * (asked - 1.0)).sum()) / 2.0, float(agree.sum()) / 2.0
