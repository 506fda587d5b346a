"""How well single items and judges agree with the fitted scale, and how consistent the judgements are with themselves.

All of it is set against what the fitted model itself expects: close pairs are *expected* to be judged now one way and
now the other, and three close items to be judged in a circle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, ndtri

from eng5_runner.measure.model.comparisons import Comparisons, summed_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"
_TIE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misfit:
    """Mean squared surprise, about 1 where the model holds; the prior's shrinkage brings it slightly below.

    Attributes:
        infit: shape (n,), Σ w (y − p)² / Σ w p (1 − p) over the item's judgements; not a number without any.
        outfit: shape (n,), the mean of (y − p)² / p (1 − p). Very noisy: one upset at p = .02 counts 49.
        infit_overall: of all judgements together.
        outfit_overall: of all judgements together; not a number without any.
    """

    infit: _Floats
    outfit: _Floats
    infit_overall: float
    outfit_overall: float


def misfit(fitted: Fit, comparisons: Comparisons | None = None) -> Misfit:
    """Infit and outfit of each item over the fitted judgements, or over some of them: those of one judge.

    Raises:
        ValueError: the comparisons are of other items.
    """
    data = fitted.comparisons if comparisons is None else comparisons
    chance = chances(fitted, data)
    square, variance = data.weight * np.square(data.outcome - chance), chance * (1.0 - chance)
    parts = (square, data.weight * variance, square / variance, data.weight)
    each = [_on_items(data, part) for part in parts]
    whole = [float(part.sum()) for part in parts]
    return Misfit(
        infit=_ratio(each[0], each[1]),
        outfit=_ratio(each[2], each[3]),
        infit_overall=whole[0] / whole[1] if whole[1] else math.nan,
        outfit_overall=whole[2] / whole[3] if whole[3] else math.nan,
    )


def chances(fitted: Fit, comparisons: Comparisons) -> _Floats:
    """The fitted probability of each row's first winning, shape (rows,).

    Raises:
        ValueError: the comparisons are of other items.
    """
    if comparisons.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    eta = fitted.theta[comparisons.first] - fitted.theta[comparisons.second] + fitted.position_effect
    return np.asarray(expit(eta))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEffect:
    """The advantage of being shown first.

    Attributes:
        estimate: δ in logits.
        interval: of it, by the Normal approximation.
        first_wins: the probability that the first of two equal items wins.
    """

    estimate: float
    interval: tuple[float, float]
    first_wins: float


def position_effect(fitted: Fit, *, level: float = 0.9) -> PositionEffect | None:
    """δ with its interval; None where it was not estimated."""
    if fitted.position_effect_se is None:
        return None
    margin = float(ndtri((1.0 + level) / 2.0)) * fitted.position_effect_se
    return PositionEffect(
        estimate=fitted.position_effect,
        interval=(fitted.position_effect - margin, fitted.position_effect + margin),
        first_wins=float(expit(fitted.position_effect)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """How often the same question got the same answer.

    Attributes:
        asked: the pairs of judgements that could agree.
        agreed: how many did. Judgements that ended in a tie are left out.
        expected: how many would, by the fitted probabilities: close pairs differ by chance.
        pairs: how many pairs of items they are of. Judgements of one pair are not independent of each other.
    """

    asked: float
    agreed: float
    expected: float
    pairs: int


def repeat_consistency(fitted: Fit, comparisons: Comparisons | None = None) -> Consistency:
    """Judgements of the same pair in the same order, each with each other: at best a judge's memory of itself.

    A judge without randomness agrees with itself in all; that says nothing of how right it is.

    Args:
        fitted: the study.
        comparisons: all judgements, where those that were fitted have their repeats collapsed.

    Raises:
        ValueError: the comparisons are of other items.
    """
    data = fitted.comparisons if comparisons is None else comparisons
    cell = data.first * len(data.items) + data.second
    keys, place = np.unique(cell, return_inverse=True)
    won, lost = _decided(data, place, size=keys.size)
    asked = (won + lost) * (won + lost - 1.0) / 2.0
    chance = chances(fitted, data)[np.unique(cell, return_index=True)[1]]
    return Consistency(
        asked=float(asked.sum()),
        agreed=float((won * (won - 1.0) + lost * (lost - 1.0)).sum()) / 2.0,
        expected=float((asked * (chance**2 + (1.0 - chance) ** 2)).sum()),
        pairs=int(np.count_nonzero(asked)),
    )


def swap_consistency(fitted: Fit, comparisons: Comparisons | None = None) -> Consistency:
    """Judgements of the same pair in the two orders: every one in one order with every one in the other.

    They agree where the same item won. One minus the share that agreed is the flip rate.

    Args:
        fitted: the study.
        comparisons: all judgements, where those that were fitted have their repeats collapsed.

    Raises:
        ValueError: the comparisons are of other items.
    """
    data = fitted.comparisons if comparisons is None else comparisons
    if data.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
    keys, place = np.unique(low * len(data.items) + high, return_inverse=True)
    forward = data.first < data.second
    ahead = _decided(data, place, size=keys.size, where=forward)
    behind = _decided(data, place, size=keys.size, where=~forward)
    asked = (ahead[0] + ahead[1]) * (behind[0] + behind[1])
    gap = fitted.theta[keys // len(data.items)] - fitted.theta[keys % len(data.items)]
    first, second = expit(gap + fitted.position_effect), expit(fitted.position_effect - gap)
    alike = first * (1.0 - second) + (1.0 - first) * second
    return Consistency(
        asked=float(asked.sum()),
        agreed=float((ahead[0] * behind[1] + ahead[1] * behind[0]).sum()),
        expected=float((asked * alike).sum()),
        pairs=int(np.count_nonzero(asked)),
    )


def _decided(
    data: Comparisons, place: NDArray[np.int64], *, size: int, where: NDArray[np.bool_] | None = None
) -> tuple[_Floats, _Floats]:
    """How many judgements the first and the second won at each place; ties and other rows left out."""
    weight = data.weight if where is None else np.where(where, data.weight, 0.0)
    won = summed_at(place, np.where(data.outcome > _TIE, weight, 0.0), size=size)
    lost = summed_at(place, np.where(data.outcome < _TIE, weight, 0.0), size=size)
    return won, lost


def _on_items(data: Comparisons, amounts: _Floats) -> _Floats:
    n = len(data.items)
    return summed_at(data.first, amounts, size=n) + summed_at(data.second, amounts, size=n)


def _ratio(above: _Floats, below: _Floats) -> _Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)
