"""What the judgements say: each figure is the one that the statistics give, under its name and of the right essay."""

from __future__ import annotations

import pytest

from eng5_runner.measure.grading.grades import Projection, project
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from eng5_runner.results.fitted_study import dependence_facts
from tests.support.results import all_pairs, at, calls, estimates_of, inputs_of, plain, row_of, study_of

ANCHORS = {"anchor-1": "E-", "anchor-2": "D-", "anchor-3": "C-", "anchor-4": "B", "anchor-5": "A", "anchor-6": "F+"}
BEST_FIRST = ("anchor-5", "anchor-4", "birk", "anchor-3", "anchor-2", "cleo", "anchor-1", "anchor-6")
INPUTS = inputs_of(students=("birk", "cleo"), anchors=ANCHORS)
JUDGED = all_pairs(BEST_FIRST, upsets=[("anchor-2", "anchor-3"), ("cleo", "birk")])
OUTCOMES = ("F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")


@pytest.fixture
def found():
    return estimates_of(INPUTS, JUDGED)


@pytest.fixture
def study():
    return study_of(INPUTS, JUDGED)


@pytest.fixture
def students(study) -> Projection:
    projection = project(study.fitted, anchors=study.grades, scale=study.measured_scale)
    assert isinstance(projection, Projection)
    return projection


def test_without_judgements_nothing_is_claimed():
    empty = estimates_of(INPUTS, [], failed=calls("birk?cleo"))
    assert (list(empty.bt_summary), empty.bt_model, list(empty.grade_projections)) == ([], None, [])
    assert (empty.anchor_alignment, empty.judge_quality, empty.by_essay) == (None, None, {})
    assert plain(empty.grade_model)["available"] is False
    assert plain(empty.grade_model)["reason"] == "there are no judgements"


def test_essays_stand_by_rank_the_highest_first_and_equals_by_name(found):
    rows = found.bt_summary
    assert [at(row, "rank") for row in rows] == [1, 2, 3, 3, 5, 5, 7, 8]
    names = [at(row, "essay_id") for row in rows]
    assert (names[0], names[-1]) == ("anchor-5", "anchor-6")
    assert names[2:4] == ["anchor-2", "birk"], "equal positions"
    thetas = [at(row, "theta") for row in rows]
    assert thetas == sorted(thetas, reverse=True)


def test_a_row_has_the_figures_of_its_essay(found, study):
    fitted, surprise, by_pair = study.fitted, misfit(study.fitted), errors_by_pair(study.fitted, study.asked)
    low, high = fitted.intervals(level=0.9)
    for place, item in enumerate(fitted.items):
        row = row_of(found.bt_summary, item)
        figures = {
            "theta": fitted.theta[place],
            "standard_error": fitted.standard_errors[place],
            "standard_error_by_pair": by_pair[place],
            "infit": surprise.infit[place],
            "outfit": surprise.outfit[place],
        }
        assert {name: at(row, name) for name in figures} == pytest.approx(figures, abs=1e-6)
        assert list(at(row, "interval_90")) == pytest.approx([low[place], high[place]], abs=1e-6)


def test_calls_and_wins_are_those_that_were_made(found):
    counted = {at(row, "essay_id"): (at(row, "comparison_count"), at(row, "wins")) for row in found.bt_summary}
    assert {count for count, _ in counted.values()} == {14}
    assert {name: wins for name, (_, wins) in counted.items()} == {
        "anchor-5": 14,
        "anchor-4": 12,
        "birk": 8,
        "anchor-3": 6,
        "anchor-2": 8,
        "cleo": 6,
        "anchor-1": 2,
        "anchor-6": 0,
    }


def test_repeats_count_as_calls_though_they_are_no_new_evidence():
    twice = estimates_of(inputs_of(students=("ann", "bob", "cyd")), calls("ann>bob", "ann>bob", "bob>cyd", "cyd>ann"))
    assert [at(row_of(twice.bt_summary, name), "comparison_count") for name in ("ann", "bob", "cyd")] == [3, 3, 2]
    assert at(row_of(twice.bt_summary, "ann"), "wins") == 2


