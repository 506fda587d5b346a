"""Adaptive rounds, the audit and boundary studies: each item once, seeded, restartable, and of use."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS, adaptive_round
from eng5_runner.measure.design.deciding import fewest_to_decide, is_decided
from eng5_runner.measure.design.designs import audit_round, boundary_round
from eng5_runner.measure.design.pairing import Pair
from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.reliability import empirical_bayes, separation
from tests.support.studies import balanced_rounds, judged, normal_truth


def adaptive_study(n, *, rounds, spread, seed):
    items = [f"essay-{index:03}" for index in range(n)]
    truth = normal_truth(n, spread=spread, seed=seed) if spread else np.zeros(n)
    by_item = dict(zip(items, truth.tolist(), strict=True))
    history, rows, planned = [], [], []
    for number in range(rounds):
        fitted = fit(comparisons_from(items, rows)) if number >= BALANCED_ROUNDS else None
        planned.append(adaptive_round(items, history=history, fitted=fitted, seed=seed))
        history += planned[-1]
        rows += judged([(it.first, it.second) for it in planned[-1]], truth=by_item, seed=1000 * seed + number)
    return planned, fit(comparisons_from(items, rows)), truth


@pytest.mark.parametrize("n", [12, 13, 30])
def test_who_needs_more_gets_more_within_limits_and_no_pair_repeats_while_others_are_left(n):
    planned, fitted, _ = adaptive_study(n, rounds=9, spread=1.5, seed=1)
    assert {len(pairs) for pairs in planned} == {n // 2}
    assert all(max(Counter(item for p in pairs for item in (p.first, p.second)).values()) <= 2 for pairs in planned)
    mean = fitted.counts.mean()
    assert fitted.counts.max() <= mean + 1.0 and fitted.counts.min() > mean - 3.0
    met = Counter(frozenset((pair.first, pair.second)) for pairs in planned for pair in pairs)
    assert set(met.values()) == {1}


def test_places_stay_balanced():
    planned, _, _ = adaptive_study(21, rounds=14, spread=1.5, seed=2)
    lead = Counter()
    for pairs in planned:
        for pair in pairs:
            lead.update({pair.first: 1, pair.second: -1})
    assert max(map(abs, lead.values())) <= 3


def test_the_first_rounds_are_the_balanced_ones():
    planned, _, _ = adaptive_study(16, rounds=4, spread=3.0, seed=3)
    balanced = balanced_rounds([f"essay-{index:03}" for index in range(16)], rounds=4, seed=3)
    assert planned[:BALANCED_ROUNDS] == balanced[:BALANCED_ROUNDS]
    assert planned[BALANCED_ROUNDS] != balanced[BALANCED_ROUNDS]


def test_where_the_spread_is_small_six_rounds_are_balanced_and_no_more():
    planned, _, _ = adaptive_study(16, rounds=8, spread=0.3, seed=3)
    balanced = balanced_rounds([f"essay-{index:03}" for index in range(16)], rounds=8, seed=3)
    assert planned[:6] == balanced[:6]
    assert planned[6:] != balanced[6:]


def test_once_begun_adaptive_rounds_go_on_although_the_spread_looks_small():
    items, history, fitted = begun(16, spread=0.3, rounds=3)
    assert fitted.prior_sd < 1.4
    turned = [*history[:-1], Pair(first=history[-1].second, second=history[-1].first)]
    rounds = {
        after: adaptive_round(items, history=before, fitted=fitted, seed=5)
        for after, before in (("balanced rounds", history), ("others", turned))
    }
    assert rounds["balanced rounds"] == balanced_rounds(items, rounds=4, seed=5)[3]
    assert rounds["others"] != rounds["balanced rounds"]


def begun(n, *, spread=1.8, rounds=6):
    """A balanced beginning, in which every item has as many judgements as any other."""
    items = [f"essay-{index:03}" for index in range(n)]
    truth = dict(zip(items, normal_truth(n, spread=spread, seed=5).tolist(), strict=True))
    history = [pair for pairs in balanced_rounds(items, rounds=rounds, seed=5) for pair in pairs]
    pairs = [(pair.first, pair.second) for pair in history]
    return items, history, fit(comparisons_from(items, judged(pairs, truth=truth, seed=5)))


def test_adaptive_rounds_need_a_fit_of_the_very_items():
    items, history, fitted = begun(12, rounds=3)
    others = fit(comparisons_from([f"other-{index}" for index in range(12)], []))
    fewer = fit(comparisons_from(items[:11], []))
    for wrong_items, wrong_fit in ((items, None), (items, others), (items, fewer), ([*items, items[0]], fitted)):
        with pytest.raises(ValueError, match="a fit of the same items, each named once"):
            adaptive_round(wrong_items, history=history, fitted=wrong_fit, seed=1)


def asked(pairs):
    return Counter(item for pair in pairs for item in (pair.first, pair.second))


def test_a_target_of_the_standard_error_sends_judgements_to_those_above_it():
    items, history, fitted = begun(40)
    errors = dict(zip(items, fitted.standard_errors.tolist(), strict=True))
    target = sorted(errors.values())[20]
    above = {item for item in items if errors[item] > target}
    aimed = asked(adaptive_round(items, history=history, fitted=fitted, seed=1, target_se=target))
    usual = asked(adaptive_round(items, history=history, fitted=fitted, seed=1))
    assert sum(aimed[item] for item in above) > sum(usual[item] for item in above)


def test_with_grades_the_students_get_more_than_the_anchors():
    items, history, fitted = begun(40)
    ranked = [items[place] for place in np.argsort(fitted.theta)]
    grades = {item: number for number, item in enumerate(ranked[::2])}
    aimed = asked(adaptive_round(items, history=history, fitted=fitted, seed=1, grades=grades))
    usual = asked(adaptive_round(items, history=history, fitted=fitted, seed=1))
    assert sum(aimed[item] for item in grades) < sum(usual[item] for item in grades)


@pytest.mark.parametrize("places", [(), (0, 1), (0, 1, 2)])
def test_anchors_that_show_no_boundaries_steer_nothing(places):
    """Too few of them, or all of one grade."""
    items, history, fitted = begun(12)
    grades = {items[place]: 4 for place in places}
    aimed = adaptive_round(items, history=history, fitted=fitted, seed=1, grades=grades)
    assert aimed == adaptive_round(items, history=history, fitted=fitted, seed=1)


@pytest.mark.parametrize("n", [40, 700])
def test_what_answers_under_way_will_tell_is_not_asked_for_again(n):
    items, history, fitted = begun(n)
    under_way = adaptive_round(items, history=history, fitted=fitted, seed=1)
    both = {"history": [*history, *under_way], "fitted": fitted, "seed": 1}
    again = {waiting: asked(adaptive_round(items, **both, waiting=waiting)) for waiting in (0, len(under_way))}
    repeated = {waiting: sum(found[item] for item in asked(under_way)) for waiting, found in again.items()}
    assert repeated[len(under_way)] < repeated[0]


def lowered_by(fitted, pairs):
    """By how much judgements of these pairs lower the sum of all positions' variances, one after the other."""
    place = {item: index for index, item in enumerate(fitted.items)}
    covariance = fitted.covariance.copy()
    for first, second in pairs:
        one, other = place[first], place[second]
        chance = 1.0 / (1.0 + math.exp(fitted.theta[other] - fitted.theta[one]))
        contrast = covariance[one] - covariance[other]
        known = 1.0 / (chance * (1.0 - chance)) + contrast[one] - contrast[other]
        covariance -= np.outer(contrast, contrast) / known
    return np.trace(fitted.covariance) - np.trace(covariance)


