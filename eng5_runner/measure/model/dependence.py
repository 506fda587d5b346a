"""How far one judge's judgements of the same pair repeat each other, and what each of them counts for then.

Two judgements of one pair have the same chances, but they are no two draws if the judge has its view of that pair and
gives it again. ρ, the correlation of two answers given the items' positions, is measured for repeats (the same order)
and for swaps (the other order), each where enough pairs were asked twice. Dependent answers agree more often than their
chances p explain:

    P(agree) = E[p₁p₂ + q₁q₂] + 2ρ E[√(p₁q₁p₂q₂)],     q = 1 − p

The expectations are over what all other judgements say of the pair; its own would make themselves expected. A judgement
counts 1/(1 + Σρ), summed over the same judge's other judgements of the pair (the design effect of Kish 1965). Weights
within a pair leave the positions without bias, and make the fit's own standard errors and reliability right.

>>> from eng5_runner.measure.model.comparisons import comparisons_from
>>> rows = comparisons_from(["ada", "bo"], [("ada", "bo", 1.0), ("bo", "ada", 0.0)])
>>> weighed([rows], Dependence(swaps=Correlation(value=1.0, interval=(0.9, 1.0), pairs=20))).weight.tolist()
[0.5, 0.5]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, ndtr, ndtri

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import Comparisons, distinct, merged, repeats_that_agree, summed_at
from eng5_runner.measure.model.soft_fit import NODES, SHARES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

# With fewer pairs that were asked twice, ρ could be anything.
FEWEST_PAIRS = 10
# The first fit counts all in full, so that it sees too wide a spread and too little in what agrees. Where essays have
# few partners, .5 would be .35 to .45 after two rounds.
_MOST_ROUNDS = 4
_SAME = 0.05  # a change of ρ that hardly changes what a judgement counts for
_REACH = 1.6448536269514722  # of a 90% interval, in standard errors
_LEAST_Z = -30.0  # standard errors; the normal distribution has a number there
_LEAST_LEFT = 0.1  # of the information on a pair that is not from its own judgements


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """ρ of two judgements of a pair by the same judge, given the items' positions.

    Attributes:
        value: 0 for independent judgements, 1 for one answer that was given twice.
        interval: of ρ, 90%, by the differences between pairs.
        pairs: the number of pairs of items that it was measured with.
    """

    value: float
    interval: tuple[float, float]
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How far a judge's judgements of a pair repeat each other.

    Attributes:
        repeats: of two in the same order; None where fewer than ten pairs were asked twice.
        swaps: of two in the two orders; None where fewer than ten pairs were asked in both. Each then counts in full.
        unmeasured: ρ of repeats where they are too few to measure it: 1 if they always agree, else 0.
        near: the last fit that they were measured with, at which the fit with these weights can begin; None without.
    """

    repeats: Correlation | None = None
    swaps: Correlation | None = None
    unmeasured: float = 1.0
    near: Fit | None = field(default=None, compare=False, repr=False)


def weighed(judges: Sequence[Comparisons], found: Dependence) -> Comparisons:
    """All judgements of all judges together, each with the weight 1/(1 + Σρ)."""
    return _weighed(judges, found, times=map(_times, judges))


def _weighed(
    judges: Sequence[Comparisons], found: Dependence, *, times: Iterable[tuple[_Floats, _Floats]]
) -> Comparisons:
    """The same, with how often each question was asked, which takes as long to count as a tenth of a fit."""
    same = found.unmeasured if found.repeats is None else found.repeats.value
    other = 0.0 if found.swaps is None else found.swaps.value
    if same == other == 0.0:
        return judges[0] if len(judges) == 1 else merged(judges)
    weighted = []
    for data, (asked, turned) in zip(judges, times, strict=True):
        effect = 1.0 + (asked - 1.0) * same + turned * other
        # The arrays of a million judgements are shared where all count in full.
        weighted.append(data if (effect == 1.0).all() else replace(data, weight=data.weight / effect))
    return weighted[0] if len(weighted) == 1 else merged(weighted)


