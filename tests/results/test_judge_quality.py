"""The judge's quality card: what was asked is measured, and what was not asked says what to ask for."""

from __future__ import annotations

import pytest

from eng5_runner.core.inputs import EssayFlag
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.results.artefact.study import Comparison, FailedComparison
from eng5_runner.results.fitted_study import JudgedStudy
from eng5_runner.results.judge_quality import judge_quality
from tests.support.results import all_pairs, at, call, calls, inputs_of, plain, quality_of

NAMES = ("ann", "bo", "cy", "di", "eve")
INPUTS = inputs_of(students=NAMES)
ONCE = [f"{a}>{b}" for n, a in enumerate(NAMES) for b in NAMES[n + 1 :]]


def quality(*verdicts: str) -> dict:
    made = calls(*verdicts)
    judged = [row for row in made if isinstance(row, Comparison)]
    return plain(quality_of(INPUTS, judged, failed=[row for row in made if isinstance(row, FailedComparison)]))


def test_the_first_position_is_counted_with_its_interval():
    block = quality("ann>bo", "bo<cy", "cy>di", "di>eve", "eve<ann")["position_effect"]
    assert (block["first_won"], block["judgements"]) == (3, 5)
    assert block["first_won_interval_90"] == pytest.approx(wilson(3, 5), abs=1e-6)
    low, high = block["interval_90"]
    assert low < block["estimate"] < high
    assert 0.0 < block["first_wins_of_equals"] < 1.0


FLAGGED = (
    EssayFlag(essay_id="ann", kinds=("instructs_judge",), twin="bo"),
    EssayFlag(essay_id="eve", kinds=("hidden_text",)),
)


def test_flagged_essays_are_held_against_their_twins():
    """Ann wins all her judgements, the same text without the passage none."""
    judged = calls(*(f"ann>{name}" for name in ("cy", "di", "eve")), *(f"bo<{name}" for name in ("cy", "di", "eve")))
    inputs = INPUTS.model_copy(update={"flags": FLAGGED})
    block = plain(quality_of(inputs, judged))["flagged"]
    counted = [block[key] for key in ("pairs", "judgements", "won", "twins_judgements", "twins_won")]
    assert counted == [1, 3, 3, 3, 0]
    low, high = block["interval_90"]
    assert low < block["advantage"] < high and block["advantage"] > 1.0
    assert high - block["advantage"] == pytest.approx(block["advantage"] - low, abs=1e-5)


def test_without_twins_or_flags_no_advantage_is_measured():
    lonely = INPUTS.model_copy(update={"flags": FLAGGED[1:]})
    assert "has a twin" in plain(quality_of(lonely, calls(*ONCE)))["flagged"]["not_measured"]
    assert "flagged" not in quality(*ONCE)


def test_an_advantage_of_the_first_place_shows():
    always_first = [f"{a}>{b}" for a in NAMES for b in NAMES if a != b]
    block = quality(*always_first)["position_effect"]
    assert block["estimate"] > 1.0 and block["first_wins_of_equals"] > 0.8


def test_pairs_in_both_orders_tell_how_consistent_a_judge_is():
    """Two pairs agree and one does not; each pair is one case."""
    block = quality("ann>bo", "bo<ann", "cy>di", "di>cy", "ann>cy", "cy<ann", "di>eve")["swap"]
    assert (block["pairs"], block["compared"], block["agreed"]) == (3, 3.0, 2.0)
    assert block["share"] == pytest.approx(2 / 3, abs=1e-6)
    assert block["interval_90"] == pytest.approx(wilson(2.0, 3), abs=1e-6)


def test_questions_that_were_asked_twice_tell_it_too():
    block = quality("ann>bo", "ann>bo", "cy>di", "cy<di")["repeats"]
    assert (block["pairs"], block["compared"], block["agreed"], block["share"]) == (2, 2.0, 1.0, 0.5)


@pytest.mark.parametrize(("figure", "option"), [("swap", "--swap audit"), ("repeats", "--repeats 2")])
def test_what_was_not_asked_says_what_to_ask_for(figure, option):
    assert option in quality(*ONCE)[figure]["not_measured"]


def test_circular_triads_are_counted_among_the_complete_ones():
    block = quality("ann>bo", "bo>cy", "cy>ann", "ann>di", "bo>di", "cy>di")["circular_triads"]
    assert (block["complete"], block["circular"]) == (4, 1)


def test_without_a_complete_triad_there_is_none_to_count():
    assert "more judgements" in quality("ann>bo", "cy>di")["circular_triads"]["not_measured"]


def test_a_rate_of_lapses_that_is_left_open_is_not_told():
    assert "leave any rate open" in quality("ann>bo")["lapse"]["not_measured"]


def test_a_rate_of_lapses_has_two_decimals():
    order = [f"essay-{number}" for number in range(8)]
    inputs = inputs_of(students=order)
    block = plain(quality_of(inputs, all_pairs(order, upsets=[("essay-7", "essay-0")])))["lapse"]
    assert block["rate"] == round(block["rate"], 2) > 0.0
    low, high = block["interval_90"]
    assert 0.0 <= low <= block["rate"] <= high <= 0.5


ANCHORS = {f"anchor-{n}": grade for n, grade in enumerate(("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B"))}


def test_length_is_measured_on_anchors_of_differing_lengths():
    """Of two anchors of one grade the longer wins always."""
    words = {name: 100 + 50 * (n % 3) for n, name in enumerate(ANCHORS)}
    inputs = inputs_of(anchors=ANCHORS, students=("birk",), words=words)
    order = sorted(ANCHORS, key=lambda name: -words[name] - 20 * int(name[-1]))
    block = plain(quality_of(inputs, all_pairs(order)))["length"]
    assert block["anchors"] == 8
    assert block["logits_a_doubling"] > 0.0
    assert 0.0 < block["longer_won"] <= block["judgements"]


