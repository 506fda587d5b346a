"""Soft judgements: judgements that say more than who won, by the judge's confidence or by a probability.

Each judgement has a latent value y = θ_first − θ_second + δ + noise, where the noise is logistic with scale 1. The
first wins if y > 0: this is the Bradley-Terry model. A judgement says between which two values y lies:

- a bare win of the first: 0 and ∞;
- a win with confidence c of 1 to L: t_{c−1} and t_c, with thresholds 0 = t_0 < t_1 < … < t_L = ∞ that are the judge's
  own and the same for wins of the first and of the second (a cumulative-logit model with symmetric thresholds);
- a win with the probability p: both are logit(p)/b, where the scale b is the judge's own, so that logit(p) has the
  error variance b²π²/3; ∞ is the second one where p is only a bound.

The logistic density makes the fit simple: the likelihood of l < y < u is expit(η − l) · expit(u − η) times a factor
without η. So a judgement counts as a win of the first against the handicap l and a win of the second against u.
`Comparisons.offset` holds the handicaps, and the whole fit stays what it is for bare wins.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.special import logit

from eng5_runner.measure.model.comparisons import TIE, Comparisons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"
Scale: TypeAlias = Literal["wins", "confidence", "probability"]

_FEWEST_OF_LEVEL = 8  # judgements
_MOST_VALUES, _LEVELS = 7, 5
_FEWEST_OF_JUDGE = 40  # judgements; judges with fewer share one reading
_MOST_LOG_ODDS = 25.0
_LEAST_CHANCE = 1e-300


@dataclass(frozen=True, slots=True)
class Said:
    """One judgement.

    Attributes:
        first: the item shown first.
        second: the item shown second.
        outcome: 1 if the first won, 0 if the second won, .5 for a tie.
        judge: who judged.
        confidence: any number that is higher if the judge is surer; None if the judge gave none.
        probability: that the first is better, 0 to 1; None if it is not known.
        is_bound: whether the winner's probability is at least that, and not exactly that.
        count: how many judgements the row stands for.
    """

    first: str
    second: str
    outcome: float
    judge: str = ""
    confidence: float | None = None
    probability: float | None = None
    is_bound: bool = False
    count: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftJudgements:
    """Judgements one by one, and what they say besides who won. `soft_from` makes them.

    Attributes:
        data: the judgements with weights, one row each, in a fixed order.
        judge: shape (rows,), the index of the judge in `judges`.
        judges: the judges' names; judges with few judgements are together under the empty name.
        level: shape (rows,), the confidence as a level from 1; 0 if there is none.
        log_odds: shape (rows,), of the winner, from the probability; nan if there is none.
        is_bound: shape (rows,), whether the winner's log odds are at least that.
    """

    data: Comparisons
    judge: NDArray[np.int64]
    judges: tuple[str, ...]
    level: NDArray[np.int64]
    log_odds: _Floats
    is_bound: NDArray[np.bool_]

    def rows(self, chosen: NDArray[np.bool_]) -> SoftJudgements:
        """The chosen rows."""
        return replace(
            self,
            data=self.data.part(chosen),
            judge=self.judge[chosen],
            level=self.level[chosen],
            log_odds=self.log_odds[chosen],
            is_bound=self.is_bound[chosen],
        )

    def counted_as(self, comparisons: Comparisons) -> SoftJudgements:
        """The same judgements, those of a pair in one order with the weight together that the pair has there."""
        data, n = self.data, len(comparisons.items)
        cell, there = data.first * n + data.second, comparisons.first * n + comparisons.second
        cells, where = np.unique(cell, return_inverse=True)
        shared = np.bincount(np.searchsorted(cells, there), comparisons.weight, cells.size)
        weight = data.weight * (shared / np.bincount(where, data.weight, cells.size))[where]
        return replace(self, data=replace(data, weight=weight))

    @property
    def sign(self) -> _Floats:
        """Shape (rows,): 1 if the first won, -1 if the second won, 0 for a tie."""
        return np.sign(self.data.outcome - TIE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a judge's statements are read.

    Attributes:
        scale: what of its answers is used.
        parameters: of the scale, in logits: thresholds, or the scale b.
        slope: how strongly the judge tells items apart; 1 for a usual judge, 0 for one that tosses a coin.
        shift: what it favours the item shown first by, in logits, beyond slope times the advantage that all have.
        slope_se: the standard error of `slope`; 0 while it counts as known.
    """

    scale: Scale
    parameters: tuple[float, ...] = ()
    slope: float = 1.0
    shift: float = 0.0
    slope_se: float = 0.0


