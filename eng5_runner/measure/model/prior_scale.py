"""The σ of greatest evidence: where the slope of the Laplace-approximated marginal likelihood in log σ is zero.

With x̂ the mode and s = log σ, log evidence = l(x̂) − θ̂ᵀθ̂/2σ² − n s − ½ log|H|, whose derivative is

    θ̂ᵀθ̂/σ² − n + tr(H⁻¹)_θθ/σ² − ½ Σ_c v'_c (b_cᵀẋ)(b_cᵀH⁻¹b_c),    ẋ = dx̂/ds = H⁻¹ 2θ̂/σ²,

with b_c = e_first − e_second + e_δ the row of a comparison and v' = w p (1 − p)(1 − 2p) the change of its information.
No determinant is needed: with few items the inverse gives all of it, with many the sketch of it does.

Of a stack of studies (see `Comparisons`) each finds its own σ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Values, summed_at
from eng5_runner.measure.model.curvature import Dense, Sparse
from eng5_runner.measure.model.posterior import Peak, Posterior
from eng5_runner.measure.model.sketch import Sketch, Walks, starting_signs
from eng5_runner.measure.model.skewness import leverages, turning

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"

TYPICAL_SD = 1.5
_LOG_SD_SPREAD = 0.5
_LOG_SD_REACH = 4.0
_LONGEST_STEP = 1.0  # of log σ
_CLIMB_TOLERANCE = 1e-3  # the mode's error is of its square
_SOLVE_TOLERANCE = 1e-5  # relative
_MOST_LOOKS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """What was seen at one σ.

    Attributes:
        peak: the mode there.
        trace: of the covariance of the centred θ.
        slope: d(log evidence)/d(log σ).
        bend: roughly its derivative, never positive.
        ahead: dx̂/d(log σ), shape (…, n + 1).
        block: the solutions of the sparse form, from which the next look starts; None in the dense form.
    """

    peak: Peak
    trace: Values
    slope: Values
    bend: Values
    ahead: _Floats
    block: _Floats | None

    def foreseen(self, log_sd: Values) -> _Floats:
        """Nearly the mode at another σ not far away."""
        further: _Floats = np.asarray(log_sd - self.peak.log_sd)[..., None] * self.ahead
        return self.peak.x + further


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summit:
    """The σ of greatest evidence.

    Attributes:
        log_sd: log σ̂, its error of the square of the tolerance.
        x: nearly the mode there, shape (…, n + 1).
        unexplained: tr(covariance of the centred θ)/σ̂², the error of the tolerance.
    """

    log_sd: Values
    x: _Floats
    unexplained: Values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Inverse:
    """What the slope needs of H⁻¹: its trace and the sum of its squares over θ, ẋ, and Σ κ_c b_cᵀH⁻¹b_c."""

    trace: Values
    squares: Values
    ahead: _Floats
    weighted: Values
    block: _Floats | None


def likeliest_prior(
    posterior: Posterior, *, hyperprior: bool, start: _Floats | None = None, log_sd: Values, tolerance: float
) -> Summit:
    """Finds the σ of greatest evidence by Newton's method and secants within a closing bracket.

    Args:
        posterior: of the comparisons.
        hyperprior: whether the evidence counts log σ ~ N(log 1.5, .5²).
        start: a guess of the mode, shape (…, n + 1); of a stack it has to be given.
        log_sd: a guess of log σ. Where nothing holds σ it stops 4 beyond log 1.5.
        tolerance: of log σ at the last look; the last step goes on from there.
    """
    least, most = math.log(TYPICAL_SD) - _LOG_SD_REACH, math.log(TYPICAL_SD) + _LOG_SD_REACH
    low: Values = least
    high: Values = most
    x = np.zeros(len(posterior.data.items) + 1) if start is None else start
    look = _look(posterior, posterior.climb(x, log_sd, tolerance=_CLIMB_TOLERANCE), hyperprior=hyperprior)
    bend = look.bend
    for _ in range(_MOST_LOOKS):
        here = look.peak.log_sd
        rising = np.asarray(look.slope) > 0.0
        low, high = np.where(rising, here, low), np.where(rising, high, here)
        there = np.clip(here + _step(look.slope, bend), least, most)
        there = np.where((low <= there) & (there <= high), there, (low + high) / 2.0)
        if (np.abs(there - here) < tolerance).all():
            break
        peak = posterior.climb(look.foreseen(there), there, tolerance=_CLIMB_TOLERANCE)
        before, look = look, _look(posterior, peak, hyperprior=hyperprior, block=look.block)
        secant = _quotient(look.slope - before.slope, there - here, otherwise=0.0)
        bend = np.where(secant < 0.0, secant, look.bend)
    return Summit(log_sd=there, x=look.foreseen(there), unexplained=look.peak.precision * look.trace)


def _step(slope: Values, bend: Values) -> _Floats:
    newton = _quotient(slope, -np.minimum(bend, 0.0), otherwise=np.sign(slope) * _LONGEST_STEP)
    return np.clip(newton, -_LONGEST_STEP, _LONGEST_STEP)


def _quotient(over: Values, under: Values, *, otherwise: Values) -> _Floats:
    """Where there is nothing to divide by, something else."""
    over, under = np.asarray(over), np.asarray(under)
    return np.asarray(np.where(under != 0.0, over / np.where(under != 0.0, under, 1.0), otherwise))


def _look(posterior: Posterior, peak: Peak, *, hyperprior: bool, block: _Floats | None = None) -> _Look:
    n, precision, theta = peak.x.shape[-1] - 1, peak.precision, peak.x[..., :-1]
    if isinstance(peak.curvature, Dense):
        inverse = _by_inverse(posterior, peak, curvature=peak.curvature)
    else:
        inverse = _by_sketch(posterior, peak, curvature=peak.curvature, block=block)
    explained = precision * np.square(theta).sum(axis=-1)
    slope = explained - (n - 1) + precision * inverse.trace - inverse.weighted / 2.0
    following = precision * (theta * inverse.ahead[..., :-1]).sum(axis=-1)
    bend = -2.0 * (explained - following + precision * inverse.trace - precision**2 * inverse.squares)
    if hyperprior:
        slope -= (peak.log_sd - math.log(TYPICAL_SD)) / _LOG_SD_SPREAD**2
        bend -= 1.0 / _LOG_SD_SPREAD**2
    return _Look(
        peak=peak,
        trace=inverse.trace,
        slope=slope,
        bend=np.minimum(bend, 0.0),
        ahead=inverse.ahead,
        block=inverse.block,
    )


def _force(peak: Peak) -> _Floats:
    """2θ̂/σ², how the gradient changes with log σ."""
    force: _Floats = 2.0 * np.asarray(peak.precision)[..., None] * peak.x
    force[..., -1] = 0.0
    return force


def _changes(posterior: Posterior, x: _Floats, *, ahead: _Floats) -> _Floats:
    """κ_c = w p (1 − p)(1 − 2p) b_cᵀẋ, how each row's information changes with log σ."""
    return turning(posterior.data, x) * posterior.log_odds(ahead)


