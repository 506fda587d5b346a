"""Every round a perfect matching, nobody meets twice before all have met, places balanced, restartable."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eng5_runner.measure.design.pairing import Pair, next_round, nth_round
from tests.support.studies import balanced_rounds

ordinary = settings(deadline=None, max_examples=60, derandomize=True)
sizes = st.integers(2, 24)
seeds = st.integers(0, 2**64)


def named(n):
    return [f"essay-{index:03}" for index in range(n)]


def all_met_after(n):
    return n - 1 if n % 2 == 0 else n


def unordered(pair):
    return frozenset((pair.first, pair.second))


def components(items, pairs):
    index = {item: place for place, item in enumerate(items)}
    edges = ([index[pair.first] for pair in pairs], [index[pair.second] for pair in pairs])
    return connected_components(coo_array((np.ones(len(pairs)), edges), shape=(len(items),) * 2), directed=False)[0]


@ordinary
@given(sizes, seeds)
def test_each_item_has_one_partner_a_round(n, seed):
    for pairs in balanced_rounds(named(n), rounds=2 * n, seed=seed):
        assert len(pairs) == n // 2
        assert len({item for pair in pairs for item in unordered(pair)}) == 2 * (n // 2)


@ordinary
@given(sizes, seeds)
def test_all_meet_once_before_any_meet_twice_and_then_in_the_other_order(n, seed):
    rounds = balanced_rounds(named(n), rounds=2 * all_met_after(n), seed=seed)
    first_pass, second_pass = rounds[: len(rounds) // 2], rounds[len(rounds) // 2 :]
    met = [pair for pairs in first_pass for pair in pairs]
    assert len({unordered(pair) for pair in met}) == len(met) == n * (n - 1) // 2
    again = {pair for pairs in second_pass for pair in pairs}
    assert again == {Pair(first=pair.second, second=pair.first) for pair in met}


@ordinary
@given(sizes, seeds)
def test_each_item_is_first_as_often_as_second(n, seed):
    """Within one in every round for an even number of items; a bye costs odd numbers one more in odd rounds."""
    lead = Counter()
    for number, pairs in enumerate(balanced_rounds(named(n), rounds=2 * all_met_after(n), seed=seed), start=1):
        for pair in pairs:
            lead.update({pair.first: 1, pair.second: -1})
        bound = 2 if n % 2 and number % 2 else 1
        assert max(map(abs, lead.values())) <= bound


@ordinary
@given(st.integers(2, 60), seeds)
def test_two_rounds_link_all_items(n, seed):
    items = named(n)
    assert components(items, [pair for pairs in balanced_rounds(items, rounds=2, seed=seed) for pair in pairs]) == 1


@ordinary
@given(st.integers(1, 11).map(lambda half: 2 * half + 1), seeds)
def test_the_bye_goes_round(n, seed):
    items = named(n)
    idle = [
        set(items) - {item for pair in pairs for item in unordered(pair)}
        for pairs in balanced_rounds(items, rounds=n, seed=seed)
    ]
    assert sorted(item for one in idle for item in one) == items


@ordinary
@given(sizes, seeds, st.integers(0, 10), st.integers(0, 60))
def test_going_on_after_a_stop_gives_the_same_rounds(n, seed, before, after):
    whole = balanced_rounds(named(n), rounds=before + after, seed=seed)
    done = [pair for pairs in whole[:before] for pair in pairs]
    assert balanced_rounds(named(n), rounds=after, seed=seed, done=done) == whole[before:]
    assert balanced_rounds(named(n), rounds=after, seed=seed, done=done[::-1]) == whole[before:]


@ordinary
@given(st.data(), st.integers(4, 24), seeds)
def test_pairs_that_met_in_another_design_are_avoided(data, n, seed):
    items = named(n)
    pair = st.lists(st.sampled_from([*items, "gone"]), min_size=2, max_size=2, unique=True)
    fewer_than_rounds = st.lists(pair, max_size=all_met_after(n) - 1)
    history = [Pair(first=a, second=b) for a, b in data.draw(fewer_than_rounds)]
    again = {unordered(pair) for pair in next_round(items, history=history, seed=seed)}
    assert not again & {unordered(pair) for pair in history}


@ordinary
@given(sizes, seeds)
def test_a_round_by_its_number_is_the_one_that_follows_the_rounds_before(n, seed):
    rounds = balanced_rounds(named(n), rounds=2 * all_met_after(n) + 3, seed=seed)
    assert [nth_round(named(n), number, seed=seed) for number in range(len(rounds))] == rounds


def test_the_seed_decides_and_nothing_else():
    items = named(30)
    one, same, other = (balanced_rounds(items, rounds=3, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_design_informs_as_much_as_independent_random_matchings():
    """The mean variance of the contrasts is at most that of a k-regular tree, (k − 1)/(k − 2)/k."""
    items, k = named(60), 10
    for seed in range(5):
        laplacian = np.zeros((60, 60))
        for pairs in balanced_rounds(items, rounds=k, seed=seed):
            for pair in pairs:
                contrast = np.zeros(60)
                contrast[[items.index(pair.first), items.index(pair.second)]] = 1.0, -1.0
                laplacian += np.outer(contrast, contrast)
        assert np.mean(1.0 / np.linalg.eigvalsh(laplacian)[1:]) < (k - 1) / (k - 2) / k


@pytest.mark.parametrize("items", [[], ["alone"]])
def test_fewer_than_two_items_make_no_pairs(items):
    assert balanced_rounds(items, rounds=2, seed=0) == [[], []]


def test_an_item_named_twice_is_refused():
    with pytest.raises(ValueError):
        next_round(["a", "b", "a"], history=[], seed=0)
    with pytest.raises(ValueError):
        nth_round(["a", "b", "a"], 0, seed=0)