def dependence(judges: Sequence[Comparisons], *, position_effect: bool = True) -> Dependence:
    """Measure ρ of repeats and of swaps, in two to four fits; in none where nothing was asked twice.

    Args:
        judges: the judgements of each judge, of the same items, each row with their number as weight.
        position_effect: as for `fit`.
    """
    times = [_times(data) for data in judges]
    has_repeats = sum(_distinct_pairs(data, asked > 1.0) for data, (asked, _) in zip(judges, times, strict=True))
    has_swaps = sum(_distinct_pairs(data, turned > 0.0) for data, (_, turned) in zip(judges, times, strict=True))
    found = Dependence(unmeasured=1.0 if repeats_that_agree(*judges) else 0.0)
    if max(has_repeats, has_swaps) < FEWEST_PAIRS:
        return found
    for number in range(_MOST_ROUNDS):
        fitted = fit(_weighed(judges, found, times=times), position_effect=position_effect, near=found.near)
        pairs = [_Pairs.of(data, fitted=fitted, found=found) for data in judges]
        before, found = (
            found,
            replace(
                found,
                near=fitted,
                repeats=_correlation([one.repeats() for one in pairs]) if has_repeats >= FEWEST_PAIRS else None,
                swaps=_correlation([one.swaps() for one in pairs]) if has_swaps >= FEWEST_PAIRS else None,
            ),
        )
        if number and _are_alike(found.repeats, before.repeats) and _are_alike(found.swaps, before.swaps):
            break
    return found


def _are_alike(one: Correlation | None, other: Correlation | None) -> bool:
    return one is None or other is None or abs(one.value - other.value) < _SAME


def _times(data: Comparisons) -> tuple[_Floats, _Floats]:
    """How often the question of each row was asked, in its order and in the other one, both of shape (rows,)."""
    n = len(data.items)
    cells, cell = np.unique(data.first * n + data.second, return_inverse=True)
    asked = summed_at(cell, data.weight, size=cells.size)
    other = cells % n * n + cells // n
    place = np.minimum(np.searchsorted(cells, other), cells.size - 1)
    return asked[cell], np.where(cells[place] == other, asked[place], 0.0)[cell]


def _distinct_pairs(data: Comparisons, chosen: NDArray[np.bool_]) -> int:
    low, high = np.minimum(data.first, data.second)[chosen], np.maximum(data.first, data.second)[chosen]
    return distinct(low * len(data.items) + high)


