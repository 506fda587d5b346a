"""How well positions and projected grades agree with experts' grades.

Each measure is None where it is undefined: fewer than two essays, or one side without any variation. With few essays
all of them are coarse: quote them with the `bootstrap_interval`, and grade anchors by the others before scoring them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Measure: TypeAlias = Callable[[Sequence[float], Sequence[float]], float | None]

_FEWEST_FOR_INTERVAL = 6
# Up to so many essays every pair is looked at: twenty times as fast as scipy, which counts for a bootstrap.
_ALL_PAIRS_UP_TO = 200
# Of the mean variance: positions that sum to zero have a singular covariance, and a Cholesky factor wants none. It is
# taken because it is unique; eigenvectors may change their signs with the machine, and with them every draw.
_RIDGE = 1e-9


def kendall_tau_b(positions: Sequence[float], grades: Sequence[float]) -> float | None:
    """Kendall's τ-b, which can reach 1 although several essays share a grade (τ-a cannot).

    Raises:
        ValueError: the two have different lengths.
    """
    if not _varies(positions, grades):
        return None
    if len(positions) > _ALL_PAIRS_UP_TO:
        # Loading it takes longer than estimating a whole study, which seldom has so many anchors.
        from scipy.stats import kendalltau  # noqa: PLC0415 - seldom needed  # law: inner_import - seldom needed

        return float(kendalltau(positions, grades).statistic)
    one, other = _signs(positions), _signs(grades)
    return float((one * other).sum() / math.sqrt(np.abs(one).sum() * np.abs(other).sum()))


def spearman(positions: Sequence[float], grades: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties by mean rank.

    Raises:
        ValueError: the two have different lengths.
    """
    if not _varies(positions, grades):
        return None
    one, other = _centred_ranks(positions), _centred_ranks(grades)
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def quadratic_weighted_kappa(expert: Sequence[int], projected: Sequence[int], *, grades: int) -> float | None:
    """Cohen's κ with squared-distance weights (Cohen 1968), over all grades of the scale, used or not.

    1 is perfect agreement, 0 what independent graders with the same marginals reach. None where both gave every essay
    one and the same grade.

    Args:
        expert: grade indices, 0 to grades − 1.
        projected: the same essays' projected grade indices.
        grades: the number of grades on the scale.

    Raises:
        ValueError: different lengths, no essays, or an index off the scale.
    """
    _check(expert, projected)
    if not all(0 <= grade < grades for grade in (*expert, *projected)):
        raise ValueError(f"a grade index lies outside 0 to {grades - 1}")
    observed = np.zeros((grades, grades))
    np.add.at(observed, (np.asarray(expert), np.asarray(projected)), 1.0)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(expert)
    steps = np.arange(grades)
    cost = np.square(steps[:, None] - steps)
    by_chance = float((cost * expected).sum())
    return None if by_chance == 0.0 else 1.0 - float((cost * observed).sum()) / by_chance


def exact_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays with the same grade index.

    Raises:
        ValueError: different lengths, or no essays.
    """
    return _share_within(expert, projected, steps=0)


def adjacent_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays whose grade indices are at most one step apart.

    Raises:
        ValueError: different lengths, or no essays.
    """
    return _share_within(expert, projected, steps=1)


def mean_absolute_error(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The mean distance in grade steps.

    Raises:
        ValueError: different lengths, or no essays.
    """
    _check(expert, projected)
    return float(np.mean(np.abs(np.subtract(projected, expert))))


def bias(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The mean of projected minus expert in grade steps; positive where the projection is more generous.

    Raises:
        ValueError: different lengths, or no essays.
    """
    _check(expert, projected)
    return float(np.mean(np.subtract(projected, expert)))


def bootstrap_interval(
    measure: Measure,
    sides: tuple[Sequence[float], Sequence[float]],
    *,
    seed: int,
    covariance: NDArray[np.float64] | None = None,
    draws: int = 2000,
    level: float = 0.9,
) -> tuple[float, float] | None:
    """The percentile interval of a measure over essays drawn anew with replacement.

    Args:
        measure: of two sides, such as `kendall_tau_b`.
        sides: what it is taken of.
        seed: not negative; the same seed gives the same interval.
        covariance: of the first side, shape (n, n), where that is estimated positions: their error is then drawn as
            well.
        draws: how many; those in which the measure is undefined are left out.
        level: the share between the two ends.

    Returns:
        None with fewer than 6 essays, of which an interval would pretend to know something.

    Raises:
        ValueError: the sides are of different essays, or the seed is negative.
    """
    one, other = (np.asarray(side) for side in sides)
    if one.size != other.size:
        raise ValueError("both sides must be of the same essays")
    generator = np.random.default_rng(seed)
    if one.size < _FEWEST_FOR_INTERVAL:
        return None
    moved = (
        np.broadcast_to(one, (draws, one.size))
        if covariance is None
        else _moved(one, covariance=covariance, noise=generator.standard_normal((draws, one.size)))
    )
    found = []
    for some, here in zip(generator.integers(0, one.size, (draws, one.size)), moved, strict=True):
        value = measure(here[some].tolist(), other[some].tolist())
        found += [] if value is None else [value]
    if not found:
        return None
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail]).tolist()
    return low, high


def _moved(
    positions: NDArray[np.float64], *, covariance: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Draws around the positions, shape (draws, n)."""
    n = positions.size
    ridge = _RIDGE * float(np.trace(covariance)) / n
    root = np.linalg.cholesky(covariance + ridge * np.eye(n))
    moved: NDArray[np.float64] = positions + noise @ root.T
    return moved


def _signs(values: Sequence[float]) -> NDArray[np.float64]:
    """Of every difference, shape (n, n)."""
    column = np.asarray(values, dtype=np.float64)
    return np.sign(column[:, None] - column)


def _centred_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Each value's mean rank less the mean of all, shape (n,)."""
    _, place, members = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    middle: NDArray[np.float64] = members.cumsum() - (members + len(values)) / 2.0
    return middle[place]


def _share_within(expert: Sequence[int], projected: Sequence[int], *, steps: int) -> float:
    _check(expert, projected)
    return float(np.mean(np.abs(np.subtract(projected, expert)) <= steps))


def _check(expert: Sequence[int], projected: Sequence[int]) -> None:
    if len(expert) != len(projected):
        raise ValueError("both sides must grade the same essays")
    if not expert:
        raise ValueError("there are no essays")


def _varies(positions: Sequence[float], grades: Sequence[float]) -> bool:
    if len(positions) != len(grades):
        raise ValueError("both sides must be of the same essays")
    return min(len(set(positions)), len(set(grades))) > 1
