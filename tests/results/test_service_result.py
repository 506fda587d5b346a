"""What the CJ service says itself: under our ids, as it came, and without what it left out."""

from __future__ import annotations

import pytest

from eng5_runner.core.rounding import FIGURE_LIMIT
from eng5_runner.results.service_comparison import service_result
from tests.support.results import NAMES, at, plain, service_says


def figures(*rows: dict, **summary: object) -> dict:
    return {estimate.essay_id: estimate for estimate in service_result(service_says(*rows, **summary), NAMES).essays}


def test_essays_are_under_our_ids_and_strangers_under_theirs():
    found = figures({"essay_id": "1-birk"}, {"essay_id": "ANCHOR_7_abcdef01"}, {"essay_id": "stranger"})
    assert list(found) == ["birk", "anchor-1", "stranger"]


def test_essays_that_stand_in_the_summary_alone_follow_in_a_fixed_order():
    found = figures(
        {"essay_id": "2-cleo"}, bt_stats={"z": {"bt_mean": 1.0}, "1-birk": {"bt_mean": 2.0}}, primary_grades={"a": "B"}
    )
    assert list(found) == ["cleo", "birk", "a", "z"]


def test_of_two_rows_for_one_essay_the_first_stands():
    found = figures({"essay_id": "1-birk", "bt_score": 1.0}, {"essay_id": "1-birk", "bt_score": 2.0})
    assert found["birk"].theta == 1.0


def test_a_row_without_an_id_is_nobody_s():
    assert list(figures({"essay_id": ""}, {"essay_id": "1-birk"}, primary_grades={"": "A"})) == ["birk"]


@pytest.mark.parametrize(
    ("row", "stats", "theta", "error"),
    [
        ({"bt_score": 1.5}, {"bt_mean": 2.5, "bt_se": 0.5}, 2.5, 0.5),  # the summary's mean comes first
        ({"bt_score": 1.5}, {"bt_se": 0.5}, 1.5, 0.5),
        ({"bt_score": 0.0}, {}, 0.0, None),
        ({}, {"bt_mean": 0.0, "bt_se": 0.0}, 0.0, 0.0),  # zero is a figure
        ({}, {}, None, None),
        ({}, {"bt_mean": 2.0 * FIGURE_LIMIT, "bt_se": -2.0 * FIGURE_LIMIT}, None, None),  # nobody can mean that
    ],
)
def test_a_position_is_the_summary_s_or_else_the_row_s(row, stats, theta, error):
    found = figures({"essay_id": "1-birk"} | row, bt_stats={"1-birk": stats})["birk"]
    assert (found.theta, found.standard_error) == (theta, error)


@pytest.mark.parametrize(
    ("letter", "projected", "told"),
    [("C", "B", "B"), ("C", None, "C"), (None, "B", "B"), (None, None, None), ("", None, None)],
)
def test_a_grade_is_the_projected_one_or_else_the_letter(letter, projected, told):
    grades = {} if projected is None else {"1-birk": projected}
    assert figures({"essay_id": "1-birk", "letter_grade": letter}, primary_grades=grades)["birk"].stated_grade == told


def test_figures_are_stated_as_they_came_and_nothing_stands_in_for_what_is_missing():
    result = service_says(
        {"essay_id": "1-birk", "bt_score": 1.0123456789, "rank": 1, "letter_grade": "B"},
        {"essay_id": "2-cleo"},
        bt_stats={"1-birk": {"bt_mean": 1.5, "bt_se": 0.25}},
        primary_grades={"1-birk": "B"},
        confidence_labels={"1-birk": "HIGH"},
        confidence_scores={"1-birk": 0.75},
        grade_probabilities={"1-birk": {"C": 0.25, "B": 0.75}},
        projections_available=True,
        calibration_info={"method": "somebody's", "huge": 10**30},
    )
    block = plain(service_result(result, NAMES))
    birk, cleo = block["essays"]
    assert {key: value for key, value in birk.items() if value is not None} == {
        "essay_id": "birk",
        "bt_score": 1.0123456789,
        "rank": 1,
        "letter_grade": "B",
        "bt_mean": 1.5,
        "bt_se": 0.25,
        "grade": "B",
        "grade_label": "HIGH",
        "grade_confidence": 0.75,
        "grade_probabilities": {"C": 0.25, "B": 0.75},
    }
    assert {key: value for key, value in cleo.items() if value is not None} == {"essay_id": "cleo"}
    assert (block["job_id"], block["model"]) == ("7", "a model")
    assert block["projections_available"] is True
    assert block["calibration_method"] == "anchors"
    assert block["calibration_info"] == {"method": "somebody's"}


def test_a_result_without_a_summary_has_essays_only():
    result = service_says({"essay_id": "1-birk", "rank": 2}, about=False)
    block = plain(service_result(result, NAMES))
    assert at(block, "essays", 0, "rank") == 2
    assert all(block.get(key) is None for key in ("projections_available", "calibration_method", "calibration_info"))
