"""Judges against the other judges: who disagrees, how far all agree, and how many judgements tell that."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import Comparisons, comparisons_from
from eng5_runner.measure.quality.needed import judgements_needed
from eng5_runner.measure.quality.standing import agreement_of, same_pair, standings

ITEMS = tuple(f"essay-{number:02}" for number in range(20))
TRUTH = np.random.default_rng(1).normal(0.0, 1.5, len(ITEMS))


def judge(slope: float, *, seed: int, judgements: int = 80) -> Comparisons:
    generator, rows = np.random.default_rng(seed), []
    for _ in range(judgements):
        first, second = generator.choice(len(ITEMS), 2, replace=False)
        chance = expit(slope * (TRUTH[first] - TRUTH[second]))
        rows.append((ITEMS[first], ITEMS[second], float(generator.random() < chance)))
    return comparisons_from(ITEMS, rows)


def test_a_judge_that_turns_the_order_around_is_named() -> None:
    judges = {name: judge(1.0, seed=seed) for seed, name in enumerate("abc")} | {"d": judge(-1.0, seed=9)}
    stated = {one.judge: one for one in standings(judges, prior_sd=1.0)}
    assert [name for name, one in stated.items() if one.disagrees] == ["d"]
    assert (stated["d"].agreed or 1.0) < 0.4 and (stated["d"].expected or 0.0) > 0.65
    assert stated["d"].judgements == 80


def test_judges_alike_agree_as_often_as_expected() -> None:
    judges = {str(seed): judge(1.0, seed=seed) for seed in range(20)}
    stated = standings(judges, prior_sd=1.5)
    assert not any(one.disagrees for one in stated)
    gaps = [(one.agreed or 0.0) - (one.expected or 0.0) for one in stated]
    assert np.mean(gaps) == pytest.approx(0.0, abs=0.03)


def test_a_judge_alone_has_nobody_to_agree_with() -> None:
    assert standings({"a": judge(1.0, seed=1)}, prior_sd=1.0) == ()


def test_ten_judgements_are_needed_to_name_anybody() -> None:
    judges = {name: judge(1.0, seed=seed, judgements=400) for seed, name in enumerate("ab")}
    for judgements, named in ((9, False), (12, True)):
        stated = standings(judges | {"c": judge(-9.0, seed=3, judgements=judgements)}, prior_sd=1.5)
        assert [one.disagrees for one in stated] == [False, False, named]


def test_ties_cannot_agree() -> None:
    judges = {"a": judge(1.0, seed=1), "b": comparisons_from(ITEMS, [(ITEMS[0], ITEMS[1], 0.5)])}
    (tied,) = [one for one in standings(judges, prior_sd=1.0) if one.judge == "b"]
    assert (tied.judgements, tied.agreed) == (0.0, None)


def test_nobody_can_agree_with_an_order_that_is_none() -> None:
    """A judge that always chooses the first essay has put all in one place, but for rounding."""
    pairs = [(a, b, 1.0) for a in ITEMS for b in ITEMS if a != b]
    stated = {
        one.judge: one
        for one in standings({"a": judge(1.0, seed=1), "place": comparisons_from(ITEMS, pairs)}, prior_sd=1.0)
    }
    assert (stated["a"].judgements, stated["a"].agreed, stated["a"].disagrees) == (0.0, None, False)
    assert stated["place"].judgements == len(pairs)


def test_the_interval_of_an_agreement_allows_for_judges_that_differ() -> None:
    alike, apart = agreement_of([(50, 40)] * 6), agreement_of([(50, 50), (50, 30)] * 3)
    assert alike is not None and apart is not None
    assert alike.share == apart.share == 0.8
    assert apart.interval[0] < alike.interval[0] < 0.8 < alike.interval[1] < apart.interval[1]
    assert apart.needed > 2 * alike.needed
    assert agreement_of([(0, 0)]) is None
    whole = agreement_of([(20, 20)])
    assert whole is not None and whole.interval[0] < 0.95 and whole.interval[1] == 1.0


def test_an_agreement_of_one_half_takes_the_most_judgements() -> None:
    assert [judgements_needed(share) for share in (0.5, 0.8, 0.2)] == [271, 174, 174]
    assert judgements_needed(0.5, margin=0.1) == 68


def test_two_judgements_of_a_pair_agree_whichever_was_shown_first() -> None:
    rows = [("x", "y", 1.0), ("y", "x", 0.0), ("x", "y", 0.0), ("x", "y", 0.5), ("x", "z", 1.0)]
    assert same_pair(comparisons_from(("x", "y", "z"), rows)) == (3.0, 1.0)
