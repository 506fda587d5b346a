"""Where the grades are on the logit scale, learnt from anchors: a hierarchical Gaussian model with a linear trend.

Each grade g has a centre μ_g = α + β s_g + d_g: a line over the grades, s_g = −(G − 1)/2 … (G − 1)/2, and a departure
d_g from it. The lowest and the highest outcome are open to one side, so they lie half a step farther out. An anchor of
grade g is at μ_g + N(0, τ²) + its measurement error. At most one anchor is misgraded, any of them as likely as another:
its error is then several steps wider. Given τ, the size ω of the departures and the misgraded anchor, the posterior of
the centres is Gaussian with a closed form. All three are averaged over a fixed grid, so nothing is random.

τ is what judge and teachers see differently. It is small where they agree (r = .96: .8 steps) and 3 steps at r = .6.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
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
_FEWEST_STUDENTS = 6
_SLOPE_CONFIDENCE = 0.9
# In logits: the smallest expected step between grades, and the standard deviation of the line's middle.
_LEAST_STEP = 0.15
_OFFSET_SD = 10.0
# In steps between grades: the grid of τ, its log-normal prior, and the grid of ω.
_SPREADS = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.1, 1.3, 1.6, 1.9, 2.3, 2.8, 3.5, 4.5, 6.0)
_TYPICAL_SPREAD = 1.5
_LOG_SPREAD_SD = 1.0
_DEPARTURES = (0.1, 0.3, 0.6)
_OPEN_END = 0.5
_HALF_STEP = 0.5
# The prior probability that one of the anchors is misgraded, and the sd of its additional error in steps.
_MISGRADED = 0.5
_MISGRADED_BY = 4.0
# Points of the grid that weigh less are left out; together they change a probability by less than a thousandth.
_LEAST_WEIGHT = 1e-5
# The share of a student's prior that follows the class; the rest is the scale's. With all of it, probabilities would
# claim too much where anchors and judge agree little (docs/validation.md).
_CLASS_SHARE = 0.3
_LEAST_CLASS_VARIANCE = 1.0  # in steps²
_LEAST_SHARE = 0.01  # of a grade in the class
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
    def steps(self) -> _Vector:
        """The outcomes in steps of 1, with 0 in the middle of the grades that anchors can have, shape (G,)."""
        below = int(self.has_below_lowest)
        return np.arange(-below, len(self.prior), dtype=np.float64) - (len(self.prior) - 1) / 2.0

    @property
    def scores(self) -> _Vector:
        """s_g of all outcomes, shape (G,): steps of 1, and 1.5 to the lowest and to the highest outcome."""
        scores = self.steps.copy()
        scores[0] -= _OPEN_END
        scores[-1] += _OPEN_END
        return scores


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
    """The posterior of the centres for one τ, one ω and one misgraded anchor.

    Attributes:
        spread: τ in logits.
        misgraded: the index of the misgraded anchor; −1 where all grades are right.
        means: of the centres, shape (G,), in logits.
        covariance: of the centres, shape (G, G).
    """

    spread: float
    misgraded: int
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
        prior: of each outcome, shape (q, G).
        misgraded: the probability that each anchor is misgraded, shape (m,), in the order of the anchors.
        scores: s_g, shape (G,).
        bounds: between the outcomes, on the scale of `scores`, shape (G − 1,).
    """

    weight: _Vector
    spread: _Vector
    centres: _Vector
    variances: _Vector
    inversions: _Vector
    prior: _Vector
    misgraded: _Vector
    scores: _Vector
    bounds: _Vector

    def for_class(self, theta: _Vector, variance: _Vector) -> Calibration:
        """The same with a prior that knows the class: grades that are rare in it are rarer for each student.

        The students' latent grades are Normal. Their mean and variance follow from the positions, given each point's
        line and τ.

        Args:
            theta: the students' positions on the likelihood scale, shape (students,), in logits.
            variance: their squared standard errors, shape (students,).
        """
        if theta.size < _FEWEST_STUDENTS:
            return self
        spread = float(theta.var(ddof=1) - variance.mean())
        shares = []
        for tau, centres, doubt in zip(self.spread, self.centres, self.variances, strict=True):
            step, middle = np.polyfit(self.scores, centres, 1, w=1.0 / np.sqrt(doubt))
            step = max(float(step), _LEAST_STEP)
            wide = math.sqrt(max((spread - tau**2) / step**2, _LEAST_CLASS_VARIANCE))
            below = ndtr((self.bounds - (theta.mean() - middle) / step) / wide)
            shares.append(np.maximum(np.diff(np.concatenate([[0.0], below, [1.0]])), _LEAST_SHARE))
        in_class = np.array(shares) / np.sum(shares, axis=1, keepdims=True)
        return replace(self, prior=_CLASS_SHARE * in_class + (1.0 - _CLASS_SHARE) * self.prior)

    def probabilities(self, theta: _Vector, variance: _Vector) -> _Vector:
        """The probability of each outcome for students, shape (students, G).

        Args:
            theta: the students' positions on the likelihood scale, shape (students,), in logits.
            variance: their squared standard errors, shape (students,).
        """
        total: _Vector = np.zeros((theta.size, self.scores.size))
        points = zip(self.weight, self.spread, self.centres, self.variances, self.prior, strict=True)
        for weight, spread, centre, doubt, prior in points:
            width = variance[:, None] + spread**2 + doubt
            log_density = -(np.log(width) + np.square(theta[:, None] - centre) / width) / 2.0
            total += weight * softmax(np.log(prior) + log_density, axis=1)
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
    given = [known.given(spread, departure) for spread, departure in itertools.product(_SPREADS, _DEPARTURES)]
    weights = softmax(np.array([one.log_weights for one in given]))
    weights[weights < _LEAST_WEIGHT] = 0.0
    kept = np.argwhere(weights > 0.0).tolist()
    grid = [given[place].point(guess) for place, guess in kept]
    weight = np.array([weights[place, guess] for place, guess in kept]) / weights.sum()
    accused = np.array([point.misgraded for point in grid])
    return Calibration(
        weight=weight,
        spread=np.array([point.spread for point in grid]),
        centres=np.array([point.risen() for point in grid]),
        variances=np.array([np.diag(point.covariance) for point in grid]),
        inversions=np.array([point.inversions() for point in grid]),
        prior=np.tile(scale.outcome_prior, (len(grid), 1)),
        misgraded=np.array([float(weight[accused == place].sum()) for place in range(len(places))]),
        scores=scale.scores,
        bounds=scale.steps[1:] - _HALF_STEP,
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

    def given(self, spread: float, departure: float) -> _Given:
        """The posterior for one τ and ω in steps, with α ~ N(0, 10²), β ~ N(b₀, b₀²) and d_g ~ N(0, (ω b₀)²)."""
        tau = spread * self.step
        prior = _OFFSET_SD**2 + np.outer(self.line, self.line) + (departure * self.step) ** 2 * np.eye(self.line.size)
        with_anchors = prior[:, self.outcomes]
        total = with_anchors[self.outcomes] + self.covariance + tau**2 * np.eye(self.theta.size)
        factor = cho_factor(total, lower=True)
        inverse = cho_solve(factor, np.eye(self.theta.size))
        surprise = self.theta - self.line[self.outcomes]
        explained = inverse @ surprise
        further = (_MISGRADED_BY * self.step) ** 2
        growth = 1.0 + further * np.diag(inverse)
        log_determinant = 2.0 * float(np.log(np.diag(factor[0])).sum())
        log_prior = -((math.log(spread / _TYPICAL_SPREAD) / _LOG_SPREAD_SD) ** 2) / 2.0
        right = log_prior - (float(surprise @ explained) + log_determinant) / 2.0
        wrong = right + (further * np.square(explained) / growth - np.log(growth)) / 2.0
        return _Given(
            spread=tau,
            log_weights=np.append(right + math.log(1.0 - _MISGRADED), wrong + math.log(_MISGRADED / self.theta.size)),
            means=self.line + with_anchors @ explained,
            covariance=prior - with_anchors @ inverse @ with_anchors.T,
            pull=further / growth,
            explained=explained,
            paths=with_anchors @ inverse,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Given:
    """The posterior of the centres for one τ and one ω, under each guess of the misgraded anchor.

    A further error of the a-th anchor changes the inverse of the anchors' covariance by a matrix of rank one (Sherman
    and Morrison), so that nothing is solved again.

    Attributes:
        spread: τ in logits.
        log_weights: the log posterior up to a constant, shape (m + 1,): no anchor is misgraded, then each of them.
        means: of the centres where no anchor is misgraded, shape (G,), in logits.
        covariance: of the centres where no anchor is misgraded, shape (G, G).
        pull: s²/(1 + s² V⁻¹_aa) of each anchor, shape (m,), where s is the misgraded anchor's further error.
        explained: V⁻¹ times the anchors' distances from the line, shape (m,).
        paths: Z_G V⁻¹, shape (G, m), how the centres follow each anchor.
    """

    spread: float
    log_weights: _Vector
    means: _Vector
    covariance: _Vector
    pull: _Vector
    explained: _Vector
    paths: _Vector

    def point(self, guess: int) -> _GridPoint:
        """One point of the grid; 0 has no misgraded anchor, and a + 1 has the a-th."""
        if guess == 0:
            return _GridPoint(spread=self.spread, misgraded=-1, means=self.means, covariance=self.covariance)
        anchor = guess - 1
        path, pull = self.paths[:, anchor], float(self.pull[anchor])
        return _GridPoint(
            spread=self.spread,
            misgraded=anchor,
            means=self.means - path * (pull * float(self.explained[anchor])),
            covariance=self.covariance + pull * np.outer(path, path),
        )


def _slope(grades: NDArray[np.int64], theta: _Vector) -> tuple[float, float]:
    """The least-squares slope in logits per grade, and the half-width of its 90% interval."""
    from_mean, freedom = grades - grades.mean(), len(grades) - 2
    spread = float(from_mean @ from_mean)
    slope = float(from_mean @ theta) / spread
    residual = theta - theta.mean() - slope * from_mean
    standard_error = math.sqrt(float(residual @ residual) / freedom / spread)
    return slope, float(stdtrit(freedom, (1.0 + _SLOPE_CONFIDENCE) / 2.0)) * standard_error
