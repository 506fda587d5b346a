"""Taste: how far judges differ in which items they like, and what that does to the reliability for other judges.

The model lets all judges see the same positions, and takes what they disagree in for chance. Where a judge meets an
item more than once, its taste for that item repeats itself. Then the positions hold some taste of these judges, which
others would not share; the reliability says how well these judges would find their order again.

Let the taste of a judge for an item be a draw from N(0, τ²). Then the surprises of its judgements c and d of two pairs
have the covariance τ² w_c w_d b_cᵀb_d, where w is the information of a judgement and b_c = e_first − e_second. τ² is by
how much the judges' scores s_j = Σ_c (y_c − p_c) b_c vary more than they would without, with the fit's own part taken
out (method of moments). It adds H⁻¹ (Σ_c≠d τ² w_c w_d b_c b_cᵀb_d b_dᵀ) H⁻¹ to the covariance of the positions.
Judgements of the same pair are one here: how they repeat each other is another question (`dependence`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

    _Floats: TypeAlias = NDArray[np.float64]
    _Places: TypeAlias = NDArray[np.int64]

_FEWEST_JUDGES = 5
_MOST_ITEMS = 1_500  # the covariance is a dense matrix
# The standard error of τ² where there is no taste, in logits²; where it is larger, τ² could be anything.
_MOST_ERROR = 0.5
_CLEARLY = 1.6448536269514722  # standard errors above 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """How far judges differ in taste.

    Attributes:
        sd: τ, the standard deviation of one judge's taste for an item, in logits; 0 where chance explains it.
        share: of the variance of the positions, what is taste of these judges, 0 to 1.
    """

    sd: float
    share: float


def taste(fitted: Fit, judges: Iterable[Comparisons]) -> Taste | None:
    """Measure τ and what it adds to the positions.

    Args:
        fitted: the fit of all judgements.
        judges: the judgements of each judge, of the same items.

    Returns:
        None where it cannot be measured: fewer than five judges, too few judges that met an item again, more than
        1,500 items.
    """
    own = [_OwnPart.of(fitted, data) for data in judges if data.weight.size]
    n = len(fitted.items)
    if len(own) < _FEWEST_JUDGES or n > _MOST_ITEMS:
        return None
    covariance = fitted.covariance
    squared = np.zeros((n, n))
    beyond = weight = 0.0
    for part in own:
        here = covariance[np.ix_(part.items, part.items)]
        square = part.information @ part.information
        alone = np.square(part.surprise) + np.square(part.weight) * part.variances(here)
        beyond += float(part.score @ part.score + (square * here).sum() - 2.0 * alone.sum())
        weight += float(np.trace(square) - 2.0 * (square * (here @ part.information)).sum())
        weight -= 4.0 * float(np.square(part.weight).sum())
        squared[np.ix_(part.items, part.items)] += square
    whole = squared @ covariance
    weight += float((whole * whole.T).sum())
    if weight <= 0.0 or (error := math.sqrt(2.0 / weight)) > _MOST_ERROR:
        return None
    variance = beyond / weight
    if variance < _CLEARLY * error:
        return Taste(sd=0.0, share=0.0)
    for part in own:  # a pair alone is in the model's own errors
        squared[np.ix_(part.items, part.items)] -= part.summed(2.0 * np.square(part.weight))
    added = variance * float((covariance @ squared * covariance.T).sum())
    share = added / ((n - 1) * fitted.prior_sd**2)
    return Taste(sd=math.sqrt(variance), share=min(max(share, 0.0), 1.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _OwnPart:
    """One judge's judgements, as far as the m items that it met.

    Attributes:
        items: their places in the fit, shape (m,).
        first: the place among them of one item of each pair, shape (pairs,); likewise `second`.
        weight: the sum of w over the pair's judgements, shape (pairs,).
        surprise: the sum of y − p for its first item, as they count in the fit, shape (pairs,).
    """

    items: _Places
    first: _Places
    second: _Places
    weight: _Floats
    surprise: _Floats

    @classmethod
    def of(cls, fitted: Fit, data: Comparisons) -> _OwnPart:
        chance = chances(fitted, data)
        low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
        pairs, pair = np.unique(low * len(data.items) + high, return_inverse=True)
        surprise = data.weight * (data.outcome - chance) * np.where(data.first == low, 1.0, -1.0)
        items, place = np.unique(np.divmod(pairs, len(data.items)), return_inverse=True)
        first, second = place.reshape(2, pairs.size)
        return cls(
            items=items,
            first=first,
            second=second,
            weight=np.asarray(np.bincount(pair, data.weight * chance * (1.0 - chance)), dtype=np.float64),
            surprise=np.asarray(np.bincount(pair, surprise), dtype=np.float64),
        )

    @property
    def score(self) -> _Floats:
        """Σ_c (y_c − p_c) b_c, shape (m,)."""
        many = self.items.size
        won, lost = (np.bincount(side, self.surprise, many) for side in (self.first, self.second))
        return np.asarray(won - lost)

    @property
    def information(self) -> _Floats:
        """Σ_c w_c b_c b_cᵀ, shape (m, m)."""
        return self.summed(self.weight)

    def summed(self, amounts: _Floats) -> _Floats:
        """Σ_c a_c b_c b_cᵀ, shape (m, m)."""
        total = np.zeros((self.items.size, self.items.size))
        for one, other, sign in (
            (self.first, self.first, 1.0),
            (self.second, self.second, 1.0),
            (self.first, self.second, -1.0),
            (self.second, self.first, -1.0),
        ):
            np.add.at(total, (one, other), sign * amounts)
        return total

    def variances(self, covariance: _Floats) -> _Floats:
        """b_cᵀ H⁻¹ b_c of each pair, shape (pairs,), from the covariance of the m items."""
        own = np.diag(covariance)
        return np.asarray(own[self.first] + own[self.second] - 2.0 * covariance[self.first, self.second])
