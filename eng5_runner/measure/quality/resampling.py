"""Bootstrap intervals for measures of agreement: thousands of samples of essays, computed together.

A measure takes two arrays of shape (…, n) and gives one value per row, shape (…); nan where it is undefined.
`alignment` has the same measures for two plain sequences, without an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"
Measure: TypeAlias = Callable[[_Floats, _Floats], _Floats]

_FEWEST_FOR_INTERVAL = 6
# Up to so many essays all pairs are computed, which is many times faster than scipy for thousands of draws.
_ALL_PAIRS_UP_TO = 200
# Pairs at the same time: so few that they stay in the processor's cache, and that the memory for them is not taken
# from the system each time. But some samples together, so that they and not the calls take the time.
_MOST_DIFFERENCES, _FEWEST_SAMPLES = 1 << 17, 16
# As a share of the mean variance. Positions that sum to zero have a singular covariance, which has no Cholesky factor
# without this. The Cholesky factor is used because it is unique: the signs of eigenvectors differ between machines, and
# with them every draw would.
_RIDGE = 1e-9


class Errors(Protocol):
    """Errors of n positions."""

    def drawn(self, generator: np.random.Generator, draws: int) -> _Floats:
        """Some at random, shape (draws, n)."""


def kendall_tau_b_of_each(positions: _Floats, grades: _Floats) -> _Floats:
    """Kendall's τ-b of each row, shape (…)."""
    if positions.shape[-1] > _ALL_PAIRS_UP_TO:
        return _by_scipy(positions, grades)
    # One row an essay, so that each pair of essays is a pass over numbers that lie side by side: nine times faster.
    (above, below), (better, worse) = (_orders(_by_essay(side)) for side in (positions, grades))
    agree, differ = above & better | below & worse, above & worse | below & better
    untied = _how_many(above | below) * _how_many(better | worse)
    return _ratio(_how_many(agree) - _how_many(differ), np.sqrt(untied))


def spearman_of_each(positions: _Floats, grades: _Floats) -> _Floats:
    """Spearman's rank correlation of each row, shape (…); ties get their mean rank."""
    if positions.shape[-1] > _ALL_PAIRS_UP_TO:
        return pearson_of_each(_ranks(positions), _ranks(grades))
    x, y = map(_beyond, (positions, grades))
    return _ratio((x * y).sum(axis=0), np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum(axis=0)))


def pearson_of_each(x: _Floats, y: _Floats) -> _Floats:
    """The product-moment correlation of each row, shape (…)."""
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in (x, y))
    # The mean of equal numbers can differ from them in the last digit, so `a` and `b` do not show a lack of variation.
    varies = (np.ptp(x, axis=-1) > 0.0) & (np.ptp(y, axis=-1) > 0.0)
    spread = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    return _ratio((a * b).sum(axis=-1), np.where(varies, spread, 0.0))


def weighted_kappa_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """Cohen's κ with squared-distance weights (Cohen 1968) of each row of grade indices, shape (…).

    1 is perfect agreement; 0 is what independent graders with the same marginals reach. It is undefined if both graders
    gave the same single grade to every essay. With these weights, unused grades of the scale make no difference.
    """
    n = expert.shape[-1]
    # The sum of squared distances that independent graders with these marginals would have.
    by_chance = (
        np.square(expert).sum(axis=-1)
        + np.square(projected).sum(axis=-1)
        - 2.0 * expert.sum(axis=-1) * projected.sum(axis=-1) / n
    )
    return 1.0 - _ratio(np.square(expert - projected).sum(axis=-1), by_chance)


def exact_agreement_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The share of each row's essays with the same grade index, shape (…)."""
    return np.asarray((expert == projected).mean(axis=-1))


def adjacent_agreement_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The share of each row's essays whose grade indices are at most one step apart, shape (…)."""
    return np.asarray((np.abs(expert - projected) <= 1.0).mean(axis=-1))