def test_only_those_who_never_lost_or_never_won_are_flagged(found):
    flags = {at(row, "essay_id"): plain(row).get("flag") for row in found.bt_summary}
    assert {name: flag for name, flag in flags.items() if flag} == {"anchor-5": "undefeated", "anchor-6": "winless"}


def test_of_three_essays_one_is_undefeated_and_one_winless():
    three = estimates_of(inputs_of(students=("ann", "bob", "cyd")), all_pairs(("ann", "bob", "cyd"))).bt_summary
    assert [(row.essay_id, row.flag) for row in three] == [("ann", "undefeated"), ("bob", None), ("cyd", "winless")]


def test_a_small_study_states_its_halves_and_how_much_wider_its_errors_are_by_pair():
    some = ("ann", "bob", "cyd", "dan", "eve", "fay", "gil", "hal")
    small = estimates_of(inputs_of(students=some), all_pairs(some, upsets=[("cyd", "bob"), ("fay", "dan")]))
    by_pair, errors = (
        sum(at(row, name) for row in small.bt_summary) for name in ("standard_error_by_pair", "standard_error")
    )
    assert small.bt_model.se_ratio_by_pair == pytest.approx(by_pair / errors, abs=1e-5)
    halves = small.bt_model.reliability.split_half
    assert halves.splits == 50
    assert -1.0 <= halves.correlation < halves.spearman_brown <= 1.0
    assert halves.spread_90[0] < halves.spread_90[1]


def test_anchors_show_the_grade_that_they_have_and_students_the_one_that_is_projected(found, students):
    rows = [plain(row) for row in found.bt_summary]
    assert {row["essay_id"]: row["anchor_grade"] for row in rows if row["is_anchor"]} == ANCHORS
    projected = {student.item: OUTCOMES[student.median] for student in students.students}
    assert {row["essay_id"]: row["grade_projection"] for row in rows if not row["is_anchor"]} == projected
    assert all(row.get("grade_projection") is None for row in rows if row["is_anchor"])
    assert all(row.get("anchor_grade") is None for row in rows if not row["is_anchor"])


def test_the_model_is_described_by_its_fit(found, study):
    block, fitted = found.bt_model, study.fitted
    assert (at(block, "converged"), at(block, "components"), at(block, "prior_sd_estimated")) == (True, 1, True)
    assert at(block, "prior_sd") == pytest.approx(fitted.prior_sd, abs=1e-6)
    assert at(block, "log_likelihood") == pytest.approx(fitted.log_likelihood, abs=1e-6)
    assert plain(at(block, "position_effect")) == {
        "estimate": pytest.approx(fitted.position_effect, abs=1e-6),
        "standard_error": pytest.approx(fitted.position_effect_se, abs=1e-6),
    }
    assert at(block, "dependence") == dependence_facts(study.dependent, asked=study.asked, counted=fitted.comparisons)
    by_pair = errors_by_pair(fitted, study.asked)
    assert at(block, "se_ratio_by_pair") == pytest.approx(by_pair.mean() / fitted.standard_errors.mean(), abs=1e-6)


def test_reliability_is_told_with_its_interval(found, study):
    block, fitted = at(found.bt_model, "reliability"), study.fitted
    low, high = reliability_interval(fitted)
    assert at(block, "bootstrap_draws") == 3600
    assert list(at(block, "interval_90")) == pytest.approx([low, high], abs=1e-6)
    assert at(block, "empirical_bayes") == pytest.approx(empirical_bayes(fitted), abs=1e-6)
    assert at(block, "separation") == pytest.approx(separation(fitted), abs=1e-6)
    assert at(block, "separation_inflated") is False
    assert at(block, "split_half", "splits") == 50
    assert at(block, "split_half", "spearman_brown") > at(block, "split_half", "correlation")


def test_adaptive_pairs_inflate_the_separation_and_leave_no_halves():
    block = at(estimates_of(INPUTS, JUDGED, adaptive=True).bt_model, "reliability")
    assert at(block, "separation_inflated") is True
    assert at(block, "split_half") is None


