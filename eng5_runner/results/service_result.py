"""What the CJ service itself says of a run, under our essay ids; what it left out is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eng5_runner.canonical import Json
from eng5_runner.contracts.callbacks import AssessmentResult, BTStats, EssayResult, GradeProjectionSummary
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.rounding import FIGURE_LIMIT, usable, without_excess

_ROW = frozenset(("bt_score", "rank", "letter_grade", "normalized_score", "confidence_label"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEstimate:
    """The service's figures of an essay; what it did not give is None."""

    row: EssayResult | None = None
    place: BTStats | None = None
    grade: str | None = None
    probabilities: Mapping[str, float] | None = None
    label: str | None = None
    confidence: float | None = None

    @property
    def theta(self) -> float | None:
        """In logits, on the service's own scale."""
        mean = self.place.bt_mean if self.place else None
        score = self.row.bt_score if self.row else None
        return _within(score if mean is None else mean)

    @property
    def standard_error(self) -> float | None:
        """As the service defines it."""
        return _within(self.place.bt_se if self.place else None)

    @property
    def told_grade(self) -> str | None:
        """The projected grade; the letter where no projection came along."""
        return self.grade or (self.row and self.row.letter_grade) or None


def _within(value: float | None) -> float | None:
    """A figure that a service can mean."""
    return None if value is None or not abs(value) <= FIGURE_LIMIT else value


def service_figures(result: AssessmentResult, names: EssayNames) -> dict[str, ServiceEstimate]:
    """Our essay id (the wire's where it is none of ours) → the service's figures."""
    summary = (result.assessment_metadata and result.assessment_metadata.grade_projection_summary) or None
    told = summary or GradeProjectionSummary()
    rows = {one.essay_id: one for one in reversed(result.essay_results) if one.essay_id}
    keys = [one.essay_id for one in result.essay_results if one.essay_id]
    keys += sorted({*(told.bt_stats or {}), *(told.primary_grades or {})} - set(keys) - {""})
    return {
        names.our_id(key) or key: ServiceEstimate(
            row=rows.get(key),
            place=(told.bt_stats or {}).get(key),
            grade=(told.primary_grades or {}).get(key),
            probabilities=(told.grade_probabilities or {}).get(key),
            label=(told.confidence_labels or {}).get(key),
            confidence=(told.confidence_scores or {}).get(key),
        )
        for key in keys
    }


def service_result(result: AssessmentResult, figures: Mapping[str, ServiceEstimate]) -> dict[str, Json]:
    """The block of the artefact, as it came."""
    about = result.assessment_metadata
    summary = (about and about.grade_projection_summary) or GradeProjectionSummary()
    told: dict[str, Json] = {
        "job_id": result.cj_assessment_job_id,
        "model": result.model_used,
        "essays": [_essay(essay, theirs) for essay, theirs in figures.items()],
    }
    optional: dict[str, Json] = {
        "projections_available": summary.projections_available,
        "calibration_method": about.calibration_method if about else None,
        "calibration_info": without_excess(summary.calibration_info),
    }
    return told | usable(optional)


def _essay(essay_id: str, theirs: ServiceEstimate) -> Json:
    place = theirs.place or BTStats()
    optional: dict[str, Json] = {
        "bt_mean": place.bt_mean,
        "bt_se": place.bt_se,
        "grade": theirs.grade,
        "grade_label": theirs.label,
        "grade_confidence": theirs.confidence,
        "grade_probabilities": theirs.probabilities,
    }
    row = theirs.row.model_dump(include=set(_ROW)) if theirs.row else {}
    return {"essay_id": essay_id} | usable(row) | usable(optional)
