"""The service's figures beside the runner's: every difference beyond precision is counted, whatever its sign."""

from __future__ import annotations

import math

import pytest

from tests.support.results import at, compared, plain, row_of

# Positions and standard errors of five essays, ours; the service's are the same but for what a test plants.
OURS = {"ada": (1.5, 0.5), "bea": (0.5, 0.5), "cia": (0.0, 0.5), "dan": (-0.5, 0.5), "eva": (-1.5, 0.5)}


def differing(**planted: float) -> object:
    """The service's θ differ by so many logits."""
    return compared(OURS, {name: (theta + planted.get(name, 0.0), se) for name, (theta, se) in OURS.items()})


def test_equal_figures_do_not_differ():
    block = differing()
    assert (at(block, "differs"), list(at(block, "findings"))) == (False, [])
    assert at(block, "largest_difference_in_se") == at(block, "root_mean_square_in_se") == 0.0
    assert at(block, "median_se_ratio") == at(block, "spread_ratio") == 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_difference_of_either_sign_is_counted_and_named(sign):
    block = differing(bea=sign * 0.6)
    assert at(block, "beyond", "theta") == 1
    assert at(row_of(at(block, "essays"), "bea"), "beyond_precision") is True
    assert at(block, "largest_difference_in_se") == pytest.approx(1.2)
    (finding,) = [text for text in at(block, "findings") if "lies more than a standard error" in text]
    assert f"bea ({sign * 0.6:+.2f} logits, {sign * 1.2:+.1f} SE)" in finding
    assert finding.endswith(" SE)"), "all are named"


def test_a_row_has_both_figures_and_their_difference():
    told = OURS | {"ada": (2.5, 1.0)}
    shares = {"C": 0.5, "B": 0.5}
    block = compared(OURS, told, grades={"ada": "C"}, theirs={"ada": "B"}, probabilities=shares)
    assert plain(row_of(at(block, "essays"), "ada")) == {
        "essay_id": "ada",
        "theta": 1.5,
        "service_theta": 2.5,
        "theta_difference": 1.0,
        "theta_difference_in_se": 2.0,
        "standard_error": 0.5,
        "service_standard_error": 1.0,
        "se_ratio": 2.0,
        "grade": "C",
        "service_grade": "B",
        "beyond_precision": True,
    }


def test_the_largest_differences_are_named_first_and_no_more_than_three():
    block = differing(ada=0.7, bea=-0.9, dan=-0.8, eva=0.6)
    (finding,) = [text for text in at(block, "findings") if "lies more than a standard error" in text]
    assert "of 4 of 5 essays" in finding
    places = [finding.index(f"{name} (") for name in ("bea", "dan", "ada")]
    assert places == sorted(places)
    assert "eva (" not in finding and finding.endswith("…")


@pytest.mark.parametrize(("by", "beyond"), [(0.4999, 0), (0.5001, 1)])
def test_one_standard_error_is_still_within_precision(by, beyond):
    assert at(differing(cia=by), "beyond", "theta") == beyond


def test_a_shift_of_the_whole_scale_counts_for_nothing():
    block = differing(**dict.fromkeys(OURS, 7.25))
    assert (at(block, "differs"), at(block, "shift")) == (False, 7.25)


@pytest.mark.parametrize("errors", [2.6, math.sqrt(2.6)], ids=["another unit", "a weaker prior"])
def test_a_wider_scale_counts_for_nothing(errors):
    """The field's service shrinks less: its positions spread 2.6 times as far in a recorded run."""
    block = compared(OURS, {name: (2.6 * theta + 1.0, errors * se) for name, (theta, se) in OURS.items()})
    assert (at(block, "differs"), at(block, "scale")) == (False, pytest.approx(2.6))
    assert at(block, "root_mean_square_in_se") == pytest.approx(0.0, abs=1e-6)


def test_what_the_scale_does_not_explain_is_found():
    wide = {name: (2.6 * theta, 2.6 * se) for name, (theta, se) in OURS.items()}
    block = compared(OURS, wide | {"bea": (2.6 * 1.2, 2.6 * 0.5)})
    assert (at(block, "beyond", "theta"), at(block, "largest_difference_in_se")) == (1, pytest.approx(1.4, abs=0.1))
    errors = compared(OURS, {name: (2.6 * theta, 2.6 * 1.3 * se) for name, (theta, se) in OURS.items()})
    assert list(at(errors, "findings")) == ["the service's standard errors are 3.38 times the runner's (median)"]


def test_an_order_turned_round_is_no_scale():
    block = compared(OURS, {name: (-theta, se) for name, (theta, se) in OURS.items()})
    assert (at(block, "scale"), at(block, "differs")) == (1.0, True)


def test_the_scale_of_many_essays_is_as_robust():
    ours = {f"essay-{place:03}": (place / 100.0, 0.2) for place in range(500)}
    theirs = {name: (1.5 * theta, 0.3) for name, (theta, _) in ours.items()}
    block = compared(ours, theirs | {f"essay-{place:03}": (90.0, 0.3) for place in range(0, 500, 10)})
    assert (at(block, "scale"), at(block, "beyond", "theta")) == (pytest.approx(1.5), 50)


def test_positions_that_are_all_the_same_give_no_scale():
    level = dict.fromkeys(OURS, (0.0, 0.5))
    block = compared(level, {name: (theta + 1.0, se) for name, (theta, se) in OURS.items()})
    assert (at(block, "scale"), at(block, "shift"), at(block, "spread_ratio")) == (1.0, 1.0, None)


