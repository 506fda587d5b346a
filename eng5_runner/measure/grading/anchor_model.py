"""Where the grades are on the logit scale, learnt from anchors: a line with departures, and the students' own spread.

Quality is measured in steps between grades: x = 0 in the middle of the scale, grade g from g − ½ to g + ½, the lowest
and the highest open to one side. The judge sees α + βx + d_g + N(0, τ²), and the comparisons measure that with a known
error. Anchors give x by their grade, which a panel agreed on; a student's grade is one teacher's, with noise of its
own. At most one anchor is misgraded, any of them as likely as another: its error is then several steps wider. Students
are N(M, S²): their mean and spread on the logit scale are data too, because β²S² + τ² is what they vary. A judge that
sees little of the quality has a large τ and a small β, so that the students' grades regress to the middle of the class.

Given β, τ and the misgraded anchor, the posterior of α + d_g is Gaussian in closed form. The rest is averaged over a
grid, so nothing is random. The prior of τ/β is a little steeper than log-flat, that of β is scale-free: the claims then
hold from r = .6 to .96 (docs/validation.md). A study that would have been refused (`calibrate`) is no evidence, so each
point is weighted by the chance to pass. τ/β is .6 steps where judge and teachers agree (r = .96), and 3 at r = .6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, softmax, stdtrit

from eng5_runner.measure.design.enough import what_anchors_lack
from eng5_runner.measure.grading.anchor_errors import AnchorErrors, anchor_errors
from eng5_runner.measure.grading.calibration import Calibration, Group
from eng5_runner.measure.grading.isotonic import never_falling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.grading.scale import Scale
    from eng5_runner.measure.model.bradley_terry import Fit

_Vector: TypeAlias = "NDArray[np.float64]"

FEWEST_STUDENTS = 6
_SLOPE_CONFIDENCE = 0.9
# In logits: the smallest expected step between grades, and the standard deviation of the line's middle.
_LEAST_STEP = 0.15
_OFFSET_SD = 10.0
# The grid of τ/β in steps, and the power of its prior: log τ has the density ∝ (τ/β)^−.4.
_SPREADS = (0.3, 0.42, 0.55, 0.75, 0.9, 1.1, 1.35, 1.65, 2.0, 2.4, 2.9, 3.5, 4.5, 6.0, 8.0)
SPREAD_POWER = -0.4
_DEPARTURE = 0.25  # ω/β in steps
# The grid of β around the least-squares slope, in standard errors; at least so many relative to the slope.
_SLOPE_NODES = (-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0)
_LEAST_SLOPE_ERROR = 0.06
_LEAST_SLOPE_SHARE = 1.0 / 6.0
# The grid of S, in standard deviations of its log-normal prior: some classes are three times as wide as others.
CLASS_LOG_SD = 0.45
_CLASS_NODES = (-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25)
_LEAST_ANCHOR_SPREAD = 1.0  # of S among the anchors, in steps
_LEAST_VARIANCE = 1e-12  # of a place, in logits²
_LEAST_ERROR = 1e-9  # of a slope, in logits
_CLASS_MEAN_SD = 0.8  # of M around the scale's mean, in steps
# Qualities within one grade vary by this much, in steps²; the open ends lie a little farther out.
_WITHIN_GRADE = 1.0 / 12.0
_OPEN_END = 0.25
# The prior probability that one of the anchors is misgraded, and the sd of its additional error in steps.
_MISGRADED = 0.25
_MISGRADED_BY = 4.0
# Points that weigh less than this share of the heaviest are left out.
_LEAST_WEIGHT = 1e-4
_LEAST_CHANCE = -7.0  # the log chance to pass is not taken to be below this
# An essay's judgements count as resolving at least this share of its prior variance. A smaller share would make the
# position without shrinkage extremely large.
_LEAST_RESOLVED = 0.3


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
        errors: of the anchors' positions.
    """

    theta: _Vector
    variance: _Vector
    known: tuple[int, ...]
    errors: AnchorErrors

    @classmethod
    def of(cls, fitted: Fit, anchors: Mapping[int, int]) -> Positions:
        """Undo the shrinkage of a fit: m_i f_i and Σ_ij √(f_i f_j) with f_i = 1/max(1 − Σ_ii/σ², .3).

        m is the posterior mean and Σ_ii the variance there. The mode is a tenth too near to the middle, which would
        make students look more alike and the judge better than they are.

        Among anchors only the number of judgements says how large an error is. By its curvature an anchor whose error
        moved it outward would count less than one that was moved inward, and β would come out 5% too small.

        Args:
            fitted: the study.
            anchors: index of the item → index of its grade.
        """
        variance = np.square(fitted.standard_errors)
        stretch = 1.0 / np.maximum(1.0 - variance / fitted.prior_sd**2, _LEAST_RESOLVED)
        wider = np.square(fitted.errors_at_mean) / variance
        own, known = variance * stretch * wider, list(anchors)
        times = np.maximum(fitted.counts[known], 1.0)
        expected = float(np.mean(own[known] * times)) / times if known else times
        return cls(
            theta=fitted.posterior_mean * stretch,
            variance=own,
            known=tuple(known),
            errors=anchor_errors(fitted, anchors, root=np.sqrt(expected) / fitted.standard_errors[known]),
        )

    def among(self, places: Iterable[int]) -> AnchorErrors:
        """The errors of some of the anchors, given by their indices."""
        row = {place: number for number, place in enumerate(self.known)}
        return self.errors.among([row[place] for place in places])


