"""A study ends when it is precise enough or its budget is spent, and every look can be recorded."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from eng5_runner.measure.design.stopping import Rule, look
from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from tests.support.studies import balanced_rounds, balanced_study, judged, normal_truth

RULE = Rule(reliability=0.8, se=0.9, budget=100_000)


def after(rounds, *, spread=1.8, seed=1):
    truth = normal_truth(30, spread=spread, seed=seed) if spread else np.zeros(30)
    return fit(balanced_study(truth, rounds=rounds, seed=seed))


def test_a_precise_study_ends_and_says_why():
    seen = look(after(26), rule=RULE, round_number=26)
    assert seen.verdict == "precise enough"
    assert seen.interval[0] >= 0.8 and seen.se <= 0.9
    assert (seen.round, seen.judgements, seen.fewest, seen.components) == (26, 390.0, 26.0, 1)
    assert asdict(seen) == asdict(look(after(26), rule=RULE, round_number=26))


@pytest.mark.parametrize("change", [{"reliability": 0.97}, {"se": 0.3}, {"judgements": 27.0}])
def test_each_condition_alone_keeps_it_going(change):
    assert look(after(26), rule=replace(RULE, **change), round_number=26).verdict == "go on"


def test_what_is_not_asked_for_does_not_keep_it_going():
    """And a rule without any target ends at its budget alone."""
    tight = replace(RULE, reliability=0.97)
    assert look(after(26), rule=replace(tight, reliability=None), round_number=26).verdict == "precise enough"
    assert look(after(26), rule=replace(RULE, se=None), round_number=26).verdict == "precise enough"
    neither = replace(RULE, reliability=None, se=None)
    assert look(after(26), rule=neither, round_number=26).verdict == "go on"


def test_the_budget_counts_what_was_asked_and_not_what_was_learned():
    assert look(after(8), rule=replace(RULE, budget=130), round_number=8, asked=130).verdict == "budget spent"
    assert look(after(8), rule=replace(RULE, budget=130), round_number=8, asked=129).verdict == "go on"


def test_the_interval_is_not_drawn_where_it_cannot_matter():
    assert look(after(8), rule=RULE, round_number=8).interval is None


def test_it_is_the_lower_end_that_counts():
    fitted = after(26)
    seen = look(fitted, rule=RULE, round_number=26)
    between = replace(RULE, reliability=(seen.interval[0] + seen.reliability) / 2)
    again = look(fitted, rule=between, round_number=26)
    assert again.interval is not None and again.verdict == "go on"


def test_a_spent_budget_ends_it():
    assert look(after(8), rule=replace(RULE, budget=120), round_number=8).verdict == "budget spent"


def two_classes(*, linked: bool):
    """Two groups of 15, each told apart as well as anybody could wish; perhaps one judgement between them."""
    items, rows = [], []
    for seed, group in enumerate("xy", start=1):
        names = [f"{group}{number:02}" for number in range(15)]
        truth = dict(zip(names, normal_truth(15, spread=1.8, seed=seed).tolist(), strict=True))
        pairs = [(pair.first, pair.second) for pairs in balanced_rounds(names, rounds=30, seed=1) for pair in pairs]
        rows += judged(pairs, truth=truth, seed=3)
        items += names
    return fit(comparisons_from(items, [*rows, *([("x00", "y00", 1.0)] if linked else [])]))


def test_parts_that_nothing_links_do_not_end_it():
    """However precise each part is by itself: with a link, and all else alike, the study may end."""
    rule = replace(RULE, reliability=0.75, se=2.0)
    apart = look(two_classes(linked=False), rule=rule, round_number=30)
    assert (apart.components, apart.verdict, apart.interval) == (2, "go on", None)
    assert apart.reliability > 0.85 and apart.se < 0.9 and apart.fewest > 10
    together = look(two_classes(linked=True), rule=rule, round_number=30)
    assert (together.components, together.verdict) == (1, "precise enough")


def test_a_coin_toss_is_never_precise_enough():
    assert look(after(40, spread=0.0), rule=replace(RULE, se=2.0), round_number=40).verdict == "go on"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reliability": 1.0}, "the reliability and the level lie between 0 and 1"),
        ({"reliability": 0.0}, "the reliability and the level lie between 0 and 1"),
        ({"level": 1.0}, "the reliability and the level lie between 0 and 1"),
        ({"se": 0.0}, "the standard error must be positive"),
        ({"budget": 0}, "the budget must be positive"),
    ],
)
def test_senseless_rules_are_refused(change, why):
    with pytest.raises(ValueError, match=f"^{why}$"):
        replace(RULE, **change)