def test_the_shift_is_the_median_so_that_one_essay_astray_moves_no_other():
    block = differing(eva=4.0)
    assert at(block, "shift") == 0.0
    assert [at(row, "theta_difference") for row in at(block, "essays")] == [0.0, 0.0, 0.0, 0.0, 4.0]


def test_many_small_differences_are_found_by_their_root_mean_square():
    """Each within a standard error, together a bias that harms coverage."""
    block = differing(ada=0.4, bea=-0.4, dan=-0.4, eva=0.4)
    assert at(block, "beyond", "theta") == 0
    assert at(block, "root_mean_square_in_se") == pytest.approx(0.8 * math.sqrt(4 / 5), abs=1e-6)
    assert list(at(block, "findings")) == [
        "the service's θ lie 0.72 standard errors from the runner's (root mean square)"
    ]


@pytest.mark.parametrize(("factor", "differs"), [(0.86, True), (0.87, False), (1.19, False), (1.2, True)])
def test_standard_errors_differ_outside_the_band_of_their_median_ratio(factor, differs):
    block = compared(OURS, {name: (theta, se * factor) for name, (theta, se) in OURS.items()})
    assert at(block, "median_se_ratio") == pytest.approx(factor)
    assert at(block, "differs") is differs


def test_a_stretched_scale_shows_in_the_ratio_of_spreads_and_not_in_the_rank_correlation():
    block = compared(OURS, {name: (2.0 * theta, se) for name, (theta, se) in OURS.items()})
    assert (at(block, "spread_ratio"), at(block, "rank_correlation")) == (2.0, 1.0)


PROBABILITIES = {"E": 0.03, "D": 0.10, "C": 0.80, "B": 0.045, "A": 0.025}
"""Lowest first: E and A lie in the tails below 5%, and B with A above makes 7%."""


@pytest.mark.parametrize(("grade", "outside"), [("E", 1), ("D", 0), ("C", 0), ("B", 0), ("A", 1), ("U", 1)])
def test_a_grade_beyond_the_middle_ninety_percent_differs(grade, outside):
    block = compared(OURS, {"ada": (1.5, 0.5)}, grades={"ada": "C"}, theirs={"ada": grade}, probabilities=PROBABILITIES)
    assert at(block, "beyond", "grade") == outside
    assert at(block, "compared", "grade") == 1
    assert at(block, "grades_equal") == (grade == "C")
    assert at(block, "differs") is at(block, "essays", 0, "beyond_precision") is bool(outside)
    if outside:
        assert f"a ({grade}, runner C)" in at(block, "findings", 0)


@pytest.mark.parametrize(("astray", "marked"), [(4, " …"), (3, ""), (2, None)])
def test_no_more_than_three_grades_are_named_and_all_are_counted(astray, marked):
    graded, names = dict.fromkeys(OURS, "C"), sorted(OURS)
    theirs = graded | dict.fromkeys(names[:astray], "E")
    (finding,) = at(compared(OURS, OURS, grades=graded, theirs=theirs, probabilities=PROBABILITIES), "findings")
    assert finding.startswith(f"the service's grade of {astray} of 5 students lies outside")
    named = ", ".join(f"{name} (E, runner C)" for name in names[: min(astray, 3)])
    assert finding.endswith(f": {named}{marked or ''}")


def test_without_a_projected_grade_of_ours_or_of_theirs_none_is_compared():
    its = {"ada": (1.5, 0.5), "bea": (0.5, 0.5)}
    block = compared(OURS, its, grades={"ada": "C"}, theirs={"bea": "E"}, probabilities=PROBABILITIES)
    assert (at(block, "compared", "grade"), at(block, "beyond", "grade")) == (0, 0)


def test_two_positions_have_a_spread_and_positions_without_any_have_none():
    assert at(compared(OURS, {"ada": (3.0, 0.5), "cia": (0.0, 0.5)}), "spread_ratio") == 2.0
    level = {"ada": (0.0, 0.5), "bea": (0.0, 0.5)}
    assert at(compared(level, OURS), "spread_ratio") is None


def test_an_anchor_has_no_projected_grade_to_compare():
    """The runner projects none for it, whatever letter the service gives."""
    block = compared(OURS, {"ada": (1.5, 0.5)}, theirs={"ada": "E"})
    assert (at(block, "compared", "grade"), at(block, "beyond", "grade"), at(block, "differs")) == (0, 0, False)


def test_what_the_service_left_out_is_not_compared():
    block = compared(OURS, {"ada": (1.5, None), "bea": (None, 0.5), "cia": (0.0, None)})
    assert at(block, "compared", "theta") == 2
    assert at(block, "compared", "standard_error") == 1
    assert at(block, "compared", "essays") == 5
    assert [at(row, "essay_id") for row in at(block, "essays")] == ["ada", "bea", "cia"]


def test_one_position_alone_has_no_scale_to_be_compared_on():
    block = compared(OURS, {"ada": (9.0, 0.5)})
    assert (at(block, "shift"), at(block, "compared", "theta"), at(block, "spread_ratio")) == (None, 0, None)
    assert at(block, "beyond", "theta") == 0


def test_without_a_shared_essay_there_is_nothing_to_compare():
    assert compared(OURS, {"stranger": (0.0, 0.5)}) is None
