"""The negative Hessian H of the log posterior and its inverse, in a dense and a sparse form.

Over θ, H = D − A. A has the information of each compared pair; the diagonal matrix D has its row sums plus σ⁻². The
indicator of each connected component is an eigenvector of H with the eigenvalue σ⁻², so H⁻¹ is known exactly along it.
The position effect δ is joined by its Schur complement.

The dense form is for a stack of studies (see `Comparisons`) or a single one. The sparse form is for a single study with
many items: it solves by conjugate gradients, preconditioned by D, in time linear in the comparisons. It adds up in one
thread, so that sums are the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.linalg import lapack

from eng5_runner.measure.model.comparisons import Comparisons, Values, summed_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from eng5_runner.measure.model.links import Links

_Floats: TypeAlias = "NDArray[np.float64]"

# Up to this many items the dense form is faster, and studies can be stacked.
DENSE_UP_TO = 250
_MOST_ENTRIES = 1 << 17  # of all matrices of a stack, so that they stay in the processor's cache
_STEP_TOLERANCE = 1e-3  # relative; Newton's method corrects the rest in its next step
_FINE_TOLERANCE = 1e-10  # relative
_MAX_ITERATIONS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Information:
    """The information of the judgements and the priors at one point.

    Attributes:
        data: the judgements.
        links: the graph of the judgements.
        by_row: shape (…, rows), w s² p (1 − p), the information of each row about its difference, in logits⁻²; s is its
            slope.
        precision: σ⁻², one for all studies or one for each.
        position_precision: of δ's prior, one for all studies or one for each; None if δ is not estimated.
    """

    data: Comparisons
    links: Links
    by_row: _Floats
    precision: Values
    position_precision: Values | None

    def by_pair(self) -> _Floats:
        """The information about each pair's difference, shape (…, pairs)."""
        return summed_at(self.links.pair, self.by_row, size=self.links.low.size)

    def by_place(self) -> tuple[_Floats, _Floats]:
        """The information about each item when shown first and when shown second, both of shape (…, n)."""
        n = len(self.data.items)
        return summed_at(self.data.first, self.by_row, size=n), summed_at(self.data.second, self.by_row, size=n)

    def on_position(self) -> Values | None:
        """The diagonal entry of δ; None if δ is not estimated."""
        if self.position_precision is None:
            return None
        whole: Values = self.by_row.sum(axis=-1) + self.position_precision
        return whole


