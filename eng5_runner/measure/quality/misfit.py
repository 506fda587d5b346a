"""Misfit and consistency: how well items and judges fit the scale, and how often the same question got the same answer.

Each figure has an expected value under the fitted model, because disagreement is not always an error: the model expects
that a close pair is judged sometimes one way and sometimes the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, ndtri

from eng5_runner.measure.model.comparisons import TIE, Comparisons, summed_at
from eng5_runner.measure.quality.surprise import expected_residuals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misfit:
    """Mean squared residuals of the wins, each divided by what the fit expects: about 1 if the model holds.

    The expectation is that of `surprise`. Where a fit uses more than who won, the residuals are those of the fit by
    the wins alone, because its own positions can be on another scale.

    Attributes:
        infit: shape (n,), Σ w (y − p)² over the item's judgements by its expected value; nan if it has none.
        outfit: shape (n,), Σ w (y − p)² / p (1 − p) by its expected value; nan if it has none. Very noisy: a single
            upset at p = .02 counts 49.
        infit_overall: the infit of all judgements; nan if there are none.
        outfit_overall: the outfit of all judgements; nan if there are none.
    """

    infit: _Floats
    outfit: _Floats
    infit_overall: float
    outfit_overall: float


def misfit(fitted: Fit, comparisons: Comparisons | None = None) -> Misfit:
    """Infit and outfit of each item.

    Args:
        fitted: the study.
        comparisons: the judgements to use, for example those of one judge; None uses all fitted ones.

    Raises:
        ValueError: the comparisons are of other items.
    """
    data = fitted.comparisons if comparisons is None else comparisons
    chance, expected = chances(fitted.by_wins, data), expected_residuals(fitted.by_wins, data)
    square = data.weight * np.square(data.outcome - chance)
    parts = (
        square,
        data.weight * expected.square,
        square / (chance * (1.0 - chance)),
        data.weight * expected.standardised,
    )
    by_item = [_on_items(data, part) for part in parts]
    whole = [float(part.sum()) for part in parts]
    return Misfit(
        infit=_ratio(by_item[0], by_item[1]),
        outfit=_ratio(by_item[2], by_item[3]),
        infit_overall=whole[0] / whole[1] if whole[1] else math.nan,
        outfit_overall=whole[2] / whole[3] if whole[3] else math.nan,
    )


def chances(fitted: Fit, comparisons: Comparisons) -> _Floats:
    """The fitted probability that the item shown first wins, for each row, shape (rows,).

    Raises:
        ValueError: the comparisons are of other items.
    """
    if comparisons.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    return np.asarray(expit(comparisons.log_odds(np.append(fitted.theta, fitted.position_effect))))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEffect:
    """The advantage of being shown first.

    Attributes:
        estimate: δ in logits, the posterior mean.
        interval: of δ, by the Normal approximation around the posterior mean.
        first_wins: the probability that the first of two equal items wins.
    """

    estimate: float
    interval: tuple[float, float]
    first_wins: float


def position_effect(fitted: Fit, *, level: float = 0.9) -> PositionEffect | None:
    """δ with its interval; None if it was not estimated."""
    stated = fitted.position_effect_mean
    if stated is None:
        return None
    mean, error = stated
    margin = float(ndtri((1.0 + level) / 2.0)) * error
    return PositionEffect(estimate=mean, interval=(mean - margin, mean + margin), first_wins=float(expit(mean)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """How often the same question got the same answer. Judgements that ended in a tie are left out.

    Attributes:
        asked: number of pairs of judgements that could agree.
        agreed: number of them that agreed.
        expected: the number that the fitted probabilities expect to agree; close pairs disagree by chance.
        pairs: number of pairs of items with such judgements. Judgements of the same pair are not independent.
    """

    asked: float
    agreed: float
    expected: float
    pairs: int


def repeat_consistency(fitted: Fit, comparisons: Comparisons | None = None) -> Consistency:
    """Agreement among judgements of the same pair in the same order.

    A judge without randomness always agrees with itself, which does not mean that it is right.

    Args:
        fitted: the study.
        comparisons: all judgements, if the fitted ones count for less than their number.

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
    """Agreement between judgements of the same pair in the two orders, each in one order with each in the other.

    Two judgements agree if the same item won. One minus the share that agreed is the flip rate. The expected number is
    that of a judge to whom the order does not matter: one who goes by the place would else look as expected.

    Args:
        fitted: the study.
        comparisons: all judgements, if the fitted ones count for less than their number.

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
    chance = expit(gap)
    return Consistency(
        asked=float(asked.sum()),
        agreed=float((ahead[0] * behind[1] + ahead[1] * behind[0]).sum()),
        expected=float((asked * (chance**2 + (1.0 - chance) ** 2)).sum()),
        pairs=int(np.count_nonzero(asked)),
    )


def _decided(
    data: Comparisons, place: NDArray[np.int64], *, size: int, where: NDArray[np.bool_] | None = None
) -> tuple[_Floats, _Floats]:
    """The number of judgements that the first and the second item won, at each place.

    Ties are left out, and so are rows where `where` is false.
    """
    weight = data.weight if where is None else np.where(where, data.weight, 0.0)
    won = summed_at(place, np.where(data.outcome > TIE, weight, 0.0), size=size)
    lost = summed_at(place, np.where(data.outcome < TIE, weight, 0.0), size=size)
    return won, lost


def _on_items(data: Comparisons, amounts: _Floats) -> _Floats:
    n = len(data.items)
    return summed_at(data.first, amounts, size=n) + summed_at(data.second, amounts, size=n)


def _ratio(above: _Floats, below: _Floats) -> _Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)
