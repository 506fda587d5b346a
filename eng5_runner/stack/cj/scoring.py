"""The figures of a batch: positions on the logit scale, and grades."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.contracts.published import (
    LETTER_GRADE,
    UNGRADED,
    PublishedBTStats,
    PublishedEssayResult,
    PublishedProjections,
)
from eng5_runner.measure.grading.grades import Projection, Refusal, Scale, StudentGrade, project
from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.stack.cj.outcome import Outcome, Scores
from eng5_runner.stack.cj.pairing_policy import fitted_to
from eng5_runner.stack.cj.plan import BatchPlan


def score(plan: BatchPlan, outcome: Outcome) -> Scores:
    """The figures of a batch. Takes about half a second for 1,000 essays: call it in a thread."""
    fitted = fitted_to(plan, outcome.judged)
    projected = _project(plan, fitted)
    return Scores(
        essays=_essays(plan, fitted, projected=projected),
        summary=_summary(plan, fitted, projected=projected),
        uncompared=frozenset(item for item, flag in zip(fitted.items, fitted.flags, strict=True) if flag == "isolated"),
    )


def _project(plan: BatchPlan, fitted: Fit) -> Projection | Refusal:
    scale = plan.scale
    if scale is None:
        return Refusal(reason="a guest run: no assignment, so no anchors")
    anchors = {essay.essay_id: scale.index(essay.grade) for essay in plan.essays if essay.grade is not None}
    with_below = scale.below_lowest is not None
    return project(fitted, anchors=anchors, scale=Scale(prior=scale.prior, has_below_lowest=with_below))


def _essays(plan: BatchPlan, fitted: Fit, *, projected: Projection | Refusal) -> tuple[PublishedEssayResult, ...]:
    """All essays, best first; equal positions in the order of the plan.

    Anchors and essays without a projected grade are ungraded, as the real service publishes them.
    """
    students = _by_item(projected)
    place = {item: float(theta) for item, theta in zip(fitted.items, fitted.theta, strict=True)}
    ordered = sorted(plan.essays, key=lambda essay: -place[essay.essay_id])
    results = []
    for rank, essay in enumerate(ordered, start=1):
        result = PublishedEssayResult(
            essay_id=essay.essay_id,
            bt_score=place[essay.essay_id],
            rank=rank,
            is_anchor=essay.is_anchor,
            display_name=f"ANCHOR GRADE {essay.grade}" if essay.is_anchor else None,
        )
        student = students.get(essay.essay_id)
        results.append(
            result if student is None or plan.scale is None else _graded(result, scale=plan.scale, student=student)
        )
    return tuple(results)


def _graded(result: PublishedEssayResult, *, scale: GradeScale, student: StudentGrade) -> PublishedEssayResult:
    """The result with a student's projected grade."""
    grade, highest = scale.outcomes[student.median], len(scale.outcomes) - 1
    expected = sum(step * chance for step, chance in enumerate(student.probabilities)) / highest
    return result.model_copy(
        update={
            "normalized_score": _share(expected),
            "letter_grade": grade if re.match(LETTER_GRADE, grade) else UNGRADED,
            "confidence_score": _share(student.probabilities[student.median]),
            "confidence_label": student.label,
        }
    )


def _share(value: float) -> float:
    """The value without the rounding error that takes it out of 0 to 1."""
    return min(1.0, max(0.0, float(value)))


def _summary(plan: BatchPlan, fitted: Fit, *, projected: Projection | Refusal) -> PublishedProjections:
    errors = fitted.standard_errors
    places = {
        item: PublishedBTStats(bt_mean=float(fitted.theta[index]), bt_se=float(errors[index]))
        for index, item in enumerate(fitted.items)
    }
    if isinstance(projected, Refusal) or plan.scale is None:
        reason = projected.reason if isinstance(projected, Refusal) else None
        return PublishedProjections(projections_available=False, calibration_info={"reason": reason}, bt_stats=places)
    outcomes, students = plan.scale.outcomes, projected.students
    return PublishedProjections(
        projections_available=True,
        primary_grades={student.item: outcomes[student.median] for student in students},
        confidence_labels={student.item: student.label for student in students},
        confidence_scores={student.item: _share(student.probabilities[student.median]) for student in students},
        grade_probabilities={
            student.item: dict(zip(outcomes, map(_share, student.probabilities), strict=True)) for student in students
        },
        calibration_info=_calibration(projected, outcomes),
        bt_stats=places,
    )


def _calibration(projected: Projection, outcomes: tuple[str, ...]) -> dict[str, JsonValue]:
    return {
        "method": "hierarchical linear-trend Gaussian",
        "grade_centers": dict(zip(outcomes, projected.centres, strict=True)),
        "grade_center_standard_errors": dict(zip(outcomes, projected.centre_ses, strict=True)),
        "spread_within_grade": projected.spread,
    }


def _by_item(projected: Projection | Refusal) -> Mapping[str, StudentGrade]:
    return {} if isinstance(projected, Refusal) else {student.item: student for student in projected.students}
