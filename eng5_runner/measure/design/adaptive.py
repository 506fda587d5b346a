"""Adaptive rounds: the pairs whose judgements take most of the error that a study is about.

They follow three balanced rounds, because they depend on the positions, which must be roughly known first. Where these
show a spread below 1.4 logits, they follow six: near pairs are worth little more then, and say so little about the
spread that the reliability would be claimed up to .07 too low. What is known of a pair's judgement beforehand is how
much information w it gives and by how much it lowers the variance of any sum of positions. The pairs are taken that
lower the sum of the variances most that the study is about:

- of every item's position, in general, and for a target of the reliability;
- of every item whose standard error is above its target, where there is one;
- of every student's distance from the anchors' line, where anchors have grades. Errors of the anchors count as far as
  they move that line, which is the boundaries between grades.

Sixteen times in a round it is reckoned with what the pairs chosen so far will tell, because two pairs that are worth
most may tell the same. A round has ⌊n/2⌋ pairs. An item can be in two of them, so that who needs more gets more, but no
item is ever more than one judgement ahead of the mean, and one that is two behind comes first. No pair is judged twice
while others are left.

In simulations of 62 essays, 13 adaptive judgements an essay explain as much of the true order as 18 balanced ones at a
spread of 1.9 logits, and 9 as much as 16 at a spread of 4. An oracle that knows all positions before it asks gains
hardly more at 1.9 (docs/validation.md), and no other rule that was tried did clearly better: pairs by their mutual
information, one pair an item, fewer balanced rounds, no limits on an item, weights by how far a student's chance of the
right grade depends on the error. The limit is what is known before a judgement: between equal essays it gives an
information of .25, between essays whose positions are known with a standard error of .7 at most .21, and in pairs drawn
by lot .13. And pairs of essays that are known to be alike do not say how wide the scale is.

The likelihood does not depend on how pairs were chosen, so positions, standard errors and ρ_EB stay valid; separation
and split-half reliability do not. At spreads of 6 and more after 10 judgements an essay, 90% intervals of positions
hold the truth a little less often (.81 to .83): few pairs are far apart, and say little of how wide the scale is.
Starting after two rounds saves little more.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit

from eng5_runner.measure.design.pairing import Pair, next_round

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"
_Places: TypeAlias = "NDArray[np.int64]"

BALANCED_ROUNDS = 3
_MOST_BALANCED_ROUNDS, _SMALL_SPREAD = 6, 1.4
_NODES = 12  # of the Gauss-Hermite rule
# With more items, only the nearest items in position are considered as partners, and the errors of two positions count
# as independent, which they nearly are then.
_ALL_PAIRS_UP_TO = 600
_NEAREST = 60
_MOST_IN_ROUND, _MOST_AHEAD, _MOST_BEHIND = 2, 1, 2
_FEWEST_ANCHORS = 3
_RENEWALS = 16  # how often in a round it is reckoned with what the pairs chosen so far will tell
_BELOW_TARGET = 0.1  # what an item counts for whose standard error is small enough


def adaptive_round(
    items: Sequence[str],
    *,
    history: Sequence[Pair],
    fitted: Fit | None,
    seed: int,
    grades: Mapping[str, int] | None = None,
    target_se: float | None = None,
    waiting: int = 0,
) -> list[Pair]:
    """The pairs of the next round: balanced for the first three to six rounds, then those that lower the error most.

    Of the two items of a pair, the one that was shown first less often is shown first.

    Args:
        items: all items of the design, always in the same order.
        history: the pairs of all rounds so far, whether their judgements have arrived or not.
        fitted: the fit of the judgements so far; required from the fourth round on.
        seed: not negative; the same items, history, fit and seed give the same round.
        grades: anchor → index of its known grade, if the study is about the other items' grades.
        target_se: the largest standard error to reach, in logits, if the study is about that.
        waiting: how many pairs at the end of `history` are no part of the fit, because their answers are under way.
            What they will tell is taken as known.

    Raises:
        ValueError: an item occurs twice, the seed is negative, or the fit is missing or of other items.
    """
    if len(history) < BALANCED_ROUNDS * (len(items) // 2):
        return next_round(items, history=history, seed=seed)
    if fitted is None or set(fitted.items) != set(items) or len(fitted.items) != len(items):
        raise ValueError("the adaptive rounds need a fit of the same items, each named once")
    if fitted.prior_sd < _SMALL_SPREAD and _may_stay_balanced(items, history, seed=seed):
        return next_round(items, history=history, seed=seed)
    generator = np.random.default_rng([seed, len(items), len(history)])
    lot = dict(zip(items, generator.permutation(len(items)).tolist(), strict=True))
    first_places = Counter(pair.first for pair in history)
    judgements = Counter(pair.second for pair in history) + first_places

    def lead(item: str) -> tuple[int, int]:
        return 2 * first_places[item] - judgements[item], lot[item]

    known = _Known.of(fitted, history[len(history) - waiting :])
    aims = _aims(known, grades=grades, target_se=target_se)
    chosen = []
    for a, b in _chosen(known, history, counts=judgements, aims=aims):
        first, second = sorted((a, b), key=lead)
        chosen.append(Pair(first=first, second=second))
        first_places[first] += 1
        judgements.update((first, second))
    return chosen


def _may_stay_balanced(items: Sequence[str], history: Sequence[Pair], *, seed: int) -> bool:
    """Whether there were fewer than six rounds, and all were balanced."""
    size = len(items) // 2
    return len(history) < _MOST_BALANCED_ROUNDS * size and all(
        list(history[start : start + size]) == next_round(items, history=history[:start], seed=seed)
        for start in range(0, len(history), size)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Known:
    """The positions as they will be known when the answers under way have come.

    Attributes:
        items: the n items.
        theta: shape (n,), as the fit has it.
        variance: shape (n,).
        covariance: shape (n, n); None with many items.
    """

    items: tuple[str, ...]
    theta: _Floats
    variance: _Floats
    covariance: _Floats | None

    @classmethod
    def of(cls, fitted: Fit, waiting: Sequence[Pair]) -> _Known:
        """What the fit knows, with what the pairs that wait will tell."""
        place = {item: index for index, item in enumerate(fitted.items)}
        known = cls(
            items=fitted.items,
            theta=fitted.theta,
            variance=np.square(fitted.standard_errors),
            covariance=fitted.covariance if len(place) <= _ALL_PAIRS_UP_TO else None,
        )
        if not waiting:
            return known
        first, second = np.array([(place[pair.first], place[pair.second]) for pair in waiting]).T
        return known.after(first, second)

    def after(self, first: _Places, second: _Places) -> _Known:
        """The same when judgements of these pairs have come."""
        information, covariance = self.information(first, second), self.covariance
        if covariance is None:
            variance, spread = self.variance.copy(), self.spread(first, second)
            for side in (first, second):
                lowered = information * np.square(self.variance[side]) / (1.0 + information * spread)
                np.subtract.at(variance, side, lowered)
            return replace(self, variance=np.maximum(variance, 0.0))
        contrasts = covariance[:, first] - covariance[:, second]
        between = np.diag(1.0 / information) + contrasts[first] - contrasts[second]
        covariance = covariance - contrasts @ np.linalg.solve(between, contrasts.T)
        return replace(self, variance=np.diag(covariance), covariance=covariance)

    def spread(self, first: _Places, second: _Places) -> _Floats:
        """The variance of each pair's difference, in logits²."""
        if self.covariance is not None:
            return _of_contrasts(self.covariance, first, second=second)
        apart: _Floats = self.variance[first] + self.variance[second]
        return apart

    def information(self, first: _Places, second: _Places) -> _Floats:
        """The mean of p(1 − p) over what is known of each pair's difference."""
        gap, sd = self.theta[first] - self.theta[second], np.sqrt(np.maximum(self.spread(first, second), 0.0))
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        information = np.zeros(gap.size)
        for node, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
            chance = expit(gap + node * sd)
            information += weight * chance * (1.0 - chance)
        return information

    def gains(self, first: _Places, second: _Places, *, aims: _Floats) -> _Floats:
        """By how much a judgement of each pair lowers the sum of the aims' variances, in logits², shape (pairs,).

        A judgement with information w of the contrast c lowers the covariance C by w (C c)(C c)ᵀ / (1 + w cᵀ C c).
        """
        if self.covariance is not None:
            rows = (self.covariance * aims if aims.ndim == 1 else self.covariance @ aims.T @ aims) @ self.covariance
            lowered = _of_contrasts(rows, first, second=second)
        else:
            own = np.square(self.variance) * (aims if aims.ndim == 1 else np.square(aims).sum(axis=0))
            lowered = own[first] + own[second]
        information = self.information(first, second)
        gains: _Floats = information * lowered / (1.0 + information * self.spread(first, second))
        return gains


