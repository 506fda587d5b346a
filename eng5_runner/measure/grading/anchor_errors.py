"""How far the errors of the anchors' positions go together, and the anchors' model solved under them.

Up to 60 anchors every covariance counts. That takes time of the third power of the anchors, and of the fourth where
each is left out in turn. With more anchors the covariances of two grades' anchors are replaced by their mean, which is
all that the places of the grades depend on: what remains is diagonal but for one row a grade, and takes linear time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Vector: TypeAlias = "NDArray[np.float64]"

EACH_UP_TO = 60
# Positions sum to zero, so that their errors are against each other: the smallest eigenvalue of what they share, as a
# share of what is their own. With it V is positive definite, for fewer anchors as well.
_LOWEST = -0.9
_RIDGE, _TINY = 1e-9, 1e-30  # as a share of the variances together, and where there are none
_LEAST_SHARE = 0.05  # of an anchor's variance that is its own


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """V⁻¹ at each of p points, where V = ZᵀBZ + the errors + a variance of each anchor; Z says who has which grade.

    Attributes:
        inverse_diagonal: of V⁻¹, shape (p, m).
        explained: V⁻¹ times the anchors' surprise, shape (p, m).
        log_determinant: of V, shape (p,).
        paths: B Z V⁻¹, how the G outcomes' places follow k columns: the anchors, or the grades; shape (p, G, k).
        prior: what `paths` is multiplied with to give what the anchors tell of each place, shape (p, G, k).
        groups: the column of each anchor where they are grades; None where the columns are the anchors.
        weights: of the anchors in their columns, shape (p, m); None where the columns are the anchors.
    """

    inverse_diagonal: _Vector
    explained: _Vector
    log_determinant: _Vector
    paths: _Vector
    prior: _Vector
    groups: NDArray[np.int64] | None = None
    weights: _Vector | None = None

    def gathered(self, values: _Vector, *, power: int = 1) -> _Vector:
        """The anchors' values, shape (p, m), in the columns of `paths` or of its square, shape (p, k)."""
        if self.groups is None or self.weights is None:
            return values
        return _by_group(values * self.weights**power, self.groups, size=self.paths.shape[2])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EachPair:
    """The errors of m anchors with all their covariances, shape (m, m), in logits²."""

    covariance: _Vector

    @property
    def variances(self) -> _Vector:
        """Of the positions, shape (m,)."""
        return np.diag(self.covariance)

    def among(self, rows: Sequence[int]) -> EachPair:
        """Those of some anchors."""
        return EachPair(covariance=self.covariance[np.ix_(rows, rows)])

    def solved(self, prior: _Vector, outcomes: NDArray[np.int64], *, varied: _Vector, surprise: _Vector) -> Solved:
        """The model at p points.

        The errors are the same at all of them and are taken apart once, so that V is a diagonal matrix beside one of
        the rank of the grades (Woodbury): nothing of the size of all pairs of anchors is inverted at each point.

        Args:
            prior: B, shape (p, G, G).
            outcomes: of the anchors, shape (m,).
            varied: the further variance of each position, shape (p,).
            surprise: the anchors' distances from where they are expected, shape (p, m).
        """
        values, vectors = np.linalg.eigh(self.covariance)
        weights, unit = 1.0 / (values + varied[:, None]), np.eye(prior.shape[1])
        graded = vectors.T @ unit[outcomes]
        weighed = weights[:, :, None] * graded
        by_grade, between = vectors @ weighed, graded.T @ weighed
        joined = unit + prior @ between
        # What the grades say of each other, as the anchors see it.
        seen = by_grade @ np.linalg.solve(joined, prior)
        alone = (weights * (surprise @ vectors)) @ vectors.T
        return Solved(
            inverse_diagonal=weights @ np.square(vectors).T - (seen * by_grade).sum(axis=2),
            explained=alone - np.einsum("pig,pg->pi", seen, np.einsum("pjg,pj->pg", by_grade, surprise)),
            log_determinant=np.linalg.slogdet(joined)[1] - np.log(weights).sum(axis=1),
            paths=np.swapaxes(seen, 1, 2),
            prior=prior[:, :, outcomes],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByGrade:
    """The errors of m anchors with the mean covariances of their K grades.

    Attributes:
        own: the part of each variance that no other anchor shares, shape (m,), in logits².
        shared: between the grades, shape (K, K), in logits².
        groups: each anchor's place among the grades, shape (m,).
    """

    own: _Vector
    shared: _Vector
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, fitted: Fit, anchors: Mapping[int, int], *, root: _Vector) -> ByGrade:
        """From a fit.

        Args:
            fitted: the study.
            anchors: index of the item → index of its grade.
            root: what each anchor's position was stretched by, shape (m,).
        """
        places = np.array(list(anchors), dtype=np.int64)
        groups = np.unique(list(anchors.values()), return_inverse=True)[1].astype(np.int64)
        sizes = np.bincount(groups)
        means = np.zeros((len(fitted.items), sizes.size))
        means[places, groups] = root / sizes[groups]
        variances = np.square(fitted.standard_errors[places] * root)
        mean, alone = fitted.covariance_of(means), np.bincount(groups, weights=variances) / sizes
        # Within a grade the mean over its pairs of anchors: without each anchor's own variance.
        within = (sizes * np.diag(mean) - alone) / np.maximum(sizes - 1, 1)
        shared = (mean + mean.T) / 2.0
        shared[np.diag_indices(sizes.size)] = np.where(sizes > 1, within, 0.0)
        own = np.maximum(variances - np.diag(shared)[groups], _LEAST_SHARE * variances)
        information = _by_group(1.0 / own[None], groups, size=sizes.size)[0]
        return cls(own=own, shared=_bounded(shared, information, low=_LOWEST), groups=groups)

    @property
    def variances(self) -> _Vector:
        """Of the positions, shape (m,)."""
        whole: _Vector = self.own + np.diag(self.shared)[self.groups]
        return whole

    def among(self, rows: Sequence[int]) -> ByGrade:
        """Those of some anchors."""
        return ByGrade(own=self.own[list(rows)], shared=self.shared, groups=self.groups[list(rows)])

    def drawn(self, generator: np.random.Generator, draws: int) -> _Vector:
        """Errors at random, shape (draws, m)."""
        ones = np.ones(len(self.shared))
        shared = _bounded(self.shared, ones, low=0.0)
        # The Cholesky factor is unique, while the signs of eigenvectors differ between machines.
        root = np.linalg.cholesky(shared + np.diag(ones) * max(_RIDGE * float(np.trace(shared)), _TINY))
        together = generator.standard_normal((draws, len(root))) @ root.T
        return together[:, self.groups] + np.sqrt(self.own) * generator.standard_normal((draws, self.own.size))

    def solved(self, prior: _Vector, outcomes: NDArray[np.int64], *, varied: _Vector, surprise: _Vector) -> Solved:
        """As `EachPair.solved`, by the formulas of Woodbury: all that has the size of the anchors is diagonal."""
        many = len(self.shared)
        of_group = np.zeros(many, dtype=np.int64)
        of_group[self.groups] = outcomes
        weights = 1.0 / (self.own + varied[:, None])
        counts = _by_group(weights, self.groups, size=many)
        between = prior[:, of_group[:, None], of_group] + self.shared
        # (1 + B N) with N = diag(counts): its inverse times B is what the groups say of each other.
        joined = np.eye(many) + between * counts[:, None, :]
        core = np.linalg.solve(joined, between)
        with_groups = prior[:, :, of_group]
        seen = np.einsum("pij,pj->pi", core, _by_group(weights * surprise, self.groups, size=many))
        return Solved(
            inverse_diagonal=weights - np.einsum("pii->pi", core)[:, self.groups] * np.square(weights),
            explained=weights * (surprise - seen[:, self.groups]),
            log_determinant=np.linalg.slogdet(joined)[1] - np.log(weights).sum(axis=1),
            paths=with_groups - (with_groups * counts[:, None, :]) @ core,
            prior=with_groups * counts[:, None, :],
            groups=self.groups,
            weights=weights,
        )


