"""The fit of any table: each figure of its item, flags for what to know, and grades where there are anchors."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from io import StringIO

import pytest

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.table import table_from_csv
from eng5_runner.errors import InputsInvalid
from eng5_runner.measure.grading.check import GradeCheck
from eng5_runner.measure.grading.grades import AnchorCheck, DoubtfulAnchor, JudgeAgreement
from eng5_runner.measure.model.davidson import fit_ties
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from eng5_runner.results.comparison_table import is_comparisons_heading, parse_comparisons
from eng5_runner.results.fit import FitReliability, FitResult, FittedItem, fit_comparisons

LEGACY = GRADE_SCALES["eng5_np_legacy_9_step"]
HEAD = "item_a,item_b,winner"
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


def test_reliability_comes_with_an_interval_that_holds_it():
    result = fitted(*EVERY_PAIR)
    low, high = reliability_interval(result.model)
    value = empirical_bayes(result.model)
    assert result.reliability.eb == pytest.approx(value, abs=1e-9)
    assert result.reliability.interval == pytest.approx((low, high), abs=1e-9)
    assert low < value < high
    assert (
        fitted(
            *(f"{a},{b},a" for a in "abcdefgh" for b in "abcdefgh" if a < b),
            *(f"{b},{a},b" for a in "abcdefgh" for b in "abcdefgh" if a < b),
            keep_repeats=True,
        ).reliability.spread_at_limit
        == "upper"
    )
    assert fitted(*ladder()).reliability.spread_at_limit is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["x,y,a"] * 5, "it needs at least 6 items"),
        ([f"{a},{b},tie" for a, b in zip("abcdefg", "bcdefga", strict=True)], "the items do not differ"),
        ([f"{a},{b},a" for pair in ("abc", "def") for a, b in zip(pair, pair[1:] + pair[:1], strict=True)], "2 parts"),
    ],
)
def test_reliability_is_not_defined_where_it_would_mean_nothing(lines, reason):
    stated = fitted(*lines).reliability
    assert (stated.eb, stated.interval, stated.ssr) == (None, None, None)
    assert stated.undefined is not None and reason in stated.undefined
    assert fitted(*lines).to_json()["reliability"]["undefined"] == stated.undefined
    assert "not defined" in repr(fitted(*lines))


def test_separation_is_no_number_below_zero():
    circle = [f"{a},{b},a" for n, a in enumerate("abcdefg") for b in ("abcdefg" * 2)[n + 1 : n + 4]]
    result = fitted(*circle, "b,a,a", estimate_position_effect=False)
    usual = fitted(*EVERY_PAIR)
    assert usual.reliability.ssr == pytest.approx(separation(usual.model), abs=1e-9)
    assert (separation(result.model) or 0.0) < 0.0
    assert result.reliability.eb is not None and result.reliability.eb < 0.05 and result.reliability.ssr is None


def ladder(judge: str = "", *, times: int = 1) -> list[str]:
    """Seven items judged in both orders, with two upsets."""
    names, rows = "abcdefg", []
    for n, first in enumerate(names):
        for second in names[n + 1 :]:
            winner = "b" if (first, second) in {("a", "b"), ("d", "f")} else "a"
            rows += [f"{first},{second},{winner}{judge}", f"{second},{first},{'ab'['ba'.index(winner)]}{judge}"]
    return [row for row in rows for _ in range(times)]


def test_repeats_that_always_agree_count_once_unless_they_are_kept():
    once, fivefold = fitted(*ladder()), fitted(*ladder(times=5))
    assert fivefold.repeats_left_out == 4 * 42 and once.repeats_left_out == 0
    assert fivefold.reliability.eb == pytest.approx(once.reliability.eb)
    assert [row.theta for row in fivefold.items] == [row.theta for row in once.items]
    assert [row.comparisons for row in fivefold.items] == [60] * 7, "all are counted as comparisons"
    assert fivefold.to_json()["repeats_left_out"] == 168 and "repeats_left_out" not in once.to_json()
    kept = fitted(*ladder(times=5), keep_repeats=True)
    assert kept.repeats_left_out == 0
    assert kept.reliability.eb is not None and kept.reliability.eb > once.reliability.eb


def test_two_judges_who_agree_are_no_repeats_and_a_judge_who_changes_their_mind_counts_more():
    head = "item_a,item_b,winner,judge"
    two = fitted(*ladder(",ann"), *ladder(",bo"), head=head)
    assert two.repeats_left_out == 0 and two.dependence[0].repeats is None
    torn = fitted(*ladder(times=2), "a,g,b")
    assert torn.repeats_left_out == 0
    (stated,) = torn.dependence
    assert stated.repeats is not None and 0.6 < stated.repeats.correlation < 1.0


def test_judgements_count_for_less_the_more_they_repeat_each_other():
    both, kept = fitted(*ladder()), fitted(*ladder(), keep_repeats=True)
    (stated,) = both.dependence
    assert stated.swaps is not None and (stated.swaps.correlation, stated.swaps.pairs) == (1.0, 21)
    assert (stated.judgements, stated.count_as) == (42, 21.0)
    assert both.model.counts.tolist() == pytest.approx([6.0] * 7)
    assert [row.comparisons for row in both.items] == [12] * 7
    assert both.to_json()["dependence"] == [
        {
            "swaps": {"correlation": 1.0, "interval_90": list(stated.swaps.interval_90), "pairs": 21},
            "judgements": 42,
            "count_as": 21.0,
        }
    ]
    assert kept.dependence == () and kept.model.counts.tolist() == [12.0] * 7 and "dependence" not in kept.to_json()
    assert both.reliability.eb is not None and kept.reliability.eb is not None
    assert both.reliability.eb < kept.reliability.eb


def chosen_first(rows: list[str]) -> list[str]:
    return [f"{a},{b}" if winner == "a" else f"{b},{a}" for a, b, winner in (row.split(",") for row in rows)]


@pytest.mark.parametrize(
    ("lines", "head", "reason"),
    [
        (chosen_first(ladder()), "candidate_chosen,candidate_not_chosen", "does not say which item was shown first"),
        ([f"{row},a" for row in chosen_first(ladder())], "item_a,item_b,winner", "the winner stands first"),
        ([",".join([*row.split(",")[::-1], "b"]) for row in chosen_first(ladder())], "item_a,item_b,winner", "second"),
    ],
)
def test_places_that_only_say_who_won_are_no_position_effect(lines, head, reason):
    result, plain = fitted(*lines, head=head), fitted(*ladder(), estimate_position_effect=False, keep_repeats=True)
    assert result.position_effect is None
    assert result.position_effect_left_out is not None and reason in result.position_effect_left_out
    assert result.to_json()["position_effect_left_out"] == result.position_effect_left_out
    order = {row.item: row.theta for row in fitted(*lines, head=head, keep_repeats=True).items}
    assert order == pytest.approx({row.item: row.theta for row in plain.items})
    assert "position_effect_left_out" not in fitted(*lines, head=head, estimate_position_effect=False).to_json()


def test_places_that_follow_the_items_names_are_no_position_effect():
    one_order = [row for row in ladder() if row[0] < row[2]]
    result = fitted(*one_order, "b,a,b", "d,b,a")
    assert result.position_effect_left_out is not None and "cannot be told" in result.position_effect_left_out
    assert fitted(*ladder()).position_effect is not None, "in both orders they can be told"


def test_the_prior_and_the_first_place_are_as_they_were_asked_for():
    assert fitted(*EVERY_PAIR, prior_sd=2.0).prior_sd == 2.0
    assert fitted(*BOTH_ORDERS).position_effect is not None
    assert fitted(*BOTH_ORDERS, estimate_position_effect=False).position_effect is None
    with_ties = fitted("x,y,tie", "y,z,a", prior_sd=2.0, estimate_position_effect=False)
    assert with_ties.ties_model is not None


def test_ties_are_fitted_with_the_prior_and_the_first_place_of_the_fit():
    lines = (*BOTH_ORDERS, "ann,bo,tie", "di,cy,tie")
    for prior_sd, position_effect in ((2.0, False), (None, True)):
        result = fitted(*lines, prior_sd=prior_sd, estimate_position_effect=position_effect)
        expected = fit_ties(
            result.kinds[0].choice.fitted.comparisons, prior_sd=prior_sd, position_effect=position_effect
        )
        assert expected is not None and result.ties_model is not None
        assert result.ties_model.theta.tolist() == expected.theta.tolist()
        assert result.ties_model.standard_errors.tolist() == expected.standard_errors.tolist()


def test_what_other_judges_would_reproduce_is_less_by_the_share_of_taste():
    """Six judges, each with a favourite of their own."""
    rows = []
    for judge, favourite in enumerate(ORDER):
        for number, first in enumerate(ORDER):
            for second in ORDER[number + 1 :]:
                winner = "b" if second == favourite else "a"
                rows.append(f"{first},{second},{winner},j{judge}")
    result = fitted(*rows, head=f"{HEAD},judge")
    taste = result.kinds[0].taste
    assert taste is not None and taste.share > 0.0 and result.reliability.eb is not None
    expected = max(result.reliability.eb - taste.share, 0.0)
    assert result.reliability.other_judges == pytest.approx(expected, abs=1e-8)
    assert fitted(*rows[: 15 * 4], head=f"{HEAD},judge").reliability.other_judges is None, "four judges are too few"


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
    by_pair = errors_by_pair(result.model, result.kinds[0].asked)
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
    result = fitted(*BOTH_ORDERS)
    stated = result.to_json()
    assert [row["item"] for row in stated["items"]] == list(ORDER)
    assert stated["items"][0]["flags"] == ["undefeated"]
    assert (stated["components"], stated["converged"]) == (1, True)
    assert stated["reliability"]["interval"] == list(result.reliability.interval)
    assert stated["position_effect"]["se"] == pytest.approx(result.model.position_effect_se, abs=1e-9)
    assert fitted(*EVERY_PAIR, estimate_position_effect=False).to_json()["position_effect"] is None


def test_the_json_object_states_each_fact_under_its_name():
    """What does not apply is left out."""
    result = fitted(*BOTH_ORDERS, keep_repeats=True)
    bare = result.to_json()
    always = ["items", "position_effect", "log_likelihood", "prior_sd", "reliability", "components", "converged"]
    assert list(bare) == always
    assert bare["items"][0].keys() == {field.name for field in fields(FittedItem)}
    assert bare["prior_sd"] == pytest.approx(result.model.prior_sd, abs=1e-9)
    assert bare["log_likelihood"] == pytest.approx(result.model.log_likelihood, abs=1e-9)
    told = replace(
        result,
        reliability=FitReliability(eb=0.5, interval=(0.25, 0.75), ssr=1.0, undefined=None, spread_at_limit="upper"),
        agreement=JudgeAgreement(correlation=0.5, interval=(0.25, 1 / 3), among="anchors"),
        check=AnchorCheck(anchors=4, within_one=3, interval=(1 / 3, 0.75), parts=2),
        grade_check=GradeCheck(students=2, within_one=1, shift=-1.0, interval=(-2.0, 1 / 3)),
        doubtful=(DoubtfulAnchor(item="bo", expert=1, by_others=0, probability=0.75),),
        outcomes=("F", "F+"),
        position_effect_left_out="why",
        repeats_left_out=3,
        grades_refused="because",
    ).to_json()
    reliability = {"eb": 0.5, "interval": [0.25, 0.75], "ssr": 1.0, "spread_at_limit": "upper"}
    assert {name: value for name, value in told.items() if name not in always} | {"reliability": reliability} == {
        "reliability": told["reliability"],
        "position_effect_left_out": "why",
        "repeats_left_out": 3,
        "grades_refused": "because",
        "agreement_with_teachers": {
            "correlation": 0.5, "interval": [0.25, 0.333333333], "among": "anchors", "share_reproduced": 0.125,
        },
        "anchors_within_one": {"anchors": 4, "within_one": 3, "interval": [0.333333333, 0.75], "parts": 2},
        "grade_check": {"students": 2, "within_one": 1, "shift": -1.0, "interval": [-2.0, 0.333333333]},
        "doubtful_anchors": [{"item": "bo", "grade": "F+", "by_the_others": "F"}],
    }  # fmt: skip
    alone = replace(result, grade_check=GradeCheck(students=1, within_one=1, shift=0.0, interval=None))
    assert alone.to_json()["grade_check"]["interval"] is None


def test_columns_of_other_programs_are_stated_and_ours_are_not():
    chosen = fitted("x,y", "y,z", head="won,lost").to_json()
    assert chosen["columns"] == {"winner": "won", "loser": "lost"}
    slips = fitted(*BOTH_ORDERS * 4, "ann,ann,a").to_json()
    assert slips["rows_of_one_item_left_out"] == 1


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


def mixed(kinds: str = "") -> FitResult:
    """People who agree among themselves, and a model that turns their order around."""
    head = "judge,item_a,item_b,winner" + (",judge_kind" if kinds else "")
    people = [f"{name},{row}" for name in ("ann", "bo", "cy") for row in BOTH_ORDERS]
    turned = [f"gpt-9,{a},{b},{'a' if won == 'b' else 'b'}" for a, b, won in (row.split(",") for row in BOTH_ORDERS)]
    rows = [*people, *turned * 5]
    marked = [f"{row},{kinds if row.startswith('gpt-9') else 'teacher'}" for row in rows]
    return fitted(*(marked if kinds else rows), head=head)


@pytest.mark.parametrize("kinds", ["", "LLM"])
def test_people_and_a_model_are_not_pooled(kinds):
    result = mixed(kinds)
    assert [row.item for row in result.items] == list(ORDER), "the scale is the people's"
    human = result.human
    assert human is not None and human.agreement is not None and human.agreement_among_people is not None
    assert (human.people, human.agreement.share, human.agreement_among_people.share) == (3, 0.0, 1.0)
    assert human.correlation is not None and human.correlation < 0.0
    first = human.disagreements[0]
    assert {first.winner, first.loser} == {ORDER[0], ORDER[-1]}, "the largest difference comes first"
    assert result.to_json()["human_scale"]["agreement"]["share"] == 0.0


def test_a_model_that_the_table_calls_a_person_is_one_of_them():
    assert mixed("human").human is None


def test_a_kind_that_is_none_is_an_error():
    with pytest.raises(InputsInvalid, match="judge_kind: 'robot' is no kind of judge"):
        mixed("robot")


def test_judges_that_disagree_are_named_and_have_their_own_figures():
    head, names = "judge,item_a,item_b,winner", ("ann", "bo", "cy")
    alike = [f"{name},{row}" for name in names for row in BOTH_ORDERS * 2]
    turned = [f"di,{a},{b},{'a' if won == 'b' else 'b'}" for a, b, won in (row.split(",") for row in BOTH_ORDERS * 2)]
    result = fitted(*alike, *turned, head=head, keep_repeats=True)
    assert [judge.judge for judge in result.judges if judge.disagrees] == ["di"]
    shown = {judge["judge"]: judge for judge in result.to_json()["judges"]}
    assert shown["di"]["agreed"] == 0.0 and shown["di"]["expected"] > 0.8
    assert shown["di"]["slope"] < 0.2 and shown["ann"]["slope"] > 1.0
