"""How precise a study is expected to be, and how many comparisons a given precision needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import Budget
from eng5_runner.core.study_size import ASSUMED_SPREADS, asked_per_pair
from eng5_runner.measure.design.enough import what_anchors_lack
from eng5_runner.measure.design.grade_planning import (
    USUAL_AGREEMENT,
    Grading,
    comparisons_for_grades,
    grade_chances,
)
from eng5_runner.measure.design.planning import (
    adaptive_worth,
    as_adaptive,
    as_balanced,
    comparisons_for_reliability,
    comparisons_for_se,
    expected_precision,
)
from eng5_runner.planning.measured import Pilot

# Targets that a plan shows where the run has none: a reliability for differences between groups, a reliability for
# single essays, and the share of grades within one step that the method reaches at 20 judgements an essay.
USUAL_RELIABILITIES = (0.8, 0.9)
USUAL_WITHIN_ONE = 0.8
_NINETY = 1.645  # standard errors of a 90% interval


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeAims:
    """What a plan of grades is asked for.

    Attributes:
        within_one: the share of grades within one step to plan for; None for the usual share.
        agreement: r of judge and teachers to assume, above 0 and at most 1; None for the pilot's, or the usual.
    """

    within_one: float | None = None
    agreement: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedAgreement:
    """How far judge and teachers agree in a plan.

    Attributes:
        r: the correlation of the judge's true order with the quality that teachers grade.
        origin: `given`, `pilot` or `assumed`.
    """

    r: float
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionTarget:
    """A precision, and the comparisons that it needs.

    Attributes:
        of: `reliability`, `standard error` or `grade within one step`.
        value: the precision: from 0 to 1, or logits for a standard error.
        comparisons: None if no number is enough.
    """

    of: str
    value: float
    comparisons: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionForecast:
    """The expected precision of a study whose essays have a given spread.

    Attributes:
        spread: σ of the essays' positions, in logits.
        origin: of the spread: `assumed`, or the pilot's `estimate`, `low` or `high` end.
        per_essay: judgements for each essay's position; repeats and swaps do not count.
        se: expected standard error of θ, in logits.
        reliability: expected, from 0 to 1.
        exact: chance that a projected grade is the experts' grade; None where no grades can be projected.
        within_one: chance that it is the same or a neighbouring grade; None likewise.
        adaptive_worth: balanced judgements that one adaptive judgement is worth; 1 in other designs.
        in_other_design: comparisons that are as precise in the other design: adaptive where the plan's is balanced,
            balanced where it is adaptive.
        targets: what other precisions need.
    """

    spread: float
    origin: str
    per_essay: float
    se: float
    reliability: float
    exact: float | None
    within_one: float | None
    adaptive_worth: float
    in_other_design: int
    targets: tuple[PrecisionTarget, ...]


def spreads(pilot: Pilot | None) -> tuple[tuple[float, str], ...]:
    """The spreads (σ, logits) that a plan is made for, each with its origin."""
    if pilot is None:
        return tuple((spread, "assumed") for spread in ASSUMED_SPREADS)
    ends = pilot.spread_90
    return ((ends.low, "low"), (pilot.spread, "estimate"), (ends.high, "high"))


def assumed_agreement(aims: GradeAims, pilot: Pilot | None) -> AssumedAgreement:
    """The agreement with the teachers that a plan is made for: as it was given, as the pilot found it, or the usual."""
    if aims.agreement is not None:
        return AssumedAgreement(r=aims.agreement, origin="given")
    if pilot is not None and pilot.agreement is not None:
        return AssumedAgreement(r=pilot.agreement, origin="pilot")
    return AssumedAgreement(r=USUAL_AGREEMENT, origin="assumed")


def what_no_grades_follow_from(inputs: Inputs) -> str | None:
    """Why the anchors cannot grade the students, whatever the judge says; None if they can."""
    return what_anchors_lack(len(inputs.anchors), kinds=len({anchor.grade for anchor in inputs.anchors}))


def _grading(inputs: Inputs, pilot: Pilot | None, *, agreement: float) -> Grading:
    grades, anchors = len(GRADE_SCALES[inputs.grade_scale].grades), len(inputs.anchors)
    if what_no_grades_follow_from(inputs) is not None:
        anchors = 0
    width = None if pilot is None or pilot.step is None else grades * pilot.step / pilot.spread
    return Grading(grades=grades, anchors=anchors, agreement=agreement, width=width)


def forecasts(
    budget: Budget, inputs: Inputs, *, comparisons: int, pilot: Pilot | None, aims: GradeAims
) -> Iterator[PrecisionForecast]:
    """What the comparisons buy, for each spread; nothing in a boundary design, which places no essay.

    Args:
        budget: of the run.
        inputs: of the run.
        comparisons: in all.
        pilot: an earlier run.
        aims: what is asked of the grades.
    """
    if budget.design == "boundary":
        return
    adaptive = budget.design == "adaptive"
    essays = len(inputs.students) + len(inputs.anchors)
    in_other = as_balanced if adaptive else as_adaptive
    grading = _grading(inputs, pilot, agreement=assumed_agreement(aims, pilot).r)
    pairs = comparisons / asked_per_pair(budget)
    for spread, origin in spreads(pilot):
        expected = expected_precision(essays=essays, comparisons=pairs, spread=spread, adaptive=adaptive)
        chances = grade_chances(expected.per_essay, spread=spread, grading=grading, adaptive=adaptive)
        targets = _Targets(budget=budget, essays=essays, grading=grading, spread=spread)
        yield PrecisionForecast(
            spread=spread,
            origin=origin,
            per_essay=expected.per_essay,
            se=expected.se,
            reliability=expected.reliability,
            exact=None if chances is None else chances.exact,
            within_one=None if chances is None else chances.within_one,
            adaptive_worth=adaptive_worth(spread) if adaptive else 1.0,
            in_other_design=math.ceil(comparisons * in_other(expected.per_essay, spread=spread) / expected.per_essay),
            targets=tuple(targets.all(within_one=aims.within_one)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Targets:
    """The targets of a run, or the usual ones, and the comparisons that they need."""

    budget: Budget
    essays: int
    grading: Grading
    spread: float

    def all(self, *, within_one: float | None) -> Iterator[PrecisionTarget]:
        """Each target with its comparisons."""
        target = self.budget.target_reliability
        for reliability in USUAL_RELIABILITIES if target is None else (target,):
            needed = comparisons_for_reliability(
                essays=self.essays, spread=self.spread, reliability=reliability, adaptive=self._adaptive
            )
            yield self._target("reliability", reliability, needed=needed)
        if self.budget.target_se is not None:
            yield self._target("standard error", self.budget.target_se, needed=self._for_se(self.budget.target_se))
        wanted = within_one or USUAL_WITHIN_ONE
        yield self._target("grade within one step", wanted, needed=self._for_grades(wanted))

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

    def _target(self, of: str, value: float, *, needed: int | None) -> PrecisionTarget:
        """Add repeats and swaps, which buy no precision."""
        asked = None if needed is None else math.ceil(needed * asked_per_pair(self.budget))
        return PrecisionTarget(of=of, value=value, comparisons=asked)


def pair_margin(judgements: int) -> float:
    """Half the width of Wilson's 90% interval of a share of about one half."""
    return 0.5 * _NINETY / math.sqrt(judgements + _NINETY**2)
