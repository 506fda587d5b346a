"""The CJ service's figures beside the runner's, and whether they differ by more than their precision.

Both are made of the same judgements: chance affects both alike, and what is left between them is method. So a
difference is not tested against the sum of two errors, which would excuse almost any, but measured in the runner's
standard error:

- θ, with scale and median difference taken off (a weaker prior or another unit stretches the whole scale): an essay
  differs beyond one standard error, where an interval of nominal 90% around the other figure holds 74%. All together
  differ beyond a root mean square of .5, where a bias begins to harm coverage (Collins, Schafer and Kam 2001,
  Psychological Methods 6: .4 to .5). The scale is the median of the slopes between two essays (Theil 1950), so that one
  essay astray moves no other.
- standard errors: beyond a median ratio of .87 to 1.19, with which an interval of nominal 90% would hold less than 85%
  or more than 95%, the band that the engine itself is held to. On a scale that is b times as wide they are b times as
  large if the unit is another, and √b times if the prior is weaker: both are allowed for.
- grades: where the service's lies outside the middle 90% of the runner's probabilities.

The field's service uses a weaker prior (which stretches the ends) and gives standard errors against one reference essay
(0 for that one). Scale and rank correlation say how much of a difference is of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median, pstdev
from typing import cast

from pydantic import JsonValue

from eng5_runner.contracts.callbacks import AssessmentResult, BTStats, EssayResult, GradeProjectionSummary
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.rounding import figure, rounded, usable, without_excess
from eng5_runner.measure.quality.alignment import spearman
from eng5_runner.phrases import counted
from eng5_runner.results.artefact.service import (
    ComparedFigures,
    EssayDifference,
    FiguresBeyond,
    ServiceComparison,
    ServiceEstimate,
    ServiceResult,
)

BEYOND_SE = 1.0
BEYOND_ROOT_MEAN_SQUARE = 0.5
SE_RATIOS = (0.87, 1.19)
TAIL = 0.05
RULE = (
    "theta beyond 1 of the runner's standard errors after scale and median difference are taken off, or .5 on the "
    "whole (root mean square); a median ratio of standard errors outside .87 to 1.19 that the scale does not explain; "
    "a grade outside the middle 90% of the runner's probabilities"
)
_FEWEST_TO_ALIGN = 2
_FEWEST_TO_SCALE = 3  # two essays lie on one line in any case
_ALL_SLOPES_UP_TO = 400  # essays; with more, each is paired with the one that is half of the ranks away
_NAMED = 3


def service_result(result: AssessmentResult, names: EssayNames) -> ServiceResult:
    """The service's own figures as they came, under the run's essay ids; what it did not give is absent."""
    metadata = result.assessment_metadata
    summary = (metadata and metadata.grade_projection_summary) or GradeProjectionSummary()
    rows = {row.essay_id: row for row in reversed(result.essay_results) if row.essay_id}
    wire_names = [row.essay_id for row in result.essay_results if row.essay_id]
    wire_names += sorted({*(summary.bt_stats or {}), *(summary.primary_grades or {})} - set(wire_names) - {""})
    by_id = {names.our_id(name) or name: name for name in wire_names}
    return ServiceResult(
        job_id=result.cj_assessment_job_id,
        model=result.model_used,
        essays=tuple(
            _estimate(essay_id, rows.get(name), summary=summary, wire_name=name) for essay_id, name in by_id.items()
        ),
        projections_available=summary.projections_available,
        calibration_method=metadata.calibration_method if metadata else None,
        calibration_info=cast("dict[str, JsonValue] | None", without_excess(summary.calibration_info)),
    )


def _estimate(
    essay_id: str, row: EssayResult | None, *, summary: GradeProjectionSummary, wire_name: str
) -> ServiceEstimate:
    place = (summary.bt_stats or {}).get(wire_name) or BTStats()
    row = row or EssayResult(essay_id=wire_name)
    return ServiceEstimate(
        essay_id=essay_id,
        bt_score=row.bt_score,
        rank=usable(row.rank),
        letter_grade=row.letter_grade,
        normalized_score=row.normalized_score,
        confidence_label=row.confidence_label,
        bt_mean=place.bt_mean,
        bt_se=place.bt_se,
        grade=(summary.primary_grades or {}).get(wire_name),
        grade_label=(summary.confidence_labels or {}).get(wire_name),
        grade_confidence=(summary.confidence_scores or {}).get(wire_name),
        grade_probabilities=(summary.grade_probabilities or {}).get(wire_name),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerEstimate:
    """The runner's figures of an essay: θ and its standard error in logits; grade and probabilities of a student."""

    theta: float
    standard_error: float
    grade: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One essay's figures set against each other.

    Attributes:
        runner: the runner's figures.
        service: the service's figures.
        theta: the service's θ minus the runner's in the runner's logits, scale and shift taken off.
        in_se: the same in the runner's standard errors.
        se_ratio: the service's standard error over the runner's.
        grades: the service's grade and the runner's.
        outside: the service's grade lies outside the middle 90% of the runner's probabilities.
    """

    essay_id: str
    runner: RunnerEstimate
    service: ServiceEstimate
    theta: float | None
    in_se: float | None
    se_ratio: float | None
    grades: tuple[str, str] | None
    outside: bool

    @property
    def beyond_se(self) -> bool:
        """Whether the positions differ by more than a standard error."""
        return self.in_se is not None and abs(self.in_se) > BEYOND_SE


def comparison_with_service(
    runner: Mapping[str, RunnerEstimate], service: Iterable[ServiceEstimate]
) -> ServiceComparison | None:
    """How far the service's figures lie from the runner's; None where there is no essay to compare.

    Args:
        runner: the runner's figures by essay id.
        service: the service's figures; of other essays they are left out.
    """
    by_id = {estimate.essay_id: estimate for estimate in service}
    both = {essay: (runner[essay], by_id[essay]) for essay in runner if essay in by_id}
    if not both:
        return None
    thetas = [(ours.theta, theirs.theta) for ours, theirs in both.values() if theirs.theta is not None]
    line = _line(thetas)
    differences = [_difference(essay, runner=ours, service=theirs, line=line) for essay, (ours, theirs) in both.items()]
    scale = None if line is None else line.scale
    findings = (*_on_thetas(differences), *_on_errors(differences, scale=scale), *_on_grades(differences))
    return ServiceComparison(
        rule=RULE,
        differs=bool(findings),
        findings=findings,
        shift=None if line is None else rounded(line.shift),
        scale=figure(scale),
        spread_ratio=figure(_spread_ratio(thetas)),
        rank_correlation=figure(spearman([a for a, _ in thetas], [b for _, b in thetas])),
        largest_difference_in_se=figure(max((abs(d) for d in _in_se(differences)), default=None)),
        root_mean_square_in_se=figure(_root_mean_square(_in_se(differences))),
        median_se_ratio=figure(_median_se_ratio(differences)),
        compared=ComparedFigures(
            theta=len(thetas) if line is not None else 0,
            standard_error=sum(difference.se_ratio is not None for difference in differences),
            grade=sum(difference.grades is not None for difference in differences),
            essays=len(runner),
        ),
        grades_equal=sum(
            difference.grades is not None and difference.grades[0] == difference.grades[1] for difference in differences
        ),
        beyond=FiguresBeyond(
            theta=sum(difference.beyond_se for difference in differences),
            grade=sum(difference.outside for difference in differences),
        ),
        essays=tuple(_row(difference) for difference in differences),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """The service's θ on the runner's scale: θ/scale − shift, in the runner's logits."""

    scale: float
    shift: float

    def placed(self, theta: float) -> float:
        return theta / self.scale - self.shift


