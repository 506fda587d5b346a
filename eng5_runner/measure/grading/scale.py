"""Grade scales as the projection needs them: an expected share of each grade, at equal steps.

>>> Scale(prior=(1.0, 2.0, 1.0), has_below_lowest=False).moments
(0.0, 0.7071067811865476)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.design.grade_planning import EXPERT_NOISE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Vector: TypeAlias = "NDArray[np.float64]"

_FEWEST_GRADES = 2
# A class is narrower than the scale. How much is uncertain, see `anchor_model`; the noise of one teacher's grade was
# measured where it was .87 times as wide.
_CLASS_SHARE, _MEASURED_SHARE = 0.7, 0.87


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
    def moments(self) -> tuple[float, float]:
        """The mean and the standard deviation of the outcomes under their prior, in steps."""
        prior, steps = self.outcome_prior, self.steps
        mean = float(prior @ steps)
        return mean, math.sqrt(float(prior @ np.square(steps - mean)))

    @property
    def class_spread(self) -> float:
        """The standard deviation of quality that is expected of a class, in steps."""
        return _CLASS_SHARE * self.moments[1]

    @property
    def expert_noise(self) -> float:
        """The standard deviation of one teacher's grade around the quality that it is for, in steps."""
        return EXPERT_NOISE * _MEASURED_SHARE * self.moments[1]
