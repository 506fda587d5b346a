"""How often a judge answers without looking: P(first wins) = λ/2 + (1 − λ) expit(θ_first − θ_second + δ).

A lapse shows in upsets of pairs that are far apart, which the plain model can only explain by a narrower spread. So λ
and the spread σ are judged together: each by the marginal likelihood of the judgements, the positions integrated out
by Laplace's approximation with the expected information.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

# Each look is a fit of cubic cost, and there are eighty of them.
MOST_ITEMS = 60
_LAPSES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.45, 0.5)
_LOG_SPREADS = (-0.2, 0.05, 0.3, 0.55, 0.8)  # about that of the plain fit, which lapses make too narrow
_TYPICAL_LOG_SD, _LOG_SD_SPREAD = math.log(1.5), 0.5  # the same hyperprior as the fit's
_FREE_PRECISION, _FIXED_PRECISION = 1e-6, 1e12
_MOST_STEPS = 40
# In logits; the value at the top is then off by its square.
_STEP_TOLERANCE = 2e-3
_DROP_90 = 1.353  # half the 90% point of chi-squared with one degree of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """The share of answers given without looking.

    Attributes:
        rate: λ, 0 to .5.
        interval: the values whose likelihood is within 1.353 of the best (90%), among the sixteen that were tried.
    """

    rate: float
    interval: tuple[float, float]


def lapse_rate(fitted: Fit) -> Lapse | None:
    """The lapse rate of the fitted judgements; None beyond 60 items, or without any judgement."""
    if len(fitted.items) > MOST_ITEMS or not fitted.comparisons.first.size:
        return None
    model, x = _Model.of(fitted), np.append(fitted.theta, fitted.position_effect)
    profile = []
    for lapse in _LAPSES:
        value, x = _best_over_spreads(model, lapse, start=x)
        profile.append(value)
    best = int(np.argmax(profile))
    inside = [lapse for lapse, value in zip(_LAPSES, profile, strict=True) if value >= profile[best] - _DROP_90]
    return Lapse(rate=_vertex(profile, best), interval=(inside[0], inside[-1]))


def _vertex(profile: Sequence[float], best: int) -> float:
    """Between the points of the grid, by the parabola through the best and its neighbours."""
    if best in {0, len(_LAPSES) - 1}:
        return _LAPSES[best]
    around = slice(best - 1, best + 2)
    bend, slope, _ = np.polyfit(_LAPSES[around], profile[around], 2).tolist()
    return -slope / (2.0 * bend) if bend < 0.0 else _LAPSES[best]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """The judgements with x = (θ, δ), one entry a row of comparisons in each array.

    Attributes:
        places: where a row counts in the information, as indices of the flattened matrix, shape (8, rows).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcome: _Floats
    weight: _Floats
    places: NDArray[np.int64]
    prior_sd: float
    has_position: bool

    @classmethod
    def of(cls, fitted: Fit) -> _Model:
        """The model of a plain fit's judgements."""
        data, last = fitted.comparisons, len(fitted.items)
        one, other, position = data.first, data.second, np.full(data.first.size, last)
        pairs = ((one, one), (other, other), (one, position), (position, one))
        against = ((one, other), (other, one), (other, position), (position, other))
        return cls(
            first=one,
            second=other,
            outcome=data.outcome,
            weight=data.weight,
            places=np.array([row * (last + 1) + column for row, column in (*pairs, *against)]),
            prior_sd=fitted.prior_sd,
            has_position=fitted.position_effect_se is not None,
        )

    def at(self, x: _Floats, *, lapse: float, prior: _Floats) -> tuple[float, _Floats, _Floats]:
        """The log posterior, its gradient and the expected information."""
        eta = x[self.first] - x[self.second] + x[-1]
        p, q = expit(eta), expit(-eta)
        won, lost = (np.maximum(lapse / 2.0 + (1.0 - lapse) * share, 1e-300) for share in (p, q))
        value = float(self.weight @ (self.outcome * np.log(won) + (1.0 - self.outcome) * np.log(lost)))
        slope = (1.0 - lapse) * p * q / np.maximum(won * lost, 1e-300)
        pull = self.weight * slope * (self.outcome - won)
        gradient = np.bincount(self.first, pull, x.size) - np.bincount(self.second, pull, x.size) - prior * x
        gradient[-1] += pull.sum()
        known = self.weight * slope**2 * won * lost
        signed = np.concatenate([known] * 4 + [-known] * 4)
        summed: _Floats = np.bincount(self.places.ravel(), signed, x.size**2).astype(np.float64)
        information = summed.reshape(x.size, x.size) + np.diag(prior)
        information[-1, -1] += known.sum()
        return value - 0.5 * float((prior * x * x).sum()), gradient, information


def _best_over_spreads(model: _Model, lapse: float, *, start: _Floats) -> tuple[float, _Floats]:
    """The highest log marginal likelihood over the spreads, and the mode there."""
    best, top, x = -math.inf, start, start
    for step in _LOG_SPREADS:
        log_sd = math.log(model.prior_sd) + step
        value, x = _marginal(model, lapse, log_sd=log_sd, start=x)
        value -= 0.5 * ((log_sd - _TYPICAL_LOG_SD) / _LOG_SD_SPREAD) ** 2
        if value > best:
            best, top = value, x
    return best, top


def _marginal(model: _Model, lapse: float, *, log_sd: float, start: _Floats) -> tuple[float, _Floats]:
    """The log marginal likelihood at one λ and σ, and the mode, by Fisher's scoring."""
    prior = np.full(start.size, math.exp(-2.0 * log_sd))
    prior[-1] = _FREE_PRECISION if model.has_position else _FIXED_PRECISION
    x = start
    value, gradient, information = model.at(x, lapse=lapse, prior=prior)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(information, gradient)
        while True:
            ahead, gradient, information = model.at(x + step, lapse=lapse, prior=prior)
            if ahead >= value or float(np.abs(step).max()) < _STEP_TOLERANCE:
                break
            step = step / 2.0
        x, value = x + step, ahead
        if float(np.abs(step).max()) < _STEP_TOLERANCE:
            break
    _, log_determinant = np.linalg.slogdet(information)
    return value - (x.size - 1) * log_sd - 0.5 * float(log_determinant), x
