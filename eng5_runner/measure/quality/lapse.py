"""The lapse rate λ: how often a judge answers at random.

The model is P(first wins) = λ/2 + (1 − λ) expit(θ_first − θ_second + δ). Lapses show as upsets in pairs that are far
apart. The model without lapses can explain such upsets only by a smaller spread, so λ and the spread σ are estimated
together. The likelihood of both is marginal: positions are integrated out by Laplace's approximation with the expected
information.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Comparisons, chance_of, summed_at
from eng5_runner.measure.model.curvature import Dense, Information
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.prior_scale import LOG_SD_SPREAD, TYPICAL_SD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

# Each of the eighty points of the grid takes a fit of cubic cost.
MOST_ITEMS = 60
_LAPSES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.45, 0.5)
_LOG_SPREADS = (-0.2, 0.05, 0.3, 0.55, 0.8)  # relative to the fit's log σ, which lapses make too small
_FREE_PRECISION = 1e-6
_MOST_STEPS = 40
# A step whose predicted gain of the log posterior is below this ends the search.
_RISE_TOLERANCE = 1e-6
# Below this one, a point rests while the others go on: most have arrived after a quarter of the steps of the slowest.
_NO_RISE = 1e-10
_DROP_90 = 1.353  # half the 90% point of chi-squared with one degree of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """The share of answers at random.

    Attributes:
        rate: λ, 0 to .5.
        interval: the 90% profile-likelihood interval, among the sixteen values of the grid: those whose log likelihood
            is within 1.353 of the best.
    """

    rate: float
    interval: tuple[float, float]


def lapse_rate(fitted: Fit) -> Lapse | None:
    """The lapse rate of the fitted judgements; None above 60 items, or if there are no judgements."""
    if len(fitted.items) > MOST_ITEMS or not fitted.comparisons.first.size:
        return None
    lapses, log_sds = np.meshgrid(_LAPSES, math.log(fitted.prior_sd) + np.array(_LOG_SPREADS), indexing="ij")
    model = _Model(
        data=fitted.comparisons,
        links=Links.of(fitted.comparisons),
        lapse=lapses.reshape(-1, 1),
        precision=np.exp(-2.0 * log_sds.ravel()),
        position_precision=None if fitted.position_effect_se is None else _FREE_PRECISION,
    )
    marginals = model.marginals(np.append(fitted.theta, fitted.position_effect)).reshape(lapses.shape)
    profile = (marginals - 0.5 * ((log_sds - math.log(TYPICAL_SD)) / LOG_SD_SPREAD) ** 2).max(axis=1).tolist()
    best = int(np.argmax(profile))
    inside = [lapse for lapse, value in zip(_LAPSES, profile, strict=True) if value >= profile[best] - _DROP_90]
    return Lapse(rate=_vertex(profile, best), interval=(inside[0], inside[-1]))


def _vertex(profile: Sequence[float], best: int) -> float:
    """The maximum between the points of the grid: that of the parabola through the best point and its neighbours."""
    if best in {0, len(_LAPSES) - 1}:
        return _LAPSES[best]
    around = slice(best - 1, best + 2)
    bend, slope, _ = np.polyfit(_LAPSES[around], profile[around], 2).tolist()
    return -slope / (2.0 * bend) if bend < 0.0 else _LAPSES[best]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """The log posterior and its derivatives at x = (θ, δ), for each point of the grid.

    Attributes:
        value: of the log posterior, shape (points,).
        gradient: shape (points, n + 1).
        expected: the expected information of each row about its log odds, shape (points, rows).
        steep: the larger of the expected and the observed information, shape (points, rows). The observed information
            is negative for upsets; with the expected one alone the search takes forty steps for λ of .3 and more.
    """

    value: _Floats
    gradient: _Floats
    expected: _Floats
    steep: _Floats

    def part(self, points: NDArray[np.bool_]) -> _View:
        """Of some of the points."""
        return _View(
            value=self.value[points],
            gradient=self.gradient[points],
            expected=self.expected[points],
            steep=self.steep[points],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """The judgements at several points of the grid, each with its λ and σ.

    Attributes:
        data: the judgements.
        links: the graph of the judgements.
        lapse: λ, shape (points, 1).
        precision: σ⁻², shape (points,).
        position_precision: of δ's prior; None if δ is not estimated.
    """

    data: Comparisons
    links: Links
    lapse: _Floats
    precision: _Floats
    position_precision: float | None

    def marginals(self, start: _Floats) -> _Floats:
        """The log marginal likelihood at each point, shape (points,); all modes are searched for together."""
        x = np.tile(start, (self.precision.size, 1))
        moving, model, here = np.arange(self.precision.size), self, self._at(x)
        for _ in range(_MOST_STEPS):
            step = model._curvature(here.steep).solve(here.gradient)
            rise = (here.gradient * step).sum(axis=-1)
            while True:
                ahead = model._at(x[moving] + step)
                beyond = (ahead.value < here.value) & (rise >= _RISE_TOLERANCE)
                if not beyond.any():
                    break
                share = np.where(beyond, 0.5, 1.0)
                step, rise = step * share[:, None], rise * share
            x[moving] += step
            if float(rise.max()) < _RISE_TOLERANCE:
                break
            left = rise >= _NO_RISE
            moving, model, here = moving[left], model._part(left), ahead.part(left)
        here = self._at(x)
        prior = len(self.data.items) * np.log(self.precision)
        return here.value + 0.5 * (prior - self._curvature(here.expected).log_determinant())

    def _part(self, points: NDArray[np.bool_]) -> _Model:
        return replace(self, lapse=self.lapse[points], precision=self.precision[points])

    def _at(self, x: _Floats) -> _View:
        data, size = self.data, x.shape[1]
        eta = x[:, data.first] - x[:, data.second] + x[:, -1:]
        p, q = chance_of(eta), chance_of(-eta)
        won, lost = (np.maximum(self.lapse / 2.0 + (1.0 - self.lapse) * share, 1e-300) for share in (p, q))
        likely = (data.weight * (data.outcome * np.log(won) + (1.0 - data.outcome) * np.log(lost))).sum(axis=-1)
        slope = (1.0 - self.lapse) * p * q / np.maximum(won * lost, 1e-300)
        pull = data.weight * slope * (data.outcome - won)
        prior = np.zeros_like(x)
        prior[:, :-1] = self.precision[:, None]
        gradient = summed_at(data.first, pull, size=size) - summed_at(data.second, pull, size=size) - prior * x
        if self.position_precision is not None:
            gradient[:, -1] = pull.sum(axis=-1) - self.position_precision * x[:, -1]
        expected = data.weight * slope**2 * won * lost
        squares = data.outcome * lost**2 + (1.0 - data.outcome) * won**2
        observed = data.weight * slope**2 * squares - pull * (q - p)
        return _View(
            value=likely - 0.5 * (prior * x * x).sum(axis=-1),
            gradient=gradient,
            expected=expected,
            steep=np.maximum(observed, expected),
        )

    def _curvature(self, by_row: _Floats) -> Dense:
        return Dense.of(
            Information(
                data=self.data,
                links=self.links,
                by_row=by_row,
                precision=self.precision,
                position_precision=self.position_precision,
            )
        )
