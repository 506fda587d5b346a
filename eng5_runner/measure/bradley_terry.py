"""Places items on one logit scale from pairwise judgements (Bradley and Terry 1952), with a Normal prior.

The model is P(first shown beats second shown) = expit(θ_first − θ_second + δ), where δ is the advantage of being shown
first. With θ_i ~ N(0, σ²) the posterior is strictly concave for any set of comparisons, so undefeated, winless,
isolated and disconnected items all have finite estimates, and the θ at the maximum sum to zero of themselves: no
item is held fixed as a reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.linalg import cho_solve
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eng5_runner.measure.comparisons import Comparisons, collapse_repeats, comparisons_from
from eng5_runner.measure.posterior import Peak, Posterior, likeliest_prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Comparisons", "Extreme", "Fit", "collapse_repeats", "comparisons_from", "fit"]

Extreme: TypeAlias = Literal["undefeated", "winless", "isolated"]
_Vector: TypeAlias = "NDArray[np.float64]"

_STEP_TOLERANCE = 1e-9
_GRADIENT_TOLERANCE = 1e-6
# So weak (sd 1000 logits) that δ is unpenalised for every practical purpose, yet H never becomes singular.
_FREE_PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """The posterior mode and its Laplace approximation; all positions in logits, centred on zero.

    Attributes:
        comparisons: what was fitted; its n items give the arrays their order.
        theta: shape (n,), the positions; they sum to zero.
        covariance: shape (n, n), C H⁻¹ C with H the negative Hessian of the log posterior and C = I − 11ᵀ/n: the
            posterior covariance of `theta`. Differences have variance cov_ii + cov_jj − 2 cov_ij.
        prior_sd: σ of the prior on each position.
        prior_sd_estimated: whether σ came from the judgements and not from the caller.
        position_effect: δ, the advantage in logits of being shown first; 0 if not estimated. Shrinking θ shrinks it
            too: simulated, by a sixth at 10 judgements an item, a tenth at 20, a sixteenth at 30.
        position_effect_se: its standard error, None if it was not estimated.
        log_likelihood: of the judgements at the mode, without the prior.
        component: shape (n,), the number of the item's weakly connected component; items of different components
            are placed against each other by the prior alone.
        converged: whether no part of the gradient at the mode exceeds 1e-6.
    """

    comparisons: Comparisons
    theta: _Vector
    covariance: _Vector
    prior_sd: float
    prior_sd_estimated: bool
    position_effect: float
    position_effect_se: float | None
    log_likelihood: float
    component: NDArray[np.int64]
    converged: bool

    @property
    def items(self) -> tuple[str, ...]:
        """The n items, in the order of the arrays."""
        return self.comparisons.items

    @property
    def counts(self) -> _Vector:
        """How many judgements each item took part in, shape (n,)."""
        return self.comparisons.counts

    @property
    def wins(self) -> _Vector:
        """How many judgements each item won, a tie counting half, shape (n,)."""
        return self.comparisons.wins

    @property
    def standard_errors(self) -> _Vector:
        """The standard error of each position against the mean of all, shape (n,), in logits."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))  # a lone item's 0 may round below

    @property
    def components(self) -> int:
        """The number of weakly connected components; 1 when every item is linked with every other."""
        return int(self.component.max()) + 1

    @property
    def flags(self) -> tuple[Extreme | None, ...]:
        """For each item why its position rests on the prior more than others' do, None for the ordinary case."""
        pairs = zip(self.wins.tolist(), self.counts.tolist(), strict=True)
        return tuple(_extreme(wins=wins, count=count) for wins, count in pairs)


def fit(
    comparisons: Comparisons,
    *,
    prior_sd: float | None = None,
    hyperprior: bool = True,
    position_effect: bool = True,
) -> Fit:
    """The most probable positions of the items, by Newton's method.

    Every row counts with its weight: see `collapse_repeats` for judges that repeat themselves.

    Args:
        comparisons: the judgements.
        prior_sd: σ of the prior in logits. None takes the maximum of its Laplace-approximated marginal likelihood.
        hyperprior: whether that maximum is taken with log σ ~ N(log 1.5, .5²), which keeps the positions from
            collapsing when the data say little. It also keeps σ up where there is nothing to find, so a judgement of
            how much there is (`reliability`) leaves it away.
        position_effect: whether to estimate δ. It is free where both positions have won, and has a N(0, 1) prior where
            one has always won and the likelihood alone would send it to infinity.

    Raises:
        ValueError: there are no items, or `prior_sd` is not positive and finite.
    """
    if not comparisons.items:
        raise ValueError("there are no items to place")
    if prior_sd is not None and not (math.isfinite(prior_sd) and prior_sd > 0.0):
        raise ValueError(f"the prior standard deviation must be positive and finite, not {prior_sd!r}")
    posterior = Posterior(
        data=comparisons,
        position_precision=_position_precision(comparisons) if position_effect else None,
        hyperprior=hyperprior,
    )
    if prior_sd is None:
        peak = likeliest_prior(posterior)
        start, log_sd = peak.x, peak.log_sd
    else:
        start, log_sd = np.zeros(len(comparisons.items) + 1), math.log(prior_sd)
    top = posterior.climb(start, log_sd, tolerance=_STEP_TOLERANCE)
    return _described(posterior, top, given_sd=prior_sd)


def _position_precision(comparisons: Comparisons) -> float | None:
    """The precision of δ's prior in logits⁻²; None when nothing was compared."""
    total = float(comparisons.weight.sum())
    first_won = float((comparisons.weight * comparisons.outcome).sum())
    if total == 0.0:
        return None
    return _FREE_PRECISION if 0.0 < first_won < total else 1.0


def _described(posterior: Posterior, peak: Peak, *, given_sd: float | None) -> Fit:
    data, n = posterior.data, peak.x.size - 1
    precision = math.exp(-2.0 * peak.log_sd)
    inverse = cho_solve(peak.factor, np.eye(n + 1, order="F"), overwrite_b=True, check_finite=False)
    covariance = inverse[:n, :n] - 1.0 / (n * (precision + peak.shift))
    links = coo_array((data.weight, (data.first, data.second)), shape=(n, n))
    return Fit(
        comparisons=data,
        theta=peak.x[:n] - peak.x[:n].mean(),
        covariance=(covariance + covariance.T) / 2.0,
        prior_sd=math.exp(peak.log_sd) if given_sd is None else given_sd,
        prior_sd_estimated=given_sd is None,
        position_effect=float(peak.x[-1]),
        position_effect_se=None if posterior.position_precision is None else math.sqrt(inverse[-1, -1]),
        log_likelihood=posterior.log_likelihood(peak.x),
        component=connected_components(links, directed=False)[1].astype(np.int64),
        converged=bool(np.abs(posterior.gradient(peak.x, precision)).max() < _GRADIENT_TOLERANCE),
    )


def _extreme(*, wins: float, count: float) -> Extreme | None:
    if count == 0.0:
        return "isolated"
    if wins == count:
        return "undefeated"
    return "winless" if wins == 0.0 else None
