"""The positions of items on one logit scale, from pairwise judgements (Bradley and Terry 1952) and a Normal prior.

The model is P(first shown beats second shown) = expit(θ_first − θ_second + δ), where δ is the advantage of being shown
first. With θ_i ~ N(0, σ²) the posterior is strictly concave for any set of comparisons. So undefeated, winless,
isolated and disconnected items all have finite estimates. At the maximum the θ sum to zero, so no item is needed as a
fixed reference.

>>> fitted = fit(comparisons_from(["ada", "bo"], [("ada", "bo", 1.0)] * 3 + [("bo", "ada", 1.0)]), prior_sd=1.0)
>>> fitted.theta.round(2).tolist(), round(fitted.position_effect, 2)
([0.22, -0.22], 0.96)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from eng5_runner.measure.model.comparisons import Comparisons, comparisons_from
from eng5_runner.measure.model.curvature import Dense, Sparse
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Posterior, position_precision
from eng5_runner.measure.model.prior_scale import TYPICAL_SD, likeliest_prior
from eng5_runner.measure.model.sketch import centred_variances, mean_variance
from eng5_runner.measure.model.skewness import leverages, mean_beyond_mode, near_leverages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.curvature import Curvature
    from eng5_runner.measure.model.soft import SoftEvidence

__all__ = ["Comparisons", "Extreme", "Fit", "comparisons_from", "fit"]

Extreme: TypeAlias = Literal["undefeated", "winless", "isolated"]
_Vector: TypeAlias = "NDArray[np.float64]"

_STEP_TOLERANCE = 1e-9
_GRADIENT_TOLERANCE = 1e-6
_PRIOR_TOLERANCE = 1e-3  # of log σ, before the last step
_SOLVE_TOLERANCE = 1e-10  # relative, of single columns of the covariance
# Up to this many items the whole covariance is computed, and every standard error comes from it.
_EXACT_UP_TO = 1_500


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: cached properties compute what is slow only when needed
class Fit:
    """The posterior mode and its Laplace approximation. All positions are in logits and centred on zero.

    Attributes:
        comparisons: the judgements that were fitted; all arrays have the order of its n items.
        soft: what the judgements say besides who won, where that is used; None where only wins count.
        theta: shape (n,), the positions; they sum to zero.
        prior_sd: σ, the standard deviation of the positions' prior.
        prior_sd_estimated: whether σ was estimated from the judgements; otherwise the caller gave it.
        spread_shift: shape (n,), by how much each position moves where log σ is one standard error larger, in logits;
            0 where the caller gave σ.
        position_effect: δ, the advantage in logits of being shown first; 0 if not estimated. The prior shrinks δ with
            θ: in simulation by a sixth at 10 judgements per item, a tenth at 20, a sixteenth at 30.
        position_effect_se: the standard error of δ; None if δ was not estimated.
        log_likelihood: of the judgements at the mode, without the prior.
        links: the graph of the judgements.
        converged: whether no component of the gradient at the mode exceeds 1e-6.
        curvature: the negative Hessian H of the log posterior at the mode, as `Posterior.curvature` has it.
    """

    comparisons: Comparisons
    soft: SoftEvidence | None
    theta: _Vector
    prior_sd: float
    prior_sd_estimated: bool
    spread_shift: _Vector
    position_effect: float
    position_effect_se: float | None
    log_likelihood: float
    links: Links = field(repr=False)
    converged: bool
    curvature: Curvature = field(repr=False)

    @property
    def items(self) -> tuple[str, ...]:
        """The n items, in the order of the arrays."""
        return self.comparisons.items

    @property
    def evidence(self) -> Comparisons:
        """What the judgements count for: themselves, or the rows of `soft`."""
        return self.comparisons if self.soft is None else self.soft.rows

    @property
    def log_evidence(self) -> float:
        """The log likelihood with the positions integrated out (Laplace), up to a constant, for σ as it is.

        It takes time of order n³.
        """
        prior = float(np.square(self.theta).sum()) / self.prior_sd**2 / 2.0 + len(self.items) * math.log(self.prior_sd)
        return self.log_likelihood - prior - float(_dense(self.curvature).log_determinant()) / 2.0

    @cached_property
    def by_wins(self) -> Fit:
        """The fit of the wins alone, whatever else the judgements say; this fit where only wins count."""
        return self if self.soft is None else fit(self.comparisons, position_effect=self.position_effect_se is not None)

    @cached_property
    def counts(self) -> _Vector:
        """Number of judgements of each item, shape (n,)."""
        return self.comparisons.counts

    @cached_property
    def wins(self) -> _Vector:
        """Number of judgements that each item won, shape (n,); a tie counts as half."""
        return self.comparisons.wins

    @cached_property
    def covariance(self) -> _Vector:
        """C H⁻¹ C with C = I − 11ᵀ/n, the posterior covariance of `theta`, shape (n, n).

        Exact. The variance of a difference is cov_ii + cov_jj − 2 cov_ij. It takes time of order n³ and 16 n² bytes, so
        use `covariance_among` if there are many items.
        """
        return self.covariance_with_position[:-1, :-1]

    @cached_property
    def standard_errors(self) -> _Vector:
        """The standard error of each position relative to the mean of all, shape (n,), in logits.

        Exact up to 1,500 items. With more items it is approximate, off by .25% on average and by about 1% at most (see
        `sketch`), in time linear in the comparisons.
        """
        return _errors(self.curvature)

    @cached_property
    def mean_variance(self) -> float:
        """The mean of the squared standard errors, in logits²; with more than 1,500 items without these."""
        if isinstance(self.curvature, Sparse) and len(self.items) > _EXACT_UP_TO:
            return mean_variance(self.curvature)
        return float(np.mean(np.square(self.standard_errors)))

    @cached_property
    def posterior_mean(self) -> _Vector:
        """The posterior mean of each position, to second order (Lindley 1980), shape (n,), in logits.

        The mode `theta` has nearly the same order but is closer to the middle, by up to a seventh at 10 judgements per
        item and a tenth at 20. The mean is kept within one standard error of the mode, because the second-order
        approximation is not valid beyond that.
        """
        bounded = np.clip(self._beyond_mode[:-1], -self.standard_errors, self.standard_errors)
        mean: _Vector = self.theta + bounded - bounded.mean()
        return mean

    @cached_property
    def _beyond_mode(self) -> _Vector:
        """The posterior mean of (θ, δ) minus the mode, to second order, shape (n + 1,)."""
        leverage = self.variances_of(self.evidence)
        return mean_beyond_mode(self.mode, comparisons=self.evidence, curvature=self.curvature, leverage=leverage)

    def variances_of(self, rows: Comparisons) -> _Vector:
        """The posterior variance of each row's log odds, shape (rows,); of other judgements of the same items, too.

        Approximate with more than 1,500 items.
        """
        if isinstance(self.curvature, Sparse) and len(self.items) > _EXACT_UP_TO:
            return near_leverages(rows, self.curvature)
        return leverages(rows, self.covariance_with_position)

    def expected_log_odds(self, rows: Comparisons) -> _Vector:
        """The log odds of the first by what is known of the positions, shape (rows,), for judgements that are no part.

        They lie nearer to 0 than at the mode. It is the usual approximation of the mean of expit over a Normal
        distribution.
        """
        spread = rows.by_contrast(self.variances_of(rows), order=2)
        odds: _Vector = rows.log_odds(np.append(self.theta, self.position_effect))
        return odds / np.sqrt(1.0 + math.pi * spread / 8.0)

    def intervals(self, *, level: float = 0.9) -> tuple[_Vector, _Vector]:
        """The lower and upper ends of the positions' intervals, each of shape (n,), in logits.

        The intervals are centred on the posterior mean, and allow for what is not known of σ (Kass and Steffey 1989).
        With few and near pairs, as adaptive designs choose them, the width of the whole scale is known least.
        In simulation, 90% intervals contain the true position in 86 to 91 of 100 cases (docs/validation.md).

        Args:
            level: the nominal coverage, above 0 and below 1.
        """
        margin = float(ndtri((1.0 + level) / 2.0)) * np.hypot(self.errors_at_mean, self.spread_shift)
        return self.posterior_mean - margin, self.posterior_mean + margin

    @cached_property
    def errors_at_mean(self) -> _Vector:
        """The standard errors from the information at the posterior mean, less than at the mode, shape (n,)."""
        return _errors(
            self.posterior.curvature(np.append(self.posterior_mean, self.position_effect), self.prior_sd**-2)
        )

    @cached_property
    def position_effect_mean(self) -> tuple[float, float] | None:
        """The posterior mean of δ to second order, and its standard error there, in logits; None if not estimated.

        The mode `position_effect` is shrunk with θ. In simulation at δ = 1.5, the mean is within a twentieth of the
        truth at 10 judgements per item, where the mode is an eighth too small. The mean is kept within three standard
        errors of the mode, because the second-order approximation is not valid beyond that.
        """
        if self.position_effect_se is None:
            return None
        reach = 3.0 * self.position_effect_se
        mean = self.position_effect + min(max(float(self._beyond_mode[-1]), -reach), reach)
        there = self.posterior.curvature(np.append(self.posterior_mean, mean), self.prior_sd**-2)
        return mean, there.position_se()

    def covariance_among(self, places: Sequence[int]) -> _Vector:
        """The covariance of m items, given by their indices, shape (m, m). The whole covariance is not computed."""
        if isinstance(self.curvature, Dense) or len(self.items) <= _EXACT_UP_TO or "covariance" in self.__dict__:
            return self.covariance[np.ix_(places, places)]
        n, many, asked = len(self.items), len(places), tuple(places)
        if asked not in self._covariances:
            centred_units = np.full((n, many), -1.0 / n)
            centred_units[list(places), np.arange(many)] += 1.0
            solved = self.curvature.solved_with_position(centred_units, tolerance=_SOLVE_TOLERANCE)
            self._covariances[asked] = solved[list(places)]
        return self._covariances[asked].copy()

    @cached_property
    def _covariances(self) -> dict[tuple[int, ...], _Vector]:
        """Those that were asked for, by the items' indices: the anchors' are asked for several times."""
        return {}

    def covariance_of(self, sums: _Vector) -> _Vector:
        """The covariance of k weighted sums of the positions, given by their weights of shape (n, k); shape (k, k).

        >>> from eng5_runner.measure.model.comparisons import comparisons_from
        >>> fitted = fit(comparisons_from(["a", "b", "c"], [("a", "b", 1.0), ("b", "c", 1.0)]))
        >>> contrast = np.array([[1.0], [-1.0], [0.0]])
        >>> known = fitted.covariance
        >>> bool(np.isclose(fitted.covariance_of(contrast), known[0, 0] + known[1, 1] - 2 * known[0, 1]))
        True
        """
        return np.asarray(sums.T @ self.covariance_times(sums))

    def covariance_times(self, columns: _Vector) -> _Vector:
        """The covariance of the positions times k columns, shape (n, k)."""
        if isinstance(self.curvature, Dense) or len(self.items) <= _EXACT_UP_TO or "covariance" in self.__dict__:
            return np.asarray(self.covariance @ columns)
        solved = self.curvature.solved_with_position(columns - columns.mean(axis=0), tolerance=_SOLVE_TOLERANCE)
        return np.asarray(solved - solved.mean(axis=0))

    @cached_property
    def posterior(self) -> Posterior:
        """The log posterior of which `theta` is the mode, as a function of the positions and σ."""
        return posterior_of(self.evidence, position_effect=self.position_effect_se is not None, links=self.links)

    @property
    def mode(self) -> _Vector:
        """θ and δ, shape (n + 1,)."""
        return np.append(self.theta, self.position_effect)

    @property
    def beginning(self) -> tuple[_Vector, float]:
        """Where the search for another fit of these items begins: (θ, δ) and log σ.

        With many items that is here, which saves two thirds of the time. With few it is the same for all fits, so that
        these depend on their judgements alone. With many they do so to two ten-thousandths of a logit, as far as each
        search is exact.
        """
        if isinstance(self.curvature, Dense) or not self.prior_sd_estimated:
            return np.zeros(len(self.items) + 1), math.log(TYPICAL_SD)
        return self.mode, math.log(self.prior_sd)

    @property
    def component(self) -> NDArray[np.int64]:
        """The index of each item's weakly connected component, shape (n,). Only the prior relates different ones."""
        return self.links.component

    @property
    def components(self) -> int:
        """The number of weakly connected components; 1 if judgements connect all items."""
        return int(self.component.max()) + 1

    @cached_property
    def flags(self) -> tuple[Extreme | None, ...]:
        """For each item, why its position depends on the prior more than usual; None for an ordinary item."""
        pairs = zip(self.wins.tolist(), self.counts.tolist(), strict=True)
        return tuple(_extreme(wins=wins, count=count) for wins, count in pairs)

    @cached_property
    def covariance_with_position(self) -> _Vector:
        """The covariance of θ and δ, shape (n + 1, n + 1); the last row and column are 0 if δ was not estimated."""
        return _dense(self.curvature).inverse()


