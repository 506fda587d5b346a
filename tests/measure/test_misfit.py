"""Misfit, position effect, consistency, triads and split halves against counting by hand and simulated truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.dependence import Dependence, weighed
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import (
    chances,
    misfit,
    position_effect,
    repeat_consistency,
    swap_consistency,
)
from eng5_runner.measure.quality.split_half import split_half
from eng5_runner.measure.quality.surprise import expected_residuals
from eng5_runner.measure.quality.triads import circular_triads
from tests.support.soft_judges import soft_study
from tests.support.studies import balanced_rounds, balanced_study, judged, normal_truth


def chance(fitted, a, b):
    index = fitted.items.index
    return 1.0 / (1.0 + np.exp(fitted.theta[index(b)] - fitted.theta[index(a)] - fitted.position_effect))


def test_misfit_by_hand():
    rows = [("a", "b", 1.0), ("a", "b", 0.0), ("c", "a", 0.5), ("b", "c", 1.0)]
    fitted = fit(comparisons_from("abcd", rows), prior_sd=1.0)
    data = fitted.comparisons
    expected = expected_residuals(fitted, data)
    own = [
        (data.outcome[row], chance(fitted, *(data.items[side[row]] for side in (data.first, data.second))), row)
        for row in range(data.first.size)
        if 0 in (data.first[row], data.second[row])
    ]
    assert len(own) == 3
    found = misfit(fitted)
    assert found.infit[0] == pytest.approx(
        sum((y - p) ** 2 for y, p, _ in own) / sum(expected.square[row] for _, _, row in own)
    )
    assert found.outfit[0] == pytest.approx(
        sum((y - p) ** 2 / (p * (1 - p)) for y, p, _ in own) / sum(expected.standardised[row] for _, _, row in own)
    )
    assert np.isnan(found.infit[3]) and np.isnan(found.outfit[3])


@pytest.mark.parametrize("spread", [1.0, 1.8, 4.0])
def test_misfit_is_about_one_for_a_judge_of_the_model(spread):
    """Also where the judge is decisive: the plain mean square is far below 1, as the fit follows what it saw."""
    found, plain = [], []
    for seed in range(12):
        study = balanced_study(normal_truth(40, spread=spread, seed=seed), rounds=10, seed=seed)
        fitted = fit(study)
        p = chances(fitted, study)
        found.append((misfit(fitted).infit_overall, misfit(fitted).outfit_overall, np.mean(misfit(fitted).infit)))
        plain.append((study.weight * (study.outcome - p) ** 2).sum() / (study.weight * p * (1 - p)).sum())
    assert np.mean(plain) < 0.8
    assert np.mean(found, axis=0) == pytest.approx([1.0, 1.0, 1.0], abs=0.15)


@pytest.mark.parametrize("says", ["confidence", "probability"])
def test_misfit_of_judgements_that_say_more_is_that_of_the_wins(says):
    """The probability's own scale is another one: its positions would call the wins of a good judge a bad fit."""
    truth = normal_truth(30, spread=1.8, seed=3)
    study = soft_study({f"essay-{place:02}": value for place, value in enumerate(truth)}, k=10, number=1, says=says)
    fitted = study.choice.fitted
    assert fitted.soft is not None
    assert misfit(fitted).infit_overall == pytest.approx(misfit(fit(fitted.comparisons)).infit_overall)
    assert misfit(fitted).infit_overall == pytest.approx(1.0, abs=0.15)


def test_a_question_that_was_not_fitted_expects_the_variance_of_its_chance():
    fitted = fit(comparisons_from("abc", [("a", "b", 1.0), ("b", "c", 1.0)] * 4), position_effect=False)
    other = comparisons_from("abc", [("c", "a", 0.0)])
    found = expected_residuals(fitted, other)
    p = chances(fitted, other)
    q = (found.square - p**2) / (1 - 2 * p)  # from q (1 − p)² + (1 − q) p²
    assert 0.0 < p < q < 0.5  # uncertain positions make an upset likelier than the mode says
    assert found.standardised == pytest.approx(q * (1 - p) / p + (1 - q) * p / (1 - p))


