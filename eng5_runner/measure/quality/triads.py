"""Circular triads: a beats b, b beats c, c beats a (Kendall and Babington Smith 1940).

A circular triad does not prove that a judge is intransitive: three equal items give one in a quarter of all cases. So
the number is compared with the one that the fitted probabilities expect, and only an excess speaks against a single
scale. A judge who follows the model exactly shows about a tenth fewer than expected, because the positions were fitted
to the same judgements and are shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from eng5_runner.measure.model.comparisons import Comparisons, summed_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eng5_runner.measure.model.bradley_terry import Fit

_TRIPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Triads:
    """Triples of items of which all three pairs were judged.

    Attributes:
        complete: number of such triples. A pair without a majority does not count as judged.
        circular: number of circular triples.
        expected: the number of circular triples that the fitted probabilities expect for one judgement per pair.
        zeta: Kendall's coefficient of consistence, 1 − d/d_max; None unless every pair of items was judged.
    """

    complete: int
    circular: int
    expected: float
    zeta: float | None


def circular_triads(fitted: Fit, comparisons: Comparisons | None = None) -> Triads:
    """Count circular triads. It takes time of order n k³ for k partners per item.

    Args:
        fitted: the study.
        comparisons: the judgements to use, for example those of one judge; None uses all fitted ones.

    Raises:
        ValueError: the comparisons are of other items.
    """
    data = fitted.comparisons if comparisons is None else comparisons
    if data.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    beats = _majorities(data)
    theta = fitted.theta.tolist()
    complete, circular, expected = 0, 0, 0.0
    for a, b, c in _triples(beats):
        complete += 1
        circular += (b in beats[a]) == (c in beats[b]) == (a in beats[c])
        ab, bc, ca = (float(expit(theta[x] - theta[y])) for x, y in ((a, b), (b, c), (c, a)))
        expected += ab * bc * ca + (1.0 - ab) * (1.0 - bc) * (1.0 - ca)
    n = len(data.items)
    whole = complete == n * (n - 1) * (n - 2) // 6 and n >= _TRIPLE
    most = (n**3 - n) / 24.0 if n % 2 else (n**3 - 4 * n) / 24.0
    return Triads(
        complete=complete, circular=circular, expected=expected, zeta=1.0 - circular / most if whole else None
    )


def _majorities(data: Comparisons) -> list[set[int]]:
    """For each item, the items that it beat more often than it lost to them."""
    n = len(data.items)
    low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
    keys, pair = np.unique(low * n + high, return_inverse=True)
    toward_low = np.where(data.first < data.second, 1.0, -1.0) * (2.0 * data.outcome - 1.0) * data.weight
    balance = summed_at(pair, toward_low, size=keys.size)
    beats: list[set[int]] = [set() for _ in range(n)]
    for key, lead in zip(keys.tolist(), balance.tolist(), strict=True):
        if lead != 0.0:
            winner, loser = (key // n, key % n) if lead > 0.0 else (key % n, key // n)
            beats[winner].add(loser)
    return beats


def _triples(beats: list[set[int]]) -> Iterator[tuple[int, int, int]]:
    """Every triple with all three pairs judged, once, in ascending order."""
    later: list[set[int]] = [set() for _ in beats]
    for winner, losers in enumerate(beats):
        for loser in losers:
            later[min(winner, loser)].add(max(winner, loser))
    for a, partners in enumerate(later):
        for b in sorted(partners):
            for c in sorted(partners & later[b]):
                yield a, b, c
