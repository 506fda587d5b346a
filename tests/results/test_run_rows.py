"""Essays and anchors as rows for programs: place and grade of each, joined by the essay."""

from __future__ import annotations

from dataclasses import asdict, fields

from eng5_runner.results.artefact.judge import LeftOutAnchor
from eng5_runner.results.run_rows import anchor_rows, comparison_rows, essay_rows, failed_rows
from tests.support.artefacts import artefact, comparison, entry, projection, with_files
from tests.support.results import alignment_of, call, calls, inputs_of

ANCHOR = entry("anchor-1", theta=1.5, rank=1, grade="A", se=0.5).model_copy(
    update={"flag": "undefeated", "infit": 0.5, "outfit": 0.25, "interval_90": (0.75, 2.5)}
)
STUDENT = entry("birk", theta=-0.5, rank=2, se=0.25)
UNGRADED = entry("cleo", theta=-1.0, rank=3).model_copy(update={"interval_90": None})
GRADE = projection("birk", "C+", most_probable_grade="B", within_one_step=0.75, confidence="MID", extrapolated=True)
MADE = artefact(bt_summary=(ANCHOR, STUDENT, UNGRADED), grade_projections=(GRADE,))


def test_an_anchor_has_its_place_and_its_own_grade():
    row = essay_rows(MADE)[0]
    assert {name: value for name, value in asdict(row).items() if value is not None} == {
        "essay_id": "anchor-1",
        "is_anchor": True,
        "theta": 1.5,
        "standard_error": 0.5,
        "theta_low": 0.75,
        "theta_high": 2.5,
        "rank": 1,
        "comparison_count": 5,
        "wins": 2,
        "infit": 0.5,
        "outfit": 0.25,
        "flag": "undefeated",
        "anchor_grade": "A",
    }


def test_a_student_has_the_grade_that_is_projected_for_it():
    graded = GRADE.model_copy(update={"within_one_step_at_least": 0.625})
    made = artefact(students=("birk",), bt_summary=(ANCHOR, STUDENT), grade_projections=(graded,))
    made = with_files(made, {"birk": "1.txt"})
    row = asdict(essay_rows(made)[1])
    assert (row.pop("theta_low"), row.pop("theta_high")) == STUDENT.interval_90
    assert {name: value for name, value in row.items() if value is not None} == {
        "essay_id": "birk",
        "file": "1.txt",
        "is_anchor": False,
        "theta": -0.5,
        "standard_error": 0.25,
        "rank": 2,
        "comparison_count": 5,
        "wins": 2,
        "grade": "C+",
        "most_probable_grade": "B",
        "within_one_step": 0.75,
        "within_one_step_at_least": 0.625,
        "confidence": "MID",
        "extrapolated": True,
    }


def test_what_there_is_not_is_none():
    row = essay_rows(MADE)[2]
    assert (row.theta_low, row.theta_high) == (None, None)
    absent = (row.grade, row.most_probable_grade, row.within_one_step, row.confidence, row.extrapolated)
    assert absent == (None,) * 5


def test_rows_have_a_column_for_each_field():
    assert essay_rows(MADE).columns[:3] == ("essay_id", "file", "is_anchor")
    assert anchor_rows(MADE).columns[:2] == ("anchor_id", "file")
    assert len(essay_rows(artefact())) == len(anchor_rows(artefact())) == 0


def test_anchors_come_with_what_the_others_say_of_them():
    alignment = alignment_of(inputs_of(anchors={"anchor-1": "A", "anchor-2": "B"}), calls("anchor-1>anchor-2"))
    left_out = (
        LeftOutAnchor(anchor_id="anchor-2", grade="B", refused="too few anchors"),
        LeftOutAnchor(anchor_id="anchor-1", grade="A", projected_grade="B", probabilities={"B": 1.0}),
    )
    entries = (ANCHOR, STUDENT, entry("anchor-2", rank=3, grade="B"), entry("anchor-3", rank=4, grade="E-"))
    made = artefact(bt_summary=entries, anchor_alignment=alignment.model_copy(update={"left_out": left_out}))
    first, second, third = anchor_rows(made)
    assert asdict(first) == {
        "anchor_id": "anchor-1",
        "file": None,
        "grade": "A",
        "theta": 1.5,
        "standard_error": 0.5,
        "rank": 1,
        "comparison_count": 5,
        "wins": 2,
        "projected_grade": "B",
        "refused": None,
    }
    assert (second.anchor_id, second.projected_grade, second.refused) == ("anchor-2", None, "too few anchors")
    assert (third.anchor_id, third.projected_grade, third.refused) == ("anchor-3", None, None)
    assert len(anchor_rows(MADE)) == 1, "without an alignment there is still the anchor's own grade"


def test_a_frame_of_comparisons_also_has_the_names_of_both_files():
    judged, failed = comparison("birk", "cleo", "birk"), call("cleo", "birk", None)
    made = artefact(students=("birk", "cleo"), llm_comparisons=(judged,), failed_comparisons=(failed,))
    made = with_files(made, {"birk": "1.txt", "cleo": "2.txt"})
    for rows, row, files in (
        (comparison_rows(made), judged, ("1.txt", "2.txt")),
        (failed_rows(made), failed, ("2.txt", "1.txt")),
    ):
        assert list(rows) == [row]
        assert rows.columns == (*(field.name for field in fields(row)), "file_a", "file_b")
        frame = rows.to_polars()
        assert (frame["file_a"].to_list(), frame["file_b"].to_list()) == ([files[0]], [files[1]])
