"""Places items on one logit scale from pairwise judgements (Bradley and Terry 1952), with a Normal prior.

The model is P(first shown beats second shown) = expit(θ_first − θ_second + δ), where δ is the advantage of being shown
first. With θ_i ~ N(0, σ²) the posterior is strictly concave for any set of comparisons, so undefeated, winless,
isolated and disconnected items all have finite estimates, and the θ at the maximum sum to zero of themselves: no
item is held fixed as a reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from eng5_runner.measure.model.comparisons import Comparisons, collapse_repeats, comparisons_from
from eng5_runner.measure.model.curvature import Dense, Sparse
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Peak, Posterior, position_precision
from eng5_runner.measure.model.prior_scale import TYPICAL_SD, likeliest_prior
from eng5_runner.measure.model.sketch import centred_variances
from eng5_runner.measure.model.skewness import leverages, mean_beyond_mode, near_leverages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.curvature import Curvature

__all__ = ["Comparisons", "Extreme", "Fit", "collapse_repeats", "comparisons_from", "fit"]

Extreme: TypeAlias = Literal["undefeated", "winless", "isolated"]
_Vector: TypeAlias = "NDArray[np.float64]"

_STEP_TOLERANCE = 1e-9
_GRADIENT_TOLERANCE = 1e-6
_PRIOR_TOLERANCE = 1e-3  # of log σ, before the last step
_SOLVE_TOLERANCE = 1e-10  # relative, of single columns of the covariance
# Up to this many items the covariance is inverted whole, and every standard error comes from it.
_EXACT_UP_TO = 1_500


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: what costs time is computed when first asked for, and kept
class Fit:
    """The posterior mode and its Laplace approximation; all positions in logits, centred on zero.

    Attributes:
        comparisons: what was fitted; its n items give the arrays their order.
        theta: shape (n,), the positions; they sum to zero.
        prior_sd: σ of the prior on each position.
        prior_sd_estimated: whether σ came from the judgements and not from the caller.
        position_effect: δ, the advantage in logits of being shown first; 0 if not estimated. Shrinking θ shrinks it
            too: simulated, by a sixth at 10 judgements an item, a tenth at 20, a sixteenth at 30.
        position_effect_se: its standard error, None if it was not estimated.
        log_likelihood: of the judgements at the mode, without the prior.
        component: shape (n,), the number of the item's weakly connected component; items of different components
            are placed against each other by the prior alone.
        converged: whether no part of the gradient at the mode exceeds 1e-6.
        curvature: the negative Hessian H of the log posterior at the mode.
    """

    comparisons: Comparisons
    theta: _Vector
    prior_sd: float
    prior_sd_estimated: bool
    position_effect: float
    position_effect_se: float | None
    log_likelihood: float
    component: NDArray[np.int64]
    converged: bool
    curvature: Curvature = field(repr=False)

    @property
    def items(self) -> tuple[str, ...]:
        """The n items, in the order of the arrays."""
        return self.comparisons.items

    @cached_property
    def counts(self) -> _Vector:
        """How many judgements each item took part in, shape (n,)."""
        return self.comparisons.counts

    @cached_property
    def wins(self) -> _Vector:
        """How many judgements each item won, a tie counting half, shape (n,)."""
        return self.comparisons.wins

    @cached_property
    def covariance(self) -> _Vector:
        """C H⁻¹ C with C = I − 11ᵀ/n, the posterior covariance of `theta`, shape (n, n).

        Exact, and computed when first asked for. Differences have variance cov_ii + cov_jj − 2 cov_ij. Takes time of
        order n³ and 16 n² bytes: with many items use `covariance_among`.
        """
        return self.covariance_with_position[:-1, :-1]

    @cached_property
    def standard_errors(self) -> _Vector:
        """The standard error of each position against the mean of all, shape (n,), in logits.

        Exact up to 1,500 items. Beyond, .25% off on average and about 1% at most (see `sketch`), in time linear in the
        comparisons.
        """
        return _errors(self.curvature)

    @cached_property
    def posterior_mean(self) -> _Vector:
        """The mean of each position's posterior, to second order (Lindley 1980), shape (n,), in logits.

        The mode `theta` lies nearer to the middle, by up to a seventh at 10 judgements an item and a tenth at 20, in
        nearly the same order. Kept within a standard error of it, beyond which the second order is no guide.
        """
        if isinstance(self.curvature, Sparse) and len(self.items) > _EXACT_UP_TO:
            leverage = near_leverages(self.comparisons, self.curvature)
        else:
            leverage = leverages(self.comparisons, self.covariance_with_position)
        x = np.append(self.theta, self.position_effect)
        beyond = mean_beyond_mode(x, comparisons=self.comparisons, curvature=self.curvature, leverage=leverage)
        bounded = np.clip(beyond, -self.standard_errors, self.standard_errors)
        mean: _Vector = self.theta + bounded - bounded.mean()
        return mean

    def intervals(self, *, level: float = 0.9) -> tuple[_Vector, _Vector]:
        """The lower and upper ends of the positions' intervals, around the posterior mean.

        In simulation 90% intervals hold the true position 85 to 90 times in a hundred (docs/validation.md); around the
        mode it would be two to three times fewer.
        """
        margin = float(ndtri((1.0 + level) / 2.0)) * self._errors_at_mean
        return self.posterior_mean - margin, self.posterior_mean + margin

    @cached_property
    def _errors_at_mean(self) -> _Vector:
        """The standard errors by what the judgements tell at the posterior mean, which is less than at the mode."""
        posterior = posterior_of(self.comparisons, position_effect=self.position_effect_se is not None)
        return _errors(posterior.curvature(np.append(self.posterior_mean, self.position_effect), self.prior_sd**-2))

    def covariance_among(self, places: Sequence[int]) -> _Vector:
        """The covariance of m items given by their indices, shape (m, m), without that of all others."""
        if isinstance(self.curvature, Dense) or len(self.items) <= _EXACT_UP_TO or "covariance" in self.__dict__:
            return self.covariance[np.ix_(places, places)]
        n, many = len(self.items), len(places)
        wanted = np.full((n, many), -1.0 / n)
        wanted[list(places), np.arange(many)] += 1.0
        return self.curvature.solved_with_position(wanted, tolerance=_SOLVE_TOLERANCE)[list(places)]

    @property
    def components(self) -> int:
        """The number of weakly connected components; 1 when every item is linked with every other."""
        return int(self.component.max()) + 1

    @property
    def flags(self) -> tuple[Extreme | None, ...]:
        """For each item why its position rests on the prior more than others' do, None for the ordinary case."""
        pairs = zip(self.wins.tolist(), self.counts.tolist(), strict=True)
        return tuple(_extreme(wins=wins, count=count) for wins, count in pairs)

    @cached_property
    def covariance_with_position(self) -> _Vector:
        """The covariance of θ and δ, shape (n + 1, n + 1); the last row and column are 0 where δ was not estimated."""
        return _dense(self.curvature).inverse()


