"""Pairs of anchors that the judge ordered differently from the experts, and anchors that never won.

Both also happen by chance: the first to close anchors, the second to the lowest anchor. So each figure comes with its
denominator and with the number that the fitted positions expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from eng5_runner.measure.model.bradley_terry import Fit

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


def inversions(fitted: Fit, *, anchors: Mapping[str, int], level: float = 0.9) -> tuple[Inversions, ...]:
    """Inverted pairs at the distances 1, 2, and 3 or more. A distance without judged pairs is left out.

    Args:
        fitted: the study.
        anchors: anchor → index of its grade.
        level: of the intervals.

    Raises:
        ValueError: an anchor is not in the fit.
    """
    pairs = list(_judged_pairs(fitted, anchors))
    table = []
    for distance in range(1, _FURTHEST + 1):
        judged = [(pair, chance) for pair, chance in pairs if min(pair.distance, _FURTHEST) == distance]
        if judged:
            inverted = sum(_inverted(pair) for pair, _ in judged)
            table.append(
                Inversions(
                    distance=distance,
                    judged=len(judged),
                    inverted=inverted,
                    interval=wilson(inverted, len(judged), level=level),
                    expected=sum(chance for _, chance in judged),
                    pairs=tuple(pair for pair, _ in judged if _inverted(pair) > 0.0),
                )
            )
    return tuple(table)


def without_win(fitted: Fit, *, anchors: Mapping[str, int]) -> tuple[WithoutWin, ...]:
    """The anchors that were judged and won nothing, not even a tie, in the order of the fit's items.

    Raises:
        ValueError: an anchor is not in the fit.
    """
    _check(fitted, anchors)
    data, chance = fitted.comparisons, chances(fitted, fitted.comparisons)
    table = []
    for index, item in enumerate(fitted.items):
        if item in anchors and fitted.flags[index] == "winless":
            log_chance = data.weight * np.where(data.first == index, np.log1p(-chance), np.log(chance))
            own = (data.first == index) | (data.second == index)
            table.append(
                WithoutWin(
                    item=item,
                    grade=anchors[item],
                    judgements=float(fitted.counts[index]),
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


def _judged_pairs(fitted: Fit, anchors: Mapping[str, int]) -> Iterator[tuple[InvertedPair, float]]:
    """Each judged pair of different grades, and the probability that it is inverted (half of that of an even score)."""
    _check(fitted, anchors)
    data = fitted.comparisons
    grade = [anchors.get(item) for item in data.items]
    rows: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    facts = zip(data.outcome.tolist(), data.weight.tolist(), chances(fitted, data).tolist(), strict=True)
    for first, second, fact in zip(data.first.tolist(), data.second.tolist(), facts, strict=True):
        outcome, weight, chance = fact
        of_first, of_second = grade[first], grade[second]
        if of_first is None or of_second is None or of_first == of_second:
            continue
        if of_first > of_second:
            rows.setdefault((first, second), []).append((weight, weight * (1.0 - outcome), 1.0 - chance))
        else:
            rows.setdefault((second, first), []).append((weight, weight * outcome, chance))
    for (higher, lower), judged in sorted(rows.items()):
        pair = InvertedPair(
            higher=data.items[higher],
            lower=data.items[lower],
            distance=anchors[data.items[higher]] - anchors[data.items[lower]],
            judgements=sum(weight for weight, _, _ in judged),
            lost=sum(lost for _, lost, _ in judged),
        )
        yield pair, _most_lost([(weight, chance) for weight, _, chance in judged])


def _inverted(pair: InvertedPair) -> float:
    if pair.lost == pair.judgements * _HALF:
        return _HALF
    return float(pair.lost > pair.judgements * _HALF)


def _most_lost(judged: Sequence[tuple[float, float]]) -> float:
    """The probability of losing most of some judgements, which are given as (weight, probability of losing)."""
    losses = np.ones(1)
    for weight, chance in judged:
        for _ in range(max(1, round(weight))):
            losses = np.convolve(losses, [1.0 - chance, chance])
    lost = np.arange(losses.size) - (losses.size - 1) * _HALF
    return float(losses[lost > 0.0].sum() + losses[lost == 0.0].sum() * _HALF)
