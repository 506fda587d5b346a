"""How the judge's order of the anchors agrees with the experts': by hand where that is possible."""

from __future__ import annotations

import pytest

from tests.support.results import alignment_of, all_pairs, call, calls, inputs_of, plain

ANCHORS = {"anchor-1": "E-", "anchor-2": "D-", "anchor-3": "C-", "anchor-4": "B", "anchor-5": "A", "anchor-6": "F+"}
IN_ORDER = ("anchor-5", "anchor-4", "anchor-3", "anchor-2", "anchor-1", "anchor-6")
GRADES = ("F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
INPUTS = inputs_of(anchors=ANCHORS, students=("birk",))


@pytest.fixture
def agreeing():
    """A judge who orders the anchors as the experts do."""
    return plain(alignment_of(INPUTS, all_pairs(IN_ORDER)))


@pytest.fixture
def disagreeing():
    """One who thinks that C- loses to D-, two steps below it, in both orders."""
    return plain(alignment_of(INPUTS, all_pairs(IN_ORDER, upsets=[("anchor-2", "anchor-3")])))


def test_the_same_order_is_perfect_agreement_and_meets_its_targets(agreeing):
    assert (agreeing["anchors"], agreeing["kendall_tau_b"], agreeing["spearman"]) == (6, 1.0, 1.0)
    assert agreeing["inversions"]["inverted"] == 0.0
    targets = agreeing["targets"]
    assert (targets["kendall_tau_b"]["at_least"], targets["kendall_tau_b"]["met"]) == (0.9, True)
    assert (targets["inversions"]["at_most"], targets["inversions"]["met"]) == (1.0, True)
    assert targets["without_win"]["beside_able_judges"]["verdict"] == "met"


def test_the_targets_stand_beside_what_able_judges_get(disagreeing):
    for target, value in (("kendall_tau_b", disagreeing["kendall_tau_b"]), ("inversions", 1.0)):
        beside = disagreeing["targets"][target]["beside_able_judges"]
        assert beside["verdict"] == "cannot be told"
        assert beside["judges_of_90"][0] <= value <= beside["judges_of_90"][1]


def test_a_judge_who_turns_the_order_round_misses_its_targets():
    turned = plain(alignment_of(INPUTS, all_pairs(IN_ORDER[::-1])))["targets"]
    assert {name: turned[name]["beside_able_judges"]["verdict"] for name in ("kendall_tau_b", "inversions")} == {
        "kendall_tau_b": "missed",
        "inversions": "missed",
    }


def test_anchors_of_one_grade_have_no_able_judges():
    alike = inputs_of(anchors=dict.fromkeys(IN_ORDER, "B"), students=("birk",))
    targets = plain(alignment_of(alike, all_pairs(IN_ORDER)))["targets"]
    assert all("beside_able_judges" not in target for target in targets.values())


def test_correlations_are_those_of_positions_and_grades(disagreeing):
    """One of 15 pairs is the other way round; two neighbours exchanged in Spearman's sum of squared ranks."""
    assert disagreeing["kendall_tau_b"] == pytest.approx(13 / 15, abs=1e-6)
    assert disagreeing["spearman"] == pytest.approx(1 - 6 * 2 / (6 * 35), abs=1e-6)
    assert disagreeing["targets"]["kendall_tau_b"]["met"] is False


def test_every_correlation_and_agreement_has_its_interval(disagreeing):
    names = {"kendall_tau_b", "spearman", "left_out_exact", "left_out_within_one", "left_out_qwk", "left_out_bias"}
    assert disagreeing["intervals_90"].keys() == names | {"left_out_mean_absolute_error"}
    for name, (low, high) in disagreeing["intervals_90"].items():
        assert low <= disagreeing[name] <= high
    assert disagreeing["bootstrap_draws"] == 2000


def test_agreement_is_counted_from_the_grades_that_the_others_give(disagreeing):
    rows = disagreeing["left_out"]
    assert {row["anchor_id"]: row["grade"] for row in rows} == ANCHORS
    steps = [GRADES.index(row["projected_grade"]) - GRADES.index(row["grade"]) for row in rows]
    assert disagreeing["left_out_exact"] == pytest.approx(sum(step == 0 for step in steps) / 6, abs=1e-6)
    assert disagreeing["left_out_within_one"] == pytest.approx(sum(abs(step) <= 1 for step in steps) / 6, abs=1e-6)
    assert disagreeing["left_out_bias"] == pytest.approx(sum(steps) / 6, abs=1e-6)
    assert disagreeing["left_out_mean_absolute_error"] == pytest.approx(sum(map(abs, steps)) / 6, abs=1e-6)


def test_the_claims_of_the_left_out_are_set_against_what_held(disagreeing):
    claims, rows = disagreeing["left_out_claims"], disagreeing["left_out"]
    came = [(list(row["probabilities"].values()), GRADES.index(row["grade"])) for row in rows]
    brier = sum(sum((p - (g == grade)) ** 2 for g, p in enumerate(ps)) for ps, grade in came) / 6
    assert claims["anchors"] == 6
    assert claims["brier"] == pytest.approx(brier, abs=1e-5)
    assert sum(bucket["anchors"] for bucket in claims["within_one"]) == 6
    held = sum(bucket["held"] * bucket["anchors"] for bucket in claims["within_one"]) / 6
    assert held == pytest.approx(disagreeing["left_out_within_one"], abs=1e-5)
    claimed = sum(bucket["claimed"] * bucket["anchors"] for bucket in claims["within_one"]) / 6
    assert claimed == pytest.approx(claims["claimed_within_one"], abs=1e-5)


def test_an_inverted_pair_is_named_with_its_grades_and_all_its_comparisons(disagreeing):
    inversions = disagreeing["inversions"]
    assert (inversions["pairs"], inversions["inverted"]) == (15, 1.0)
    low, high = inversions["interval_90"]
    assert low < 1 / 15 < high
    (distance,) = [row for row in inversions["by_distance"] if row["inverted"]]
    (pair,) = distance["inverted_pairs"]
    numbers = pair.pop("comparisons")
    assert pair == {
        "higher": "anchor-3",
        "higher_grade": "C-",
        "lower": "anchor-2",
        "lower_grade": "D-",
        "questions": 2.0,
        "lost_by_higher": 2.0,
    }
    made = all_pairs(IN_ORDER, upsets=[("anchor-2", "anchor-3")])
    assert [{made[number - 1].essay_a_id, made[number - 1].essay_b_id} for number in numbers] == [
        {"anchor-2", "anchor-3"}
    ] * 2
    assert distance["steps"] == 2 and distance["pairs"] == 3


def test_two_inversions_miss_the_target():
    upsets = [("anchor-2", "anchor-3"), ("anchor-4", "anchor-5")]
    targets = plain(alignment_of(INPUTS, all_pairs(IN_ORDER, upsets=upsets)))["targets"]
    assert (targets["inversions"]["at_most"], targets["inversions"]["met"]) == (1.0, False)
    assert targets["inversions"]["beside_able_judges"]["verdict"] == "cannot be told"


def test_an_anchor_without_a_win_is_named_and_misses_the_target_unless_it_is_of_the_lowest_grade(agreeing):
    (winless,) = agreeing["without_win"]
    assert (winless["anchor_id"], winless["grade"], winless["judgements"]) == ("anchor-6", "F+", 10.0)
    target = agreeing["targets"]["without_win"]
    assert (target["at_most"], target["met"]) == (0, True)
    higher = [pair for pair in IN_ORDER if pair != "anchor-1"]
    last = plain(alignment_of(INPUTS, all_pairs([*higher, "anchor-1"])))
    assert [row["anchor_id"] for row in last["without_win"]] == ["anchor-1"]
    assert last["targets"]["without_win"]["met"] is False
    beaten = [*all_pairs(IN_ORDER), call("anchor-6", "birk", "anchor-6", number=99)]
    block = plain(alignment_of(INPUTS, beaten))
    assert (block["without_win"], block["targets"]["without_win"]["met"]) == ([], True)


def test_below_six_anchors_there_are_no_intervals_and_nobody_can_be_left_out_of_three():
    three = inputs_of(anchors={"anchor-1": "E-", "anchor-3": "C-", "anchor-5": "A"}, students=("birk",))
    block = plain(alignment_of(three, all_pairs(("anchor-5", "anchor-3", "anchor-1"))))
    assert block["kendall_tau_b"] == 1.0
    assert set(block["intervals_90"].values()) == {None}
    assert (block["left_out_exact"], block["left_out_claims"]) == (None, None)
    assert all("too few" in row["refused"] and row.get("projected_grade") is None for row in block["left_out"])


def test_anchors_that_nothing_links_have_no_order():
    """Three of low grades beat three of high ones only because each group's positions lie around 0."""
    apart = [*all_pairs(("anchor-3", "anchor-2", "anchor-1")), *all_pairs(("anchor-5", "anchor-4", "anchor-6"))]
    block = plain(alignment_of(INPUTS, apart))
    assert (block["anchors"], block["unlinked"], block["kendall_tau_b"], block["spearman"]) == (6, 3, 1.0, 1.0)
    assert block["targets"]["kendall_tau_b"]["beside_able_judges"]["judges_of_100"][1] == 1.0
    alone = plain(alignment_of(INPUTS, calls("anchor-1>birk")))
    assert (alone["unlinked"], alone["kendall_tau_b"]) == (5, None), "where none are linked, nothing can be told"


def test_without_anchors_every_figure_is_absent():
    block = plain(alignment_of(inputs_of(students=("birk", "cleo")), calls("birk>cleo")))
    assert (block["anchors"], block["left_out"], block["left_out_claims"]) == (0, [], None)
    assert block["kendall_tau_b"] is None and block["targets"]["kendall_tau_b"]["met"] is None
    assert (block["inversions"]["pairs"], block["inversions"]["interval_90"]) == (0, None)
