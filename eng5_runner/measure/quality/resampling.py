"""How uncertain a measure of agreement is: the same measure of essays drawn anew, thousands at once.

A measure here is of each row of two arrays of shape (…, n), one value a row, nan where it is undefined; `alignment` has
those for two plain sequences that are wanted without an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"
Measure: TypeAlias = Callable[[_Floats, _Floats], _Floats]

_FEWEST_FOR_INTERVAL = 6
# Up to so many essays every pair is looked at: many times as fast as scipy, which counts for thousands of draws.
_ALL_PAIRS_UP_TO = 200
# Differences held in memory at once.
_MOST_DIFFERENCES = 1 << 21
# Of the mean variance: positions that sum to zero have a singular covariance, and a Cholesky factor wants none. It is
# taken because it is unique; eigenvectors may change their signs with the machine, and with them every draw.
_RIDGE = 1e-9


def kendall_tau_b_of_each(positions: _Floats, grades: _Floats) -> _Floats:
    """Kendall's τ-b of each row."""
    if positions.shape[-1] > _ALL_PAIRS_UP_TO:
        return _by_scipy(positions, grades)
    one, other = _signs(positions), _signs(grades)
    untied = np.abs(one).sum(axis=(-2, -1)) * np.abs(other).sum(axis=(-2, -1))
    return _ratio((one * other).sum(axis=(-2, -1)), np.sqrt(untied))


def spearman_of_each(positions: _Floats, grades: _Floats) -> _Floats:
    """Spearman's rank correlation of each row, ties by mean rank."""
    return pearson_of_each(_ranks(positions), _ranks(grades))


def pearson_of_each(one: _Floats, other: _Floats) -> _Floats:
    """The product-moment correlation of each row."""
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in (one, other))
    # Of equal numbers the mean can be off in its last place.
    varies = (np.ptp(one, axis=-1) > 0.0) & (np.ptp(other, axis=-1) > 0.0)
    spread = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    return _ratio((a * b).sum(axis=-1), np.where(varies, spread, 0.0))


def weighted_kappa_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """Cohen's κ with squared-distance weights (Cohen 1968) of each row of grade indices.

    1 is perfect agreement, 0 what independent graders with the same marginals reach; undefined where both gave every
    essay one and the same grade. With such weights it does not matter how many grades the scale has beyond those used.
    """
    n = expert.shape[-1]
    # The squared distances of all pairs, each as often as independent graders with these marginals would make it.
    by_chance = (
        np.square(expert).sum(axis=-1)
        + np.square(projected).sum(axis=-1)
        - 2.0 * expert.sum(axis=-1) * projected.sum(axis=-1) / n
    )
    return 1.0 - _ratio(np.square(expert - projected).sum(axis=-1), by_chance)


def exact_agreement_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The share of each row's essays with the same grade index."""
    return np.asarray((expert == projected).mean(axis=-1))


def adjacent_agreement_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The share of each row's essays whose grade indices are at most one step apart."""
    return np.asarray((np.abs(expert - projected) <= 1.0).mean(axis=-1))


def mean_absolute_error_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The mean distance in grade steps of each row."""
    return np.asarray(np.abs(projected - expert).mean(axis=-1))


def bias_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The mean of projected minus expert in grade steps of each row."""
    return np.asarray((projected - expert).mean(axis=-1))


def of_one(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> float | None:
    """The measure of two plain sequences of one length; None where it is undefined."""
    one, other = (np.asarray(side, dtype=np.float64) for side in sides)
    value = float(measure(one, other))
    return None if np.isnan(value) else value


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
        measure: such as `kendall_tau_b_of_each`.
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
    one, other = (np.asarray(side, dtype=np.float64) for side in sides)
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
    drawn = generator.integers(0, one.size, (draws, one.size))
    found = np.concatenate(
        [
            measure(np.take_along_axis(moved[rows], drawn[rows], axis=1), other[drawn[rows]])
            for rows in _blocks(draws, size=one.size)
        ]
    )
    defined = found[~np.isnan(found)]
    if not defined.size:
        return None
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail]).tolist()
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


def _blocks(draws: int, *, size: int) -> list[slice]:
    rows = max(1, _MOST_DIFFERENCES // size**2)
    return [slice(start, min(start + rows, draws)) for start in range(0, draws, rows)]


def _signs(values: _Floats) -> _Floats:
    """Of every difference, shape (…, n, n)."""
    signs: _Floats = np.sign(values[..., :, None] - values[..., None, :])
    return signs


def _ranks(values: _Floats) -> _Floats:
    """Mean ranks, from 1."""
    if values.shape[-1] <= _ALL_PAIRS_UP_TO:
        # An essay's sum of signs is twice its mean rank, centred.
        return np.asarray((_signs(values).sum(axis=-1) + values.shape[-1] + 1.0) / 2.0)
    return np.array([_ranks_of(row) for row in values.reshape(-1, values.shape[-1])]).reshape(values.shape)


def _ranks_of(row: _Floats) -> _Floats:
    _, place, members = np.unique(row, return_inverse=True, return_counts=True)
    last: NDArray[np.int64] = members.cumsum()
    return np.asarray((last - (members - 1) / 2.0)[place])


def _ratio(over: _Floats, under: _Floats) -> _Floats:
    """Undefined where there is nothing to divide by."""
    return np.asarray(np.divide(over, under, out=np.full(np.shape(under), np.nan), where=np.asarray(under) > 0.0))


def _by_scipy(positions: _Floats, grades: _Floats) -> _Floats:
    # Loading it takes longer than estimating a whole study, which seldom has so many essays of known grade.
    from scipy.stats import kendalltau  # noqa: PLC0415 - seldom needed  # law: inner_import - seldom needed

    rows = zip(*(side.reshape(-1, side.shape[-1]) for side in (positions, grades)), strict=True)
    found = np.array([kendalltau(one, other).statistic for one, other in rows])
    return found.reshape(positions.shape[:-1])