AnchorErrors: TypeAlias = EachPair | ByGrade


def anchor_errors(fitted: Fit, anchors: Mapping[int, int], *, root: _Vector | None = None) -> AnchorErrors:
    """The errors of the anchors' positions.

    Args:
        fitted: the study.
        anchors: index of the item → index of its grade.
        root: what each position was stretched by, shape (m,); None where they are as fitted.
    """
    root = np.ones(len(anchors)) if root is None else root
    if len(anchors) <= EACH_UP_TO:
        return EachPair(covariance=fitted.covariance_among(list(anchors)) * np.outer(root, root))
    return ByGrade.of(fitted, anchors, root=root)


def _bounded(shared: _Vector, information: _Vector, *, low: float) -> _Vector:
    """A covariance whose eigenvalues, as shares of what the anchors of each grade leave open, are not below a bound."""
    root = np.sqrt(information)
    values, vectors = np.linalg.eigh(shared * np.outer(root, root))
    return np.asarray((vectors * np.maximum(values, low)) @ vectors.T / np.outer(root, root))


def _by_group(values: _Vector, groups: NDArray[np.int64], *, size: int) -> _Vector:
    """The sums of each group's columns: shape (p, m) to (p, size)."""
    summed = np.zeros((len(values), size))
    for group in range(size):
        summed[:, group] = values[:, groups == group].sum(axis=1)
    return summed