def _line(thetas: Sequence[tuple[float, float]]) -> _Line | None:
    """From (runner's, service's) pairs; None where there are too few. A scale that turns the order round is none."""
    if len(thetas) < _FEWEST_TO_ALIGN:
        return None
    slope = _slope(sorted(thetas)) if len(thetas) >= _FEWEST_TO_SCALE else None
    scale = slope if slope is not None and slope > 0.0 else 1.0
    return _Line(scale, median(theirs / scale - ours for ours, theirs in thetas))


def _slope(ordered: Sequence[tuple[float, float]]) -> float | None:
    """The median slope between two essays; None where the runner's positions are all the same."""
    half = len(ordered) // 2
    pairs = (
        combinations(ordered, 2) if len(ordered) <= _ALL_SLOPES_UP_TO else zip(ordered, ordered[half:], strict=False)
    )
    slopes = [(above[1] - below[1]) / (above[0] - below[0]) for below, above in pairs if above[0] > below[0]]
    return median(slopes) if slopes else None


def _difference(essay_id: str, *, runner: RunnerEstimate, service: ServiceEstimate, line: _Line | None) -> Difference:
    theta = None if service.theta is None or line is None else line.placed(service.theta) - runner.theta
    error = service.standard_error
    grade = service.stated_grade if runner.grade is not None else None
    return Difference(
        essay_id=essay_id,
        runner=runner,
        service=service,
        theta=theta,
        in_se=None if theta is None else theta / runner.standard_error,
        se_ratio=None if error is None else error / runner.standard_error,
        grades=None if grade is None or runner.grade is None else (grade, runner.grade),
        outside=grade is not None and _outside(grade, runner.probabilities),
    )


