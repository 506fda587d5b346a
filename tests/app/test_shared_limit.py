"""One cost limit for several runs: whatever they do, all together never spend more."""

from __future__ import annotations

import random

import pytest

from eng5_runner.app.sweeps.money import SharedLimit


def test_what_a_run_leaves_is_for_those_that_have_not_begun() -> None:
    money = SharedLimit(1.0, weights={"a": 3.0, "b": 1.0, "free": 0.0})
    assert money.begin("a") == 0.75
    money.note("a", limit=0.75, spent=0.2, ended=True)
    assert money.begin("free") is None
    assert money.begin("b") == pytest.approx(0.8)


def test_a_run_that_may_be_resumed_holds_its_whole_limit() -> None:
    money = SharedLimit(1.0, weights={"a": 1.0, "b": 1.0})
    money.note("a", limit=0.6, spent=0.2, ended=False)
    assert money.begin("b") == pytest.approx(0.4)
    assert money.left == pytest.approx(0.0)


def test_a_run_that_finds_nothing_left_can_begin_later() -> None:
    money = SharedLimit(1.0, weights={"a": 1.0, "b": 1.0})
    money.note("a", limit=1.0, spent=0.1, ended=False)
    assert money.begin("b") == 0.0
    money.note("a", limit=1.0, spent=0.3, ended=True)
    assert money.begin("b") == pytest.approx(0.7)


def test_a_limit_is_raised_only_where_it_pays_for_a_comparison() -> None:
    money = SharedLimit(1.0, weights={"a": 1.0, "b": 1.0})
    money.note("a", limit=0.5, spent=0.48, ended=True)
    money.note("b", limit=0.5, spent=0.48, ended=True)
    assert money.raises(["a", "b"], at_least={"a": 0.05, "b": 0.05}) == {}
    assert money.raises(["a"], at_least={"a": 0.03}) == {"a": pytest.approx(0.52)}


@pytest.mark.parametrize("seed", range(40))
def test_all_runs_together_never_spend_more(seed: int) -> None:
    chance = random.Random(seed)
    weights = {str(run): chance.choice([0.5, 1.0, 4.0]) for run in range(6)}
    limit, other = chance.uniform(0.5, 3.0), chance.uniform(0.0, 0.4)
    money, spent, limits = SharedLimit(limit, weights=weights, other_spent=other), {}, {}
    for run in weights:
        limits[run] = money.begin(run) or 0.0
        spent[run] = chance.uniform(0.2, 1.0) * limits[run]
        money.note(run, limit=limits[run], spent=spent[run], ended=chance.random() < 0.7)
    for _ in range(3):
        for run, raised in money.raises(list(weights), at_least=dict.fromkeys(weights, 0.0)).items():
            assert raised > limits[run]
            limits[run], spent[run] = raised, chance.uniform(spent[run], raised)
            money.note(run, limit=raised, spent=spent[run], ended=True)
    assert other + sum(spent.values()) <= limit
