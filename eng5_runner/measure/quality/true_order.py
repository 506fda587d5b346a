"""What the judgements leave possible of r², the squared correlation of a study's positions with the true ones.

For a known σ, the true positions are normal around the mode θ̂ with the covariance V (Laplace). Along θ̂, a true order
then has the length |θ̂| + a with a ~ N(0, u), u = θ̂ᵀVθ̂/|θ̂|². Across θ̂ its squared length q has the mean tr V − u and the
variance 2 (tr V² − u²), and is nearly a gamma variable. r² = (|θ̂| + a)²/((|θ̂| + a)² + q).

σ is integrated over its marginal likelihood, from a few values of it (as in Rue, Martino and Chopin 2009). So the
interval takes as long as a fit or two and needs no random numbers. In simulation it holds r² as often as a parametric
bootstrap of two hundred fits does.

The mode is nearer to the middle than the mean is, so that r² seems too small, by .015 at 20 judgements an item. So the
distribution is moved to the estimate of r² that `reliability` states, on Fisher's scale (artanh r), where errors are
nearly the same everywhere. But few judgements say hardly anything of σ, and then that estimate says little itself: no
end moves towards the middle by more than such a bias is. For ten items judged three times each at a spread of 1, the
interval then holds r² in 93% of studies, and in 57% without that bound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import gammaincinv, ndtri

from eng5_runner.measure.model.prior_scale import nearby

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.posterior import Posterior
    from eng5_runner.measure.model.prior_scale import Nearby, Summit

_Floats: TypeAlias = "NDArray[np.float64]"

# Where σ is looked at, in standard errors of log σ̂.
_STEPS = (-2.5, -1.25, 0.0, 1.25, 2.5)
# Between these values of σ, what is known of them is interpolated.
_BETWEEN = 25
# Of the lengths along and across, for each σ: the middles of so many equal shares.
_SHARES = 12
# Values of r² behind each interval.
POINTS = _BETWEEN * _SHARES**2
# Below this share, log σ̂ is no middle: the likelihood is flat towards 0, and the values of σ are around this one.
_LEAST_MIDDLE, _LEAST_SHARE = 0.1, 1e-4
_LARGEST_SHARE = 1.0 - 1e-6
# How far an end may move towards the middle, on Fisher's scale, for each judgement that an item has on average: at 10
# judgements an item the bias of the most decisive judges is .3.
_FARTHEST = 0.03
_TINY = 1e-12  # in logits²


def interval_of_share(posterior: Posterior, summit: Summit, *, share: float, level: float) -> tuple[float, float]:
    """The interval of r² of the positions at the most likely σ, around the share that is real.

    Args:
        posterior: of one study of at least two items.
        summit: its most likely σ.
        share: the estimate of r², 0 to 1.
        level: the posterior probability between the two ends.
    """
    around, error = float(summit.log_sd), float(summit.error)
    if share < _LEAST_MIDDLE:  # it grows with σ²
        around, error = around + math.log(_LEAST_MIDDLE / max(share, _LEAST_SHARE)) / 2.0, 1.0
    found = nearby(posterior, summit, log_sds=[around + error * step for step in _STEPS])
    squared, weight = _possible(found, theta=np.asarray(summit.x[..., :-1]))
    order = np.argsort(squared)
    below = np.cumsum(weight[order])
    tail = (1.0 - level) / 2.0
    ends = np.interp(np.array([tail, 0.5, 1.0 - tail]) * below[-1], below, squared[order])
    low, middle, high = _fisher(ends).tolist()
    shift = float(_fisher(np.array(share))) - middle
    farthest = _FARTHEST * 2.0 * float(posterior.data.weight.sum()) / len(posterior.data.items)
    low, high = low + min(shift, farthest), high + max(shift, -farthest)
    return math.tanh(max(low, 0.0)) ** 2, math.tanh(max(high, 0.0)) ** 2


def _possible(found: Nearby, *, theta: _Floats) -> tuple[_Floats, _Floats]:
    """Values of r² of these positions, and the weight of each."""
    length = np.linalg.norm(theta)
    direction = theta / length if length > 0.0 else theta
    ahead = found.theta @ direction
    squares = np.square(found.theta).sum(axis=1)
    many = max(theta.size - 1, 1)
    along = np.where(squares > _TINY, found.along / np.maximum(squares, _TINY), found.trace / many)
    aside = np.maximum(squares - np.square(ahead), 0.0)  # as the mode at another σ has a slightly different order
    across = np.maximum(found.trace - along, _TINY) + aside
    variance = 2.0 * np.maximum(found.squares - np.square(along), _TINY**2) + 4.0 * aside * found.trace / many
    known = [np.log(np.maximum(part, _TINY)) for part in (ahead, along, across, np.square(across) / variance)]
    log_sd, slope, *between = _interpolated(found.log_sd, np.stack([found.slope, *known], axis=1))
    ahead, along, across, shape = np.exp(np.stack(between))
    rises = (slope[1:] + slope[:-1]) / 2.0 * np.diff(log_sd)
    likely = np.append(0.0, np.cumsum(rises))
    middles = (np.arange(_SHARES) + 0.5) / _SHARES
    forward = np.square(ahead[:, None] + np.sqrt(along)[:, None] * ndtri(middles))
    sideways = (across / shape)[:, None] * gammaincinv(shape[:, None], middles)
    squared = forward[:, :, None] / (forward[:, :, None] + sideways[:, None, :])
    weight = np.broadcast_to(np.exp(likely - likely.max())[:, None, None], squared.shape)
    return squared.ravel(), weight.ravel()


def _interpolated(at: _Floats, values: _Floats) -> _Floats:
    """Points between these, and the values there by the polynomial through all, as rows; `values` has shape (m, k)."""
    middle, reach = (at[0] + at[-1]) / 2.0, max((at[-1] - at[0]) / 2.0, _TINY)
    between = np.linspace(-1.0, 1.0, _BETWEEN)
    weights = np.linalg.solve(np.vander((at - middle) / reach), values)
    return np.concatenate([[middle + reach * between], (np.vander(between, at.size) @ weights).T])


def _fisher(share: _Floats) -> _Floats:
    return np.asarray(np.arctanh(np.sqrt(np.minimum(share, _LARGEST_SHARE))))
