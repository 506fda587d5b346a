"""Chances of grades before a study: the method study's simulated figures, monotone, inverted, and 0 to 1."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.measure.design.grade_planning import Grading, comparisons_for_grades, grade_chances
from eng5_runner.measure.design.planning import adaptive_worth, comparisons_for_reliability, expected_precision

NINE = Grading(grades=9, anchors=12)
# The method study's spread of quality and its judge's noise.
SPREAD = math.hypot(1.8, 0.5)


@pytest.mark.parametrize(
    ("anchors", "k", "exact", "within_one"),
    [(12, 10, 0.33, 0.78), (12, 20, 0.37, 0.82), (12, 30, 0.41, 0.86), (9, 20, 0.36, 0.81), (27, 20, 0.37, 0.83)],
)
def test_the_method_study_simulated_about_these_shares(anchors, k, exact, within_one):
    """Its table 4.3; the study's own step is not printed, so this is within .04."""
    chances = grade_chances(k, spread=SPREAD, grading=Grading(grades=9, anchors=anchors))
    assert chances is not None
    assert chances.exact == pytest.approx(exact, abs=0.04)
    assert chances.within_one == pytest.approx(within_one, abs=0.04)


@pytest.mark.parametrize(("agreement", "within_one"), [(0.9, 0.75), (0.8, 0.65), (0.7, 0.59)])
def test_a_judge_who_agrees_less_with_the_teachers_gives_such_shares_in_simulation(agreement, within_one):
    """docs/validation.md, at 20 judgements an essay and 12 anchors."""
    chances = grade_chances(20, spread=SPREAD, grading=Grading(grades=9, anchors=12, agreement=agreement))
    assert chances is not None
    assert chances.within_one == pytest.approx(within_one, abs=0.04)


@given(
    k=st.floats(2.01, 500),
    spread=st.floats(0.05, 8),
    grades=st.integers(2, 20),
    anchors=st.integers(3, 60),
    width=st.floats(0.5, 20),
)
def test_chances_are_chances_and_a_step_more_is_never_less_sure(k, spread, grades, anchors, width):
    chances = grade_chances(k, spread=spread, grading=Grading(grades=grades, anchors=anchors, width=width))
    assert chances is not None
    assert 0.0 < chances.exact <= chances.within_one <= 1.0


def test_where_all_estimates_are_the_same_they_lie_between_the_two_grades_in_the_middle():
    """They count for one of the two, and the other one is a step away."""
    chances = grade_chances(2.5, spread=3.0, grading=Grading(grades=4, anchors=12, agreement=1e-9, width=4.0))
    assert chances is not None
    assert (chances.exact, chances.within_one) == (pytest.approx(0.436, abs=1e-3), pytest.approx(0.936, abs=1e-3))


@given(k=st.floats(3, 200), more=st.floats(1.01, 3), spread=st.floats(0.3, 4))
def test_more_judgements_never_lower_the_chances(k, more, spread):
    few, many = (grade_chances(each, spread=spread, grading=NINE) for each in (k, k * more))
    assert few is not None and many is not None
    assert many.within_one >= few.within_one - 1e-6
    assert many.exact >= few.exact - 1e-6


def test_the_fewest_comparisons_reach_the_share_and_one_less_does_not():
    needed = comparisons_for_grades(essays=44, spread=1.8, grading=NINE, within_one=0.8)
    assert needed is not None
    reached, missed = (grade_chances(2 * n / 44, spread=1.8, grading=NINE) for n in (needed, needed - 1))
    assert reached is not None and missed is not None
    assert reached.within_one >= 0.8 > missed.within_one


def test_what_no_number_of_comparisons_reaches_is_said_to_be_out_of_reach():
    """Judge and experts differ however often the judge is asked."""
    assert comparisons_for_grades(essays=44, spread=1.8, grading=NINE, within_one=0.99) is None
    assert comparisons_for_grades(essays=44, spread=1.8, grading=Grading(grades=9, anchors=2), within_one=0.5) is None


def test_without_judgements_or_anchors_there_is_no_grade():
    assert grade_chances(2.0, spread=1.8, grading=NINE) is None
    assert grade_chances(20.0, spread=1.8, grading=Grading(grades=9, anchors=2)) is None


@pytest.mark.parametrize(
    ("spread", "worth"), [(0.2, 1.0), (1.0, 1.15), (1.4, 1.3), (1.8, 1.45), (4.0, 2.4), (6.0, 2.75), (9, 2.75)]
)
def test_an_adaptive_judgement_is_worth_what_simulations_found(spread, worth):
    assert adaptive_worth(spread) == pytest.approx(worth)


@pytest.mark.parametrize("reliability", [0.3, 0.8, 0.95])
def test_the_adaptive_inverse_is_one(reliability):
    needed = comparisons_for_reliability(essays=60, spread=1.8, reliability=reliability, adaptive=True)
    for comparisons, reached in ((needed, True), (needed - 1, False)):
        found = expected_precision(essays=60, comparisons=comparisons, spread=1.8, adaptive=True).reliability
        assert (found >= reliability) is reached


def test_three_rounds_are_balanced_in_every_design():
    both = [expected_precision(essays=60, comparisons=90, spread=1.8, adaptive=each) for each in (True, False)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: Grading(grades=1, anchors=5),
        lambda: Grading(grades=9, anchors=5, width=0.0),
        lambda: Grading(grades=9, anchors=5, agreement=0.0),
        lambda: Grading(grades=9, anchors=5, agreement=1.01),
        lambda: comparisons_for_grades(essays=5, spread=1.0, grading=NINE, within_one=1.0),
    ],
)
def test_senseless_questions_are_refused(call):
    with pytest.raises(ValueError):
        call()
