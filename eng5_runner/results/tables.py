"""The artefact as tables for spreadsheets: one row a thing, an id on each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from eng5_runner.canonical import Json

# What a spreadsheet would run as a formula, full-width forms included.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")

_ESSAYS = ("essay_id", "theta", "standard_error", "rank", "comparison_count", "wins", "is_anchor", "anchor_grade")
_GRADES = ("grade", "most_probable_grade", "within_one_step", "confidence", "extrapolated")
_CALLS = (
    *("sequence", "request_id", "essay_a_id", "essay_b_id", "provider", "model", "tokens_prompt"),
    *("tokens_completion", "cost_usd", "started_at", "completed_at"),
)
_COMPARISONS = (*_CALLS, "winner_id", "loser_id", "winner_position", "confidence", "prompt_hash", "justification")
_FAILED = (*_CALLS, "failure_code", "failure_reason")
_SERVICE = (
    *("essay_id", "theta", "service_theta", "theta_difference", "theta_difference_in_se", "standard_error"),
    *("service_standard_error", "se_ratio", "grade", "service_grade", "beyond_precision"),
)
_ANCHORS = ("anchor_id", "grade", "projected_grade", "refused")


def tables(artefact: Mapping[str, Json]) -> dict[str, bytes]:
    """File name → CSV of each table that has rows."""
    grades = {row["essay_id"]: row for row in _objects(artefact["grade_projections"])}
    essays = [
        row | {k: grades.get(row["essay_id"], {}).get(k) for k in _GRADES} for row in _objects(artefact["bt_summary"])
    ]
    alignment = artefact["anchor_alignment"]
    anchors = _objects(alignment["left_out"]) if isinstance(alignment, Mapping) else []
    compared = artefact["comparison_with_service"]
    made = {
        "essays.csv": _csv((*_ESSAYS, *_GRADES), essays),
        "comparisons.csv": _csv(_COMPARISONS, _objects(artefact["llm_comparisons"])),
        "failed_comparisons.csv": _csv(_FAILED, _objects(artefact["failed_comparisons"])),
        "anchors.csv": _csv(_ANCHORS, anchors),
        "service.csv": _csv(_SERVICE, _objects(compared["essays"]) if isinstance(compared, Mapping) else []),
    }
    return {name: data for name, data in made.items() if data is not None}


def _objects(value: Json) -> list[dict[str, Json]]:
    if not isinstance(value, Sequence):
        raise TypeError("a table is made of an array")
    return [dict(row) for row in value if isinstance(row, Mapping)]


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Json]]) -> bytes | None:
    lines = [[_cell(row.get(column)) for column in columns] for row in rows]
    if not lines:
        return None
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue().encode()


def _cell(value: Json) -> str | int | float:
    """Numbers as numbers; a text that a spreadsheet would run is made inert by an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
