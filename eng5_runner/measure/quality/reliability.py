"""Reliability: how much of the differences between the estimated positions is real."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, stdtrit

from eng5_runner.measure.model.bradley_terry import Comparisons, Fit, fit
from eng5_runner.measure.model.comparisons import Values, shared_chance
from eng5_runner.measure.model.curvature import stack_shapes
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Posterior, position_precision
from eng5_runner.measure.model.prior_scale import TYPICAL_SD, Summit, likeliest_prior, limit_reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.soft import SoftEvidence

# ε, the usual adjustment of extreme scores in comparative judgement (R package sirt, function btm).
_EDGE = 0.3
# With fewer items a reliability says more about chance than about the judges.
FEWEST_ITEMS = 6
_TWO = 2
_LARGEST_SHARE = 1.0 - 1e-6
_NO_DIFFERENCE = 1e-9  # in logits
# In logits. With a prior this wide, the estimate is the maximum of the likelihood to a ten-thousandth of a judgement.
_NO_PRIOR_SD = 100.0
# Each draw of the bootstrap is a fit, whose cost grows with the items: 200 draws up to 100 items, then fewer, because
# each draw is then more precise.
_MOST_DRAWS, _FEWEST_DRAWS, _DRAWS_TIMES_ITEMS = 200, 40, 20_000
# Beyond this each draw costs about as much as the study's own fit, and all draws are nearly alike.
_MANY_ITEMS, _DRAWS_OF_MANY = 250, 6
# With fewer draws the ends are those of a normal distribution around them, which so few show better than their order.
_FEWEST_FOR_QUANTILES = 20
# Of log σ̂, for the study and for each simulated study.
_TOLERANCE = 1e-6
_DRAW_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrder:
    """How repeatable the judges' own order is. It says nothing of agreement with anyone else.

    Attributes:
        value: ρ_EB, 0 to 1; None where it is not defined.
        interval: of the squared correlation of this study's positions with the true ones, which `value` estimates, by
            parametric bootstrap; it always holds `value`. None where that is None.
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