def test_a_round_has_no_pairs_that_tell_what_others_tell():
    """It leaves less error than the pairs that are worth most one by one, each item in at most two of them."""
    items, history, fitted = begun(30, spread=4.0, rounds=3)
    met = {frozenset((pair.first, pair.second)) for pair in history}
    others = [pair for pair in itertools.combinations(items, 2) if frozenset(pair) not in met]
    counts, alone = Counter(), []
    for pair in sorted(others, key=lambda pair: -lowered_by(fitted, [pair])):
        if len(alone) < 15 and max(counts[item] for item in pair) < 2:
            alone.append(pair)
            counts.update(pair)
    chosen = [(pair.first, pair.second) for pair in adaptive_round(items, history=history, fitted=fitted, seed=1)]
    assert lowered_by(fitted, chosen) > 1.05 * lowered_by(fitted, alone)


def test_when_all_pairs_have_met_they_meet_again():
    items, history, fitted = begun(4, rounds=6)
    assert len(adaptive_round(items, history=history, fitted=fitted, seed=1)) == 2


def test_the_same_history_gives_the_same_round_and_another_seed_may_not():
    planned, _, _ = adaptive_study(20, rounds=9, spread=1.5, seed=4)
    assert adaptive_study(20, rounds=9, spread=1.5, seed=4)[0] == planned