def _of_contrasts(matrix: _Floats, first: _Places, *, second: _Places) -> _Floats:
    """cᵀ M c for the difference of each pair."""
    diagonal = np.diag(matrix)
    contrasts: _Floats = diagonal[first] + diagonal[second] - 2.0 * matrix[first, second]
    return contrasts


def _aims(known: _Known, *, grades: Mapping[str, int] | None, target_se: float | None) -> _Floats:
    """What the study is about, as sums of positions, shape (sums, n), or as one weight for each item, shape (n,)."""
    n = len(known.items)
    if target_se is not None:
        return np.where(np.sqrt(known.variance) > target_se, 1.0, _BELOW_TARGET)
    anchors = [place for place, item in enumerate(known.items) if grades and item in grades]
    if grades is None or len(anchors) < _FEWEST_ANCHORS or len(anchors) == n:
        return np.ones(n)
    grade = np.array([grades[known.items[place]] for place in anchors], dtype=np.float64)
    if np.ptp(grade) == 0.0:
        return np.ones(n)
    # Each student's position minus the anchors' line at the student's own grade.
    line = np.linalg.pinv(np.column_stack([np.ones(len(anchors)), grade]))
    intercept, slope = (line @ known.theta[anchors]).tolist()
    students = np.setdiff1d(np.arange(n), anchors)
    if slope <= 0.0:
        return np.ones(n)
    own = np.clip((known.theta[students] - intercept) / slope, grade.min(), grade.max())
    sums = np.zeros((students.size, n))
    sums[np.arange(students.size), students] = 1.0
    sums[:, anchors] = -np.column_stack([np.ones(students.size), own]) @ line
    return sums


