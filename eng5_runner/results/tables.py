"""The artefact as tables for spreadsheets: one row for each essay, comparison or anchor, with id and file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.study import ComparisonCall

# What a spreadsheet would run as a formula, full-width forms included.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")

# The names of files are not in the artefact's rows: `file` is looked up by the row's id.
_ESSAYS = (
    *("essay_id", "file", "theta", "standard_error", "rank", "comparison_count", "wins", "is_anchor"),
    "anchor_grade",
)
_GRADES = ("grade", "most_probable_grade", "within_one_step", "confidence", "extrapolated")
_CALLS = (
    *("sequence", "request_id", "essay_a_id", "essay_b_id", "file_a", "file_b", "provider", "model"),
    *("tokens_prompt", "tokens_completion", "cost_usd", "started_at", "completed_at"),
)
_COMPARISONS = (*_CALLS, "winner_id", "loser_id", "winner_position", "confidence", "prompt_hash", "justification")
_FAILED = (*_CALLS, "failure_code", "failure_reason")
_SERVICE = (
    *("essay_id", "file", "theta", "service_theta", "theta_difference", "theta_difference_in_se", "standard_error"),
    *("service_standard_error", "se_ratio", "grade", "service_grade", "beyond_precision"),
)
_ANCHORS = ("anchor_id", "file", "grade", "projected_grade", "refused")


def tables(artefact: Artefact) -> dict[str, bytes]:
    """File name → CSV of each table that has rows."""
    alignment, service = artefact.anchor_alignment, artefact.comparison_with_service
    files = artefact.inputs.file_names
    grades = {grade.essay_id: attrgetter(*_GRADES)(grade) for grade in artefact.grade_projections}
    essays = (
        (*_cells(entry, _ESSAYS, file=files.get(entry.essay_id)), *grades.get(entry.essay_id, (None,) * len(_GRADES)))
        for entry in artefact.bt_summary
    )
    anchors = (
        _cells(anchor, _ANCHORS, file=files.get(anchor.anchor_id))
        for anchor in (alignment.left_out if alignment else ())
    )
    by_service = (
        _cells(essay, _SERVICE, file=files.get(essay.essay_id)) for essay in (service.essays if service else ())
    )
    made = {
        "essays.csv": _csv((*_ESSAYS, *_GRADES), essays),
        "comparisons.csv": _calls(artefact.llm_comparisons, _COMPARISONS, files=files),
        "failed_comparisons.csv": _calls(artefact.failed_comparisons, _FAILED, files=files),
        "anchors.csv": _csv(_ANCHORS, anchors),
        "service.csv": _csv(_SERVICE, by_service),
    }
    return {name: data for name, data in made.items() if data is not None}


def _calls(calls: Iterable[ComparisonCall], columns: Sequence[str], *, files: Mapping[str, str]) -> bytes | None:
    named = (
        _cells(call, columns, file_a=files.get(call.essay_a_id), file_b=files.get(call.essay_b_id)) for call in calls
    )
    return _csv(columns, named)


def _cells(row: object, columns: Sequence[str], **given: object) -> tuple[object, ...]:
    """The cells of a row: those that are given, the others from the row itself."""
    return tuple(given[column] if column in given else getattr(row, column) for column in columns)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes | None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    only_heads = text.tell()
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode() if text.tell() > only_heads else None


def _cell(value: object) -> str | int | float:
    """Numbers as numbers; a text that a spreadsheet would run is made inert by an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    return inert(str(value))


def inert(text: str) -> str:
    """The text for a spreadsheet's cell: one that would run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