def curvature_of(information: Information) -> Curvature:
    """H in the form that is faster for the number of items."""
    return (Dense if len(information.data.items) <= DENSE_UP_TO else Sparse).of(information)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """H over (θ, δ) plus shift·11ᵀ/n over θ, as its Cholesky factor L.

    The vector 1 is an eigenvector of H over θ with the eigenvalue σ⁻², and every gradient is orthogonal to it. So the
    shift changes no step, and it keeps the matrix well conditioned even for a very wide prior.

    Attributes:
        factor: shape (…, n + 1, n + 1), the columns of L as rows, as LAPACK stores them; entries below the diagonal
            have no meaning.
        precision: σ⁻², the eigenvalue of 1 without the shift.
        along_one: the eigenvalue of 1 with the shift.
        has_position: whether δ is estimated.
    """

    factor: _Floats
    precision: Values
    along_one: Values
    has_position: bool

    @classmethod
    def of(cls, information: Information) -> Dense:
        """Factorise H."""
        links, n = information.links, len(information.data.items)
        as_first, as_second = information.by_place()
        precision = np.asarray(information.precision)[..., None]
        shift = 2.0 * information.by_row.sum(axis=-1)[..., None] / n + precision
        columns = np.empty((*shift.shape[:-1], n + 1, n + 1))
        columns[...] = (shift / n)[..., None]
        columns[..., links.low, links.high] -= information.by_pair()
        columns[..., np.arange(n), np.arange(n)] += as_first + as_second + precision
        columns[..., -1] = 0.0
        columns[..., -1, -1] = 1.0
        position = information.on_position()
        if position is not None:
            columns[..., :-1, -1] = as_first - as_second
            columns[..., -1, -1] = position
        for matrix in _matrices(columns):
            matrix[...] = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)[0].T
        return cls(
            factor=columns,
            precision=information.precision,
            along_one=information.precision + shift[..., 0],
            has_position=position is not None,
        )

    def solve(self, gradient: _Floats) -> _Floats:
        """H⁻¹ times a vector of shape (…, n + 1) that sums to zero over θ."""
        solved = gradient.copy()
        for factor, vector in zip(_matrices(self.factor), solved.reshape(-1, gradient.shape[-1]), strict=True):
            vector[...] = lapack.dpotrs(factor.T, vector, lower=1)[0]
        return solved

    def log_determinant(self) -> Values:
        """log|H|, without the shift."""
        diagonal = np.diagonal(self.factor, axis1=-2, axis2=-1)
        whole: Values = 2.0 * np.log(diagonal).sum(axis=-1) - np.log(self.along_one / self.precision)
        return whole

    def position_se(self) -> float:
        """The standard error of one study's δ."""
        unit = np.zeros(len(self.factor))
        unit[-1] = 1.0
        return math.sqrt(self.solve(unit)[-1])

    def variances(self) -> _Floats:
        """The variances of one study's centred θ, shape (n,).

        They are the diagonal of `inverse`, computed in two thirds of its time.
        """
        root = np.tril(lapack.dtrtri(self.factor.T, lower=1)[0])
        n = len(root) - 1
        variances: _Floats = np.square(root[:, :n]).sum(axis=0) - 1.0 / (n * self.along_one)
        return np.maximum(variances, 0.0)  # the variance of a single item is 0 and may be rounded to less

    def inverse(self) -> _Floats:
        """The covariance of the centred θ and of δ, shape (…, n + 1, n + 1)."""
        n = self.factor.shape[-1] - 1
        columns = self.factor.copy()
        for matrix in _matrices(columns):
            matrix[...] = lapack.dpotri(matrix.T, lower=1, overwrite_c=1)[0].T
        upper = np.arange(n + 1)[:, None] <= np.arange(n + 1)
        whole: _Floats = np.where(upper, columns, np.swapaxes(columns, -2, -1))
        whole[..., :n, :n] -= 1.0 / (n * np.asarray(self.along_one)[..., None, None])
        if not self.has_position:
            whole[..., n, :] = whole[..., n] = 0.0
        return whole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sparse:
    """H as D − A over θ, with the column b and the diagonal entry c for δ.

    Attributes:
        information: the information that H was made from.
        diagonal: D, shape (n,).
        adjacency: A, shape (n, n).
        tilt: b, shape (n,), the information about each item when shown first minus that when shown second.
        position: c; None if δ is not estimated.
    """

    information: Information
    diagonal: _Floats
    adjacency: csr_array[np.float64]
    tilt: _Floats
    position: float | None

    @classmethod
    def of(cls, information: Information) -> Sparse:
        """Compute the parts of H."""
        as_first, as_second = information.by_place()
        position = information.on_position()
        return cls(
            information=information,
            diagonal=as_first + as_second + information.precision,
            adjacency=information.links.matrix(information.by_pair()),
            tilt=as_first - as_second,
            position=None if position is None else float(position),
        )

    def solve(self, gradient: _Floats) -> _Floats:
        """H⁻¹ times a vector of shape (n + 1,), to a relative error of 1e-3."""
        if self.position is None:
            step = self.solved(gradient[:-1, None], tolerance=_STEP_TOLERANCE)[:, 0]
            return np.append(step, 0.0)
        both = np.stack([gradient[:-1], self.tilt], axis=-1)
        plain, tilted = self.solved(both, tolerance=_STEP_TOLERANCE).T
        advantage = (gradient[-1] - (self.tilt * plain).sum()) / self.position_information(tilted)
        return np.append(plain - advantage * tilted, advantage)

    def position_information(self, tilted: _Floats) -> float:
        """The Schur complement of δ, c − bᵀH⁻¹b, given H⁻¹b."""
        return (self.position or 0.0) - float((self.tilt * tilted).sum())

    @property
    def has_position(self) -> bool:
        """Whether δ is estimated."""
        return self.position is not None

    def solved(self, block: _Floats, *, tolerance: float, start: _Floats | None = None) -> _Floats:
        """H⁻¹ over θ times each column of a block of shape (n, m), by conjugate gradients on all columns together."""
        weights = 1.0 / self.diagonal[:, None]
        solution = np.zeros_like(block) if start is None else start
        residual = block.copy() if start is None else block - self._times(start)
        direction = residual * weights
        size = (residual * direction).sum(axis=0)
        enough = tolerance**2 * (block * block * weights).sum(axis=0)
        for _ in range(_MAX_ITERATIONS):
            if (size <= enough).all():
                break
            image = self._times(direction)
            bend = (direction * image).sum(axis=0)
            stride = np.divide(size, bend, out=np.zeros_like(size), where=bend > 0.0)
            solution = solution + stride * direction
            residual -= stride * image
            preconditioned = residual * weights
            before, size = size, (residual * preconditioned).sum(axis=0)
            kept = np.divide(size, before, out=np.zeros_like(size), where=before > 0.0)
            direction = preconditioned + direction * kept
        return solution

    def solved_with_position(self, block: _Floats, *, tolerance: float) -> _Floats:
        """The θ part of H⁻¹ over (θ, δ) times each column of a block, which has the shape (n, m) and 0 for δ."""
        if self.position is None:
            return self.solved(block, tolerance=tolerance)
        both = self.solved(np.concatenate([block, self.tilt[:, None]], axis=1), tolerance=tolerance)
        plain, tilted = both[:, :-1], both[:, -1]
        share = (tilted[:, None] * block).sum(axis=0) / self.position_information(tilted)
        joined: _Floats = plain + tilted[:, None] * share
        return joined

    def position_se(self) -> float:
        """The standard error of δ."""
        tilted = self.solved(self.tilt[:, None], tolerance=_FINE_TOLERANCE)[:, 0]
        return 1.0 / math.sqrt(self.position_information(tilted))

    def _times(self, block: _Floats) -> _Floats:
        return self.diagonal[:, None] * block - self.adjacency @ block


def stack_shapes(studies: int, *, items: int) -> Iterator[tuple[int, ...]]:
    """The leading axes of the stacks into which to divide so many studies.

    With few items a stack has many studies; with many items each study is on its own, with the leading axes ().
    """
    if items > DENSE_UP_TO:
        yield from [()] * studies
        return
    most = max(1, _MOST_ENTRIES // (items + 1) ** 2)
    for begin in range(0, studies, most):
        yield (min(most, studies - begin),)


def _matrices(matrices: _Floats) -> Iterator[_Floats]:
    """Views of the matrices of a stack; LAPACK takes one matrix at a time."""
    return iter(matrices.reshape(-1, *matrices.shape[-2:]))


Curvature: TypeAlias = Dense | Sparse
