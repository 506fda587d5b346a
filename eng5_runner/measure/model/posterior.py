"""The log posterior of the Bradley-Terry model, and its maximum for one σ by Newton's method.

Each step solves with the matrix of `curvature`: exactly for few items, by conjugate gradients in time linear in the
comparisons for many. The studies of a stack (see `Comparisons`) are solved together, for few items only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Comparisons, Values, chance_of, summed_at
from eng5_runner.measure.model.curvature import Curvature, Information, curvature_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.links import Links

_Vector: TypeAlias = "NDArray[np.float64]"

_MAX_STEPS = 200
_STEEPEST_DESCENT = 0.5  # at the end of a step, as a share of the rise at its beginning
# A prior of δ so weak (sd 1000 logits) that it changes no estimate, but keeps H from being singular.
_FREE_PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peak:
    """The mode for one σ.

    Attributes:
        x: θ, then δ, shape (…, n + 1), in logits.
        log_sd: log σ.
        curvature: the negative Hessian of the log posterior at the mode.
    """

    x: _Vector
    log_sd: Values
    curvature: Curvature

    @property
    def precision(self) -> Values:
        """σ⁻²."""
        return _precision(self.log_sd)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """The log posterior as a function of x = (θ, δ) and log σ.

    Attributes:
        data: the judgements.
        links: the graph of the judgements.
        position_precision: of δ's prior, in logits⁻²; None if δ is not estimated. x then still has an element for δ,
            so that shapes are always the same.
    """

    data: Comparisons
    links: Links
    position_precision: Values | None

    def log_likelihood(self, x: _Vector) -> float:
        """The log likelihood of one study, without the priors."""
        eta = self.data.log_odds(x)
        return float((self.data.weight * (self.data.outcome * eta - np.logaddexp(0.0, eta))).sum())

    def gradient(self, x: _Vector, precision: Values) -> _Vector:
        """The gradient of the log posterior for one σ⁻², shape (…, n + 1)."""
        return self._gradient(x, chance_of(self.data.log_odds(x)), precision=precision)

    def curvature(self, x: _Vector, precision: Values) -> Curvature:
        """The negative Hessian of the log posterior for one σ⁻², less what rows lose whose slopes are estimates."""
        information = self._information(chance_of(self.data.log_odds(x)), precision)
        if self.data.certain is not None:
            information = replace(information, by_row=information.by_row * self.data.certain)
        return curvature_of(information)

    def climb(self, x: _Vector, log_sd: Values, *, tolerance: float) -> Peak:
        """Find the mode for one σ.

        Args:
            x: where to start, shape (…, n + 1).
            log_sd: log σ.
            tolerance: in logits; the error that remains is of the order of its square.

        The studies of a stack all continue until the last has converged.
        """
        precision = _precision(log_sd)
        chance = chance_of(self.data.log_odds(x))
        gradient = self._gradient(x, chance, precision=precision)
        for _ in range(_MAX_STEPS):
            curvature = curvature_of(self._information(chance, precision))
            step = curvature.solve(gradient)
            stride, rise = np.abs(step).max(axis=-1), (gradient * step).sum(axis=-1)
            while True:
                chance = chance_of(self.data.log_odds(x + step))
                gradient = self._gradient(x + step, chance, precision=precision)
                # Halve a step at whose end the posterior falls steeply: as it is concave, the step passed the maximum.
                descent = -(gradient * step).sum(axis=-1)
                beyond = (stride >= tolerance) & (descent > rise * _STEEPEST_DESCENT)
                if not beyond.any():
                    break
                share = np.where(beyond, 0.5, 1.0)
                step, stride, rise = step * share[..., None], stride * share, rise * share
            x = x + step
            if (stride < tolerance).all():
                break
        return Peak(x=x, log_sd=log_sd, curvature=curvature)

    def _gradient(self, x: _Vector, chance: _Vector, *, precision: Values) -> _Vector:
        data, size = self.data, x.shape[-1]
        surprise = data.by_contrast(data.weight * (data.outcome - chance))
        slope = summed_at(data.first, surprise, size=size) - summed_at(data.second, surprise, size=size)
        slope[..., :-1] -= np.asarray(precision)[..., None] * x[..., :-1]
        if self.position_precision is not None:
            slope[..., -1] = surprise.sum(axis=-1) - self.position_precision * x[..., -1]
        return slope

    def _information(self, chance: _Vector, precision: Values) -> Information:
        return Information(
            data=self.data,
            links=self.links,
            by_row=self.data.by_contrast(self.data.weight * chance * (1.0 - chance), order=2),
            precision=precision,
            position_precision=self.position_precision,
        )


def position_precision(comparisons: Comparisons) -> Values | None:
    """The precision of δ's prior in logits⁻².

    It is 1 if one position won every judgement, and otherwise so small that it has no effect. None if there are no
    judgements.
    """
    if not comparisons.weight.any():
        return None
    total, first_won = comparisons.weight.sum(axis=-1), (comparisons.weight * comparisons.outcome).sum(axis=-1)
    return np.where((first_won > 0.0) & (first_won < total), _FREE_PRECISION, 1.0)


def _precision(log_sd: Values) -> Values:
    precision: Values = np.exp(-2.0 * np.asarray(log_sd))
    return precision
