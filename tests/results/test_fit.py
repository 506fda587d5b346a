"""The fit of any table: each figure of its item, flags for what to know, and grades where there are anchors."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.reliability import draws_for, empirical_bayes, reliability_interval
from eng5_runner.results.comparison_table import is_comparisons_heading, parse_comparisons
from eng5_runner.results.fit import FitResult, FittedItem, fit_comparisons
from eng5_runner.table import table_from_csv

LEGACY = GRADE_SCALES["eng5_np_legacy_9_step"]
ORDER = ("ann", "bo", "cy", "di", "eve", "fay")
EVERY_PAIR = [f"{a},{b},a" for n, a in enumerate(ORDER) for b in ORDER[n + 1 :]]
BOTH_ORDERS = [*EVERY_PAIR, *(f"{b},{a},b" for n, a in enumerate(ORDER) for b in ORDER[n + 1 :])]


def fitted(*lines: str, head: str = "item_a,item_b,winner", **options: object) -> FitResult:
    table = table_from_csv("\n".join((head, *lines)).encode(), is_heading=is_comparisons_heading)
    return fit_comparisons(parse_comparisons(table, name="t"), **options)


def of(result: FitResult, item: str) -> FittedItem:
    (found,) = [row for row in result.items if row.item == item]
    return found


def test_items_stand_the_highest_first_and_equals_by_name():
    result = fitted(*EVERY_PAIR)
    assert [row.item for row in result.items] == list(ORDER)
    equal = fitted("x,y,a", "y,x,a", estimate_position_effect=False)
    assert [(row.item, row.theta) for row in equal.items] == [("x", 0.0), ("y", 0.0)]


def test_an_item_has_its_own_figures():
    result = fitted(*EVERY_PAIR, "fay,cy,a")
    model, surprise = result.model, misfit(result.model)
    for place, name in enumerate(model.items):
        row = of(result, name)
        assert (row.theta, row.se) == pytest.approx((model.theta[place], model.standard_errors[place]), abs=1e-9)
        assert (row.infit, row.outfit) == pytest.approx((surprise.infit[place], surprise.outfit[place]), abs=1e-9)
    assert (of(result, "cy").comparisons, of(result, "cy").wins) == (6, 3.0)


def test_a_tie_is_half_a_win_whose_standard_error_is_no_exact_one():
    result = fitted("x,y,tie", "y,z,a", "z,x,b")
    assert of(result, "x").wins == 1.5
    flagged = {row.item for row in result.items if "quasi_likelihood_se" in row.flags}
    assert flagged == {"x", "y"}
    assert result.ties_model is not None and fitted("x,y,a").ties_model is None


def test_what_to_know_of_an_item_is_flagged():
    result = fitted("ann,bo,a", "bo,cy,a", "cy,ann,a", "di,ann,a", "ann,eve,a", "p,q,a", "q,p,a", "lone,ann,")
    flags = {row.item: row.flags for row in result.items}
    assert (flags["di"], flags["eve"], flags["ann"]) == (("undefeated",), ("winless",), ())
    assert flags["p"] == flags["q"] == ("disconnected",), "of two groups the smaller"
    assert flags["lone"] == ("isolated",)
    assert (of(result, "lone").infit, of(result, "lone").comparisons) == (None, 0)


def test_reliability_comes_with_its_interval():
    result = fitted(*EVERY_PAIR)
    low, high = reliability_interval(result.model, result.model.comparisons, seed=1, draws=draws_for(6))
    assert result.reliability.eb == pytest.approx(empirical_bayes(result.model), abs=1e-9)
    assert result.reliability.interval == pytest.approx((low, high), abs=1e-9)
    assert fitted("x,y,a", "p,q,a").reliability.ssr is None, "undefined where nothing links the parts"


def test_the_prior_and_the_first_place_are_as_they_were_asked_for():
    assert fitted(*EVERY_PAIR, prior_sd=2.0).prior_sd == 2.0
    assert fitted(*EVERY_PAIR).position_effect is not None
    assert fitted(*EVERY_PAIR, estimate_position_effect=False).position_effect is None
    with_ties = fitted("x,y,tie", "y,z,a", prior_sd=2.0, estimate_position_effect=False)
    assert with_ties.ties_model is not None


def test_each_judge_is_held_against_all():
    head = "item_a,item_b,winner,judge"
    rows = [f"{line},steady" for line in EVERY_PAIR * 3] + ["ann,fay,b,contrary", "bo,eve,b,contrary", "x,ann,,idle"]
    judges = {judge.judge: judge for judge in fitted(*rows, head=head).judges}
    assert {name: judge.comparisons for name, judge in judges.items()} == {"steady": 45, "contrary": 2}
    assert judges["contrary"].outfit > judges["steady"].outfit
    assert len(fitted(*EVERY_PAIR).judges) == 0


def test_consistency_and_triads_are_those_of_the_comparisons():
    result = fitted("x,y,a", "x,y,a", "x,y,b", "y,x,b", "y,z,a", "z,x,a")
    assert (result.repeats.pairs, result.swaps.pairs) == (1, 1)
    assert result.triads is not None and (result.triads.complete, result.triads.circular) == (1, 1)


def test_standard_errors_by_pair_are_set_against_the_models():
    names = "abcdefgh"  # 28 pairs: with three or fewer an item they would be too small
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    result = fitted(*(f"{a},{b},a" for a, b in pairs), *(f"{b},{a},b" for a, b in pairs))
    by_pair = errors_by_pair(result.model)
    assert by_pair is not None and result.clustered_error_ratio is not None
    ratio = by_pair.mean() / result.model.standard_errors.mean()
    assert result.clustered_error_ratio == pytest.approx(ratio)


ANCHORS = {"ann": 8, "cy": 4, "fay": 0}


def test_anchors_keep_their_grade_and_others_get_one_with_its_probabilities():
    result = fitted(*BOTH_ORDERS * 2, anchors=ANCHORS, scale=LEGACY)
    assert result.outcomes == LEGACY.outcomes and result.grades_refused is None
    assert {name: of(result, name).grade for name in ANCHORS} == {"ann": "A", "cy": "D+", "fay": "F+"}
    assert all("anchor" in of(result, name).flags and of(result, name).grade_probabilities is None for name in ANCHORS)
    bo = of(result, "bo")
    assert bo.grade_probabilities is not None
    assert list(bo.grade_probabilities) == list(LEGACY.outcomes)
    assert sum(bo.grade_probabilities.values()) == pytest.approx(1.0)
    assert bo.grade in ("C-", "C+", "B", "A")
    assert LEGACY.outcomes.index(bo.grade) > LEGACY.outcomes.index(of(result, "di").grade or "")


def test_a_student_beyond_the_anchors_or_without_a_link_to_them_is_flagged():
    inner = {"bo": 8, "cy": 6, "di": 3, "eve": 0}
    result = fitted(*BOTH_ORDERS * 2, "p,q,a", anchors=inner, scale=LEGACY)
    assert [of(result, name).flags for name in ("ann", "fay")] == [
        ("undefeated", "extrapolated"),
        ("winless", "extrapolated"),
    ]
    assert {"disconnected", "not_linked_to_anchors"} <= set(of(result, "p").flags)


def test_anchors_that_carry_no_grades_are_refused_with_a_reason():
    result = fitted(*EVERY_PAIR, anchors={"ann": 8}, scale=LEGACY)
    assert result.grades_refused is not None and "too few" in result.grades_refused
    assert of(result, "ann").grade == "A" and of(result, "bo").grade is None
    assert "grades_refused" in result.to_json()


def test_without_anchors_there_are_no_grades():
    result = fitted(*EVERY_PAIR)
    assert (result.outcomes, result.grades_refused) == ((), None)
    assert "grades_refused" not in result.to_json()


def test_the_json_object_holds_the_same_figures():
    result = fitted(*EVERY_PAIR)
    stated = result.to_json()
    assert [row["item"] for row in stated["items"]] == list(ORDER)
    assert stated["items"][0]["flags"] == ["undefeated"]
    assert (stated["components"], stated["converged"]) == (1, True)
    assert stated["reliability"]["interval"] == list(result.reliability.interval)
    assert stated["position_effect"]["se"] == pytest.approx(result.model.position_effect_se, abs=1e-9)
    assert fitted(*EVERY_PAIR, estimate_position_effect=False).to_json()["position_effect"] is None


def test_the_table_has_a_row_for_each_item_and_a_column_for_each_grade():
    result = fitted(*BOTH_ORDERS * 2, anchors=ANCHORS, scale=LEGACY)
    lines = list(csv.DictReader(StringIO(result.to_csv().decode())))
    assert [line["item"] for line in lines] == [row.item for row in result.items]
    by_item = {line["item"]: line for line in lines}
    assert [by_item["ann"][f"p_{grade}"] for grade in LEGACY.outcomes] == [""] * 10
    assert sum(float(by_item["bo"][f"p_{grade}"]) for grade in LEGACY.outcomes) == pytest.approx(1.0)
    assert by_item["ann"]["flags"] == "undefeated anchor"
    assert "davidson_theta" not in by_item["ann"]


def test_with_ties_the_table_has_davidsons_figures():
    result = fitted("x,y,tie", "y,z,a", "z,x,b", "x,y,a")
    assert result.ties_model is not None
    places = {item: place for place, item in enumerate(result.ties_model.items)}
    for line in csv.DictReader(StringIO(result.to_csv().decode())):
        place = places[line["item"]]
        assert float(line["davidson_theta"]) == pytest.approx(result.ties_model.theta[place], abs=1e-9)
        assert float(line["davidson_se"]) == pytest.approx(result.ties_model.standard_errors[place], abs=1e-9)


def test_texts_are_quoted_numbers_are_not_and_what_is_absent_is_empty():
    lines = fitted("x,y,a", "z,x,").to_csv().split(b"\n")
    assert lines[0] == b'"item","theta","se","comparisons","wins","infit","outfit","flags","grade"'
    (lone,) = [line for line in lines if line.startswith(b'"z"')]
    assert lone.endswith(b',0,0.0,"","","isolated",""')
    assert b"\r" not in b"".join(lines)