def mean_absolute_error_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The mean distance in grade steps of each row, shape (…)."""
    return np.asarray(np.abs(projected - expert).mean(axis=-1))


def bias_of_each(expert: _Floats, projected: _Floats) -> _Floats:
    """The mean of projected minus expert in grade steps of each row, shape (…)."""
    return np.asarray((projected - expert).mean(axis=-1))


def of_one(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> float | None:
    """A measure of two sequences of the same length; None if it is undefined."""
    x, y = (np.asarray(side, dtype=np.float64) for side in sides)
    value = float(measure(x, y))
    return None if np.isnan(value) else value


def bootstrap_interval(
    measure: Measure,
    sides: tuple[Sequence[float], Sequence[float]],
    *,
    seed: int,
    covariance: NDArray[np.float64] | Errors | None = None,
    draws: int = 2000,
    level: float = 0.9,
) -> tuple[float, float] | None:
    """The same as `bootstrap_intervals` of one measure."""
    (interval,) = bootstrap_intervals([measure], sides, seed=seed, covariance=covariance, draws=draws, level=level)
    return interval


def bootstrap_intervals(
    measures: Sequence[Measure],
    sides: tuple[Sequence[float], Sequence[float]],
    *,
    seed: int,
    covariance: NDArray[np.float64] | Errors | None = None,
    draws: int = 2000,
    level: float = 0.9,
) -> list[tuple[float, float] | None]:
    """A percentile interval of each measure, from the same samples of the essays with replacement.

    Args:
        measures: such as `kendall_tau_b_of_each`.
        sides: the two sequences to measure, each of n values.
        seed: not negative; the same seed gives the same interval.
        covariance: of the first side, if that is estimated positions: of all pairs, shape (n, n), of each alone, shape
            (n,), or errors that can be drawn. Their error is then sampled too.
        draws: number of samples; samples in which the measure is undefined are left out.
        level: the share of samples between the two ends.

    Returns:
        The two ends of each. None if there are fewer than 6 essays, which are too few for an interval, or if the
        measure is undefined in every sample.

    Raises:
        ValueError: the sides have different lengths, or the seed is negative.
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in sides)
    if x.size != y.size:
        raise ValueError("both sides must be of the same essays")
    generator = np.random.default_rng(seed)
    if x.size < _FEWEST_FOR_INTERVAL:
        return [None] * len(measures)
    moved = (
        np.broadcast_to(x, (draws, x.size))
        if covariance is None
        else x + _errors(covariance, generator=generator, draws=draws)
    )
    drawn = generator.integers(0, x.size, (draws, x.size))
    values = np.empty((len(measures), draws))
    for rows in _blocks(draws, size=x.size):
        some = np.take_along_axis(moved[rows], drawn[rows], axis=1), y[drawn[rows]]
        sampled = np.asfortranarray(some[0]), np.asfortranarray(some[1])  # sums over essays are quicker so
        for number, measure in enumerate(measures):
            values[number, rows] = measure(*sampled)
    tails = (1.0 - level) / 2.0, (1.0 + level) / 2.0
    if not np.isnan(values).any():
        return [(low, high) for low, high in np.quantile(values, tails, axis=1).T.tolist()]
    defined = (of_measure[~np.isnan(of_measure)] for of_measure in values)
    return [tuple(np.quantile(some, tails).tolist()) if some.size else None for some in defined]


def _errors(
    covariance: NDArray[np.float64] | Errors, *, generator: np.random.Generator, draws: int
) -> NDArray[np.float64]:
    """Errors of positions at random, shape (draws, n)."""
    if not isinstance(covariance, np.ndarray):
        return covariance.drawn(generator, draws)
    n = len(covariance)
    noise = generator.standard_normal((draws, n))
    if covariance.ndim == 1:
        return noise * np.sqrt(covariance)
    ridge = _RIDGE * float(np.trace(covariance)) / n
    return np.asarray(noise @ np.linalg.cholesky(covariance + ridge * np.eye(n)).T)


def _blocks(draws: int, *, size: int) -> list[slice]:
    rows = max(_FEWEST_SAMPLES, _MOST_DIFFERENCES // size**2)
    return [slice(start, min(start + rows, draws)) for start in range(0, draws, rows)]


def _by_essay(values: _Floats) -> _Floats:
    """The same with one row an essay, shape (n, …)."""
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))


def _orders(rows: _Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each pair of essays, whether the first is above and whether it is below the other, shape (pairs, …)."""
    n = len(rows)
    above, below = np.empty((2, n * (n - 1) // 2, *rows.shape[1:]), dtype=np.bool_)
    start = 0
    for place in range(
        n - 1
    ):  # without the numbers of all pairs, whose memory would be taken from the system each time
        others = slice(start, start + n - 1 - place)
        np.greater(rows[place], rows[place + 1 :], out=above[others])
        np.less(rows[place], rows[place + 1 :], out=below[others])
        start = others.stop
    return above, below


def _how_many(pairs: NDArray[np.bool_]) -> _Floats:
    """How many pairs are so in each sample; the pairs have the shape (pairs, …)."""
    return np.asarray(np.add.reduce(pairs.view(np.uint8), axis=0, dtype=np.int16), dtype=np.float64)


def _beyond(values: _Floats) -> _Floats:
    """How many are below an essay, less how many are above it: twice its mean rank, centred; shape (n, …)."""
    rows = _by_essay(values)
    is_above = rows[:, None] > rows
    beyond = is_above.sum(axis=1, dtype=np.int16) - is_above.sum(axis=0, dtype=np.int16)
    return np.asarray(beyond, dtype=np.float64)


def _ranks(values: _Floats) -> _Floats:
    """Mean ranks from 1, shape (…, n)."""
    return np.array([_ranks_of(row) for row in values.reshape(-1, values.shape[-1])]).reshape(values.shape)


def _ranks_of(row: _Floats) -> _Floats:
    _, place, members = np.unique(row, return_inverse=True, return_counts=True)
    last: NDArray[np.int64] = members.cumsum()
    return np.asarray((last - (members - 1) / 2.0)[place])


def _ratio(over: _Floats, under: _Floats) -> _Floats:
    """The quotient; nan where the divisor is zero."""
    return np.asarray(np.divide(over, under, out=np.full(np.shape(under), np.nan), where=np.asarray(under) > 0.0))


def _by_scipy(positions: _Floats, grades: _Floats) -> _Floats:
    # Loading scipy.stats takes longer than fitting a study, and few studies have so many essays of known grade.
    from scipy.stats import kendalltau  # noqa: PLC0415, TID251 - seldom needed  # law: inner_import - seldom needed

    rows = zip(*(side.reshape(-1, side.shape[-1]) for side in (positions, grades)), strict=True)
    values = np.array([kendalltau(x, y).statistic for x, y in rows])
    return values.reshape(positions.shape[:-1])
