"""The fit of soft judgements: positions together with the parameters of the judges' scales.

The parameters maximise the likelihood with the positions integrated out approximately: by turns, the positions are
fitted, and the parameters follow from the positions' posterior (an EM algorithm; a few rounds are enough).
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.curvature import Sparse
from eng5_runner.measure.model.skewness import leverages
from eng5_runner.measure.model.soft import WINS, Reading, SoftEvidence, SoftJudgements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons
    from eng5_runner.measure.model.soft import Scale

_Floats: TypeAlias = "NDArray[np.float64]"

_LEAST_STEP, _MOST_STEP = -7.0, 4.0  # between two thresholds, as the logarithm of logits
_LEAST_CHANCE = 1e-300
# Gauss and Hermite's nodes for the standard Normal distribution, and their shares.
NODES = (-2.8569700138728056, -1.3556261799742657, 0.0, 1.3556261799742657, 2.8569700138728056)
SHARES = (0.011257411327720691, 0.22207592200561263, 0.5333333333333333, 0.22207592200561263, 0.011257411327720691)
_LEAST_SCALE = 1e-2
_MOST_CONSISTENT = 20.0  # median size of the log odds in units of the scale
_MOST_ROUNDS = 40
_ENOUGH = 0.01  # relative change of the parameters


def fit_read(
    comparisons: Comparisons,
    soft: SoftJudgements,
    *,
    scales: Mapping[int, Scale],
    position_effect: bool,
    prior_sd: float | None = None,
    start: Sequence[Reading] | None = None,
) -> Fit:
    """Fit the positions together with the parameters of the judges' scales; the readings are in the fit's `soft`.

    Args:
        comparisons: the judgements as they count.
        soft: the same judgements one by one.
        scales: the index of a judge → the scale on which it is read; a judge that is not there counts by its wins.
        position_effect: whether to estimate δ.
        prior_sd: as for `fit`.
        start: readings to start from; None for usual ones.
    """
    readings = tuple(
        start or (_usual(soft, judge=judge, scale=scales.get(judge, "wins")) for judge in range(len(soft.judges)))
    )
    for _ in range(_MOST_ROUNDS):
        fitted = fit(
            comparisons,
            soft=SoftEvidence(judgements=soft, readings=readings),
            prior_sd=prior_sd,
            position_effect=position_effect,
        )
        seen, spread = posterior_of_rows(fitted, soft)
        before, readings = (
            readings,
            tuple(
                _improved(reading, soft, judge=judge, seen=seen, spread=spread)
                for judge, reading in enumerate(readings)
            ),
        )
        if _change(before, readings) < _ENOUGH:
            break
    return fitted


def posterior_of_rows(fitted: Fit, soft: SoftJudgements) -> tuple[_Floats, _Floats]:
    """The mode and the standard deviation of θ_first − θ_second + δ of some judgements, both of shape (rows,)."""
    data = soft.data
    if isinstance(fitted.curvature, Sparse):
        # As if the two items were not related, which is nearly true with many items.
        leverage = 1.0 / fitted.curvature.diagonal[data.first] + 1.0 / fitted.curvature.diagonal[data.second]
    else:
        leverage = leverages(data, fitted.covariance_with_position)
    return data.contrasts(np.append(fitted.theta, fitted.position_effect)), np.sqrt(np.maximum(leverage, 0.0))


def _usual(soft: SoftJudgements, *, judge: int, scale: Scale) -> Reading:
    own = soft.judge == judge
    if scale == "confidence":
        levels = int(soft.level[own].max(initial=0))
        return Reading(scale, tuple(np.arange(1.0, levels).tolist())) if levels > 1 else WINS
    if scale == "probability":
        sizes = np.abs(soft.log_odds[own & ~soft.is_bound])
        sizes = sizes[~np.isnan(sizes)]
        return Reading(scale, (max(float(np.median(sizes)) / 2.0, _LEAST_SCALE),)) if sizes.size else WINS
    return WINS


def _improved(reading: Reading, soft: SoftJudgements, *, judge: int, seen: _Floats, spread: _Floats) -> Reading:
    """The parameters that are most likely for the posterior of the positions."""
    if reading.scale == "wins":
        return reading
    own = (soft.judge == judge) & (soft.sign != 0.0)
    rows = soft.rows(own)
    # As the winner sees it, at each node of the quadrature, shape (nodes, rows).
    eta = rows.sign * (seen[own] + np.array(NODES)[:, None] * spread[own])
    share = np.array(SHARES)[:, None] * rows.data.weight
    if reading.scale == "confidence":
        start = np.log(np.diff(np.array([0.0, *reading.parameters])))
        cost = partial(_of_thresholds, eta=eta, share=share, level=rows.level)
        best = minimize(cost, start, jac=True, method="L-BFGS-B")
        steps = np.exp(np.clip(best.x, _LEAST_STEP, _MOST_STEP))
        return Reading(reading.scale, tuple(np.cumsum(steps).tolist()))
    known = ~np.isnan(rows.log_odds)
    cost = partial(
        _of_scale,
        eta=eta[:, known],
        share=share[:, known],
        log_odds=rows.log_odds[known],
        is_bound=rows.is_bound[known],
    )
    # A judge that scores each essay by itself never contradicts itself: without a limit, its error would go to 0.
    least = max(float(np.median(np.abs(rows.log_odds[known]))) / _MOST_CONSISTENT, _LEAST_SCALE)
    best = minimize(cost, np.log(reading.parameters), jac=True, method="L-BFGS-B")
    return Reading(reading.scale, (max(math.exp(float(best.x[0])), least),))


def _of_thresholds(
    log_steps: _Floats, *, eta: _Floats, share: _Floats, level: NDArray[np.int64]
) -> tuple[float, _Floats]:
    """Minus the expected log likelihood, and its gradient, by the logs of the steps between thresholds."""
    steps = np.exp(np.clip(log_steps, _LEAST_STEP, _MOST_STEP))
    ends = np.concatenate([[0.0], np.cumsum(steps), [np.inf]])
    graded = level > 0
    eta, share, level = eta[:, graded], share[:, graded], level[graded]
    above, below = expit(eta - ends[level - 1]), expit(eta - ends[level])
    chance = np.maximum(above - below, _LEAST_CHANCE)
    by_lower = -above * (1.0 - above) / chance * share
    by_upper = below * (1.0 - below) / chance * share
    size = ends.size
    by_end = np.bincount(level - 1, by_lower.sum(axis=0), size) + np.bincount(level, by_upper.sum(axis=0), size)
    by_step = np.cumsum(by_end[1:-1][::-1])[::-1] * steps
    return -float((share * np.log(chance)).sum()), -by_step


def _of_scale(
    log_scale: _Floats, *, eta: _Floats, share: _Floats, log_odds: _Floats, is_bound: NDArray[np.bool_]
) -> tuple[float, _Floats]:
    """Minus the expected log likelihood, and its gradient, by log b."""
    value = log_odds * math.exp(-float(log_scale[0]))
    over = eta - value
    exact = ~is_bound
    likely = log_expit(over) + exact * (log_expit(-over) - log_scale[0])
    # d(over)/d(log b) = value
    slope = expit(-over) * value - exact * (expit(over) * value + 1.0)
    return -float((share * likely).sum()), -np.array([float((share * slope).sum())])


def _change(before: Sequence[Reading], after: Sequence[Reading]) -> float:
    pairs = [
        (a, b) for x, y in zip(before, after, strict=True) for a, b in zip(x.parameters, y.parameters, strict=True)
    ]
    return max((abs(math.log(b / a)) for a, b in pairs), default=0.0)