WINS = Reading("wins")


def has_own_effects(readings: Sequence[Reading]) -> bool:
    """Whether any judge differs from the others in more than its scale."""
    return any((one.slope, one.shift) != (1.0, 0.0) for one in readings)


def slopes_and_shifts(readings: Sequence[Reading], judge: NDArray[np.int64]) -> tuple[_Floats, _Floats]:
    """Of the judge of each judgement, both of shape (rows,)."""
    slopes = np.array([one.slope for one in readings], dtype=np.float64)
    return slopes[judge], np.array([one.shift for one in readings], dtype=np.float64)[judge]


def soft_from(comparisons: Comparisons, rows: Iterable[Said]) -> SoftJudgements:
    """Judgements with what they say besides who won. The order of the rows does not matter.

    Args:
        comparisons: the same judgements as they count, for example weighted by dependence. The judgements of a pair in
            one order share the weight that the pair has there.
        rows: the judgements one by one.
    """
    place = {item: index for index, item in enumerate(comparisons.items)}
    every = list(rows)
    said = [every[number] for number in in_fixed_order(every)]
    by_judge = Counter(row.judge for row in said)
    said = [row if by_judge[row.judge] >= _FEWEST_OF_JUDGE else replace(row, judge="") for row in said]
    judges = tuple(sorted({row.judge for row in said}))
    index = {judge: number for number, judge in enumerate(judges)}
    first = np.array([place[row.first] for row in said], dtype=np.int64)
    second = np.array([place[row.second] for row in said], dtype=np.int64)
    count = np.array([row.count for row in said], dtype=np.float64)
    outcome = np.array([row.outcome for row in said], dtype=np.float64)
    chances = np.array([np.nan if row.probability is None else row.probability for row in said], dtype=np.float64)
    log_odds = np.sign(outcome - TIE) * logit(np.clip(chances, _LEAST_CHANCE, 1.0))
    is_bound = np.array([row.is_bound for row in said], dtype=bool) | (log_odds > _MOST_LOG_ODDS)
    confidence = np.array([np.nan if row.confidence is None else row.confidence for row in said], dtype=np.float64)
    judge = np.array([index[row.judge] for row in said], dtype=np.int64)
    data = Comparisons(items=comparisons.items, first=first, second=second, outcome=outcome, weight=count)
    judgements = SoftJudgements(
        data=data,
        judge=judge,
        judges=judges,
        level=_levels(confidence, judge),
        log_odds=np.minimum(log_odds, _MOST_LOG_ODDS),
        is_bound=is_bound,
    )
    return judgements.counted_as(comparisons)


def in_fixed_order(rows: Sequence[Said]) -> list[int]:
    """The places of the judgements, sorted by what they say: the order in which `soft_from` has them."""

    def said(place: int) -> tuple[str, str, str, float, tuple[float, float]]:
        row = rows[place]
        return row.first, row.second, row.judge, row.outcome, _stated(row)

    return sorted(range(len(rows)), key=said)


def _stated(row: Said) -> tuple[float, float]:
    return -1.0 if row.confidence is None else row.confidence, -1.0 if row.probability is None else row.probability


