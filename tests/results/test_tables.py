"""Tables for spreadsheets: text is inert, numbers are numbers."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.results.tables import tables

CALL = {
    "sequence": 1,
    "request_id": "queue-1",
    "essay_a_id": "birk",
    "essay_b_id": "cleo",
    "provider": "mock",
    "model": "m",
    "tokens_prompt": 600,
    "tokens_completion": 40,
    "cost_usd": 0.00125,
    "started_at": "2027-03-02T08:00:00.000000Z",
    "completed_at": "2027-03-02T08:00:01.000000Z",
}
WON = CALL | {"winner_id": "birk", "loser_id": "cleo", "winner_position": "A", "prompt_hash": "0" * 64}
ESSAY = {
    "essay_id": "birk",
    "theta": -1.25,
    "standard_error": 0.5,
    "rank": 1,
    "comparison_count": 5,
    "wins": 2,
    "is_anchor": False,
}
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1", "＠1"]
ACTIVE = tuple("=+-@\t\r\n\0＝＋－＠")


def artefact(**changes: object) -> dict[str, object]:
    """The parts of an artefact that the tables show."""
    empty = {"llm_comparisons": [], "failed_comparisons": [], "bt_summary": [], "grade_projections": []}
    return empty | {"anchor_alignment": None, "comparison_with_service": None} | changes


def rows(data: bytes) -> list[dict[str, object]]:
    """What a reader gets: quoted cells as text, others as numbers."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), quoting=csv.QUOTE_NONNUMERIC))


@pytest.mark.parametrize("payload", FORMULAS)
@pytest.mark.parametrize("field", ["justification", "model", "provider", "request_id"])
def test_a_formula_is_inert(field, payload):
    (row,) = rows(tables(artefact(llm_comparisons=[WON | {field: payload}]))["comparisons.csv"])
    assert row[field] == f"'{payload}"


@pytest.mark.parametrize("payload", FORMULAS)
def test_a_formula_in_a_failures_reason_is_inert(payload):
    failed = CALL | {"failure_code": payload, "failure_reason": payload}
    (row,) = rows(tables(artefact(failed_comparisons=[failed]))["failed_comparisons.csv"])
    assert row["failure_code"] == row["failure_reason"] == f"'{payload}"


@given(text=st.text(alphabet=st.characters(codec="utf-8")))
def test_no_text_makes_a_cell_that_a_spreadsheet_would_run(text):
    """And it comes back whole: line breaks, quotes and separators within it are part of its cell."""
    (row,) = rows(tables(artefact(llm_comparisons=[WON | {"justification": text}]))["comparisons.csv"])
    assert not row["justification"].startswith(ACTIVE)
    assert row["justification"].removeprefix("'") == text.removeprefix("'") or row["justification"] == text


def test_numbers_stay_numbers_also_negative_ones():
    data = tables(artefact(bt_summary=[ESSAY]))["essays.csv"]
    (row,) = rows(data)
    assert (row["theta"], row["standard_error"], row["comparison_count"]) == (-1.25, 0.5, 5.0)
    assert b",-1.25," in data
    assert row["is_anchor"] == "false"


def test_a_projection_stands_in_its_essays_row_and_is_empty_where_there_is_none():
    projection = {"essay_id": "birk", "grade": "C+", "most_probable_grade": "B", "confidence": "MID"}
    summary = [ESSAY, ESSAY | {"essay_id": "cleo", "rank": 2}]
    with_grade, without = rows(tables(artefact(bt_summary=summary, grade_projections=[projection]))["essays.csv"])
    assert (with_grade["grade"], with_grade["confidence"]) == ("C+", "MID")
    assert (without["grade"], without["confidence"]) == ("", "")


def test_a_table_without_rows_is_not_made():
    assert tables(artefact()) == {}


def test_anchors_come_from_the_alignment():
    left_out = [{"anchor_id": "anchor-a1", "grade": "A", "refused": "too few anchors"}]
    (row,) = rows(tables(artefact(anchor_alignment={"left_out": left_out}))["anchors.csv"])
    assert row == {"anchor_id": "anchor-a1", "grade": "A", "projected_grade": "", "refused": "too few anchors"}
