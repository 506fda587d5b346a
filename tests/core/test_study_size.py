"""How many comparisons a run asks for, and where the number comes from."""

from __future__ import annotations

import pytest

from eng5_runner.core.spec import Budget
from eng5_runner.core.study_size import SPREADS, asked_per_pair, comparisons_wanted
from eng5_runner.measure.design.planning import comparisons_for_reliability, comparisons_for_se
from eng5_runner.phrases import counted

DEFAULT = 200
"""Of 20 essays: 20 judgements per essay, two essays a judgement."""


def wanted(**budget: object) -> int:
    return comparisons_wanted(Budget.model_validate(budget), essays=20)[0]


def origin(**budget: object) -> str:
    return comparisons_wanted(Budget.model_validate(budget), essays=20)[1]


def test_without_any_wish_there_are_twenty_judgements_an_essay():
    assert (wanted(), origin()) == (DEFAULT, "20 judgements per essay, the default")
    assert isinstance(wanted(), int)


def test_a_given_total_is_the_total_whatever_else_is_asked_for():
    assert wanted(max_comparisons=37, comparisons_per_essay=5, target_reliability=0.9, repeats=2, swap="all") == 37


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (40, "--max-comparisons: 4 whole rounds of 10 pairs"),
        (9, "--max-comparisons: 9 of the 10 pairs of a round"),
        (10, "--max-comparisons: 1 whole round of 10 pairs"),
        (43, "--max-comparisons: 4 whole rounds of 10 pairs and 3 of the 10 pairs of another round"),
    ],
)
def test_a_given_total_is_told_in_rounds(total, told):
    assert origin(max_comparisons=total) == told


def test_the_one_pair_of_two_essays_is_no_pairs():
    assert comparisons_wanted(Budget(max_comparisons=2), essays=2)[1] == "--max-comparisons: 2 whole rounds of 1 pair"


@pytest.mark.parametrize(("each", "total"), [(1, 10), (6, 60), (6.01, 61), (2.5, 25)])
def test_judgements_an_essay_make_half_as_many_comparisons_rounded_up(each, total):
    assert wanted(comparisons_per_essay=each) == total
    assert origin(comparisons_per_essay=each) == f"--comparisons-per-essay: {each:g} judgements per essay"


@pytest.mark.parametrize(("repeats", "total"), [(1, 4), (3, 12)])
def test_a_boundary_design_asks_each_pair_in_both_orders(repeats, total):
    pairs = (("a", "b"), ("b", "c"))
    assert wanted(design="boundary", pairs=pairs, repeats=repeats) == total
    assert (
        origin(design="boundary", pairs=pairs, repeats=repeats)
        == f"2 named pairs, both orders, {counted(repeats, 'time')}"
    )


def test_a_target_reliability_takes_what_the_narrowest_class_takes():
    takes = [comparisons_for_reliability(essays=20, spread=spread, reliability=0.8) for spread in SPREADS]
    assert wanted(target_reliability=0.8) == max(takes) == takes[0]
    assert "ends as soon as it reaches the target" in origin(target_reliability=0.8)


def test_a_target_standard_error_takes_what_the_most_demanding_class_takes():
    takes = [comparisons_for_se(essays=20, spread=spread, se=0.5) for spread in SPREADS]
    assert wanted(target_se=0.5) == max(takes)


@pytest.mark.parametrize("se", [1.0, 1.5])
def test_a_standard_error_no_smaller_than_a_spread_is_reached_there_without_any_comparison(se):
    takes = [comparisons_for_se(essays=20, spread=spread, se=se) for spread in SPREADS if spread > se]
    assert wanted(target_se=se) == max(takes) > 0


@pytest.mark.parametrize("se", [3.0, 7.0])
def test_a_standard_error_that_every_class_reaches_leaves_the_default(se):
    assert (wanted(target_se=se), origin(target_se=se)) == (DEFAULT, origin())


def test_of_two_targets_the_more_demanding_one_counts():
    both = wanted(target_reliability=0.8, target_se=0.3)
    assert both == max(wanted(target_reliability=0.8), wanted(target_se=0.3))
    assert wanted(target_reliability=0.8) != wanted(target_se=0.3)


@pytest.mark.parametrize(
    ("swap", "repeats", "each"),
    [("none", 1, 1.0), ("audit", 1, 1.1), ("all", 1, 2.0), ("none", 3, 3.0), ("all", 2, 4.0)],
)
def test_swaps_and_repeats_ask_each_pair_more_than_once(swap, repeats, each):
    """And a target takes so many times the comparisons, for they tell nothing new of a position."""
    assert asked_per_pair(Budget(swap=swap, repeats=repeats)) == pytest.approx(each)
    plain = wanted(target_reliability=0.8)
    assert wanted(target_reliability=0.8, swap=swap, repeats=repeats) == pytest.approx(plain * each, abs=1)
