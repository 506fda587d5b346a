"""What comparisons buy, and what it takes to buy more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import Budget
from eng5_runner.core.study_size import SPREADS, asked_per_pair
from eng5_runner.measure.design.grade_planning import Grading, comparisons_for_grades, grade_chances
from eng5_runner.measure.design.planning import (
    adaptive_worth,
    comparisons_for_reliability,
    comparisons_for_se,
    expected_precision,
)
from eng5_runner.planning.pilot import Pilot

# What is usually asked for: a reliability to report differences between groups with, one to place single essays with,
# and the share of grades right within a step that the method reaches at 20 judgements an essay.
USUAL_RELIABILITIES = (0.8, 0.9)
USUAL_WITHIN_ONE = 0.8
_NINETY = 1.645  # standard errors of a 90% interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionTarget:
    """A wish, and the comparisons it takes; None if no number is enough.

    Attributes:
        of: `reliability`, `standard error` or `grade within one step`.
    """

    of: str
    value: float
    comparisons: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionForecast:
    """What the comparisons buy if the essays' spread is this.

    Attributes:
        spread: σ in logits.
        origin: `assumed`, or the pilot's `estimate`, `low` or `high` end.
        per_essay: judgements that tell of an essay's position, repeats and swaps not counted.
        se: expected standard error of θ, in logits.
        exact: chance that a projected grade is the experts'; None where no grades can be projected.
        within_one: the same or a neighbouring one.
        adaptive_worth: balanced judgements that one after the sixth round is worth; 1 in other designs.
        goals: what other wishes take.
    """

    spread: float
    origin: str
    per_essay: float
    se: float
    reliability: float
    exact: float | None
    within_one: float | None
    adaptive_worth: float
    goals: tuple[PrecisionTarget, ...]


def spreads(pilot: Pilot | None) -> tuple[tuple[float, str], ...]:
    """For which σ a plan is made, each with its origin."""
    if pilot is None:
        return tuple((spread, "assumed") for spread in SPREADS)
    ends = pilot.spread_90
    return ((ends.low, "low"), (pilot.spread, "estimate"), (ends.high, "high"))


def _grading(inputs: Inputs, pilot: Pilot | None) -> Grading:
    grades, anchors = len(GRADE_SCALES[inputs.grade_scale].grades), len(inputs.anchors)
    if pilot is None or pilot.step is None:
        return Grading(grades=grades, anchors=anchors)
    return Grading(grades=grades, anchors=anchors, width=grades * pilot.step / pilot.spread)


def forecasts(
    budget: Budget, inputs: Inputs, *, comparisons: int, pilot: Pilot | None, within_one: float | None
) -> Iterator[PrecisionForecast]:
    """What so many comparisons buy, for each spread; nothing in a boundary design, which places no essay.

    Args:
        budget: of the run.
        inputs: what there is.
        comparisons: in all.
        pilot: an earlier run.
        within_one: the share of grades within one step that is asked about; None for the usual one.
    """
    if budget.design == "boundary":
        return
    adaptive = budget.design == "adaptive"
    essays = len(inputs.students) + len(inputs.anchors)
    grading = _grading(inputs, pilot)
    telling = comparisons / asked_per_pair(budget)
    for spread, origin in spreads(pilot):
        expected = expected_precision(essays=essays, comparisons=telling, spread=spread, adaptive=adaptive)
        chances = grade_chances(expected.per_essay, spread=spread, grading=grading, adaptive=adaptive)
        wishes = _Wishes(budget=budget, essays=essays, grading=grading, spread=spread)
        yield PrecisionForecast(
            spread=spread,
            origin=origin,
            per_essay=expected.per_essay,
            se=expected.se,
            reliability=expected.reliability,
            exact=None if chances is None else chances.exact,
            within_one=None if chances is None else chances.within_one,
            adaptive_worth=adaptive_worth(spread) if adaptive else 1.0,
            goals=tuple(wishes.goals(within_one=within_one)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """The targets of a run, or the usual ones, and what they take."""

    budget: Budget
    essays: int
    grading: Grading
    spread: float

    def goals(self, *, within_one: float | None) -> Iterator[PrecisionTarget]:
        """Each wish with its comparisons."""
        target = self.budget.target_reliability
        for reliability in USUAL_RELIABILITIES if target is None else (target,):
            needed = comparisons_for_reliability(
                essays=self.essays, spread=self.spread, reliability=reliability, adaptive=self._adaptive
            )
            yield self._goal("reliability", reliability, needed=needed)
        if self.budget.target_se is not None:
            yield self._goal("standard error", self.budget.target_se, needed=self._for_se(self.budget.target_se))
        wanted = within_one or USUAL_WITHIN_ONE
        yield self._goal("grade within one step", wanted, needed=self._for_grades(wanted))

    def _for_se(self, se: float) -> int:
        if se >= self.spread:
            return 0
        return comparisons_for_se(essays=self.essays, spread=self.spread, se=se, adaptive=self._adaptive)

    def _for_grades(self, within_one: float) -> int | None:
        return comparisons_for_grades(
            essays=self.essays,
            spread=self.spread,
            grading=self.grading,
            within_one=within_one,
            adaptive=self._adaptive,
        )

    @property
    def _adaptive(self) -> bool:
        return self.budget.design == "adaptive"

    def _goal(self, of: str, value: float, *, needed: int | None) -> PrecisionTarget:
        """Repeats and swaps come on top."""
        asked = None if needed is None else math.ceil(needed * asked_per_pair(self.budget))
        return PrecisionTarget(of=of, value=value, comparisons=asked)


def pair_margin(judgements: int) -> float:
    """Half of Wilson's 90% interval of a share of about a half."""
    return 0.5 * _NINETY / math.sqrt(judgements + _NINETY**2)