def _chosen(
    known: _Known, history: Sequence[Pair], *, counts: Mapping[str, int], aims: _Floats
) -> Iterator[tuple[str, str]]:
    """⌊n/2⌋ pairs, the best first, within the limits of each item: each for what those before it will leave."""
    names, n = known.items, len(known.items)
    first, second = _candidates(known.theta)
    is_new, is_left = ~_have_met(history, first=first, second=second, names=names), np.ones(first.size, dtype=np.bool_)
    count = np.array([counts.get(item, 0) for item in names])
    mean = 2.0 * len(history) / n
    most = np.minimum(count + _MOST_IN_ROUND, math.floor(mean + 1.0 + _MOST_AHEAD))
    left = n // 2
    together = -(-left // _RENEWALS)
    while left:
        gains = known.gains(first, second, aims=aims)
        is_free, is_late = count < most, count <= mean - _MOST_BEHIND
        within = is_left & is_free[first] & is_free[second]
        allowed = next(some for some in (within & is_new, within, is_left) if some.any())
        worth = gains + np.where(is_late[first] | is_late[second], gains.max() + 1.0, 0.0)
        taken = _best(np.where(allowed, worth, -1.0), (first, second), room=most - count, many=min(together, left))
        for pair in taken:
            count[[first[pair], second[pair]]] += 1
            yield names[first[pair]], names[second[pair]]
        is_left[taken] = False
        known, left = known.after(first[taken], second[taken]), left - len(taken)


def _best(worth: _Floats, pairs: tuple[_Places, _Places], *, room: NDArray[np.int64], many: int) -> list[int]:
    """The pairs that are worth most, at least one, while there is room for their items; none worth less than 0."""
    first, second = pairs
    taken: list[int] = []
    while len(taken) < many and worth[best := int(np.argmax(worth))] >= 0.0:
        taken.append(best)
        worth[best] = -1.0
        for item in (first[best], second[best]):
            room[item] -= 1
            if room[item] < 1:
                worth[(first == item) | (second == item)] = -1.0
    return taken


def _have_met(history: Sequence[Pair], *, first: _Places, second: _Places, names: Sequence[str]) -> NDArray[np.bool_]:
    place, n = {item: index for index, item in enumerate(names)}, len(names)
    met = [(place[pair.first], place[pair.second]) for pair in history]
    return np.isin(first * n + second, [a * n + b for one, other in met for a, b in ((one, other), (other, one))])


def _candidates(theta: _Floats) -> tuple[_Places, _Places]:
    n = theta.size
    if n <= _ALL_PAIRS_UP_TO:
        first, second = np.triu_indices(n, 1)
        return first.astype(np.int64), second.astype(np.int64)
    ranked = np.argsort(theta, kind="stable")
    starts, steps = np.meshgrid(np.arange(n), np.arange(1, _NEAREST + 1), indexing="ij")
    inside = starts + steps < n
    return ranked[starts[inside]], ranked[(starts + steps)[inside]]