def test_a_student_has_all_probabilities_and_what_they_claim(found, students):
    assert [at(row, "essay_id") for row in found.grade_projections] == ["birk", "cleo"]
    for student in students.students:
        row = plain(row_of(found.grade_projections, student.item))
        assert list(row["probabilities"]) == list(OUTCOMES), "lowest first"
        assert list(row["probabilities"].values()) == pytest.approx(student.probabilities, abs=1e-6)
        assert row["grade"] == OUTCOMES[student.median]
        assert (
            row["most_probable_grade"]
            == OUTCOMES[student.mode]
            == max(row["probabilities"], key=row["probabilities"].get)
        )
        assert row["within_one_step"] == pytest.approx(student.within_one, abs=1e-6)
        assert (row["confidence"], row["grade_scale"]) == (student.label, INPUTS.grade_scale)
        assert (row["extrapolated"], row["linked_to_anchors"]) == (False, True)


def test_the_anchors_model_is_told_grade_by_grade(found, students):
    block = plain(found.grade_model)
    assert block["available"] is True
    assert block["within_grade_sd"] == pytest.approx(students.spread, abs=1e-6)
    assert list(block["centres"]) == list(OUTCOMES)
    assert [centre["theta"] for centre in block["centres"].values()] == pytest.approx(students.centres, abs=1e-6)
    errors = [centre["standard_deviation"] for centre in block["centres"].values()]
    assert errors == pytest.approx(students.centre_ses, abs=1e-6)
    assert block["inversion_probabilities"] == pytest.approx(students.inversions, abs=1e-6)


def test_what_the_anchors_say_of_the_judge_is_told(found, students):
    told, reliability = plain(found.grade_model), found.bt_model.reliability.empirical_bayes
    agreement, check = students.agreement, students.check
    assert told["agreement_with_teachers"]["correlation"] == pytest.approx(agreement.correlation, abs=1e-6)
    assert told["agreement_with_teachers"]["interval_90"] == pytest.approx(list(agreement.interval), abs=1e-6)
    assert told["agreement_with_teachers"]["share_reproduced"] == pytest.approx(
        reliability * agreement.correlation**2, abs=1e-6
    )
    assert told["agreement_with_teachers"]["among"] == "anchors", "two students are no class"
    support = told["anchor_support"]
    assert (support["anchors"], support["within_one"]) == (check.anchors, check.within_one) == (6, check.within_one)
    assert support["highest_label"] == students.highest_label
    assert "doubtful_anchors" not in told


def test_a_doubtful_anchor_is_named_with_both_grades():
    ladder = ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
    anchors = {f"anchor-{nth}{copy}": grade for nth, grade in enumerate(ladder) for copy in "ab"} | {"anchor-8b": "F+"}
    best_first = [f"anchor-{nth}{copy}" for nth in range(8, -1, -1) for copy in "ab"]
    upsets = [(best_first[n + gap], best_first[n]) for gap in (1, 2, 3) for n in range(len(best_first) - gap)]
    told = plain(
        estimates_of(inputs_of(students=(), anchors=anchors), all_pairs(best_first, upsets=upsets)).grade_model
    )
    (named,) = told["doubtful_anchors"]
    assert (named["anchor_id"], named["grade"]) == ("anchor-8b", "F+")
    assert named["by_the_others"] in ("C+", "B", "A") and named["probability"] > 0.5


def test_too_few_anchors_project_nobody_and_say_why():
    inputs = inputs_of(students=("ann", "bob"), anchors={"anchor-1": "A"})
    few = estimates_of(inputs, calls("ann>bob", "anchor-1>ann"))
    assert list(few.grade_projections) == []
    stated = plain(few.grade_model)
    assert stated["available"] is False and "too few" in stated["reason"]
    assert all(plain(row).get("grade_projection") is None for row in few.bt_summary)


def test_the_figures_to_compare_with_are_not_rounded(found, study, students):
    """And grades are there for students alone."""
    assert found.by_essay.keys() == {*ANCHORS, "birk", "cleo"}
    birk, anchor = found.by_essay["birk"], found.by_essay["anchor-1"]
    place = study.fitted.items.index("birk")
    assert (birk.theta, birk.standard_error) == (study.fitted.theta[place], study.fitted.standard_errors[place])
    assert birk.grade == OUTCOMES[students.students[0].median]
    assert list(birk.probabilities.values()) == list(students.students[0].probabilities)
    assert (anchor.grade, dict(anchor.probabilities)) == (None, {})