def _by_inverse(posterior: Posterior, peak: Peak, *, curvature: Dense) -> _Inverse:
    inverse = curvature.inverse()
    leverage = leverages(posterior.data, inverse)
    ahead = (inverse @ _force(peak)[..., None])[..., 0]
    over_items = inverse[..., :-1, :-1]
    return _Inverse(
        trace=np.trace(over_items, axis1=-2, axis2=-1),
        squares=np.square(over_items).sum(axis=(-2, -1)),
        ahead=ahead,
        weighted=(_changes(posterior, peak.x, ahead=ahead) * leverage).sum(axis=-1),
        block=None,
    )


def _by_sketch(posterior: Posterior, peak: Peak, *, curvature: Sparse, block: _Floats | None) -> _Inverse:
    links, precision = posterior.links, peak.precision
    seen = starting_signs(links)
    wanted = np.concatenate([seen, curvature.tilt[:, None], _force(peak)[:-1, None]], axis=1)
    block = curvature.solved(wanted, tolerance=_SOLVE_TOLERANCE, start=block)
    solved, tilted, ahead = block[:, :-2], block[:, -2], np.append(block[:, -1], 0.0)
    sketch = Sketch.of(Walks.of(curvature), seen=seen, solved=solved)
    others = links.sizes.size - 1
    trace = sketch.trace() + others / precision
    squares = float(np.square(solved).sum()) / seen.shape[1] + others / precision**2
    beyond = 0.0
    if curvature.position is not None:
        left = curvature.position_information(tilted)
        advantage = -float((curvature.tilt * ahead[:-1]).sum()) / left
        ahead = np.append(ahead[:-1] - advantage * tilted, advantage)
        trace += float(np.square(tilted).sum()) / left
        apart = 1.0 - (tilted[posterior.data.first] - tilted[posterior.data.second])
        beyond = float((_changes(posterior, peak.x, ahead=ahead) * np.square(apart)).sum()) / left
    changes = summed_at(links.pair, _changes(posterior, peak.x, ahead=ahead), size=links.low.size)
    return _Inverse(
        trace=trace, squares=squares, ahead=ahead, weighted=sketch.trace_with(changes) + beyond, block=block
    )