def _outside(grade: str, probabilities: Mapping[str, float]) -> bool:
    """Whether a grade lies beyond the middle 90%; the probabilities stand lowest grade first."""
    if grade not in probabilities:
        return True
    names = list(probabilities)
    place = names.index(grade)
    up_to = math.fsum(probabilities[name] for name in names[: place + 1])
    from_it = math.fsum(probabilities[name] for name in names[place:])
    return min(up_to, from_it) < TAIL


def _in_se(differences: Iterable[Difference]) -> list[float]:
    return [difference.in_se for difference in differences if difference.in_se is not None]


def _root_mean_square(values: Sequence[float]) -> float | None:
    return math.sqrt(math.fsum(value * value for value in values) / len(values)) if values else None


def _median_se_ratio(differences: Iterable[Difference]) -> float | None:
    ratios = [difference.se_ratio for difference in differences if difference.se_ratio is not None]
    return median(ratios) if ratios else None


def _spread_ratio(thetas: Sequence[tuple[float, float]]) -> float | None:
    """The spread of the service's scale over the runner's."""
    if len(thetas) < _FEWEST_TO_ALIGN:
        return None
    runner = pstdev(theta for theta, _ in thetas)
    return pstdev(theta for _, theta in thetas) / runner if runner > 0.0 else None


def _on_thetas(differences: Sequence[Difference]) -> Iterable[str]:
    beyond = sorted(
        (difference for difference in differences if difference.beyond_se),
        key=lambda difference: -abs(difference.in_se or 0.0),
    )
    if beyond:
        most = ", ".join(f"{d.essay_id} ({d.theta:+.2f} logits, {d.in_se:+.1f} SE)" for d in beyond[:_NAMED])
        yield (
            f"the service's θ of {len(beyond)} of {counted(len(_in_se(differences)), 'essay')} lies more than a "
            "standard error "
            f"from the runner's: {most}{' …' if len(beyond) > _NAMED else ''}"
        )
    whole = _root_mean_square(_in_se(differences))
    if whole is not None and whole > BEYOND_ROOT_MEAN_SQUARE:
        yield f"the service's θ lie {whole:.2f} standard errors from the runner's (root mean square)"


def _on_errors(differences: Sequence[Difference], *, scale: float | None) -> Iterable[str]:
    ratio, (low, high) = _median_se_ratio(differences), SE_RATIOS
    explained = sorted((1.0 if scale is None else scale, 1.0 if scale is None else math.sqrt(scale)))
    if ratio is not None and not low * explained[0] <= ratio <= high * explained[1]:
        yield f"the service's standard errors are {ratio:.2f} times the runner's (median)"


def _on_grades(differences: Sequence[Difference]) -> Iterable[str]:
    outside = [(d.essay_id, *d.grades) for d in differences if d.outside and d.grades is not None]
    if outside:
        named = ", ".join(f"{essay} ({theirs}, runner {ours})" for essay, theirs, ours in outside[:_NAMED])
        graded = sum(difference.grades is not None for difference in differences)
        yield (
            f"the service's grade of {len(outside)} of {counted(graded, 'student')} lies outside the middle 90% of "
            "the runner's "
            f"probabilities: {named}{' …' if len(outside) > _NAMED else ''}"
        )


def _row(difference: Difference) -> EssayDifference:
    runner, service = difference.runner, difference.service
    return EssayDifference(
        essay_id=difference.essay_id,
        theta=rounded(runner.theta),
        service_theta=figure(service.theta),
        standard_error=rounded(runner.standard_error),
        service_standard_error=figure(service.standard_error),
        theta_difference=figure(difference.theta),
        theta_difference_in_se=figure(difference.in_se),
        se_ratio=figure(difference.se_ratio),
        service_grade=difference.grades[0] if difference.grades else None,
        grade=difference.grades[1] if difference.grades else None,
        beyond_precision=difference.beyond_se or difference.outside,
    )