def test_a_judge_who_is_not_of_the_model_has_a_misfit_above_one():
    truth = normal_truth(40, spread=1.5, seed=1)
    study = balanced_study(truth, rounds=30, seed=1)
    ends = [str(index) for index in np.argsort(truth)[[0, 1, -2, -1]]]
    pairs = [(low, high) for low in ends[:2] for high in ends[2:]] * 50
    toss = comparisons_from(study.items, judged(pairs, truth=dict.fromkeys(ends, 0.0), seed=1))
    assert misfit(fit(study), toss).infit_overall > 2.0


def test_misfit_of_other_items_is_refused():
    with pytest.raises(ValueError):
        misfit(fit(comparisons_from("ab", [])), comparisons_from("abc", []))


def test_the_position_effect_has_an_interval_and_a_probability():
    fitted = fit(balanced_study(normal_truth(40, spread=1.5, seed=2), rounds=30, seed=2, advantage=0.5))
    effect = position_effect(fitted)
    low, high = effect.interval
    assert low < effect.estimate < high
    assert high - low == pytest.approx(2 * 1.6449 * fitted.position_effect_se, rel=0.05)
    assert effect.first_wins == pytest.approx(1 / (1 + np.exp(-effect.estimate)))
    assert position_effect(fit(comparisons_from("ab", [("a", "b", 1.0)]), position_effect=False)) is None


def test_repeats_and_swaps_are_counted_pair_by_pair():
    rows = [("a", "b", 1.0), ("a", "b", 1.0), ("a", "b", 0.0), ("b", "a", 0.0), ("b", "a", 1.0), ("a", "c", 0.5)]
    fitted = fit(comparisons_from("abc", rows), prior_sd=1.0)
    repeats, swaps = repeat_consistency(fitted), swap_consistency(fitted)
    p, q = chance(fitted, "a", "b"), chance(fitted, "b", "a")
    even = 1 / (1 + np.exp(fitted.theta[1] - fitted.theta[0]))
    assert (repeats.asked, repeats.agreed) == (3 + 1, 1)
    assert repeats.expected == pytest.approx(3 * (p**2 + (1 - p) ** 2) + (q**2 + (1 - q) ** 2))
    # Of a's three judgements first and two second: a won 2 and lost 1, and won 1 and lost 1.
    assert (swaps.asked, swaps.agreed) == (6, 2 * 1 + 1 * 1)
    assert swaps.expected == pytest.approx(6 * (even**2 + (1 - even) ** 2))


def test_a_judge_who_goes_by_the_place_flips_more_often_than_expected():
    pairs = [(a, b) for a in "abcdefgh" for b in "abcdefgh" if a != b]
    swaps = swap_consistency(fit(comparisons_from("abcdefgh", [(*pair, 1.0) for pair in pairs])))
    assert swaps.agreed == 0.0
    assert swaps.expected / swaps.asked == pytest.approx(0.5, abs=0.01)


def test_a_judge_of_the_model_is_as_consistent_as_expected():
    fitted = fit(balanced_study(normal_truth(12, spread=1.5, seed=3), rounds=88, seed=3))
    for found in (repeat_consistency(fitted), swap_consistency(fitted)):
        assert found.asked > 100
        assert found.agreed / found.asked == pytest.approx(found.expected / found.asked, abs=0.08)


def every_pair_once(n, *, seed, spread):
    names = [f"{index:02}" for index in range(n)]
    truth = dict(zip(names, normal_truth(n, spread=spread, seed=seed).tolist(), strict=True))
    return names, judged(itertools.combinations(names, 2), truth=truth, seed=seed)