def _by_pair(data: Comparisons) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each pair, whatever the order of its items, and the place there of each row's pair."""
    low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
    keys, pair = np.unique(low * len(data.items) + high, return_inverse=True)
    return keys, pair


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pairs:
    """One judge's pairs of items that were judged more than once, with what the other judgements say of them.

    No other pair says how judgements repeat each other: of a million judgements a few thousand pairs are left.

    Attributes:
        won: in either order, how many judgements the lower item won, a tie as half; shape (2, pairs).
        asked: in either order, how many there are, shape (2, pairs).
        ties: in either order, the sum of y (1 − y), shape (2, pairs).
        chance: in either order, that the lower item wins, at each node of the pair's posterior by the other
            judgements, shape (2, nodes, pairs).
    """

    won: _Floats
    asked: _Floats
    ties: _Floats
    chance: _Floats

    @classmethod
    def of(cls, data: Comparisons, *, fitted: Fit, found: Dependence) -> _Pairs:
        """Take a pair's own judgements out of the fit, in one step of Newton's method."""
        keys, pair = _by_pair(data)
        data = data.part((np.bincount(pair, data.weight) > 1.0)[pair])
        keys, pair = _by_pair(data)
        is_turned = (data.first > data.second).astype(np.int64)
        won = np.where(is_turned, 1.0 - data.outcome, data.outcome)
        at = (is_turned, pair)

        def summed(amounts: _Floats) -> _Floats:
            total = np.zeros((2, keys.size))
            np.add.at(total, at, amounts)
            return total

        n, place = (
            len(data.items),
            fitted.posterior_mean,
        )  # the mode lies too near to the middle to say what is expected
        gap = place[keys // n] - place[keys % n]
        advantage = fitted.position_effect * np.array([[1.0], [-1.0]])
        chance = expit(gap + advantage)
        counts = weighed([data], found).weight
        score = np.bincount(pair, counts * (won - chance[at]))
        information = np.bincount(pair, counts * (chance * (1.0 - chance))[at])
        variance = np.bincount(pair, fitted.variances_of(data)) / np.bincount(pair)
        left = np.maximum(1.0 - variance * information, _LEAST_LEFT)
        spread, middle = np.sqrt(variance / left), gap - variance * score / left
        nodes = middle + spread * np.array(NODES)[:, None]
        return cls(
            won=summed(data.weight * won),
            asked=summed(data.weight),
            ties=summed(data.weight * won * (1.0 - won)),
            chance=expit(nodes + advantage[:, :, None]),
        )

    def repeats(self) -> _Floats:
        """Of judgements in the same order, two by two, shape (3, pairs): see `_correlation`."""
        lost, shares = self.asked - self.won, np.array(SHARES)
        # Σ_{i<j} y_i y_j + (1 − y_i)(1 − y_j); Σ y² and Σ (1 − y)² are sums less the ties.
        agreed: _Floats = (np.square(self.won) - self.won + np.square(lost) - lost) / 2.0 + self.ties
        asked = self.asked * (self.asked - 1.0) / 2.0
        varied = np.einsum("k,okp->op", shares, self.chance * (1.0 - self.chance))
        both: _Floats = np.stack([agreed, asked * (1.0 - 2.0 * varied), asked * 2.0 * varied]).sum(axis=1)
        return both

    def swaps(self) -> _Floats:
        """Of judgements in the two orders, each in one with each in the other, shape (3, pairs)."""
        (won, won_turned), (asked, asked_turned) = self.won, self.asked
        first, turned, shares = self.chance[0], self.chance[1], np.array(SHARES)
        agreed = won * won_turned + (asked - won) * (asked_turned - won_turned)
        alike: _Floats = shares @ (first * turned + (1.0 - first) * (1.0 - turned))
        together = shares @ np.sqrt(first * (1.0 - first) * turned * (1.0 - turned))
        return np.stack([agreed, asked * asked_turned * alike, asked * asked_turned * 2.0 * together])


def _correlation(parts: Sequence[_Floats]) -> Correlation:
    """ρ from what agreed, what would agree by chance, and what complete dependence adds to that, per pair."""
    agreed, expected, more = np.concatenate(parts, axis=1)
    surplus, most = agreed - expected, float(more.sum())
    value = float(surplus.sum()) / most
    # Never less than one pair that disagrees would add: where all agree, the pairs do not differ.
    error = math.sqrt(max(float(np.square(surplus - value * more).sum()), 1.0)) / most
    # Fewer that agree than by chance do not make ρ better known: below the upper end lies 90% of what can be, above 0.
    z = max(value / error, _LEAST_Z)
    upper = error * (z + max(_REACH, -float(ndtri(0.1 * ndtr(z)))))
    # Never below 0, so that the mean over many studies of independent judgements is above it: .02 with 10 pairs an
    # essay, .06 to .08 with 4 and 3. An oracle that knows each pair's chance and weighs the pairs best has .04, .06 and
    # .06. To shrink ρ, or to use it only where its interval lies above 0, is no cure: where ρ is .2, it is .18 to .21
    # now, and reliability would be too high.
    low, middle, high = np.clip([value - _REACH * error, value, upper], 0.0, 1.0).tolist()
    return Correlation(value=middle, interval=(low, high), pairs=int(np.count_nonzero(more)))