def test_adaptive_pairs_are_worth_more_judgements_than_balanced_ones():
    real = []
    for adaptive in (False, True):
        runs = []
        for seed in range(8):
            _, fitted, truth = adaptive_study(60, rounds=18 if adaptive else 6, spread=1.8, seed=seed)
            if not adaptive:
                items = fitted.items
                pairs = [(p.first, p.second) for ps in balanced_rounds(items, rounds=18, seed=seed) for p in ps]
                by_item = dict(zip(items, truth.tolist(), strict=True))
                fitted = fit(comparisons_from(items, judged(pairs, truth=by_item, seed=seed)))
            runs.append(np.corrcoef(fitted.theta, truth)[0, 1] ** 2)
        real.append(np.mean(runs))
    assert real[1] > real[0] + 0.01


def test_the_reliability_is_not_deceived_by_adaptive_pairs_and_the_separation_is():
    fits = [adaptive_study(40, rounds=12, spread=0.0, seed=seed)[1] for seed in range(15)]
    assert np.mean([empirical_bayes(fitted) for fitted in fits]) < 0.2
    assert np.mean([separation(fitted) for fitted in fits]) > 0.4


def test_many_items_are_paired_with_near_ones():
    items = [f"essay-{index:03}" for index in range(700)]
    truth = dict(zip(items, normal_truth(700, spread=1.8, seed=5).tolist(), strict=True))
    history = [pair for pairs in balanced_rounds(items, rounds=6, seed=5) for pair in pairs]
    fitted = fit(comparisons_from(items, judged([(p.first, p.second) for p in history], truth=truth, seed=5)))
    pairs = adaptive_round(items, history=history, fitted=fitted, seed=5)
    assert len(pairs) == 350
    assert max(asked(pairs).values()) <= 2
    place = dict(zip(items, fitted.theta.tolist(), strict=True))
    assert np.median([abs(place[pair.first] - place[pair.second]) for pair in pairs]) < 0.5


def test_adaptive_rounds_need_a_fit_of_the_same_items():
    items = ["a", "b", "c", "d"]
    history = [pair for pairs in balanced_rounds(items, rounds=6, seed=0) for pair in pairs]
    for fitted in (None, fit(comparisons_from("abc", [])), fit(comparisons_from("abcde", []))):
        with pytest.raises(ValueError):
            adaptive_round(items, history=history, fitted=fitted, seed=0)


PAIRS = [pair for pairs in balanced_rounds([f"{n:02}" for n in range(20)], rounds=5, seed=1) for pair in pairs]


def test_the_audit_takes_its_shares_whatever_the_order_of_the_pairs():
    found = audit_round(PAIRS, before=0, seed=1)
    turned = [pair for pair in found if pair not in PAIRS]
    assert len(turned) == 5 and len(found) == 8
    assert all(Pair(first=pair.second, second=pair.first) in PAIRS for pair in turned)
    assert audit_round(PAIRS[::-1], before=0, seed=1) == found
    assert audit_round(PAIRS, before=0, seed=2) != found
    assert audit_round([], before=0, seed=1) == []


