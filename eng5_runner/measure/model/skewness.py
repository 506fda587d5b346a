"""The difference between a posterior's mean and its mode.

The posterior of an item that won nearly all its judgements is skewed: its mean is farther out than its mode. To second
order (Lindley 1980) the mean is x̂ − ½ H⁻¹ Σ_c v'_c (b_cᵀH⁻¹b_c) b_c. Here b_c is the design row of comparison c, and
v' = w p (1 − p)(1 − 2p) is the derivative of its information by its log odds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Comparisons, chance_of, summed_at
from eng5_runner.measure.model.curvature import Sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.curvature import Curvature

_Floats: TypeAlias = "NDArray[np.float64]"


def leverages(comparisons: Comparisons, covariance: _Floats) -> _Floats:
    """b_cᵀH⁻¹b_c, the posterior variance of each row's log odds, shape (…, rows), from the covariance of (θ, δ)."""
    first, second = comparisons.first, comparisons.second
    variance, with_position = np.diagonal(covariance, axis1=-2, axis2=-1), covariance[..., -1, :]
    between: _Floats = variance[..., first] + variance[..., second] - 2.0 * covariance[..., first, second]
    between += 2.0 * (with_position[..., first] - with_position[..., second]) + variance[..., -1:]
    return between


def near_leverages(comparisons: Comparisons, curvature: Sparse) -> _Floats:
    """Approximate `leverages`, shape (rows,), from walks of at most one step in the graph of comparisons.

    The approximation is good if items have many partners.
    """
    information = curvature.information
    first, second = 1.0 / curvature.diagonal[comparisons.first], 1.0 / curvature.diagonal[comparisons.second]
    between = information.links.at(comparisons, information.by_pair())
    near: _Floats = first + second - 2.0 * between * first * second
    return near


def turning(comparisons: Comparisons, x: _Floats) -> _Floats:
    """v', the derivative of each row's information by its contrast at x = (θ, δ), shape (…, rows)."""
    chance = chance_of(comparisons.log_odds(x))
    return comparisons.by_contrast(comparisons.weight * chance * (1.0 - chance) * (1.0 - 2.0 * chance), order=3)


def mean_beyond_mode(x: _Floats, *, comparisons: Comparisons, curvature: Curvature, leverage: _Floats) -> _Floats:
    """The posterior mean of (θ, δ) minus its mode, shape (n + 1,), in logits.

    Args:
        x: the mode of (θ, δ).
        comparisons: the judgements.
        curvature: H at the mode.
        leverage: shape (rows,), from `leverages` or `near_leverages`.
    """
    pull = turning(comparisons, x) * leverage
    both = summed_at(comparisons.first, pull, size=x.size) - summed_at(comparisons.second, pull, size=x.size)
    both[-1] = pull.sum() if curvature.has_position else 0.0
    shift: _Floats = curvature.solve(both) / -2.0
    return shift