def calibrate(
    positions: Positions, *, anchors: Mapping[int, int], students: Sequence[int], scale: Scale
) -> Calibration | Refusal:
    """Learn the grades' places from anchors, and the class's from the students.

    Args:
        positions: all items on the likelihood scale.
        anchors: index of the item → index of its grade in `scale.prior`.
        students: the indices of the students.
        scale: the grades.

    Returns:
        A refusal if there are fewer than 3 anchors or 2 grades, or if the least-squares slope of positions on grades is
        not positive or its 90% interval (Student's t) includes 0: three anchors must be close to a line.
    """
    lacking = what_anchors_lack(len(anchors), kinds=len(set(anchors.values())))
    if lacking is not None:
        return Refusal(reason=lacking)
    places, grades = list(anchors), np.array(list(anchors.values()), dtype=np.int64)
    theta = positions.theta[places]
    slope, margin, error = _slope(grades, theta)
    if slope <= margin:
        rise = f"{round(slope, 2) + 0.0:.2f} ± {margin:.2f} logits from one grade to the next (90% interval)"
        return Refusal(reason=f"the anchors' positions do not clearly rise with their grades: {rise}")
    known = _Anchors(
        theta=theta,
        errors=positions.among(places),
        outcomes=grades + int(scale.has_below_lowest),
        steps=scale.steps,
        passing=margin / error,
    )
    own = list(students) if len(students) >= FEWEST_STUDENTS else []
    given = known.given(_Grid.around(max(slope, _LEAST_STEP), error=error))
    return _averaged(given, known=known, scale=scale, theta=positions.theta[own], variance=positions.variance[own])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grid:
    """Points of β in logits and τ/β in steps, each of shape (p,)."""

    step: _Vector
    scatter: _Vector

    @classmethod
    def around(cls, slope: float, *, error: float) -> _Grid:
        """All combinations, with β around a slope that is known up to a standard error."""
        steps = slope + np.array(_SLOPE_NODES) * max(error, _LEAST_SLOPE_ERROR * slope)
        axes = np.meshgrid(_SPREADS, steps[steps > slope * _LEAST_SLOPE_SHARE], indexing="ij")
        scatter, step = (axis.ravel() for axis in axes)
        return cls(step=step, scatter=scatter)

    @property
    def log_prior(self) -> _Vector:
        """The log prior of each point: scale-free in β, and rising with a small power of τ."""
        logs = np.log(_SPREADS)
        by_scatter = np.log(np.gradient(logs)) + SPREAD_POWER * logs
        return np.asarray(by_scatter[np.searchsorted(_SPREADS, self.scatter)] - np.log(self.step))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Given:
    """What the anchors say at each point of the grid, over all guesses of the misgraded anchor.

    Attributes:
        grid: the points.
        log_weight: the log posterior up to a constant, without the students, shape (p,).
        misgraded: the probability that each anchor is misgraded, shape (p, m).
        centres: means and variances, each of shape (p, G).
        bounds: between the outcomes, halfway between the centres: means and variances, each of shape (p, G − 1).
        rises: from a centre to the next: means and variances, each of shape (p, G − 1).
    """

    grid: _Grid
    log_weight: _Vector
    misgraded: _Vector
    centres: tuple[_Vector, _Vector]
    bounds: tuple[_Vector, _Vector]
    rises: tuple[_Vector, _Vector]

    @property
    def middle(self) -> tuple[_Vector, _Vector]:
        """α: the mean of the bounds' means, without the scale's own middle, and of their variances."""
        return self.bounds[0].mean(axis=1), self.bounds[1].mean(axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Anchors:
    """The anchors.

    Attributes:
        theta: the positions, shape (m,), in logits.
        errors: of the positions.
        outcomes: the index of each anchor's grade among the outcomes, shape (m,).
        steps: x of all outcomes, shape (G,).
        passing: the slope in standard errors below which `calibrate` refuses.
    """

    theta: _Vector
    errors: AnchorErrors
    outcomes: NDArray[np.int64]
    steps: _Vector
    passing: float

    @property
    def qualities(self) -> _Vector:
        """The anchors' x, shape (m,)."""
        outward = np.zeros_like(self.steps)
        outward[0], outward[-1] = -_OPEN_END, _OPEN_END
        return (self.steps + outward)[self.outcomes]

    def given(self, grid: _Grid) -> _Given:
        """The posterior at each point, with α ~ N(0, 10²) and d_g ~ N(0, ω²)."""
        step, many = grid.step[:, None], self.theta.size
        own = np.square(_DEPARTURE * grid.step)[:, None, None]
        varied = np.square(grid.step) * (np.square(grid.scatter) + _WITHIN_GRADE)
        surprise = self.theta - step * self.qualities
        places = _OFFSET_SD**2 + own * np.eye(self.steps.size)
        solved = self.errors.solved(places, self.outcomes, varied=varied, surprise=surprise)
        explained = solved.explained
        # A further error of the a-th anchor changes the inverse by a matrix of rank one (Sherman and Morrison).
        further = np.square(_MISGRADED_BY * step)
        growth = 1.0 + further * solved.inverse_diagonal
        right = -(np.sum(surprise * explained, axis=1) + solved.log_determinant) / 2.0
        wrong = right[:, None] + (further * np.square(explained) / growth - np.log(growth)) / 2.0
        guesses = np.column_stack([right + math.log(1.0 - _MISGRADED), wrong + math.log(_MISGRADED / many)])
        pull = further / growth
        blame, shift = softmax(guesses, axis=1)[:, 1:], pull * explained
        posterior = _Linear(
            paths=solved.paths,
            prior=solved.prior,
            surprise=solved.gathered(surprise),
            loss=solved.gathered(blame * shift),
            doubt=solved.gathered(blame * (pull + np.square(shift)), power=2),
        )
        line = step * self.steps
        halves = step * (self.steps[1:] + self.steps[:-1]) / 2.0
        departures = own[:, 0]
        return _Given(
            grid=grid,
            log_weight=grid.log_prior + logsumexp(guesses, axis=1) - self._log_chance(grid),
            misgraded=blame,
            centres=posterior.of(lambda part: part, mean=line, variance=_OFFSET_SD**2 + departures),
            bounds=posterior.of(_halfway, mean=halves, variance=_OFFSET_SD**2 + departures / 2.0),
            rises=posterior.of(
                lambda part: np.diff(part, axis=1), mean=np.diff(line, axis=1), variance=2.0 * departures
            ),
        )

    def _log_chance(self, grid: _Grid) -> _Vector:
        """The log probability that a study with such a β and τ is not refused: a noncentral t, nearly."""
        from_mean, freedom = self.outcomes - self.outcomes.mean(), self.theta.size - 2
        varied = np.square(grid.step) * (np.square(grid.scatter) + _WITHIN_GRADE + _DEPARTURE**2 / 2.0)
        error = np.sqrt((varied + self.errors.variances.mean()) / float(from_mean @ from_mean))
        wide = math.sqrt(1.0 + self.passing**2 / (2.0 * freedom))
        return np.asarray(np.maximum(log_ndtr((grid.step / error - self.passing) / wide), _LEAST_CHANCE))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Linear:
    """Linear functions of the grades' places given the anchors, over all guesses of the misgraded anchor.

    Attributes:
        paths: Z_G V⁻¹, how the places follow each of k columns, the anchors or their grades, shape (p, G, k).
        prior: Z_G, the prior covariance of places and anchors, shape (p, G, k).
        surprise: the anchors' distances from the line, shape (p, k).
        loss: what the places lose along the paths of anchors that may be misgraded, shape (p, k).
        doubt: the second moments of what they lose, shape (p, k).
    """

    paths: _Vector
    prior: _Vector
    surprise: _Vector
    loss: _Vector
    doubt: _Vector

    def of(self, part: Callable[[_Vector], _Vector], *, mean: _Vector, variance: _Vector) -> tuple[_Vector, _Vector]:
        """The posterior mean and variance.

        Args:
            part: what to take along the axis of the grades.
            mean: without the anchors, shape (p, k).
            variance: without the anchors, shape (p, 1).
        """
        paths, prior = part(self.paths), part(self.prior)
        lost = np.einsum("pgm,pm->pg", paths, self.loss)
        doubt = np.einsum("pgm,pm->pg", np.square(paths), self.doubt)
        known = np.einsum("pgm,pgm->pg", paths, prior)
        left = np.maximum(variance - known + doubt - np.square(lost), 0.0)
        return mean + np.einsum("pgm,pm->pg", paths, self.surprise) - lost, left


def _halfway(part: _Vector) -> _Vector:
    return (part[:, 1:] + part[:, :-1]) / 2.0


def _averaged(given: _Given, *, known: _Anchors, scale: Scale, theta: _Vector, variance: _Vector) -> Calibration:
    """Weigh the points with the students' mean and spread, for each S of its prior."""
    grid, (middle, offset) = given.grid, given.middle
    centre = scale.moments[0]
    spreads = scale.class_spread * np.exp(CLASS_LOG_SD * np.array(_CLASS_NODES))
    log_weight = given.log_weight[:, None] - np.square(_CLASS_NODES) / 2.0
    origin = middle - grid.step * float(_halfway(known.steps[None])[0].mean())
    mean, doubt = origin + grid.step * centre, np.square(_CLASS_MEAN_SD * grid.step)
    shift, gain = np.zeros_like(mean), np.zeros_like(mean)
    if theta.size:
        seen, sampled = float(theta.var(ddof=1)), float(theta.var(ddof=1)) / theta.size
        real = np.square(grid.step)[:, None] * (np.square(grid.scatter)[:, None] + np.square(spreads))
        expected, off, wide = real + float(variance.mean()), float(theta.mean()) - mean, doubt + sampled + offset
        log_weight = log_weight - (theta.size - 1) / 2.0 * (np.log(expected) + seen / expected)
        log_weight -= ((np.square(off) / wide + np.log(wide)) / 2.0)[:, None]
        # The students' mean says where the scale is, as far as classes are alike.
        gain = offset / wide
        shift = gain * off
        mean, doubt = np.full_like(mean, theta.mean()), np.full_like(mean, sampled)
    weights = softmax(log_weight)
    point, node = np.nonzero(weights > _LEAST_WEIGHT * weights.max())
    weight = weights[point, node] / weights[point, node].sum()
    surer = (gain * offset)[:, None]
    qualities = known.qualities
    return Calibration(
        weight=weight,
        step=grid.step[point],
        scatter=grid.scatter[point],
        group=Group(mean=mean[point], mean_variance=doubt[point], spread=spreads[node], noise=scale.expert_noise),
        centres=(_risen(given.centres) + shift[:, None])[point],
        variances=np.maximum(given.centres[1] - surer, 0.0)[point],
        bounds=(_risen(given.bounds) + shift[:, None])[point],
        bound_variances=np.maximum(given.bounds[1] - surer, 0.0)[point],
        inversions=ndtr(-given.rises[0] / np.sqrt(given.rises[1]))[point],
        misgraded=weight @ given.misgraded[point],
        of_anchors=Group(
            mean=(origin + shift + grid.step * float(qualities.mean()))[point],
            mean_variance=np.maximum(offset * (1.0 - gain), 0.0)[point],
            spread=np.full(point.size, max(float(qualities.std()), _LEAST_ANCHOR_SPREAD)),
            noise=0.0,
        ),
    )


def _risen(places: tuple[_Vector, _Vector]) -> _Vector:
    """The means as sequences that never fall, each weighted by its precision."""
    means, variances = places[0].copy(), places[1]
    for point in np.flatnonzero(np.any(np.diff(means, axis=1) < 0.0, axis=1)).tolist():
        means[point] = never_falling(means[point], weights=1.0 / np.maximum(variances[point], _LEAST_VARIANCE))
    return means


def _slope(grades: NDArray[np.int64], theta: _Vector) -> tuple[float, float, float]:
    """The least-squares slope in logits per grade, the half-width of its 90% interval, and its standard error."""
    from_mean, freedom = grades - grades.mean(), len(grades) - 2
    spread = float(from_mean @ from_mean)
    slope = float(from_mean @ theta) / spread
    residual = theta - theta.mean() - slope * from_mean
    standard_error = max(math.sqrt(float(residual @ residual) / freedom / spread), _LEAST_ERROR)
    return slope, float(stdtrit(freedom, (1.0 + _SLOPE_CONFIDENCE) / 2.0)) * standard_error, standard_error
