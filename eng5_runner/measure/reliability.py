"""How much of the differences between the estimated positions is real."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from eng5_runner.measure.bradley_terry import Comparisons, Fit, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Half a win short of nothing: the customary adjustment in comparative judgement (R package sirt, function btm).
_EDGE = 0.3
_FEWEST_ITEMS = 2  # one differs from nothing
# So wide in logits that the estimate is the maximum of the likelihood.
_NO_PRIOR_SD = 1000.0


def empirical_bayes(fitted: Fit) -> float:
    """ρ_EB = 1 − tr(C H⁻¹ C)/((n − 1) σ̂²): the expected squared correlation with the true positions, 0 to 1.

    σ̂ maximises the marginal likelihood alone, whatever prior `fitted` was made with: a fixed prior, and to a lesser
    degree the hyperprior of `fit`, would find reliability in pure noise (.5 and .3 for 60 items judged 10 times by the
    toss of a coin; this finds .05). So it costs one more fit. It stays honest when pairs were chosen by earlier
    outcomes, because the likelihood takes no notice of such a choice.
    """
    return _share_real(_by_evidence(fitted))


def reliability_interval(
    fitted: Fit, comparisons: Comparisons, *, seed: int, draws: int = 200, level: float = 0.9
) -> tuple[float, float]:
    """A parametric-bootstrap interval for ρ_EB: positions drawn from N(0, σ̂²), the pairs judged and fitted anew.

    Each draw costs one fit. A row of weight w is judged round(w) times, at least once.

    Args:
        fitted: the study, from which σ̂ and δ̂ are taken.
        comparisons: the pairs to be judged; those of the study, or of a design that is considered for the same items.
        seed: not negative; the same seed gives the same interval.
        draws: how many studies are simulated.
        level: the share of them between the two ends.

    Raises:
        ValueError: the comparisons are of other items, or the seed is negative.
    """
    if comparisons.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    generator = np.random.default_rng(seed)
    by_evidence = _by_evidence(fitted)
    simulated = [
        empirical_bayes(replace(fitted, comparisons=_judged_anew(by_evidence, comparisons, generator=generator)))
        for _ in range(draws)
    ]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(simulated, [tail, 1.0 - tail]).tolist()
    return low, high


def separation(fitted: Fit) -> float | None:
    """Scale separation reliability, SSR = 1 − mean(SE²)/var(θ̂), for comparison with other studies only.

    INFLATED under adaptive pairing: it plugs in the variance of the estimates, and reports .9 for a judge who tosses a
    coin when pairs are chosen by earlier outcomes. Quote ρ_EB (`empirical_bayes`) as the reliability.

    From likelihood estimates with ε = .3 (each score moved by .3 towards the middle, so that undefeated and winless
    items stay finite) and standard errors from the full matrix; costs one more fit. May be negative. None where it is
    undefined: fewer than two items, more than one component, or no variation at all.
    """
    if len(fitted.items) < _FEWEST_ITEMS or fitted.components > 1:
        return None
    unshrunk = fit(
        _towards_the_middle(fitted.comparisons),
        prior_sd=_NO_PRIOR_SD,
        position_effect=fitted.position_effect_se is not None,
    )
    spread = float(np.var(unshrunk.theta, ddof=1))
    if spread < np.finfo(float).eps:
        return None
    return 1.0 - float(np.mean(np.diag(unshrunk.covariance))) / spread


def _by_evidence(fitted: Fit) -> Fit:
    """The same study with the σ that its judgements alone speak for."""
    return fit(fitted.comparisons, hyperprior=False, position_effect=fitted.position_effect_se is not None)


def _share_real(fitted: Fit) -> float:
    n = len(fitted.items)
    if n < _FEWEST_ITEMS:
        return 0.0
    left = float(np.trace(fitted.covariance)) / ((n - 1) * fitted.prior_sd**2)
    return min(1.0, max(0.0, 1.0 - left))


def _judged_anew(fitted: Fit, comparisons: Comparisons, *, generator: np.random.Generator) -> Comparisons:
    theta = generator.normal(0.0, fitted.prior_sd, len(fitted.items))
    eta = theta[comparisons.first] - theta[comparisons.second] + fitted.position_effect
    times: NDArray[np.int64] = np.maximum(1, np.rint(comparisons.weight)).astype(np.int64)
    return replace(comparisons, outcome=generator.binomial(times, expit(eta)) / times)


def _towards_the_middle(comparisons: Comparisons) -> Comparisons:
    """The outcomes shrunk so that an item with N judgements and score s has ε + (N − 2ε) s/N.

    Exactly so where all items have the same N; otherwise a comparison takes the mean of its two items' shares.
    """
    share = _EDGE / np.maximum(comparisons.counts, 2.0 * _EDGE)
    pull = (share[comparisons.first] + share[comparisons.second]) / 2.0
    return replace(comparisons, outcome=pull + (1.0 - 2.0 * pull) * comparisons.outcome)
