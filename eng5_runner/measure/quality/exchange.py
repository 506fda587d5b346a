"""Two judges of the same anchors: does one of them agree more with the known grades?

Pairs of anchors are not independent: a judge that misplaces one anchor decides many pairs wrongly. So the anchor is the
unit here, as in the test of Deutsch, Dror and Roth (2021, "A statistical analysis of summarization evaluation metrics
using resampling methods"): if the judges are equally good, each anchor's positions by the one and by the other could be
exchanged. How often does an exchange of some of them give a difference as large as the one that was seen?

>>> holm([0.01, 0.04, 0.03])
[0.03, 0.06, 0.06]
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.quality.resampling import kendall_tau_b_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Up to so many anchors every exchange is tried; a half of them, because exchanging the others gives the same but sign.
_ALL_UP_TO = 11
_DRAWS = 1999
# Differences in memory at the same time.
_MOST_DIFFERENCES = 1 << 21
# Sums of equal parts in another order differ by less than this.
_EQUAL = 1e-12


def exchange_p_value(
    first: NDArray[np.float64], second: NDArray[np.float64], *, grades: Sequence[float], seed: int
) -> float | None:
    """The two-sided p-value of the difference of mean Kendall τ-b, by exchange of anchors between two judges.

    Args:
        first: positions by the first judge in any unit, shape (runs, anchors).
        second: by the second judge, of the same shape; runs in the same row belong together.
        grades: of the anchors.
        seed: of the exchanges that are drawn where there are too many to try all.

    Returns:
        The p-value; None if a τ-b is undefined, because all grades or all positions of a run are the same.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape or first.shape[-1] != len(grades):
        raise ValueError("both judges must have placed the same anchors in as many runs")
    known = np.asarray(grades, dtype=np.float64)
    seen = _mean_tau_b(first[None], known)[0] - _mean_tau_b(second[None], known)[0]
    if np.isnan(seen):
        return None
    a, b = _in_one_unit(first), _in_one_unit(second)
    anchors = len(grades)
    is_complete = anchors <= _ALL_UP_TO
    exchanges = _every_exchange(anchors) if is_complete else _drawn(anchors, seed=seed)
    size = max(1, _MOST_DIFFERENCES // (first.size * anchors))
    as_large = 0
    for begin in range(0, len(exchanges), size):
        exchanged = exchanges[begin : begin + size, None, :]
        one, other = np.where(exchanged, b, a), np.where(exchanged, a, b)
        differences = np.abs(_mean_tau_b(one, known) - _mean_tau_b(other, known))
        as_large += int(np.count_nonzero(~(differences < abs(seen) - _EQUAL)))
    # Among all exchanges is the one that leaves everything where it is; it counts among drawn ones, too.
    return as_large / len(exchanges) if is_complete else (as_large + 1) / (len(exchanges) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's method (1979), in the same order.

    Whichever of them are at most a level: the chance that any of these differences is none is at most that level.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def _mean_tau_b(positions: NDArray[np.float64], grades: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the runs of each judge; positions have the shape (exchanges, runs, anchors), the result (exchanges,)."""
    return np.asarray(kendall_tau_b_of_each(positions, np.broadcast_to(grades, positions.shape)).mean(axis=-1))


def _in_one_unit(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each run's positions with mean 0 and standard deviation 1, so that another judge's can stand among them."""
    centred = positions - positions.mean(axis=-1, keepdims=True)
    standardised: NDArray[np.float64] = centred / centred.std(axis=-1, keepdims=True)
    return standardised


def _every_exchange(anchors: int) -> NDArray[np.bool_]:
    return np.array([(False, *rest) for rest in product((False, True), repeat=anchors - 1)])


def _drawn(anchors: int, *, seed: int) -> NDArray[np.bool_]:
    return np.asarray(np.random.default_rng(seed).random((_DRAWS, anchors)) < 0.5)  # noqa: PLR2004 - even odds
