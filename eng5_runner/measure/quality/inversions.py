"""Pairs of anchors that the judge ordered differently from the experts, and anchors that never won.

Both also happen by chance: the first to close anchors, the second to the lowest anchor. So each figure comes with its
denominator and with the number that the fitted positions expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

_FURTHEST = 3
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedPair:
    """Two anchors and how they were judged.

    Attributes:
        higher: the anchor with the higher grade.
        lower: the anchor with the lower grade.
        distance: the difference of the experts' grades, in steps.
        judgements: number of judgements of the pair.
        lost: number of them that the higher anchor lost; a tie counts as half.
    """

    higher: str
    lower: str
    distance: int
    judgements: float
    lost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversions:
    """Pairs of anchors whose grades have the same distance.

    Attributes:
        distance: in steps; 3 means three or more.
        judged: number of pairs that were judged.
        inverted: number of pairs in which the higher anchor lost most judgements; an even score counts as half.
        interval: Wilson's interval of the inverted share.
        expected: the number of inverted pairs that the fitted positions expect.
        pairs: the pairs in which the lower anchor won at least half of the judgements.
    """

    distance: int
    judged: int
    inverted: float
    interval: tuple[float, float]
    expected: float
    pairs: tuple[InvertedPair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutWin:
    """An anchor that won no judgement.

    Attributes:
        item: the anchor.
        grade: the index of its grade.
        judgements: number of judgements that it lost.
        expected: the probability that an item at its fitted position wins none of them.
    """

    item: str
    grade: int
    judgements: float
    expected: float


def inversions(
    fitted: Fit, *, anchors: Mapping[str, int], level: float = 0.9, questions: Comparisons | None = None
) -> tuple[Inversions, ...]:
    """Inverted pairs at the distances 1, 2, and 3 or more. A distance without judged pairs is left out.

    Args:
        fitted: the study.
        anchors: anchor → index of its grade.
        level: of the intervals.
        questions: what was asked, if the fitted judgements count for less.

    Raises:
        ValueError: an anchor is not in the fit.
    """
    tallies: dict[int, _Tally] = {}
    data = fitted.comparisons if questions is None else questions
    for pair, chance in _judged_pairs(fitted, anchors, data=data):
        tallies.setdefault(min(pair.distance, _FURTHEST), _Tally()).add(pair, chance)
    return tuple(
        Inversions(
            distance=distance,
            judged=tally.judged,
            inverted=tally.inverted,
            interval=wilson(tally.inverted, tally.judged, level=level),
            expected=tally.expected,
            pairs=tuple(tally.pairs),
        )
        for distance, tally in sorted(tallies.items())
    )


@dataclass(slots=True)
class _Tally:
    """The judged pairs of one distance so far; only those that are inverted are kept."""

    judged: int = 0
    inverted: float = 0.0
    expected: float = 0.0
    pairs: list[InvertedPair] = field(default_factory=list)

    def add(self, pair: InvertedPair, chance: float) -> None:
        inverted = _inverted(pair)
        self.judged += 1
        self.inverted += inverted
        self.expected += chance
        if inverted > 0.0:
            self.pairs.append(pair)


def without_win(
    fitted: Fit, *, anchors: Mapping[str, int], questions: Comparisons | None = None
) -> tuple[WithoutWin, ...]:
    """The anchors that were judged and won nothing, not even a tie, in the order of the fit's items.

    Args:
        fitted: the study.
        anchors: anchor → index of its grade.
        questions: what was asked, if the fitted judgements count for less.

    Raises:
        ValueError: an anchor is not in the fit.
    """
    _check(fitted, anchors)
    data, chance = fitted.comparisons, chances(fitted, fitted.comparisons)
    counts = (data if questions is None else questions).counts
    table = []
    for index, item in enumerate(fitted.items):
        if item in anchors and fitted.flags[index] == "winless":
            with np.errstate(divide="ignore"):  # what a decisive judge makes certain has a chance of exactly 1
                log_chance = data.weight * np.where(data.first == index, np.log1p(-chance), np.log(chance))
            own = (data.first == index) | (data.second == index)
            table.append(
                WithoutWin(
                    item=item,
                    grade=anchors[item],
                    judgements=float(counts[index]),
                    expected=math.exp(float(log_chance[own].sum())),
                )
            )
    return tuple(table)


def wilson(happened: float, cases: float, *, level: float = 0.9) -> tuple[float, float]:
    """Wilson's interval for a share (Wilson 1927). It stays within 0 to 1 and is never empty.

    >>> low, high = wilson(0, 10)
    >>> round(low, 2), round(high, 2)
    (0.0, 0.21)

    Raises:
        ValueError: there are no cases, or more happened than there are cases.
    """
    if not 0.0 <= happened <= cases or cases <= 0.0:
        raise ValueError(f"a share needs cases: {happened!r} of {cases!r}")
    z = float(ndtri((1.0 + level) / 2.0))
    share, weight = happened / cases, z * z / cases
    middle = share + weight / 2.0
    margin = math.sqrt(weight * (share * (1.0 - share) + weight / 4.0))
    return max(0.0, (middle - margin) / (1.0 + weight)), min(1.0, (middle + margin) / (1.0 + weight))


def _check(fitted: Fit, anchors: Mapping[str, int]) -> None:
    unknown = sorted(set(anchors) - set(fitted.items))
    if unknown:
        raise ValueError(f"anchors that are not in the fit: {', '.join(unknown)}")


def _judged_pairs(
    fitted: Fit, anchors: Mapping[str, int], *, data: Comparisons
) -> Iterator[tuple[InvertedPair, float]]:
    """Each judged pair of different grades, and the probability that it is inverted (half of that of an even score)."""
    _check(fitted, anchors)
    is_anchor = np.array([item in anchors for item in data.items])
    grade = np.array([anchors.get(item, 0) for item in data.items])
    apart = is_anchor[data.first] & is_anchor[data.second] & (grade[data.first] != grade[data.second])
    rows = np.flatnonzero(apart)
    first, second = data.first[rows], data.second[rows]
    first_is_higher = grade[first] > grade[second]
    higher, lower = np.where(first_is_higher, first, second), np.where(first_is_higher, second, first)
    weight, outcome, chance = data.weight[rows], data.outcome[rows], chances(fitted, data)[rows]
    lost = weight * np.where(first_is_higher, 1.0 - outcome, outcome)
    chance = np.where(first_is_higher, 1.0 - chance, chance)
    order = np.lexsort((lower, higher))
    starts = np.flatnonzero(np.diff(higher[order] * len(grade) + lower[order], prepend=-1)).tolist()
    # Of a million rows, those of one pair at a time are Python's numbers.
    for start, end in pairwise([*starts, len(rows)]):
        own = order[start:end]
        above, below = int(higher[own[0]]), int(lower[own[0]])
        pair = InvertedPair(
            higher=data.items[above],
            lower=data.items[below],
            distance=int(grade[above] - grade[below]),
            judgements=sum(weight[own].tolist()),
            lost=sum(lost[own].tolist()),
        )
        yield pair, _most_lost(list(zip(weight[own].tolist(), chance[own].tolist(), strict=True)))


def _inverted(pair: InvertedPair) -> float:
    if pair.lost == pair.judgements * _HALF:
        return _HALF
    return float(pair.lost > pair.judgements * _HALF)


def _most_lost(judged: Sequence[tuple[float, float]]) -> float:
    """The probability of losing most of some judgements, which are given as (weight, probability of losing)."""
    if len(judged) == 1 and round(judged[0][0]) <= 1:
        return judged[0][1]
    losses = np.ones(1)
    for weight, chance in judged:
        for _ in range(max(1, round(weight))):
            losses = np.convolve(losses, [1.0 - chance, chance])
    lost = np.arange(losses.size) - (losses.size - 1) * _HALF
    return float(losses[lost > 0.0].sum() + losses[lost == 0.0].sum() * _HALF)
