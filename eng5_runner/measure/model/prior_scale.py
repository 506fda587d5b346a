"""The most likely σ: where the derivative of the Laplace-approximated marginal likelihood by log σ is zero.

With the mode x̂ and s = log σ, the log marginal likelihood is l(x̂) − θ̂ᵀθ̂/2σ² − n s − ½ log|H|. Its derivative is

    θ̂ᵀθ̂/σ² − n + tr(H⁻¹)_θθ/σ² − ½ Σ_c v'_c (b_cᵀẋ)(b_cᵀH⁻¹b_c),    ẋ = dx̂/ds = H⁻¹ 2θ̂/σ²,

where b_c = e_first − e_second + e_δ is the design row of comparison c, and v' = w p (1 − p)(1 − 2p) is the derivative
of its information by its log odds. No determinant is needed. With few items H⁻¹ gives all terms, with many items the
`sketch` of H⁻¹ does.

Each study of a stack (see `Comparisons`) has a σ of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Values, summed_at
from eng5_runner.measure.model.curvature import DENSE_UP_TO, Dense, Sparse
from eng5_runner.measure.model.posterior import Peak, Posterior
from eng5_runner.measure.model.sketch import Sketch, Walks, starting_signs
from eng5_runner.measure.model.skewness import leverages, turning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_Floats: TypeAlias = "NDArray[np.float64]"

# Nine of ten judges lie between .3 and 8 logits: classes that hardly differ, and models that are seldom in doubt. With
# half this spread of log σ, a spread of 4 was held back by a sixth after 10 judgements an essay and one of .3 a third
# too wide; positions were no nearer to the truth, and their intervals missed it more often (down to .75 for .90).
TYPICAL_SD = 1.5  # logits
LOG_SD_SPREAD = 1.0
_LEAST_LOG_SD, _MOST_LOG_SD = math.log(TYPICAL_SD) - 4.0, math.log(TYPICAL_SD) + 4.0
# Beyond these the likelihood is nearly flat: its maximum, if it has one, says nothing of σ.
_NO_UPPER_BOUND, _NO_LOWER_BOUND = math.log(20.0), _LEAST_LOG_SD + 0.05
_LONGEST_STEP = 1.0  # of log σ
_CLIMB_TOLERANCE = 1e-3  # in logits; the mode's error is of the order of its square
_SOLVE_TOLERANCE = 1e-5  # relative
_MOST_LOOKS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """The marginal likelihood at one σ.

    Attributes:
        peak: the mode for this σ.
        trace: the trace of the covariance of the centred θ.
        slope: the derivative of the log marginal likelihood by log σ.
        bend: its second derivative, approximately; never positive.
        squares: the sum of the squared entries of the covariance of the centred θ.
        ahead: dx̂/d(log σ), shape (…, n + 1).
        block: the solutions of the sparse form, from which the next σ starts; None in the dense form.
    """

    peak: Peak
    trace: Values
    slope: Values
    bend: Values
    squares: Values
    ahead: _Floats
    block: _Floats | None

    def predicted(self, log_sd: Values) -> _Floats:
        """Approximately the mode at another σ that is close."""
        further: _Floats = np.asarray(log_sd - self.peak.log_sd)[..., None] * self.ahead
        return self.peak.x + further


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summit:
    """The most likely σ.

    Attributes:
        log_sd: log σ̂; its error is of the order of the tolerance squared.
        x: approximately the mode for σ̂, shape (…, n + 1).
        unexplained: tr(covariance of the centred θ)/σ̂²; its error is of the order of the tolerance.
        error: the standard error of log σ̂, at most 1.
        shift: by how much the mode moves where log σ is one standard error larger, shape (…, n + 1).
    """

    log_sd: Values
    x: _Floats
    unexplained: Values
    error: Values
    shift: _Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearby:
    """The posterior of one study at several values of σ.

    Attributes:
        log_sd: log σ, shape (m,).
        slope: the derivative of the log marginal likelihood by log σ, shape (m,).
        theta: the modes, shape (m, n).
        trace: of the covariance V of the centred θ, shape (m,).
        squares: the sum of the squared entries of V, shape (m,).
        along: θ̂ᵀVθ̂, shape (m,).
    """

    log_sd: _Floats
    slope: _Floats
    theta: _Floats
    trace: _Floats
    squares: _Floats
    along: _Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Inverse:
    """The parts of H⁻¹ that the slope needs.

    Attributes:
        trace: the trace of H⁻¹ over θ.
        squares: the sum of its squared entries over θ.
        ahead: ẋ, shape (…, n + 1).
        weighted: Σ_c κ_c b_cᵀH⁻¹b_c.
        block: see `_Look`.
    """

    trace: Values
    squares: Values
    ahead: _Floats
    weighted: Values
    block: _Floats | None


def likeliest_prior(
    posterior: Posterior, *, hyperprior: bool, start: _Floats | None = None, log_sd: Values, tolerance: float
) -> Summit:
    """Find the most likely σ by Newton's method and secants within a shrinking bracket.

    Args:
        posterior: of the comparisons.
        hyperprior: whether log σ has the prior N(log 1.5, 1).
        start: a guess of the mode, shape (…, n + 1); required for a stack.
        log_sd: a guess of log σ. If the likelihood has no maximum, the search ends at log 1.5 ± 4.
        tolerance: the size in log σ of the step that ends the search; the last step is still taken.
    """
    least, most = _LEAST_LOG_SD, _MOST_LOG_SD
    low: Values = least
    high: Values = most
    x = np.zeros(len(posterior.data.items) + 1) if start is None else start
    look = _look(posterior, posterior.climb(x, log_sd, tolerance=_CLIMB_TOLERANCE), hyperprior=hyperprior)
    bend = look.bend
    for number in range(_MOST_LOOKS):
        here = look.peak.log_sd
        rising = np.asarray(look.slope) > 0.0
        low, high = np.where(rising, here, low), np.where(rising, high, here)
        there = np.clip(here + _step(look.slope, bend), least, most)
        there = np.where((low <= there) & (there <= high), there, (low + high) / 2.0)
        if number and (np.abs(there - here) < tolerance).all():  # the first bend is not exact enough for a last step
            break
        peak = posterior.climb(look.predicted(there), there, tolerance=_CLIMB_TOLERANCE)
        before, look = look, _look(posterior, peak, hyperprior=hyperprior, block=look.block)
        secant = _quotient(look.slope - before.slope, there - here, otherwise=0.0)
        bend = np.where(secant < 0.0, secant, look.bend)
    standard_error = np.sqrt(-_quotient(1.0, np.minimum(bend, 0.0), otherwise=-_LONGEST_STEP))
    error = np.minimum(standard_error, _LONGEST_STEP)
    return Summit(
        log_sd=there,
        x=look.predicted(there),
        unexplained=look.peak.precision * look.trace,
        error=error,
        shift=look.ahead * error[..., None],
    )


def nearby(posterior: Posterior, summit: Summit, *, log_sds: Sequence[float]) -> Nearby:
    """The posterior of one study at several values of log σ, kept within the range of `likeliest_prior`.

    Few items are looked at as a stack, many at one σ after the other.
    """
    within = np.unique(np.clip(log_sds, _LEAST_LOG_SD, _MOST_LOG_SD))
    starts = summit.x + np.asarray((within - summit.log_sd) / summit.error)[:, None] * summit.shift
    if len(posterior.data.items) <= DENSE_UP_TO:
        return _seen(_look(posterior, posterior.climb(starts, within, tolerance=_CLIMB_TOLERANCE), hyperprior=False))
    looks: list[Nearby] = []
    block = None
    for start, log_sd in zip(starts, within.tolist(), strict=True):
        peak = posterior.climb(start, log_sd, tolerance=_CLIMB_TOLERANCE)
        look = _look(posterior, peak, hyperprior=False, block=block)
        looks.append(_seen(look))
        block = look.block
    parts = {field.name: np.concatenate([getattr(one, field.name) for one in looks]) for field in fields(Nearby)}
    return Nearby(**parts)


def _seen(look: _Look) -> Nearby:
    theta, ahead, precision = look.peak.x[..., :-1], look.ahead[..., :-1], np.asarray(look.peak.precision)
    return Nearby(
        log_sd=np.atleast_1d(look.peak.log_sd),
        slope=np.atleast_1d(look.slope),
        theta=np.atleast_2d(theta),
        trace=np.atleast_1d(look.trace),
        squares=np.atleast_1d(look.squares),
        along=np.atleast_1d((theta * ahead).sum(axis=-1) / precision / 2.0),  # ẋ = H⁻¹ 2θ̂/σ²
    )


def limit_reached(log_sd: float) -> Literal["upper", "lower"] | None:
    """The end of its range to which σ has run; None if the judgements bound σ."""
    if log_sd > _NO_UPPER_BOUND:
        return "upper"
    return "lower" if log_sd < _NO_LOWER_BOUND else None


def _step(slope: Values, bend: Values) -> _Floats:
    newton = _quotient(slope, -np.minimum(bend, 0.0), otherwise=np.sign(slope) * _LONGEST_STEP)
    return np.clip(newton, -_LONGEST_STEP, _LONGEST_STEP)


def _quotient(over: Values, under: Values, *, otherwise: Values) -> _Floats:
    """The quotient; another value where the divisor is zero."""
    over, under = np.asarray(over), np.asarray(under)
    return np.asarray(np.where(under != 0.0, over / np.where(under != 0.0, under, 1.0), otherwise))


def _look(posterior: Posterior, peak: Peak, *, hyperprior: bool, block: _Floats | None = None) -> _Look:
    n, precision, theta = peak.x.shape[-1] - 1, peak.precision, peak.x[..., :-1]
    if isinstance(peak.curvature, Dense):
        inverse = _by_inverse(posterior, peak, curvature=peak.curvature)
    else:
        inverse = _by_sketch(posterior, peak, curvature=peak.curvature, block=block)
    explained = precision * np.square(theta).sum(axis=-1)
    slope = explained - (n - 1) + precision * inverse.trace - inverse.weighted / 2.0 + posterior.data.by_spread
    following = precision * (theta * inverse.ahead[..., :-1]).sum(axis=-1)
    bend = -2.0 * (explained - following + precision * inverse.trace - precision**2 * inverse.squares)
    if hyperprior:
        slope -= (peak.log_sd - math.log(TYPICAL_SD)) / LOG_SD_SPREAD**2
        bend -= 1.0 / LOG_SD_SPREAD**2
    return _Look(
        peak=peak,
        trace=inverse.trace,
        slope=slope,
        bend=np.minimum(bend, 0.0),
        squares=inverse.squares,
        ahead=inverse.ahead,
        block=inverse.block,
    )


def _force(peak: Peak) -> _Floats:
    """2θ̂/σ², the derivative of the gradient by log σ, shape (…, n + 1)."""
    force: _Floats = 2.0 * np.asarray(peak.precision)[..., None] * peak.x
    force[..., -1] = 0.0
    return force


def _changes(posterior: Posterior, x: _Floats, *, ahead: _Floats) -> _Floats:
    """κ_c = w p (1 − p)(1 − 2p) b_cᵀẋ, the derivative of each row's information by log σ, shape (…, rows)."""
    return turning(posterior.data, x) * posterior.data.contrasts(ahead)


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
    centred = starting_signs(links)
    right_sides = np.concatenate([centred, curvature.tilt[:, None], _force(peak)[:-1, None]], axis=1)
    block = curvature.solved(right_sides, tolerance=_SOLVE_TOLERANCE, start=block)
    solved, tilted, ahead = block[:, :-2], block[:, -2], np.append(block[:, -1], 0.0)
    sketch = Sketch.of(Walks.of(curvature), centred=centred, solved=solved)
    others = links.sizes.size - 1
    trace = sketch.trace() + others / precision
    squares = float(np.square(solved).sum()) / centred.shape[1] + others / precision**2
    apart, left = None, 0.0
    if curvature.position is not None:
        left = curvature.position_information(tilted)
        advantage = -float((curvature.tilt * ahead[:-1]).sum()) / left
        ahead = np.append(ahead[:-1] - advantage * tilted, advantage)
        trace += float(np.square(tilted).sum()) / left
        apart = 1.0 - (tilted[posterior.data.first] - tilted[posterior.data.second])
    by_row = _changes(posterior, peak.x, ahead=ahead)
    beyond = 0.0 if apart is None else float((by_row * np.square(apart)).sum()) / left
    changes = summed_at(links.pair, by_row, size=links.low.size)
    return _Inverse(
        trace=trace, squares=squares, ahead=ahead, weighted=sketch.trace_with(changes) + beyond, block=block
    )
