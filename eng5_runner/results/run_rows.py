"""A run's essays, anchors and comparisons as rows for programs, with places, grades and files joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradeProjection
from eng5_runner.results.artefact.study import Comparison, ComparisonCall, FailedComparison
from eng5_runner.results.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayPosition:
    """An essay on the scale.

    Attributes:
        essay_id: of this run.
        file: the name of its file; None where the artefact does not list it.
        is_anchor: whether its grade was known before.
        theta: its position in logits; all positions sum to zero.
        standard_error: of `theta`, in logits.
        theta_low: the lower end of the 90% interval of `theta`; None in artefacts of old versions.
        theta_high: its upper end.
        rank: 1 is the highest; equal positions share a rank, as in 1, 2, 2, 4.
        comparison_count: the number of comparisons that it took part in.
        wins: the number that it won.
        infit: mean squared surprise by its expected value, 1 where the model holds; None without comparisons.
        outfit: the same with every comparison at equal weight.
        flag: `undefeated`, `winless` or `isolated`; None otherwise.
        anchor_grade: an anchor's known grade; None for students.
        grade: a student's grade, the median of its probabilities; None where no grades are projected.
        most_probable_grade: the grade with the highest probability.
        within_one_step: what is claimed of `grade` or a neighbour of it (0 to 1): their probability, and less far
            from the middle of the class.
        within_one_step_at_least: the lower end of that probability, which the label follows; None in runs of
            versions that did not state it.
        confidence: HIGH, MID or LOW.
        extrapolated: whether the essay lies beyond all anchors.
    """

    essay_id: str
    file: str | None
    is_anchor: bool
    theta: float
    standard_error: float
    theta_low: float | None
    theta_high: float | None
    rank: int
    comparison_count: int
    wins: int
    infit: float | None
    outfit: float | None
    flag: str | None
    anchor_grade: str | None
    grade: str | None
    most_probable_grade: str | None
    within_one_step: float | None
    within_one_step_at_least: float | None
    confidence: str | None
    extrapolated: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPosition:
    """An anchor, and what the other anchors say about it.

    Attributes:
        anchor_id: its essay id.
        file: the name of its file; None where the artefact does not list it.
        grade: its known grade.
        theta: its position in logits.
        standard_error: of `theta`, in logits.
        rank: among all essays; 1 is the highest, and equal positions share a rank.
        comparison_count: the number of comparisons that it took part in.
        wins: the number that it won.
        projected_grade: the grade that the other anchors give it; None where that is refused.
        refused: why; None where there is a projected grade.
    """

    anchor_id: str
    file: str | None
    grade: str
    theta: float
    standard_error: float
    rank: int
    comparison_count: int
    wins: int
    projected_grade: str | None
    refused: str | None


def essay_rows(artefact: Artefact) -> Rows[EssayPosition]:
    """The essays, the highest first."""
    grades = {grade.essay_id: grade for grade in artefact.grade_projections}
    files = artefact.inputs.file_names
    return Rows(
        [_essay(entry, grades.get(entry.essay_id), file=files.get(entry.essay_id)) for entry in artefact.bt_summary],
        row_type=EssayPosition,
    )


def _essay(entry: BTEntry, grade: GradeProjection | None, *, file: str | None) -> EssayPosition:
    low, high = entry.interval_90 or (None, None)
    return EssayPosition(
        essay_id=entry.essay_id,
        file=file,
        is_anchor=entry.is_anchor,
        theta=entry.theta,
        standard_error=entry.standard_error,
        theta_low=low,
        theta_high=high,
        rank=entry.rank,
        comparison_count=entry.comparison_count,
        wins=entry.wins,
        infit=entry.infit,
        outfit=entry.outfit,
        flag=entry.flag,
        anchor_grade=entry.anchor_grade,
        grade=None if grade is None else grade.grade,
        most_probable_grade=None if grade is None else grade.most_probable_grade,
        within_one_step=None if grade is None else grade.within_one_step,
        within_one_step_at_least=None if grade is None else grade.within_one_step_at_least,
        confidence=None if grade is None else grade.confidence,
        extrapolated=None if grade is None else grade.extrapolated,
    )


def anchor_rows(artefact: Artefact) -> Rows[AnchorPosition]:
    """The anchors, the highest first."""
    alignment = artefact.anchor_alignment
    others = {anchor.anchor_id: anchor for anchor in (alignment.left_out if alignment else ())}
    files = artefact.inputs.file_names
    made = []
    for entry in artefact.bt_summary:
        if entry.is_anchor and entry.anchor_grade is not None:
            left_out = others.get(entry.essay_id)
            made.append(
                AnchorPosition(
                    anchor_id=entry.essay_id,
                    file=files.get(entry.essay_id),
                    grade=entry.anchor_grade,
                    theta=entry.theta,
                    standard_error=entry.standard_error,
                    rank=entry.rank,
                    comparison_count=entry.comparison_count,
                    wins=entry.wins,
                    projected_grade=None if left_out is None else left_out.projected_grade,
                    refused=None if left_out is None else left_out.refused,
                )
            )
    return Rows(made, row_type=AnchorPosition)


def comparison_rows(artefact: Artefact) -> Rows[Comparison]:
    """The judgements; a frame of them also has the names of both files."""
    return Rows(artefact.llm_comparisons, row_type=Comparison, more=_files_of_both(artefact))


def failed_rows(artefact: Artefact) -> Rows[FailedComparison]:
    """The comparisons without a winner; a frame of them also has the names of both files."""
    return Rows(artefact.failed_comparisons, row_type=FailedComparison, more=_files_of_both(artefact))


def _files_of_both(artefact: Artefact) -> dict[str, Callable[[ComparisonCall], object]]:
    files = artefact.inputs.file_names
    return {"file_a": lambda call: files.get(call.essay_a_id), "file_b": lambda call: files.get(call.essay_b_id)}