def _levels(confidence: _Floats, judge: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each judge's confidence as levels from 1 without gaps; 0 where there is none.

    Up to seven values are the levels; of more values five levels with about as many judgements each are made. A level
    with few judgements is joined with the next one below.
    """
    level = np.zeros(confidence.size, dtype=np.int64)
    for index in range(int(judge.max(initial=-1)) + 1):
        own = (judge == index) & ~np.isnan(confidence)
        values, place = np.unique(confidence[own], return_inverse=True)
        if values.size > _MOST_VALUES:
            ends = np.quantile(confidence[own], np.arange(1, _LEVELS) / _LEVELS)
            place = np.searchsorted(ends, confidence[own])
        number, held, names = 0, _FEWEST_OF_LEVEL, np.zeros(_MOST_VALUES, dtype=np.int64)
        for value, count in enumerate(np.bincount(place, minlength=_MOST_VALUES).tolist()):
            if held >= _FEWEST_OF_LEVEL and count:
                number, held = number + 1, 0
            names[value], held = number, held + count
        if held < _FEWEST_OF_LEVEL and number > 1:
            names = np.minimum(names, number - 1)
        level[own] = names[place]
    return level


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: the rows are computed once
class SoftEvidence:
    """Judgements together with how they are read.

    Attributes:
        judgements: one by one.
        readings: of each judge.
        by_spread: as in `Comparisons`.
    """

    judgements: SoftJudgements
    readings: tuple[Reading, ...]
    by_spread: float = 0.0

    @cached_property
    def rows(self) -> Comparisons:
        """What the judgements count for: two wins against handicaps for each."""
        soft = self.judgements
        lower, upper = np.zeros(soft.judge.size), np.full(soft.judge.size, np.inf)
        for judge, reading in enumerate(self.readings):
            own = soft.judge == judge
            lower[own], upper[own] = _between(soft.rows(own), reading)
        return self._of_judges(_handicapped(soft.data, sign=soft.sign, lower=lower, upper=upper))

    def _of_judges(self, rows: Comparisons) -> Comparisons:
        """Wins against handicaps, with the slopes and shifts of their judges."""
        if not has_own_effects(self.readings) or rows.offset is None:
            return rows
        slope, shift = (np.tile(one, 2) for one in slopes_and_shifts(self.readings, self.judgements.judge))
        own = replace(rows, slope=slope, offset=rows.offset + shift, by_spread=self.by_spread)
        errors = np.array([one.slope_se for one in self.readings])[np.tile(self.judgements.judge, 2)]
        if not errors.any():
            return own
        squared = np.square(slope)
        return replace(own, certain=squared / np.maximum(squared + np.square(errors), _LEAST_CHANCE))


def _handicapped(data: Comparisons, *, sign: _Floats, lower: _Floats, upper: _Floats) -> Comparisons:
    """Judgements whose latent value, as the winner sees it, lies between two values, as wins against handicaps.

    Args:
        data: the judgements.
        sign: shape (rows,), 1 if the first won, -1 if the second won, 0 for a tie, which is half a win of each.
        lower: shape (rows,), in logits.
        upper: shape (rows,), in logits; inf if there is no upper value.
    """
    side = np.where(sign == 0.0, 1.0, sign)
    tie = sign == 0.0
    upper = np.where(tie, 0.0, upper)
    lower = np.where(tie, 0.0, lower)
    weight = np.where(tie, 0.5, 1.0) * data.weight
    has_end = np.isfinite(upper)
    won = side > 0.0
    return Comparisons(
        items=data.items,
        first=np.tile(data.first, 2),
        second=np.tile(data.second, 2),
        outcome=np.concatenate([won, ~won], axis=-1).astype(np.float64),
        weight=np.concatenate([weight, np.where(has_end, weight, 0.0)], axis=-1),
        offset=np.concatenate([-side * lower, -side * np.where(has_end, upper, 0.0)], axis=-1),
    )


def _between(soft: SoftJudgements, reading: Reading) -> tuple[_Floats, _Floats]:
    """The two values between which each latent value lies, as the winner sees it."""
    rows = soft.judge.size
    if reading.scale == "confidence":
        ends = np.array([0.0, *reading.parameters, np.inf])
        known = np.maximum(soft.level, 1)
        return np.where(soft.level > 0, ends[known - 1], 0.0), np.where(soft.level > 0, ends[known], np.inf)
    if reading.scale == "probability":
        known, value = ~np.isnan(soft.log_odds), np.nan_to_num(soft.log_odds) / reading.parameters[0]
        return np.where(known, value, 0.0), np.where(known & ~soft.is_bound, value, np.inf)
    return np.zeros(rows), np.full(rows, np.inf)