@pytest.mark.parametrize("n", [5, 6, 9])
def test_circular_triads_are_those_of_kendalls_formula(n):
    names, rows = every_pair_once(n, seed=n, spread=0.5)
    found = circular_triads(fit(comparisons_from(names, rows)))
    wins = [sum(y if a == name else 1 - y for a, b, y in rows if name in (a, b)) for name in names]
    circular = n * (n - 1) * (2 * n - 1) / 12 - sum(won**2 for won in wins) / 2
    most = (n**3 - n) / 24 if n % 2 else (n**3 - 4 * n) / 24
    assert (found.complete, found.circular) == (n * (n - 1) * (n - 2) / 6, circular)
    assert found.zeta == pytest.approx(1 - circular / most)


def test_circular_triads_of_a_judge_of_the_model_are_about_as_many_as_expected():
    counted, expected = 0, 0.0
    for seed in range(10):
        names, rows = every_pair_once(25, seed=seed, spread=1.5)
        found = circular_triads(fit(comparisons_from(names, rows)))
        counted, expected = counted + found.circular, expected + found.expected
    assert 0.8 < counted / expected < 1.05  # the positions follow the judgements, and are shrunk


def test_an_incomplete_design_has_no_coefficient_of_consistence():
    found = circular_triads(fit(comparisons_from("abcd", [("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)])))
    assert (found.complete, found.circular, found.zeta) == (1, 1, None)
    assert circular_triads(fit(comparisons_from("ab", [("a", "b", 1.0)]))).zeta is None


def test_split_halves_agree_as_much_as_the_reliability_says():
    fitted = fit(balanced_study(normal_truth(60, spread=1.8, seed=4), rounds=20, seed=4))
    found = split_half(fitted, seed=1, splits=30)
    assert found.reliability == pytest.approx(0.88, abs=0.05)
    assert found.correlation < found.interval[0] <= found.reliability <= found.interval[1]
    assert split_half(fitted, seed=1, splits=30) == found


def test_judges_are_split_whole():
    study = balanced_study(normal_truth(30, spread=1.8, seed=5), rounds=40, seed=5)
    fitted = fit(study)
    judges = [
        comparisons_from(study.items, [(study.items[a], study.items[b], y) for a, b, y in zip(*rows, strict=True)])
        for rows in ((study.first[nth::4], study.second[nth::4], study.outcome[nth::4].tolist()) for nth in range(4))
    ]
    assert split_half(fitted, seed=1, judges=judges, splits=10).reliability > 0.8
    assert split_half(fitted, seed=1, judges=judges[:1]) is None
    with pytest.raises(ValueError):
        split_half(fitted, seed=1, judges=[comparisons_from("ab", [])])


def test_halves_that_contradict_each_other_are_not_corrected():
    """Spearman and Brown's formula is for correlations above 0; at -1 it would divide by zero."""
    found = split_half(fit(comparisons_from("abc", [("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)])), seed=1)
    assert found is not None
    assert found.interval[0] == pytest.approx(-1.0)


def test_halves_without_variation_have_no_correlation():
    assert split_half(fit(comparisons_from("ab", [("a", "b", 1.0)])), seed=0) is None
    assert split_half(fit(comparisons_from("abcd", [("a", "b", 0.5), ("c", "d", 0.5)])), seed=0) is None


def test_repeats_that_count_once_are_still_counted_from_all_judgements():
    rows = [("a", "b", 1.0), ("a", "b", 1.0), ("a", "b", 0.0), ("b", "a", 0.0), ("b", "c", 1.0)]
    asked = comparisons_from("abc", rows)
    fitted = fit(weighed([asked], Dependence()), prior_sd=1.0)
    found = repeat_consistency(fitted, asked)
    assert (found.asked, found.agreed, found.pairs) == (3.0, 1.0, 1)
    swapped = swap_consistency(fitted, asked)
    assert (swapped.asked, swapped.agreed, swapped.pairs) == (3.0, 2.0, 1)
    for call in (repeat_consistency, swap_consistency):
        with pytest.raises(ValueError):
            call(fitted, comparisons_from("abcd", []))


def test_errors_by_pair_are_there_where_pairs_repeat_and_are_many():
    truth = normal_truth(12, spread=1.0, seed=3)
    once = fit(balanced_study(truth, rounds=11, seed=3))
    assert errors_by_pair(once) is None, "no pair was judged twice"
    assert errors_by_pair(fit(balanced_study(truth, rounds=6, seed=3))) is None, "too few pairs"
    twice = fit(balanced_study(truth, rounds=22, seed=3))
    assert errors_by_pair(twice) == pytest.approx(by_pair_written_out(twice))


def by_pair_written_out(fitted):
    """The sandwich with a score for each pair, corrected for its leverage, and the prior's part of H; pair by pair."""
    n, inverse, data = len(fitted.items), fitted.covariance_with_position, fitted.comparisons
    middle = np.diag([*[fitted.prior_sd**-2] * n, 0.0])
    scores, followed = {}, {}
    for first, second, outcome, weight in zip(data.first, data.second, data.outcome, data.weight, strict=True):
        design = np.zeros(n + 1)
        design[[first, second, n]] = 1.0, -1.0, 1.0
        p = 1.0 / (1.0 + np.exp(-design @ np.append(fitted.theta, fitted.position_effect)))
        pair = frozenset((int(first), int(second)))
        scores[pair] = scores.get(pair, 0.0) + weight * (outcome - p) * design
        followed[pair] = followed.get(pair, 0.0) + weight * p * (1.0 - p) * (design @ inverse @ design)
    for pair, score in scores.items():
        middle += np.outer(score, score) / (1.0 - min(followed[pair], 0.9)) ** 2
    return np.sqrt(np.diag(inverse @ middle @ inverse)[:n])


@pytest.mark.parametrize(("copied", "expected"), [(False, 1.0), (True, np.sqrt(2.0))])
def test_errors_by_pair_are_the_models_own_where_judgements_are_independent(copied, expected):
    ratios = []
    for seed in range(6):
        items, generator = [f"{index:02}" for index in range(24)], np.random.default_rng(seed)
        truth = dict(zip(items, normal_truth(24, spread=1.5, seed=seed).tolist(), strict=True))
        rows = []
        for first, second, outcome in judged(pairs_of(items, seed=seed), truth=truth, seed=seed):
            chance_second = 1.0 / (1.0 + np.exp(truth[first] - truth[second]))
            again = 1.0 - outcome if copied else float(generator.random() < chance_second)
            rows += [(first, second, outcome), (second, first, again)]
        fitted = fit(comparisons_from(items, rows))
        ratios.append(errors_by_pair(fitted).mean() / fitted.standard_errors.mean())
    assert np.mean(ratios) == pytest.approx(expected, abs=0.1)


def test_a_large_position_effect_is_not_shrunk_and_its_interval_holds_it():
    """The mode is an eighth too small here, so that an interval around it holds the truth in three of four studies."""
    modes, means, held = [], [], []
    for seed in range(12):
        study = balanced_study(normal_truth(40, spread=1.8, seed=seed), rounds=20, seed=seed, advantage=-1.5)
        fitted = fit(study)
        effect = position_effect(fitted)
        modes.append(fitted.position_effect)
        means.append(effect.estimate)
        held.append(effect.interval[0] <= -1.5 <= effect.interval[1])
        assert effect.first_wins == pytest.approx(1.0 / (1.0 + np.exp(-effect.estimate)))
    assert np.mean(means) == pytest.approx(-1.5, abs=0.08)
    assert np.mean(modes) > np.mean(means) + 0.08
    assert np.mean(held) >= 0.75


def pairs_of(items, *, seed):
    return [(pair.first, pair.second) for pairs in balanced_rounds(items, rounds=10, seed=seed) for pair in pairs]
