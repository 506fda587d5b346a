"""Where the grades are on the logit scale, learnt from anchors: a hierarchical Gaussian model with a linear trend.

Each grade g has a centre μ_g = α + β s_g + d_g: a line over the grades, s_g = −(G − 1)/2 … (G − 1)/2, and a departure
d_g from it. An anchor of grade g is at μ_g + N(0, τ²) + its measurement error. Given τ and the size ω of the
departures, the posterior of the centres is Gaussian with a closed form. Both are averaged over a fixed grid, so nothing
is random.

The constants were fixed before any data were seen, and were not tuned (the project's method study, section 4.2).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr, softmax, stdtrit

from eng5_runner.measure.grading.isotonic import never_falling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Vector: TypeAlias = "NDArray[np.float64]"

_FEWEST_ANCHORS = 3
_FEWEST_GRADES = 2
_SLOPE_CONFIDENCE = 0.9
# In logits: the smallest expected step between grades, and the standard deviation of the line's middle.
_LEAST_STEP = 0.15
_OFFSET_SD = 10.0
# In steps between grades: the grid of τ, its log-normal prior, and the grid of ω.
_SPREADS = (0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7)
_TYPICAL_SPREAD = 0.8
_LOG_SPREAD_SD = 0.6
_DEPARTURES = (0.1, 0.3, 0.6)
# An essay's judgements count as resolving at least this share of its prior variance. A smaller share would make the
# position without shrinkage extremely large.
_LEAST_RESOLVED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A grade scale.

    Attributes:
        prior: the expected share of each grade that an anchor can have, lowest first; they need not sum to 1.
        has_below_lowest: whether students can also get a grade below these. Its expected share is half that of the
            lowest of them.

    Raises:
        ValueError: there are fewer than two grades, or a share is not positive.
    """

    prior: tuple[float, ...]
    has_below_lowest: bool

    def __post_init__(self) -> None:
        if len(self.prior) < _FEWEST_GRADES or not all(0.0 < share < math.inf for share in self.prior):
            raise ValueError("a scale has at least two grades, each with a positive share")

    @property
    def outcome_prior(self) -> _Vector:
        """The prior over all outcomes, lowest first, shape (G,); it sums to 1."""
        below = (self.prior[0] / 2.0,) if self.has_below_lowest else ()
        whole = sum(below) + sum(self.prior)
        return np.array([*below, *self.prior]) / whole

    @property
    def scores(self) -> _Vector:
        """s_g of all outcomes, shape (G,): steps of 1, and 0 in the middle of the grades that anchors can have."""
        below = int(self.has_below_lowest)
        return np.arange(-below, len(self.prior), dtype=np.float64) - (len(self.prior) - 1) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason why no grades can be projected, in words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Positions:
    """The positions on the likelihood scale, which is without the prior's shrinkage towards the middle.

    Attributes:
        theta: the positions of all items, shape (n,), in logits.
        variance: their squared standard errors, shape (n,), in logits².
        known: the indices of the m anchors.
        covariance: of the anchors' positions, shape (m, m).
    """

    theta: _Vector
    variance: _Vector
    known: tuple[int, ...]
    covariance: _Vector

    @classmethod
    def of(cls, fitted: Fit, known: Sequence[int]) -> Positions:
        """Undo the shrinkage of a fit: θ_i f_i and Σ_ij √(f_i f_j) with f_i = 1/max(1 − Σ_ii/σ², .3)."""
        variance = np.square(fitted.standard_errors)
        stretch = 1.0 / np.maximum(1.0 - variance / fitted.prior_sd**2, _LEAST_RESOLVED)
        root = np.sqrt(stretch[list(known)])
        return cls(
            theta=fitted.theta * stretch,
            variance=variance * stretch,
            known=tuple(known),
            covariance=fitted.covariance_among(known) * np.outer(root, root),
        )

    def among(self, places: Sequence[int]) -> _Vector:
        """The covariance of some of the anchors, given by their indices."""
        rows = [self.known.index(place) for place in places]
        return self.covariance[np.ix_(rows, rows)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _GridPoint:
    """The posterior of the centres for one τ and one ω.

    Attributes:
        spread: τ in logits.
        log_weight: the log posterior of τ and ω, up to a constant.
        means: of the centres, shape (G,), in logits.
        covariance: of the centres, shape (G, G).
    """

    spread: float
    log_weight: float
    means: _Vector
    covariance: _Vector

    def risen(self) -> _Vector:
        """The means as a sequence that never falls, each weighted by its precision."""
        return never_falling(self.means, weights=1.0 / np.diag(self.covariance))

    def inversions(self) -> _Vector:
        """The probability that a centre is above the next one, shape (G − 1,)."""
        variance, beside = np.diag(self.covariance), np.diag(self.covariance, 1)
        width = np.sqrt(variance[1:] + variance[:-1] - 2.0 * beside)
        return np.asarray(ndtr(-np.diff(self.means) / width))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The posterior of the centres of G outcomes, over the q points of the grid.

    Attributes:
        weight: the posterior of each point, shape (q,); sums to 1.
        spread: τ in logits, shape (q,).
        centres: in logits, shape (q, G); they never fall from a grade to the next.
        variances: of the centres, shape (q, G).
        inversions: the probability that a true centre is above the next one, shape (q, G − 1).
        log_prior: the log prior of each outcome, shape (G,).
    """

    weight: _Vector
    spread: _Vector
    centres: _Vector
    variances: _Vector
    inversions: _Vector
    log_prior: _Vector

    def probabilities(self, theta: _Vector, variance: _Vector) -> _Vector:
        """The probability of each outcome for students, shape (students, G).

        Args:
            theta: the students' positions on the likelihood scale, shape (students,), in logits.
            variance: their squared standard errors, shape (students,).
        """
        total: _Vector = np.zeros((theta.size, self.log_prior.size))
        for weight, spread, centre, doubt in zip(self.weight, self.spread, self.centres, self.variances, strict=True):
            width = variance[:, None] + spread**2 + doubt
            log_density = -(np.log(width) + np.square(theta[:, None] - centre) / width) / 2.0
            total += weight * softmax(self.log_prior + log_density, axis=1)
        shares: _Vector = total / total.sum(axis=1, keepdims=True)
        return shares

    def centre_ses(self) -> _Vector:
        """The standard deviation of each centre over the whole grid, shape (G,), in logits."""
        mean = self.weight @ self.centres
        return np.sqrt(self.weight @ (self.variances + np.square(self.centres - mean)))


def calibrate(positions: Positions, *, anchors: Mapping[int, int], scale: Scale) -> Calibration | Refusal:
    """Learn the centres from anchors.

    Args:
        positions: all items on the likelihood scale.
        anchors: index of the item → index of its grade in `scale.prior`.
        scale: the grades.

    Returns:
        A refusal if there are fewer than 3 anchors or 2 grades, or if the least-squares slope of positions on grades is
        not positive or its 90% interval (Student's t) includes 0. So three anchors must be close to a line, while
        twelve can scatter widely.
    """
    kinds = len(set(anchors.values()))
    if len(anchors) < _FEWEST_ANCHORS or kinds < _FEWEST_GRADES:
        return Refusal(
            reason=f"too few anchors: {len(anchors)} of {kinds} different grades, "
            f"where {_FEWEST_ANCHORS} of {_FEWEST_GRADES} are the least"
        )
    places, grades = list(anchors), np.array(list(anchors.values()), dtype=np.int64)
    theta = positions.theta[places]
    slope, margin = _slope(grades, theta)
    if slope <= margin:
        return Refusal(reason=f"the anchors do not order: {slope:.2f} ± {margin:.2f} logits from one grade to the next")
    known = _Anchors(
        theta=theta,
        covariance=positions.among(places),
        outcomes=grades + int(scale.has_below_lowest),
        line=max(slope, _LEAST_STEP) * scale.scores,
        step=max(slope, _LEAST_STEP),
    )
    grid = [known.centres(spread, departure) for spread, departure in itertools.product(_SPREADS, _DEPARTURES)]
    return Calibration(
        weight=softmax(np.array([point.log_weight for point in grid])),
        spread=np.array([point.spread for point in grid]),
        centres=np.array([point.risen() for point in grid]),
        variances=np.array([np.diag(point.covariance) for point in grid]),
        inversions=np.array([point.inversions() for point in grid]),
        log_prior=np.log(scale.outcome_prior),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Anchors:
    """The anchors' positions, and the line on which the centres are expected.

    Attributes:
        theta: the positions, shape (m,), in logits.
        covariance: of the positions, shape (m, m).
        outcomes: the index of each anchor's grade among the outcomes, shape (m,).
        line: b₀ s, the prior mean of the centres, shape (G,).
        step: b₀ in logits, the unit of τ and ω.
    """

    theta: _Vector
    covariance: _Vector
    outcomes: NDArray[np.int64]
    line: _Vector
    step: float

    def centres(self, spread: float, departure: float) -> _GridPoint:
        """The posterior for one τ and ω in steps, with α ~ N(0, 10²), β ~ N(b₀, b₀²) and d_g ~ N(0, (ω b₀)²)."""
        tau = spread * self.step
        prior = _OFFSET_SD**2 + np.outer(self.line, self.line) + (departure * self.step) ** 2 * np.eye(self.line.size)
        with_anchors = prior[:, self.outcomes]
        total = with_anchors[self.outcomes] + self.covariance + tau**2 * np.eye(self.theta.size)
        factor = cho_factor(total, lower=True)
        surprise = self.theta - self.line[self.outcomes]
        explained = cho_solve(factor, surprise)
        log_determinant = 2.0 * float(np.log(np.diag(factor[0])).sum())
        log_prior = -((math.log(spread / _TYPICAL_SPREAD) / _LOG_SPREAD_SD) ** 2) / 2.0
        return _GridPoint(
            spread=tau,
            log_weight=log_prior - (float(surprise @ explained) + log_determinant) / 2.0,
            means=self.line + with_anchors @ explained,
            covariance=prior - with_anchors @ cho_solve(factor, with_anchors.T),
        )


def _slope(grades: NDArray[np.int64], theta: _Vector) -> tuple[float, float]:
    """The least-squares slope in logits per grade, and the half-width of its 90% interval."""
    from_mean, freedom = grades - grades.mean(), len(grades) - 2
    spread = float(from_mean @ from_mean)
    slope = float(from_mean @ theta) / spread
    residual = theta - theta.mean() - slope * from_mean
    standard_error = math.sqrt(float(residual @ residual) / freedom / spread)
    return slope, float(stdtrit(freedom, (1.0 + _SLOPE_CONFIDENCE) / 2.0)) * standard_error
