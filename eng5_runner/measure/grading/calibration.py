"""What the grid of `anchor_model` says of essays: the probability of each grade, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Vector: TypeAlias = "NDArray[np.float64]"

_STUDENTS_AT_ONCE = 200  # so that memory does not grow with students × points
_PLACES = 9  # of the bounds at each point of the grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Essays of which grades are asked: where they are on the logit scale as a group.

    Attributes:
        mean: at each of the q points, in logits.
        mean_variance: of `mean`, shape (q,), in logits².
        spread: S at each point, in steps.
        noise: of the grades that are asked for, around the quality that they are for, in steps.
    """

    mean: _Vector
    mean_variance: _Vector
    spread: _Vector
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """The quality of essays that is graded, by their positions, at each point; each of shape (q, essays), in logits.

    Attributes:
        quality: what is expected.
        variance: of the essay's own.
        shared: the variance that all essays share, because of their group's middle.
    """

    quality: _Vector
    variance: _Vector
    shared: _Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The posterior over the q points of the grid, for G outcomes.

    Attributes:
        weight: the posterior of each point, shape (q,); sums to 1.
        step: β in logits, shape (q,).
        scatter: τ/β in steps, shape (q,).
        group: the students.
        centres: α + βx + d_g of each outcome in logits, shape (q, G); they never fall from a grade to the next.
        variances: of the centres, shape (q, G).
        bounds: between the outcomes, in logits, shape (q, G − 1); they never fall either.
        bound_variances: shape (q, G − 1).
        inversions: the probability that a true centre is above the next one, shape (q, G − 1).
        misgraded: the probability that each anchor is misgraded, shape (m,), in the order of the anchors.
        of_anchors: the anchors as a group, which were chosen by grade.
    """

    weight: _Vector
    step: _Vector
    scatter: _Vector
    group: Group
    centres: _Vector
    variances: _Vector
    bounds: _Vector
    bound_variances: _Vector
    inversions: _Vector
    misgraded: _Vector
    of_anchors: Group

    def probabilities(self, theta: _Vector, variance: _Vector, *, group: Group | None = None) -> _Vector:
        """The probability of each outcome for essays, shape (essays, G).

        Args:
            theta: the positions on the likelihood scale, shape (essays,), in logits.
            variance: their squared standard errors, shape (essays,).
            group: what the essays belong to; None for the students.
        """
        parts = [
            self._some(
                theta[start : start + _STUDENTS_AT_ONCE], variance[start : start + _STUDENTS_AT_ONCE], group=group
            )
            for start in range(0, theta.size, _STUDENTS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.centres.shape[1]))

    def _some(self, theta: _Vector, variance: _Vector, *, group: Group | None) -> _Vector:
        mean = np.tensordot(self.weight, self._below(theta, variance, group=group), axes=1)
        shares: _Vector = np.diff(mean, axis=1)
        return np.maximum(shares, 0.0)

    def within_one(
        self, theta: _Vector, variance: _Vector, *, medians: NDArray[np.int64], shares: _Vector, group: Group | None
    ) -> _Vector:
        """Quantiles of each essay's probability to be within one step of an outcome, as `shares`.

        They are over what the study leaves unknown of all essays alike: the points, and at each where the bounds are
        beside the group, which move together. What is an essay's own, the errors of judge, judgements and teacher, is
        in the probability.

        Args:
            theta: the positions, shape (essays,), in logits.
            variance: their squared standard errors, shape (essays,).
            medians: the outcomes, shape (essays,).
            shares: of what is possible that are below the quantiles, shape (essays, k).
            group: what the essays belong to; None for the students.
        """
        quantiles, places = np.zeros(shares.shape), _places()
        weights = np.tile(self.weight / places.size, places.size)
        for start in range(0, theta.size, _STUDENTS_AT_ONCE):
            some = slice(start, start + _STUDENTS_AT_ONCE)
            seen = self._seen(theta[some], variance[some], group=group)
            upper, lower = (self._chances(medians[some] + above, seen=seen, places=places) for above in (2, -1))
            within = np.ascontiguousarray(np.maximum(upper - lower, 0.0).reshape(weights.size, -1).T)
            order = np.argsort(within, axis=1, kind="stable")
            weight = weights[order]
            reached, values = np.cumsum(weight, axis=1) - weight / 2.0, np.take_along_axis(within, order, axis=1)
            quantiles[some] = [np.interp(*rows) for rows in zip(shares[some], reached, values, strict=True)]
        return quantiles

    def _chances(self, outcomes: NDArray[np.int64], *, seen: _Seen, places: _Vector) -> _Vector:
        """The probability of a lower outcome than each essay's own, shape (places, q, essays)."""
        last = self.bounds.shape[1]
        bound = np.clip(outcomes - 1, 0, last - 1)
        width = np.sqrt(seen.variance)
        apart = (self.bounds[:, bound] - seen.quality) / width
        moved = np.sqrt(self.bound_variances[:, bound] + seen.shared) / width
        below = ndtr(apart + places[:, None, None] * moved)
        return np.where(outcomes <= 0, 0.0, np.where(outcomes > last, 1.0, below))

    def _below(self, theta: _Vector, variance: _Vector, *, group: Group | None) -> _Vector:
        """The probability at each point of an outcome below each, and below all and none, shape (q, essays, G + 1)."""
        seen = self._seen(theta, variance, group=group)
        width = np.sqrt((seen.variance + seen.shared)[:, :, None] + self.bound_variances[:, None, :])
        below = np.maximum.accumulate(ndtr((self.bounds[:, None, :] - seen.quality[:, :, None]) / width), axis=2)
        edges = np.zeros((*below.shape[:2], 1))
        return np.concatenate([edges, below, edges + 1.0], axis=2)

    def _seen(self, theta: _Vector, variance: _Vector, *, group: Group | None) -> _Seen:
        among = self.group if group is None else group
        real = np.square(self.step * among.spread)[:, None]
        kept = real / (real + np.square(self.step * self.scatter)[:, None] + variance)
        return _Seen(
            quality=among.mean[:, None] + kept * (theta - among.mean[:, None]),
            variance=real * (1.0 - kept) + np.square(self.step * among.noise)[:, None],
            shared=np.square(1.0 - kept) * among.mean_variance[:, None],
        )

    def centre_ses(self) -> _Vector:
        """The standard deviation of each centre over the whole grid, shape (G,), in logits."""
        mean = self.weight @ self.centres
        return np.sqrt(self.weight @ (self.variances + np.square(self.centres - mean)))


def _places() -> _Vector:
    """Places of a Normal distribution, each as likely as another, with its variance of 1."""
    places = ndtri((np.arange(_PLACES) + 0.5) / _PLACES)
    return np.asarray(places / places.std())