def fit(
    comparisons: Comparisons,
    *,
    prior_sd: float | None = None,
    hyperprior: bool = True,
    position_effect: bool = True,
) -> Fit:
    """The most probable positions of the items, by Newton's method, in time linear in the comparisons.

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
    posterior = posterior_of(comparisons, position_effect=position_effect)
    if prior_sd is None:
        summit = likeliest_prior(
            posterior, hyperprior=hyperprior, log_sd=math.log(TYPICAL_SD), tolerance=_PRIOR_TOLERANCE
        )
        start, log_sd = summit.x, float(summit.log_sd)
    else:
        start, log_sd = np.zeros(len(comparisons.items) + 1), math.log(prior_sd)
    top = posterior.climb(start, log_sd, tolerance=_STEP_TOLERANCE)
    return _described(posterior, top, given_sd=prior_sd)


def posterior_of(comparisons: Comparisons, *, position_effect: bool) -> Posterior:
    """The log posterior of some comparisons, for any σ."""
    precision = position_precision(comparisons) if position_effect else None
    return Posterior(data=comparisons, links=Links.of(comparisons), position_precision=precision)


def _described(posterior: Posterior, peak: Peak, *, given_sd: float | None) -> Fit:
    theta = peak.x[:-1]
    return Fit(
        comparisons=posterior.data,
        theta=theta - theta.mean(),
        prior_sd=math.exp(float(peak.log_sd)) if given_sd is None else given_sd,
        prior_sd_estimated=given_sd is None,
        position_effect=float(peak.x[-1]),
        position_effect_se=None if posterior.position_precision is None else peak.curvature.position_se(),
        log_likelihood=posterior.log_likelihood(peak.x),
        component=posterior.links.component,
        converged=bool(np.abs(posterior.gradient(peak.x, peak.precision)).max() < _GRADIENT_TOLERANCE),
        curvature=peak.curvature,
    )


def _errors(curvature: Curvature) -> _Vector:
    if isinstance(curvature, Sparse) and curvature.diagonal.size > _EXACT_UP_TO:
        return np.sqrt(centred_variances(curvature))
    return np.sqrt(_dense(curvature).variances())


def _dense(curvature: Curvature) -> Dense:
    return curvature if isinstance(curvature, Dense) else Dense.of(curvature.information)


def _extreme(*, wins: float, count: float) -> Extreme | None:
    if count == 0.0:
        return "isolated"
    if wins == count:
        return "undefeated"
    return "winless" if wins == 0.0 else None