def own_order(fitted: Fit, *, seed: int, draws: int) -> OwnOrder:
    """ρ_EB with its interval, where it is defined.

    Args:
        fitted: the study.
        seed: of the interval; not negative.
        draws: number of simulated studies behind the interval.
    """
    reason = not_defined(fitted)
    if reason is not None:
        return OwnOrder(value=None, interval=None, separation=None, undefined=reason, spread_at_limit=None)
    evidence = _by_evidence(fitted)
    value = float(_share_real(evidence, len(fitted.items)))
    low, high = _interval(fitted, fitted.comparisons, truth=evidence, seed=seed, draws=draws, level=0.9)
    apart = separation(fitted)
    return OwnOrder(
        value=value,
        interval=(min(low, value), max(high, value)),
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
        return "the items do not differ"
    return None


def empirical_bayes(fitted: Fit) -> float:
    """ρ_EB = 1 − tr(C H⁻¹ C)/((n − 1) σ̂²): the expected squared correlation with the true positions, 0 to 1.

    σ̂ maximises the marginal likelihood alone, whatever prior `fitted` has. With a fixed prior, and less so with the
    hyperprior of `fit`, pure noise would seem reliable: for 60 items judged 10 times by tossing a coin, they give .5
    and .3, and this gives .05. ρ_EB is valid even if pairs were chosen by earlier outcomes, because such a choice does
    not change the likelihood. `own_order` says where it is not defined.

    Returns:
        0 for fewer than two items.
    """
    n = len(fitted.items)
    if n < _TWO:
        return 0.0
    return float(_share_real(_by_evidence(fitted), n))


def reliability_interval(
    fitted: Fit, comparisons: Comparisons, *, seed: int, draws: int = 200, level: float = 0.9
) -> tuple[float, float]:
    """A parametric-bootstrap interval for the squared correlation r² of a study's positions with the true ones.

    Each draw simulates a study: positions from N(0, σ̂²) and outcomes for the same pairs. Then it estimates σ̂ and ρ_EB
    again. The interval is ρ_EB and how far r² is from it in the draws, by artanh r. Draws of ρ_EB alone say how the
    estimate varies, and hold r² in 70 of 100 studies where 90 are claimed: chance moves r² of each study, too.
    With few items all draws are computed together. A row of weight w is judged round(w) times, at least once.
    Where the fit uses what the judges said besides who won, and the pairs are its own, that is drawn again, too.

    Args:
        fitted: the study, which gives σ̂ and δ̂.
        comparisons: the pairs to judge: those of the study, or those of a planned design for the same items.
        seed: not negative; the same seed gives the same interval.
        draws: number of simulated studies; of fewer than 20 a normal distribution gives the ends.
        level: the share of simulated studies between the two ends.

    Raises:
        ValueError: the comparisons are of other items, or the seed is negative.
    """
    if comparisons.items != fitted.items:
        raise ValueError("the comparisons are not of the fitted items")
    if len(fitted.items) < _TWO:
        return 0.0, 0.0
    return _interval(fitted, comparisons, truth=_by_evidence(fitted), seed=seed, draws=draws, level=level)


def _interval(
    fitted: Fit, comparisons: Comparisons, *, truth: Summit, seed: int, draws: int, level: float
) -> tuple[float, float]:
    """The same, with σ̂ by the evidence."""
    generator = np.random.default_rng(seed)
    n, estimated = len(fitted.items), fitted.position_effect_se is not None
    soft = fitted.soft if comparisons is fitted.comparisons else None
    asked = comparisons if soft is None else soft.rows
    links = fitted.posterior.links if asked is fitted.evidence else Links.of(asked)
    estimated_again: list[NDArray[np.float64]] = []
    real: list[NDArray[np.float64]] = []
    sd, effect = math.exp(float(truth.log_sd)), fitted.position_effect if estimated else 0.0
    for shape in stack_shapes(draws, items=n):
        drawn = [
            _drawn(asked, soft, sd=sd, position_effect=effect, generator=generator) for _ in range(math.prod(shape))
        ]
        start, data = np.reshape([x for x, _ in drawn], (*shape, -1)), _stack([data for _, data in drawn], shape=shape)
        again = Posterior(data=data, links=links, position_precision=position_precision(data) if estimated else None)
        summit = likeliest_prior(again, hyperprior=False, start=start, log_sd=truth.log_sd, tolerance=_DRAW_TOLERANCE)
        estimated_again.append(np.ravel(_share_real(summit, n)))
        real.append(np.ravel(_squared_correlation(start[..., :-1], summit.x[..., :-1])))
    claims = _artanh_root(np.concatenate(estimated_again))
    own = comparisons is fitted.comparisons
    about = float(_artanh_root(_share_real(truth, n))) if own else float(np.median(claims))
    low, high = _middle(about + _artanh_root(np.concatenate(real)) - claims, level=level)
    return math.tanh(max(low, 0.0)) ** 2, math.tanh(max(high, 0.0)) ** 2


def _artanh_root(share: Values) -> NDArray[np.float64]:
    """Fisher's scale of r² (artanh r), on which the error of a correlation is nearly the same everywhere."""
    return np.asarray(np.arctanh(np.sqrt(np.minimum(share, _LARGEST_SHARE))))


def _squared_correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row of positions, shape (…); 0 where they do not differ."""
    x, y = (side - side.mean(axis=-1, keepdims=True) for side in (x, y))
    whole = np.square(x).sum(axis=-1) * np.square(y).sum(axis=-1)
    return np.asarray(np.square((x * y).sum(axis=-1)) / np.where(whole > 0.0, whole, 1.0))


def _middle(simulated: NDArray[np.float64], *, level: float) -> tuple[float, float]:
    """The ends between which the given share of such studies lies: quantiles, or of few a prediction interval."""
    tail, many = (1.0 - level) / 2.0, simulated.size
    if many >= _FEWEST_FOR_QUANTILES or many < _TWO:
        low, high = np.quantile(simulated, [tail, 1.0 - tail]).tolist()
        return low, high
    reach = float(stdtrit(many - 1, 1.0 - tail)) * float(simulated.std(ddof=1)) * math.sqrt(1.0 + 1.0 / many)
    middle = float(simulated.mean())
    return middle - reach, middle + reach


def draws_for(items: int) -> int:
    """How many draws `reliability_interval` takes for a study of so many items, wherever it is computed."""
    if items > _MANY_ITEMS:
        return _DRAWS_OF_MANY
    return max(_FEWEST_DRAWS, min(_MOST_DRAWS, _DRAWS_TIMES_ITEMS // items))


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
    )
    spread = float(np.var(unshrunk.theta, ddof=1))
    if spread < np.finfo(float).eps:
        return None
    return 1.0 - unshrunk.mean_variance / spread


def _by_evidence(fitted: Fit) -> Summit:
    """The most likely σ, without a prior on σ."""
    return likeliest_prior(fitted.posterior, hyperprior=False, log_sd=math.log(TYPICAL_SD), tolerance=_TOLERANCE)


def _share_real(summit: Summit, n: int) -> Values:
    share: Values = np.clip(1.0 - summit.unexplained / (n - 1), 0.0, 1.0)
    return share


def _drawn(
    comparisons: Comparisons,
    soft: SoftEvidence | None,
    *,
    sd: float,
    position_effect: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], Comparisons]:
    """True values (θ, δ), shape (n + 1,), and what the pairs' judgements count for under them."""
    theta = generator.normal(0.0, sd, len(comparisons.items))
    truth = np.append(theta - theta.mean(), position_effect)
    if soft is not None:
        return truth, soft.drawn(truth, generator)
    times: NDArray[np.int64] = np.maximum(1, np.rint(comparisons.weight)).astype(np.int64)
    chance = expit(comparisons.log_odds(truth))
    outcome = generator.binomial(times, chance) / times
    shared = shared_chance(comparisons, generator)
    if shared is not None:
        outcome = np.where(np.isnan(shared), outcome, shared < chance)
    return truth, replace(comparisons, outcome=outcome)


def _stack(studies: Sequence[Comparisons], *, shape: tuple[int, ...]) -> Comparisons:
    """Studies of the same pairs as one stack; what is the same in all is not repeated."""
    one = studies[0]
    if one.offset is None:
        return replace(one, outcome=np.reshape([study.outcome for study in studies], (*shape, -1)))
    return replace(
        one,
        outcome=np.reshape([study.outcome for study in studies], (*shape, -1)),
        weight=np.reshape([study.weight for study in studies], (*shape, -1)),
        offset=np.reshape([study.offset for study in studies if study.offset is not None], (*shape, -1)),
    )


def _towards_the_middle(comparisons: Comparisons) -> Comparisons:
    """Shrink the outcomes so that an item with N judgements and score s gets the score ε + (N − 2ε) s/N.

    This is exact if all items have the same N. Otherwise each comparison is shrunk by the mean of its items' shares.
    """
    share = _EDGE / np.maximum(comparisons.counts, 2.0 * _EDGE)
    pull = (share[comparisons.first] + share[comparisons.second]) / 2.0
    return replace(comparisons, outcome=pull + (1.0 - 2.0 * pull) * comparisons.outcome)
