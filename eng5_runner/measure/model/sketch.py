"""The trace and the diagonal of H⁻¹ for many items, without computing H⁻¹.

For a vector z of random signs, E zᵀMz = tr M (Hutchinson 1990) and E z∘Mz = diag M (Bekas, Kokiopoulou and Saad 2007).
So products of a matrix M with a few such vectors estimate its trace and its diagonal. Applied to H⁻¹ itself this would
be coarse. It is applied to the difference between H⁻¹ and G = D⁻¹ + D⁻¹AD⁻¹ + D⁻¹AD⁻¹AD⁻¹, the walks of at most two
steps in the graph of comparisons, whose trace and diagonal are known exactly. With k judgements per item the difference
is of the relative order k^(−3/2), so a few vectors are enough.

All vectors are centred in each connected component; along a component's indicator H⁻¹ is known to be σ². The random
signs depend on the number of items only, so the same comparisons give the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.curvature import Sparse
    from eng5_runner.measure.model.links import Links

_Floats: TypeAlias = "NDArray[np.float64]"

_SIGNS_SEED = 1
_TOLERANCE = 1e-6  # relative, of the solutions
_DRAWS = 8
# Signs are drawn until the sampling error of each variance is below 1%, which is .5% of a standard error.
_VARIANCE_TOLERANCE = 0.01
_MOST_DRAWS = 512
_MEAN_TOLERANCE = 1e-3  # relative sampling error of the mean variance


def signs(n: int, *, draws: int, skip: int = 0) -> _Floats:
    """Vectors of n random signs, shape (n, draws); `skip` is the number of vectors used before."""
    generator = np.random.default_rng([_SIGNS_SEED, n, skip])
    return generator.choice(np.array([-1.0, 1.0]), size=(n, draws))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walks:
    """G, centred in each component.

    Attributes:
        curvature: H.
        weights: D⁻¹, shape (n,).
        variances: the exact diagonal of the centred G, shape (n,).
    """

    curvature: Sparse
    weights: _Floats
    variances: _Floats

    @classmethod
    def of(cls, curvature: Sparse) -> Walks:
        """Compute G from H."""
        information, weights = curvature.information, 1.0 / curvature.diagonal
        links = information.links
        returning = links.matrix(np.square(information.by_pair())) @ weights
        ones = np.ones((weights.size, 1))
        carried = _carried(curvature, ones)[1][:, 0]
        sizes = links.sizes[links.component]
        whole = links.sums(carried)[links.component] / sizes
        variances = weights + weights**2 * returning - (2.0 * carried - whole) / sizes
        return cls(curvature=curvature, weights=weights, variances=variances)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """H⁻¹ over θ, known by its products with some vectors of signs.

    Attributes:
        walks: G.
        centred: the vectors of signs, centred in each component, shape (n, draws).
        solved: H⁻¹ times `centred`.
        rest_one: `solved` minus the product of `centred` with the walks of at most one step.
        rest_two: `solved` minus the product of `centred` with the walks of at most two steps.
    """

    walks: Walks
    centred: _Floats
    solved: _Floats
    rest_one: _Floats
    rest_two: _Floats

    @classmethod
    def of(cls, walks: Walks, *, centred: _Floats, solved: _Floats) -> Sketch:
        """Build the sketch from products that were solved for elsewhere."""
        within_one, within_two = _carried(walks.curvature, centred)
        return cls(
            walks=walks, centred=centred, solved=solved, rest_one=solved - within_one, rest_two=solved - within_two
        )

    def trace(self) -> float:
        """The trace of the centred H⁻¹ over θ, without the part that goes through δ."""
        rest = float((self.centred * self.rest_two).sum()) / len(self.centred.T)
        return float(self.walks.variances.sum()) + rest

    def trace_with(self, amounts: _Floats) -> float:
        """The sum over pairs (i, j) of an amount, which may be negative, times (e_i − e_j)ᵀ H⁻¹ (e_i − e_j)."""
        curvature, weights = self.walks.curvature, self.walks.weights
        links = curvature.information.links
        low, high = weights[links.low], weights[links.high]
        exact = (amounts * (low + high - 2.0 * curvature.information.by_pair() * low * high)).sum()
        matrix = links.matrix(amounts)
        image = np.asarray(matrix.sum(axis=1))[:, None] * self.centred - matrix @ self.centred
        return float(exact) + float((image * self.rest_one).sum()) / len(self.centred.T)


def centred_variances(curvature: Sparse) -> _Floats:
    """The diagonal of H⁻¹ over θ, centred over all items, with the part that goes through δ, shape (n,).

    Its square root is off by .25% on average and by 1% at most, for priors that fit the judgements. It is coarser if
    items are connected in long chains or the prior is flat: 512 vectors may not be enough then.
    """
    walks, links = Walks.of(curvature), curvature.information.links
    n, drawn = walks.weights.size, 0
    total, squares = np.zeros(n), np.zeros(n)
    variances = walks.variances
    while drawn < _MOST_DRAWS:
        vectors = signs(n, draws=_DRAWS, skip=drawn)
        centred = links.centred(vectors)
        solved = curvature.solved(centred, tolerance=_TOLERANCE)
        samples = vectors * links.centred(solved - _carried(curvature, centred)[1])
        total += samples.sum(axis=1)
        squares += np.square(samples).sum(axis=1)
        drawn += _DRAWS
        variances = np.maximum(walks.variances + total / drawn, 0.0)
        noise = np.sqrt(np.maximum(squares / drawn - np.square(total / drawn), 0.0) / drawn)
        if (noise <= _VARIANCE_TOLERANCE * (variances + 1.0 / n)).all():
            break
    return variances + _apart(curvature) + _through_position(curvature)


def mean_variance(curvature: Sparse) -> float:
    """The mean of `centred_variances`, to a thousandth: of many items one needs far fewer vectors than of each.

    The vectors are the same for all matrices of so many items, so that ratios of means are closer still.
    """
    walks, links = Walks.of(curvature), curvature.information.links
    n, traces = walks.weights.size, np.zeros(0)
    known = float((walks.variances + _apart(curvature) + _through_position(curvature)).sum())
    while traces.size < _MOST_DRAWS:
        centred = links.centred(signs(n, draws=_DRAWS, skip=traces.size))
        rest = curvature.solved(centred, tolerance=_TOLERANCE) - _carried(curvature, centred)[1]
        traces = np.append(traces, (centred * rest).sum(axis=0))
        whole, noise = known + float(traces.mean()), float(traces.std(ddof=1)) / math.sqrt(traces.size)
        if noise <= _MEAN_TOLERANCE * whole:
            break
    return whole / n


def _apart(curvature: Sparse) -> _Floats:
    """The variance of the components' means relative to the mean of all items: σ² (1/n_c − 1/n)."""
    links = curvature.information.links
    return (1.0 / links.sizes[links.component] - 1.0 / links.component.size) / curvature.information.precision


def _through_position(curvature: Sparse) -> _Floats:
    if curvature.position is None:
        return np.zeros(curvature.diagonal.size)
    tilted = curvature.solved(curvature.tilt[:, None], tolerance=_TOLERANCE)[:, 0]
    return np.square(tilted) / curvature.position_information(tilted)


def _carried(curvature: Sparse, block: _Floats) -> tuple[_Floats, _Floats]:
    """A block of shape (n, m) times the walks of at most one step, and times those of at most two."""
    weights = 1.0 / curvature.diagonal[:, None]
    start = block * weights
    one_step = (curvature.adjacency @ start) * weights
    two_steps = (curvature.adjacency @ one_step) * weights
    return start + one_step, start + one_step + two_steps


def starting_signs(links: Links) -> _Floats:
    """The vectors of signs for traces, centred in each component, shape (n, 8)."""
    return links.centred(signs(links.component.size, draws=_DRAWS))