@pytest.mark.parametrize("words", [{}, dict.fromkeys(ANCHORS, 0)], ids=["one length", "no words known"])
def test_length_that_does_not_differ_or_is_not_known_is_not_measured(words):
    inputs = inputs_of(anchors=ANCHORS, students=("birk",), words=words)
    assert "six anchors" in plain(quality_of(inputs, all_pairs(tuple(ANCHORS))))["length"]["not_measured"]


def test_failures_are_counted_among_all_calls_and_by_their_code():
    judged = calls(*ONCE)
    codes = ("LLM_TIMEOUT", "LLM_RATE_LIMIT", "LLM_TIMEOUT")
    failed = [
        call("ann", "bo", None, number=90 + n, error_detail={"error_code": code, "message": "m"})
        for n, code in enumerate(codes)
    ]
    block = plain(quality_of(INPUTS, judged, failed=failed))["failures"]
    assert (block["calls"], block["failed"]) == (13, 3)
    assert block["by_code"] == {"LLM_RATE_LIMIT": 1, "LLM_TIMEOUT": 2}
    assert list(block["by_code"]) == sorted(block["by_code"])
    assert block["interval_90"] == pytest.approx(wilson(3, 13), abs=1e-6)


def test_a_judgement_costs_what_failed_calls_cost_as_well():
    judged = [call("ann", "bo", "ann", number=n, cost_estimate=0.02) for n in range(4)]
    failed = [call("ann", "bo", None, number=9, cost_estimate=0.01)]
    block = plain(quality_of(INPUTS, judged, failed=failed))["price"]
    assert (block["usd"], block["judgements"], block["usd_a_judgement"]) == (0.09, 4, 0.0225)


def test_each_model_is_measured_against_the_scale_of_all():
    """The second contradicts the first in everything, and fits worse."""
    both_orders = [f"{b}<{a}" for a, b in (verdict.split(">") for verdict in ONCE)]
    steady = calls(*ONCE, *both_orders, *ONCE, provider="openai", model="steady")
    contrary = calls("ann<eve", "di>ann", provider="openai", model="contrary")
    rows = plain(quality_of(INPUTS, [*steady, *contrary]))["judges"]
    assert [(row["provider"], row["model"], row["judgements"]) for row in rows] == [
        ("openai", "contrary", 2),
        ("openai", "steady", 30),
    ]
    assert rows[0]["outfit"] > 1.0 > rows[1]["outfit"]


def three_models() -> list[Comparison]:
    """Two models of one mind, and one that turns the order around."""
    both_orders = [*ONCE, *(f"{b}<{a}" for a, b in (verdict.split(">") for verdict in ONCE))]
    turned = [verdict.translate(str.maketrans("<>", "><")) for verdict in both_orders]
    return [
        *calls(*both_orders, *both_orders, provider="openai", model="steady"),
        *calls(*both_orders, *both_orders, provider="google", model="steady"),
        *calls(*turned, *turned, provider="openai", model="contrary"),
    ]


def test_a_model_that_disagrees_with_the_others_is_named():
    block = plain(quality_of(INPUTS, three_models()))
    found = {f"{row['provider']}/{row['model']}": row for row in block["judges"]}
    assert {name for name, row in found.items() if row.get("disagrees")} == {"openai/contrary"}
    assert found["openai/contrary"]["agreed"] == 0.0
    assert found["openai/contrary"]["expected"] > 0.6
    assert "own_effects" not in block and "slope" not in found["openai/contrary"], "only wins count"


def test_each_model_counts_for_what_it_is_where_that_helps():
    block = plain(judge_quality(JudgedStudy.of(INPUTS, judged=three_models(), soft=True)))
    assert block["own_effects"]["is_used"] and block["own_effects"]["gain"] > 0.0
    slopes = {f"{row['provider']}/{row['model']}": row.get("slope") for row in block["judges"]}
    assert slopes["openai/contrary"] < 0.3
    assert slopes["openai/steady"] > 1.0


def test_what_two_models_say_of_a_question_counts_twice_and_what_one_repeats_once():
    one = calls("ann>bo", "ann>bo", provider="openai", model="x")
    other = calls("ann>bo", provider="google", model="y")
    counted = JudgedStudy.of(INPUTS, judged=[*one, *other]).fitted.comparisons
    assert counted.weight.sum() == 2.0


def test_a_single_model_has_no_others_to_agree_with():
    row = at(quality(*ONCE), "judges", 0)
    assert not {"agreed", "expected", "disagrees", "slope"} & row.keys()


def test_the_fit_of_all_is_that_of_the_only_judge():
    block = quality(*ONCE, "bo>ann")
    assert at(block, "judges", 0, "infit") == block["misfit"]["infit"]
    assert at(block, "judges", 0, "outfit") == block["misfit"]["outfit"]


def test_a_judge_is_asked_again_only_by_its_own_judgements():
    """Two models with opposite views change no answer; among themselves they always differ."""
    one = calls("ann>bo", "ann>bo", "bo<ann", provider="openai", model="x")
    other = calls("ann<bo", "ann<bo", "bo>ann", provider="google", model="y")
    block = plain(quality_of(INPUTS, [*one, *other]))
    assert (block["repeats"]["compared"], block["repeats"]["share"], block["repeats"]["pairs"]) == (2.0, 1.0, 2)
    assert (block["swap"]["compared"], block["swap"]["share"]) == (4.0, 1.0)