@pytest.mark.parametrize("size", [1, 4, 7, 22])
def test_an_audit_round_by_round_has_the_shares_of_the_whole(size):
    rounds = balanced_rounds([f"{n:02}" for n in range(2 * size)], rounds=12, seed=1)
    turned = repeated = 0
    for number, pairs in enumerate(rounds):
        for pair in audit_round(pairs, before=number * size, seed=1):
            assert (pair in pairs) != (Pair(first=pair.second, second=pair.first) in pairs)
            repeated += pair in pairs
            turned += pair not in pairs
    assert turned == math.ceil(12 * size / 10)
    assert math.ceil(12 * size / 20) - repeated in ((0, 1) if size == 1 else (0,))  # one pair cannot be both


def test_an_audit_does_not_look_at_the_same_items_each_round():
    rounds = balanced_rounds([f"{n:02}" for n in range(20)], rounds=20, seed=1)
    looked = {p.first for n, pairs in enumerate(rounds) for p in audit_round(pairs, before=10 * n, seed=1)}
    assert len(looked) > 10


NAMED = [("a", "b"), ("c", "d"), ("a", "d"), ("e", "b")]


def test_a_boundary_study_has_every_pair_in_both_orders_as_often_as_said():
    rounds = [boundary_round(NAMED, number, seed=1) for number in range(2 * 3)]
    asked = Counter(pair for pairs in rounds for pair in pairs)
    assert asked == Counter({Pair(first=x, second=y): 3 for a, b in NAMED for x, y in ((a, b), (b, a))})
    assert all(len(pairs) == len(NAMED) for pairs in rounds)


def test_two_rounds_of_a_boundary_study_have_each_pair_in_both_orders():
    first, second = (boundary_round(NAMED, number, seed=1) for number in range(2))
    assert {(pair.first, pair.second) for pair in first} == {(pair.second, pair.first) for pair in second}
    assert len({pair.first for pair in first} & {first for first, _ in NAMED}) < len(NAMED), "all in one order"


@pytest.mark.parametrize(("pairs", "number"), [([("a", "a")], 1), ([("a", "b"), ("b", "a")], 1), (NAMED, -1)])
def test_senseless_boundary_studies_are_refused(pairs, number):
    with pytest.raises(ValueError):
        boundary_round(pairs, number, seed=1)


@pytest.mark.parametrize(
    ("won", "lost", "left", "decided"),
    [
        (4, 0, 6, True),  # 6 of 462
        (0, 4, 6, True),
        (2, 0, 8, False),  # 20 of 165
        (4, 2, 4, False),
        (3, 3, 4, False),
        (6, 4, 0, True),
        (5, 5, 0, False),
        (0, 0, 10, False),
    ],
)
def test_a_pair_is_decided_when_the_rest_would_hardly_change_its_side(won, lost, left, decided):
    assert is_decided(won, lost, left=left) is decided


def test_of_the_pairs_that_stop_at_most_one_in_twenty_would_have_changed_their_side():
    generator, most, changed = np.random.default_rng(1), 20, []
    for chance in generator.random(2000):
        wins = np.cumsum(generator.random(most) < chance)
        for asked_so_far in range(2, most, 2):
            won = int(wins[asked_so_far - 1])
            if is_decided(won, asked_so_far - won, left=most - asked_so_far):
                changed.append((2 * wins[-1] > most) != (2 * won > asked_so_far) or 2 * wins[-1] == most)
                break
    assert len(changed) > 1000
    assert 0.0 < np.mean(changed) <= 0.05


def test_no_pair_is_decided_before_four_judgements_and_short_studies_go_to_their_end():
    assert [fewest_to_decide(repeats) for repeats in (1, 2, 3, 5, 50)] == [2, 4, 4, 4, 4]
