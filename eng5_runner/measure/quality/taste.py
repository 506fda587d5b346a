"""Taste: how far judges differ in which items they like, and what that does to the reliability for other judges.

The model lets all judges see the same positions, and takes what they disagree in for chance. Where a judge meets an
item more than once, its taste for that item repeats itself. Then the positions hold some taste of these judges, which
others would not share; the reliability says how well these judges would find their order again.

Let the taste of a judge for an item be a draw from N(0, τ²). Then the surprises of its judgements c and d of two pairs
have the covariance τ² w_c w_d b_cᵀb_d, where w is the information of a judgement and b_c = e_first − e_second. Let A be
the information Σ w_c b_c b_cᵀ of one judge, Q = Σ w_c² b_c b_cᵀ, S the sum of A² over the judges, V the covariance of
the positions, s a judge's scores Σ (y_c − p_c) b_c. Then τ² is what Σ sᵀs − 2 Σ (y_c − p_c)², which pairs of different
judgements alone contribute to, has beyond its mean without taste, over its growth by τ² (method of moments). The fit
follows the answers, which the terms in V take out of both.

The positions' error grows by τ² V (S − 2 ΣQ) V. They follow the order that these judges share with the slope ρ, the
reliability, so that of this order 1/ρ as much is taste.

All terms are traces, and traces are sums over the columns of a unit matrix, or over a few columns of random signs where
there are many items (`model/sketch.py`). Judgements of the same pair are one here: how they repeat each other is
another question (`dependence`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from eng5_runner.measure.model.sketch import signs
from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

    _Floats: TypeAlias = NDArray[np.float64]
    _Places: TypeAlias = NDArray[np.int64]

_FEWEST_JUDGES = 5
_EXACT_UP_TO = 1_500  # items
_DRAWS, _AT_ONCE = 64, 32  # columns
# The standard error of τ² where there is no taste, in logits²; where it is larger, τ² could be anything.
_MOST_ERROR = 0.5
_CLEARLY = 1.6448536269514722  # standard errors above 0
_LEAST_RELIABILITY = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """How far judges differ in taste.

    Attributes:
        sd: τ, the standard deviation of one judge's taste for an item, in logits; 0 where chance explains it.
        share: by how much it lowers the reliability, 0 to 1.
    """

    sd: float
    share: float


def taste(fitted: Fit, judges: Iterable[Comparisons]) -> Taste | None:
    """Measure τ and what it adds to the positions. With more than 1,500 items τ² is off by a fifth of its error.

    Args:
        fitted: the fit of all judgements.
        judges: the judgements of each judge, of the same items.

    Returns:
        None where it cannot be measured: fewer than five judges, too few judges that met an item again.
    """
    parts = [data for data in judges if data.weight.size]
    n = len(fitted.items)
    if len(parts) < _FEWEST_JUDGES:
        return None
    met = _Met.of(fitted, parts)
    beyond, growth, added = met.moments(fitted)
    if growth <= 0.0 or (error := math.sqrt(2.0 / growth)) > _MOST_ERROR:
        return None
    variance = beyond / growth
    if variance < _CLEARLY * error:
        return Taste(sd=0.0, share=0.0)
    whole = (n - 1) * fitted.prior_sd**2
    reliability = max(1.0 - n * fitted.mean_variance / whole, _LEAST_RELIABILITY)
    share = variance * added / (whole * reliability)
    return Taste(sd=math.sqrt(variance), share=min(max(share, 0.0), 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Met:
    """What each judge met: one row for each item that a judge met, one column for each pair that it judged.

    Attributes:
        items: the item of each row, shape (rows,).
        sides: 1 for one item of a pair, −1 for the other, shape (rows, pairs).
        weight: the sum of w over the pair's judgements, shape (pairs,).
        surprise: the sum of y − p for its first item, as they count in the fit, shape (pairs,).
    """

    items: _Places
    sides: csr_array
    weight: _Floats
    surprise: _Floats

    @classmethod
    def of(cls, fitted: Fit, judges: Sequence[Comparisons]) -> _Met:
        n, pairs, weights, surprises = len(fitted.items), [], [], []
        for number, data in enumerate(judges):
            chance = chances(fitted, data)
            low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
            own, pair = np.unique(low * n + high, return_inverse=True)
            surprise = data.weight * (data.outcome - chance) * np.where(data.first == low, 1.0, -1.0)
            pairs.append(np.stack(np.divmod(own, n)) + number * n)
            weights.append(np.bincount(pair, data.weight * chance * (1.0 - chance)))
            surprises.append(np.bincount(pair, surprise))
        both = np.concatenate(pairs, axis=1)
        met, row = np.unique(both, return_inverse=True)
        many = both.shape[1]
        return cls(
            items=met % n,
            sides=csr_array(
                (np.repeat([1.0, -1.0], many), (row.ravel(), np.tile(np.arange(many), 2))), shape=(met.size, many)
            ),
            weight=np.concatenate(weights),
            surprise=np.concatenate(surprises),
        )

    def moments(self, fitted: Fit) -> tuple[float, float, float]:
        """What there is beyond chance, its growth by τ², and that of the trace of the positions' covariance."""
        information, squares = self._summed(self.weight), self._summed(np.square(self.weight))
        beyond = float(np.square(self.sides @ self.surprise).sum() - 2.0 * np.square(self.surprise).sum())
        growth = float(information.multiply(information).sum() - 4.0 * np.square(self.weight).sum())
        added = 0.0
        of_item = csr_array(
            (np.ones(self.items.size), (self.items, np.arange(self.items.size))),
            shape=(len(fitted.items), self.items.size),
        )
        for columns in _columns(len(fitted.items)):
            here = columns[self.items]
            once, square = information @ here, squares @ here
            twice = information @ once
            varied = fitted.covariance_times(columns)[self.items]
            seen = information @ varied
            followed = fitted.covariance_times(of_item @ twice)[self.items]
            beyond += _product(seen, once) - 2.0 * _product(varied, square)
            growth += _product(seen, information @ followed) - 2.0 * _product(seen, twice)
            growth += 4.0 * _product(seen, square) - 2.0 * _product(squares @ varied, followed)
            added += _product(seen, seen) - 2.0 * _product(varied, squares @ varied)
        return beyond, growth, added

    def _summed(self, amounts: _Floats) -> csr_array:
        """Σ_c a_c b_c b_cᵀ of each judge, shape (rows, rows)."""
        return csr_array((self.sides * amounts) @ self.sides.T)


def _columns(n: int) -> Iterator[_Floats]:
    """Some columns at a time of a matrix Z with Z Zᵀ = 1: exactly, or on average over random signs."""
    many = n if n <= _EXACT_UP_TO else _DRAWS
    for start in range(0, many, _AT_ONCE):
        some = min(_AT_ONCE, many - start)
        yield np.eye(n, some, -start) if n <= _EXACT_UP_TO else signs(n, draws=some, skip=start) / math.sqrt(_DRAWS)


def _product(one: _Floats, other: _Floats) -> float:
    return float(np.vdot(one, other))
