"""Reliability: how much of the differences between the estimated positions is real."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from eng5_runner.measure.model.bradley_terry import Comparisons, Fit, fit
from eng5_runner.measure.model.prior_scale import Summit, likeliest_prior, limit_reached
from eng5_runner.measure.quality.true_order import interval_of_share

if TYPE_CHECKING:
    from eng5_runner.measure.model.comparisons import Values

# ε, the usual adjustment of extreme scores in comparative judgement (R package sirt, function btm).
_EDGE = 0.3
# With fewer items a reliability says more about chance than about the judges.
FEWEST_ITEMS = 6
_TWO = 2
_NO_DIFFERENCE = 1e-9  # in logits
NO_DIFFERENCE = "the items do not differ"
"""Why there is no reliability where every item has the same position."""
# In logits. With a prior this wide, the estimate is the maximum of the likelihood to a ten-thousandth of a judgement.
_NO_PRIOR_SD = 100.0
# Of log σ̂.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrder:
    """How repeatable the judges' own order is. It says nothing of agreement with anyone else.

    Attributes:
        value: ρ_EB, 0 to 1; None where it is not defined.
        interval: of the squared correlation of this study's positions with the true ones, which `value` estimates; it
            always holds `value`. None where that is None.
        separation: the scale separation reliability, 0 to 1, to compare with other studies; None where it is not
            defined, and where the standard errors exceed the differences, so that it would be negative.
        undefined: why there is no `value`, in words; None where there is one.
        spread_at_limit: whether the judgements alone do not bound σ: they never contradict the order (σ is at the
            upper end of its range), or show no difference at all (the lower end).
    """

    value: float | None
    interval: tuple[float, float] | None
    separation: float | None
    undefined: str | None
    spread_at_limit: Literal["upper", "lower"] | None


def own_order(fitted: Fit) -> OwnOrder:
    """ρ_EB with its 90% interval, where it is defined."""
    reason = not_defined(fitted)
    if reason is not None:
        return OwnOrder(value=None, interval=None, separation=None, undefined=reason, spread_at_limit=None)
    evidence = _by_evidence(fitted)
    value = float(_share_real(evidence, len(fitted.items)))
    apart = separation(fitted)
    return OwnOrder(
        value=value,
        interval=_interval(fitted, evidence, level=0.9),
        separation=apart if apart is not None and apart >= 0.0 else None,
        undefined=None,
        spread_at_limit=limit_reached(float(evidence.log_sd)),
    )


def not_defined(fitted: Fit) -> str | None:
    """Why a reliability would mean nothing, in words; None where it means something."""
    if len(fitted.items) < FEWEST_ITEMS:
        return f"it needs at least {FEWEST_ITEMS} items"
    parts = int(np.count_nonzero(np.bincount(fitted.component) > 1))
    if parts > 1:
        return f"the comparisons fall into {parts} parts that nothing links"
    if float(np.ptp(fitted.theta)) < _NO_DIFFERENCE:
        return NO_DIFFERENCE
    return None


def empirical_bayes(fitted: Fit) -> float:
    """ρ_EB = 1 − tr(C H⁻¹ C)/((n − 1) σ̂²): the expected squared correlation with the true positions, 0 to 1.

    σ̂ maximises the marginal likelihood alone, whatever prior `fitted` has. With a fixed prior, and less so with the
    hyperprior of `fit`, pure noise would seem reliable: for 60 items judged 10 times by tossing a coin, they give .5
    and .2, and this gives .05. ρ_EB is valid even if pairs were chosen by earlier outcomes, because such a choice does
    not change the likelihood. `own_order` says where it is not defined.

    Returns:
        0 for fewer than two items.
    """
    n = len(fitted.items)
    if n < _TWO:
        return 0.0
    return float(_share_real(_by_evidence(fitted), n))


def reliability_interval(fitted: Fit, *, level: float = 0.9) -> tuple[float, float]:
    """An interval for the squared correlation r² of this study's positions with the true ones.

    It knows how ρ_EB errs, because σ is not known, and how chance moves r² of each study: see `true_order`.

    Args:
        fitted: the study.
        level: the probability between the two ends.
    """
    if len(fitted.items) < _TWO:
        return 0.0, 0.0
    return _interval(fitted, _by_evidence(fitted), level=level)


def _interval(fitted: Fit, evidence: Summit, *, level: float) -> tuple[float, float]:
    """The same, with σ̂ by the evidence; it always holds ρ_EB."""
    value = float(_share_real(evidence, len(fitted.items)))
    low, high = interval_of_share(fitted.posterior, evidence, share=value, level=level)
    return min(low, value), max(high, value)


def separation(fitted: Fit) -> float | None:
    """Scale separation reliability, SSR = 1 − mean(SE²)/var(θ̂). Use it only to compare with other studies.

    SSR is inflated under adaptive pairing. It uses the variance of the estimates, and reports .9 for a judge who tosses
    a coin if pairs were chosen by earlier outcomes. Report ρ_EB (`empirical_bayes`) as the reliability.

    The estimates are those of the likelihood with ε = .3: each score is moved by .3 towards the middle, so that
    undefeated and winless items have finite positions. The standard errors come from the full matrix. It takes one more
    fit.

    Returns:
        SSR, which can be negative. None if it is undefined: fewer than two items, more than one component, or no
        variation. `own_order` states it only where it means something.
    """
    if len(fitted.items) < _TWO or fitted.components > 1:
        return None
    unshrunk = fit(
        _towards_the_middle(fitted.evidence),
        prior_sd=_NO_PRIOR_SD,
        position_effect=fitted.position_effect_se is not None,
        near=fitted,
    )
    spread = float(np.var(unshrunk.theta, ddof=1))
    if spread < np.finfo(float).eps:
        return None
    return 1.0 - unshrunk.mean_variance / spread


def _by_evidence(fitted: Fit) -> Summit:
    """The most likely σ, without a prior on σ."""
    start, log_sd = fitted.beginning
    summit = likeliest_prior(fitted.posterior, hyperprior=False, start=start, log_sd=log_sd, tolerance=_TOLERANCE)
    if fitted.evidence.certain is None:
        return summit
    has_position, sd = fitted.position_effect_se is not None, math.exp(float(summit.log_sd))
    there = fit(fitted.evidence, prior_sd=sd, position_effect=has_position, near=fitted)
    return replace(summit, unexplained=len(fitted.items) * there.mean_variance / sd**2)


def _share_real(summit: Summit, n: int) -> Values:
    share: Values = np.clip(1.0 - summit.unexplained / (n - 1), 0.0, 1.0)
    return share


def _towards_the_middle(comparisons: Comparisons) -> Comparisons:
    """Shrink the outcomes so that an item with N judgements and score s gets the score ε + (N − 2ε) s/N.

    This is exact if all items have the same N. Otherwise each comparison is shrunk by the mean of its items' shares.
    """
    share = _EDGE / np.maximum(comparisons.counts, 2.0 * _EDGE)
    pull = (share[comparisons.first] + share[comparisons.second]) / 2.0
    return replace(comparisons, outcome=pull + (1.0 - 2.0 * pull) * comparisons.outcome)
