"""The rows of a run for programs: essays, comparisons, failed comparisons and anchors, with a unit for each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from eng5_runner.canonical import Json
from eng5_runner.results.reading import Object, rows, table_of
from eng5_runner.results.rows import Rows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    RowT = TypeVar("RowT", bound=DataclassInstance)


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayPosition:
    """An essay on the scale.

    Attributes:
        essay_id: of this run.
        is_anchor: whether its grade was known before.
        theta: its position in logits; all positions sum to zero.
        standard_error: of `theta`, in logits.
        theta_low: the lower end of the 90% interval of `theta`.
        theta_high: its upper end.
        rank: 1 is the highest.
        comparison_count: the number of comparisons that it took part in.
        wins: the number that it won.
        infit: mean squared surprise, about 1 where the model holds; None without comparisons.
        outfit: the same with every comparison at equal weight.
        flag: `undefeated`, `winless` or `isolated`; None otherwise.
        anchor_grade: an anchor's known grade; None for students.
        grade: a student's grade, the median of its probabilities; None where no grades are projected.
        most_probable_grade: the grade with the highest probability.
        within_one_step: the probability (0 to 1) that the grade is within one step of `grade`.
        confidence: HIGH, MID or LOW.
        extrapolated: whether the essay lies beyond all anchors.
    """

    essay_id: str
    is_anchor: bool
    theta: float
    standard_error: float
    theta_low: float
    theta_high: float
    rank: int
    comparison_count: int
    wins: float
    infit: float | None
    outfit: float | None
    flag: str | None
    anchor_grade: str | None
    grade: str | None
    most_probable_grade: str | None
    within_one_step: float | None
    confidence: str | None
    extrapolated: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedRow:
    sequence: int
    request_id: str
    essay_a_id: str
    essay_b_id: str
    provider: str
    model: str
    tokens_prompt: int
    tokens_completion: int
    cost_usd: float
    started_at: datetime
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow(_AskedRow):
    """A judgement.

    Attributes:
        sequence: 1 is the first.
        request_id: of the LLM provider service.
        essay_a_id: the essay that was shown first.
        essay_b_id: the essay that was shown second.
        provider: of the judge.
        model: of the judge.
        tokens_prompt: the number of tokens read.
        tokens_completion: the number of tokens written.
        cost_usd: what it cost, in USD.
        started_at: when the judge was asked, in UTC.
        completed_at: when the answer was there, in UTC.
        winner_id: the essay that won.
        loser_id: the essay that lost.
        winner_position: `A` or `B`.
        confidence: the judge's own, from 1 to 5; None where it gave none.
        justification: the judge's own; None where it gave none.
        prompt_hash: the SHA-256 of the prompt.
    """

    winner_id: str
    loser_id: str
    winner_position: str
    confidence: float | None
    justification: str | None
    prompt_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRow(_AskedRow):
    """A comparison without a winner; it has the fields of a judgement but those about the answer.

    Attributes:
        failure_code: the kind of failure.
        failure_reason: in the service's words.
    """

    failure_code: str
    failure_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPosition:
    """An anchor, and what the other anchors say about it.

    Attributes:
        anchor_id: its essay id.
        grade: its known grade.
        theta: its position in logits.
        standard_error: of `theta`, in logits.
        rank: among all essays; 1 is the highest.
        comparison_count: the number of comparisons that it took part in.
        wins: the number that it won.
        projected_grade: the grade that the other anchors give it; None where that is refused.
        refused: why; None where there is a projected grade.
    """

    anchor_id: str
    grade: str
    theta: float
    standard_error: float
    rank: int
    comparison_count: int
    wins: float
    projected_grade: str | None
    refused: str | None


def essay_rows(artefact: Object) -> Rows[EssayPosition]:
    """The essays, the highest first."""
    grades = {str(row["essay_id"]): row for row in rows(artefact["grade_projections"])}
    made = []
    for essay in rows(artefact["bt_summary"]):
        interval = essay.get("interval_90")
        low, high = interval if isinstance(interval, list) else (None, None)
        grade = grades.get(str(essay["essay_id"]), {})
        made.append(_row(EssayPosition, {**grade, **essay, "theta_low": low, "theta_high": high}))
    return Rows(made, row_type=EssayPosition)


def comparison_rows(artefact: Object) -> Rows[ComparisonRow]:
    """The judgements, in the order of their sequence numbers."""
    return _asked(artefact["llm_comparisons"], ComparisonRow)


def failed_rows(artefact: Object) -> Rows[FailedRow]:
    """The comparisons without a winner."""
    return _asked(artefact["failed_comparisons"], FailedRow)


def anchor_rows(artefact: Object) -> Rows[AnchorPosition]:
    """The anchors, the highest first."""
    left_out = rows(table_of(artefact["anchor_alignment"]).get("left_out"))
    others = {str(row["anchor_id"]): row for row in left_out}
    made = []
    for essay in rows(artefact["bt_summary"]):
        if essay["is_anchor"]:
            name = str(essay["essay_id"])
            made.append(
                _row(
                    AnchorPosition, {**essay, **others.get(name, {}), "anchor_id": name, "grade": essay["anchor_grade"]}
                )
            )
    return Rows(made, row_type=AnchorPosition)


def _asked(comparisons: Json, row_type: type[RowT]) -> Rows[RowT]:
    made = []
    for comparison in rows(comparisons):
        times = {key: datetime.fromisoformat(str(comparison[key])) for key in ("started_at", "completed_at")}
        made.append(_row(row_type, {**comparison, **times}))
    return Rows(made, row_type=row_type)


def _row(row_type: type[RowT], values: Mapping[str, object]) -> RowT:
    """A row from values of the artefact, which its schema has checked; an absent one is None."""
    return row_type(**{field.name: values.get(field.name) for field in fields(row_type)})
