"""How often projected grades will agree with the experts', before a study is run.

True quality is N(0, σ_q²). The judge's positions, with spread σ, and the experts' grades both measure it with noise. A
study estimates the judge's position with the standard error of `planning`. Given the estimate, the expert's position is
Normal with

    variance = (σ_q²/σ²)² SE² + (σ_q²/σ²) judge² + expert² + centre².

Here centre² is the error of the grades' centres: for a line through m anchors and steps of h it is
2 (SE² + judge² + h²/12)/m. The probability that the expert's grade is that of the estimate, or a neighbouring one, is
integrated over all estimates. The lowest and the highest grade have no outer bound. Both probabilities are within .03
of simulations (`make validate`).

Values that nobody knows before a study come from the simulations of the method study: how far the judge agrees with the
experts, the noise of the experts, and the width of the scale. A pilot run measures the first and the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from eng5_runner.measure.design.enough import FEWEST_ANCHORS
from eng5_runner.measure.design.planning import error_variance

# Where nobody knows better: a judge with noise of .5 logits where quality has 1.8 (method study, section 4.3).
USUAL_AGREEMENT = 0.96
# Of one teacher's grade, in units of the class's spread: .4 logits where quality has 1.8 (method study, section 4.3).
EXPERT_NOISE = 0.22
# In units of the spread of quality: nine steps of .8 logits.
SCALE_WIDTH = 4.0
_PIECES = 16  # of each grade's band, for Simpson's rule; even
_WEIGHTS = (1.0, *(4.0, 2.0) * (_PIECES // 2 - 1), 4.0, 1.0)
_FARTHEST = 6.0  # standard deviations of the estimates
_MOST_PER_ESSAY = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """The scale and the anchors by which grades are projected.

    Attributes:
        grades: number of grades on the scale.
        anchors: number of anchors.
        agreement: the correlation of the judge's true positions with the quality that the teachers grade, r.
        width: of the whole scale on the judge's positions, in units of their spread; None for the usual scale, which is
            as much narrower as the judge agrees less.

    Raises:
        ValueError: there are fewer than two grades, the scale has no width, or r is not between 0 and 1.
    """

    grades: int
    anchors: int
    agreement: float = USUAL_AGREEMENT
    width: float | None = None

    def __post_init__(self) -> None:
        if self.grades < 2 or not 0.0 < self.step < math.inf:  # noqa: PLR2004 - as the message says
            raise ValueError("a scale has two grades or more, a positive step apart")
        if not 0.0 < self.agreement <= 1.0:
            raise ValueError(f"an agreement lies above 0 and is at most 1, not {self.agreement!r}")

    @property
    def step(self) -> float:
        """Between two grades, in units of the positions' spread."""
        return (SCALE_WIDTH * self.agreement if self.width is None else self.width) / self.grades


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeChances:
    """The probability that a projected grade agrees with the experts'.

    Attributes:
        exact: that it is the same grade.
        within_one: that it is the same or a neighbouring grade.
    """

    exact: float
    within_one: float


def grade_chances(per_essay: float, *, spread: float, grading: Grading, adaptive: bool = False) -> GradeChances | None:
    """The probability that grades agree after k judgements per essay.

    Args:
        per_essay: k.
        spread: σ, the standard deviation of the judge's positions in logits.
        grading: the scale and the anchors.
        adaptive: whether the design is adaptive.

    Returns:
        None if no grades can be projected: fewer than 3 anchors, or at most 2 judgements per essay.
    """
    bands = _bands(per_essay, spread=spread, grading=grading, adaptive=adaptive)
    return None if bands is None else GradeChances(exact=bands.chance(0), within_one=bands.chance(1))


def comparisons_for_grades(
    *, essays: int, spread: float, grading: Grading, within_one: float, adaptive: bool = False
) -> int | None:
    """The smallest number of comparisons for a share of grades within one step; None if no number is enough.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0.0 < within_one < 1.0:
        raise ValueError(f"a share lies between 0 and 1, not {within_one!r}")

    def reached(comparisons: int) -> bool:
        bands = _bands(2.0 * comparisons / essays, spread=spread, grading=grading, adaptive=adaptive)
        return bands is not None and bands.chance(1) >= within_one

    low, high = essays, math.ceil(essays * _MOST_PER_ESSAY / 2.0)
    if not reached(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bands:
    """Grades as intervals of positions, in logits.

    Attributes:
        cuts: the bounds between grades, with −∞ and ∞ at the ends.
        estimates: the standard deviation of the estimates.
        doubt: the standard deviation of the expert's position around an estimate.
    """

    cuts: tuple[float, ...]
    estimates: float
    doubt: float

    def chance(self, steps: int) -> float:
        """The probability that the expert's grade is at most `steps` grades from the estimate's."""
        last = len(self.cuts) - 1
        # The upper half is the lower one in a mirror, around the middle grade where there is one.
        lower = last if self.estimates == 0.0 else (last + 1) // 2
        shares = [
            self._share(band, low=self.cuts[max(band - steps, 0)], high=self.cuts[min(band + 1 + steps, last)])
            for band in range(lower)
        ]
        return min(math.fsum((*shares, *shares[: last - lower])), 1.0)

    def _share(self, band: int, *, low: float, high: float) -> float:
        """The probability that the estimate is in this band and the expert's position between low and high."""
        if self.estimates == 0.0:
            return self._between(0.0, low=low, high=high) if self.cuts[band] <= 0.0 < self.cuts[band + 1] else 0.0
        reach = _FARTHEST * self.estimates
        start, end = max(self.cuts[band], -reach), min(self.cuts[band + 1], reach)
        if start >= end:
            return 0.0
        # By Simpson's rule, over all estimates of this band.
        width, peak = (end - start) / _PIECES, self.estimates * math.sqrt(2.0 * math.pi)
        values = []
        for index, weight in enumerate(_WEIGHTS):
            estimate = start + index * width
            z = estimate / self.estimates
            density = math.exp(-0.5 * z * z) / peak
            values.append(weight * (density * self._between(estimate, low=low, high=high)))
        return width / 3.0 * math.fsum(values)

    def _between(self, estimate: float, *, low: float, high: float) -> float:
        return _normal((high - estimate) / self.doubt) - _normal((low - estimate) / self.doubt)


def _bands(per_essay: float, *, spread: float, grading: Grading, adaptive: bool) -> _Bands | None:
    """The grades after k judgements per essay; None as for `grade_chances`."""
    error = error_variance(per_essay, spread=spread, adaptive=adaptive)
    if error is None or grading.anchors < FEWEST_ANCHORS:
        return None
    step = grading.step * spread
    total = spread * spread
    quality = grading.agreement**2  # of the spread's variance
    judge, expert = total * (1.0 - quality), total * quality * EXPERT_NOISE**2
    posterior = 1.0 / (1.0 / error + 1.0 / total)
    doubt = quality * quality * posterior + quality * judge + expert
    centre = 2.0 * (error + judge + step * step / 12.0) / grading.anchors
    estimates = math.sqrt(max(quality * total + expert - doubt, 0.0))
    cuts = [step * (index - grading.grades / 2.0) for index in range(1, grading.grades)]
    return _Bands(cuts=(-math.inf, *cuts, math.inf), estimates=estimates, doubt=math.sqrt(doubt + centre))


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
