"""How much of the differences between the estimated positions is real."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from eng5_runner.measure.bradley_terry import Comparisons, Fit, fit, posterior_of
from eng5_runner.measure.evidence import TYPICAL_SD, Summit, likeliest_prior
from eng5_runner.measure.links import Links
from eng5_runner.measure.posterior import Posterior, position_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Half a win short of nothing: the customary adjustment in comparative judgement (R package sirt, function btm).
_EDGE = 0.3
_FEWEST_ITEMS = 2  # one differs from nothing
# So wide in logits that the estimate is the maximum of the likelihood, to a ten-thousandth of a judgement.
_NO_PRIOR_SD = 100.0
# Of log σ̂: of the study itself and of each study simulated after it.
_TOLERANCE = 1e-6
_DRAW_TOLERANCE = 1e-2


def empirical_bayes(fitted: Fit) -> float:
    """ρ_EB = 1 − tr(C H⁻¹ C)/((n − 1) σ̂²): the expected squared correlation with the true positions, 0 to 1.

    σ̂ maximises the marginal likelihood alone, whatever prior `fitted` was made with: a fixed prior, and to a lesser
    degree the hyperprior of `fit`, would find reliability in pure noise (.5 and .3 for 60 items judged 10 times by the
    toss of a coin; this finds .05). It stays honest when pairs were chosen by earlier outcomes, because the likelihood
    takes no notice of such a choice.
    """
    n = len(fitted.items)
    if n < _FEWEST_ITEMS:
        return 0.0
    return _share_real(_by_evidence(fitted), n)


def reliability_interval(
    fitted: Fit, comparisons: Comparisons, *, seed: int, draws: int = 200, level: float = 0.9
) -> tuple[float, float]:
    """A parametric-bootstrap interval for ρ_EB: positions drawn from N(0, σ̂²), the pairs judged and fitted anew.

    Each draw costs one search for σ̂, without any covariance, started at the drawn truth. A row of weight w is judged
    round(w) times, at least once.

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
    n, estimated = len(fitted.items), fitted.position_effect_se is not None
    if n < _FEWEST_ITEMS:
        return 0.0, 0.0
    truth = _by_evidence(fitted)
    links, simulated = Links.of(comparisons), []
    for _ in range(draws):
        theta = generator.normal(0.0, math.exp(truth.log_sd), n)
        start = np.append(theta - theta.mean(), fitted.position_effect if estimated else 0.0)
        data = _judged_anew(comparisons, start, generator=generator)
        anew = Posterior(data=data, links=links, position_precision=position_precision(data) if estimated else None)
        summit = likeliest_prior(anew, hyperprior=False, start=start, log_sd=truth.log_sd, tolerance=_DRAW_TOLERANCE)
        simulated.append(_share_real(summit, n))
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
    return 1.0 - float(np.mean(np.square(unshrunk.standard_errors))) / spread


def _by_evidence(fitted: Fit) -> Summit:
    """The σ that the judgements alone speak for."""
    posterior = posterior_of(fitted.comparisons, position_effect=fitted.position_effect_se is not None)
    return likeliest_prior(posterior, hyperprior=False, log_sd=math.log(TYPICAL_SD), tolerance=_TOLERANCE)


def _share_real(summit: Summit, n: int) -> float:
    return min(1.0, max(0.0, 1.0 - summit.unexplained / (n - 1)))


def _judged_anew(
    comparisons: Comparisons, truth: NDArray[np.float64], *, generator: np.random.Generator
) -> Comparisons:
    """Judgements of the same pairs by a judge to whom `truth` is (θ, δ)."""
    eta = truth[comparisons.first] - truth[comparisons.second] + truth[-1]
    times: NDArray[np.int64] = np.maximum(1, np.rint(comparisons.weight)).astype(np.int64)
    return replace(comparisons, outcome=generator.binomial(times, expit(eta)) / times)


def _towards_the_middle(comparisons: Comparisons) -> Comparisons:
    """The outcomes shrunk so that an item with N judgements and score s has ε + (N − 2ε) s/N.

    Exactly so where all items have the same N; otherwise a comparison takes the mean of its two items' shares.
    """
    share = _EDGE / np.maximum(comparisons.counts, 2.0 * _EDGE)
    pull = (share[comparisons.first] + share[comparisons.second]) / 2.0
    return replace(comparisons, outcome=pull + (1.0 - 2.0 * pull) * comparisons.outcome)