def fit(
    comparisons: Comparisons,
    *,
    prior_sd: float | None = None,
    hyperprior: bool = True,
    position_effect: bool = True,
    soft: SoftEvidence | None = None,
    near: Fit | None = None,
) -> Fit:
    """Find the most probable positions of the items by Newton's method, in time linear in the comparisons.

    Every row counts with its weight; for a judge that repeats itself, see `dependence`.

    Args:
        comparisons: the judgements.
        prior_sd: σ in logits. None estimates it: σ then maximises its Laplace-approximated marginal likelihood.
        hyperprior: whether the estimate of σ has the prior log σ ~ N(log 1.5, 1). It keeps positions from collapsing
            to zero if the judgements say little. It also keeps σ above zero if items do not differ at all, so
            `reliability`, which asks how much they differ, does without it.
        position_effect: whether to estimate δ. δ is unpenalised if both positions have won. If one position won every
            judgement, δ has a N(0, 1) prior, because its likelihood alone has no maximum.
        soft: what the judgements say besides who won, and how it is read; None for wins alone.
        near: a fit of the same items by much the same judgements, to begin there (see `Fit.beginning`).

    Raises:
        ValueError: there are no items, or `prior_sd` is not positive and finite.
    """
    if not comparisons.items:
        raise ValueError("there are no items to place")
    if prior_sd is not None and not (math.isfinite(prior_sd) and prior_sd > 0.0):
        raise ValueError(f"the prior standard deviation must be positive and finite, not {prior_sd!r}")
    rows = comparisons if soft is None else soft.rows
    links = near.links if near is not None and near.links.are_of(rows) else None
    posterior = posterior_of(rows, position_effect=position_effect, links=links)
    start, log_sd = near.beginning if near else (np.zeros(len(comparisons.items) + 1), math.log(TYPICAL_SD))
    shift = np.zeros(len(comparisons.items))
    if prior_sd is not None:
        log_sd = math.log(prior_sd)
    else:
        summit = likeliest_prior(
            posterior, hyperprior=hyperprior, start=start, log_sd=log_sd, tolerance=_PRIOR_TOLERANCE
        )
        start, log_sd, shift = summit.x, float(summit.log_sd), summit.shift[:-1]
    peak = posterior.climb(start, log_sd, tolerance=_STEP_TOLERANCE)
    theta = peak.x[:-1]
    curvature = peak.curvature if rows.certain is None else posterior.curvature(peak.x, peak.precision)
    return Fit(
        comparisons=comparisons,
        soft=soft,
        theta=theta - theta.mean(),
        prior_sd=math.exp(log_sd) if prior_sd is None else prior_sd,
        prior_sd_estimated=prior_sd is None,
        spread_shift=shift,
        position_effect=float(peak.x[-1]),
        position_effect_se=None if posterior.position_precision is None else curvature.position_se(),
        log_likelihood=posterior.log_likelihood(peak.x),
        links=posterior.links,
        converged=bool(np.abs(posterior.gradient(peak.x, peak.precision)).max() < _GRADIENT_TOLERANCE),
        curvature=curvature,
    )


def posterior_of(comparisons: Comparisons, *, position_effect: bool, links: Links | None = None) -> Posterior:
    """The log posterior of some comparisons, as a function of the positions and σ; `links` is their graph, if known."""
    precision = position_precision(comparisons) if position_effect else None
    return Posterior(data=comparisons, links=links or Links.of(comparisons), position_precision=precision)


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
