"""Reliability is near zero for noise and equal to the squared correlation with the truth otherwise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.prior_scale import likeliest_prior, nearby
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from eng5_runner.measure.quality.resampling import pearson_of_each
from tests.support.studies import balanced_study, judged, large_study, normal_truth


def swiss_coin_toss(n, *, rounds, seed):
    """A judge without opinion, and pairs of those who have won equally often so far."""
    items = [str(index) for index in range(n)]
    generator = np.random.default_rng(seed)
    won, rows = dict.fromkeys(items, 0.0), []
    for number in range(rounds):
        ranked = sorted(generator.permutation(items).tolist(), key=won.__getitem__)
        pairs = list(zip(ranked[::2], ranked[1::2], strict=True))
        for a, b, outcome in judged(pairs, truth=dict.fromkeys(items, 0.0), seed=1000 * seed + number):
            rows.append((a, b, outcome))
            won[a] += outcome
            won[b] += 1.0 - outcome
    return comparisons_from(items, rows)


def test_a_coin_toss_judge_is_found_unreliable():
    runs = [fit(balanced_study(np.zeros(40), rounds=10, seed=seed)) for seed in range(30)]
    assert np.mean([empirical_bayes(run) for run in runs]) < 0.15
    assert np.mean([separation(run) for run in runs]) < 0.15


def test_a_coin_toss_judge_is_found_unreliable_under_adaptive_pairing_where_separation_is_deceived():
    runs = [fit(swiss_coin_toss(40, rounds=10, seed=seed)) for seed in range(20)]
    assert np.mean([empirical_bayes(run) for run in runs]) < 0.2
    assert np.mean([separation(run) for run in runs]) > 0.7


@pytest.mark.parametrize(("spread", "rounds"), [(1.0, 20), (1.8, 10), (1.8, 20)])
def test_reliability_is_the_squared_correlation_with_the_truth(spread, rounds):
    claimed, real = [], []
    for seed in range(25):
        truth = normal_truth(50, spread=spread, seed=seed)
        fitted = fit(balanced_study(truth, rounds=rounds, seed=seed))
        claimed.append(empirical_bayes(fitted))
        real.append(np.corrcoef(truth, fitted.theta)[0, 1] ** 2)
    assert np.mean(claimed) == pytest.approx(np.mean(real), abs=0.03)


def test_reliability_does_not_depend_on_the_prior_of_the_fit():
    comparisons = balanced_study(np.zeros(20), rounds=6, seed=3)
    assert empirical_bayes(fit(comparisons, prior_sd=3.0)) == empirical_bayes(fit(comparisons))


def test_the_interval_holds_the_estimate_and_is_narrower_at_a_lower_level():
    fitted = fit(balanced_study(normal_truth(24, spread=1.8, seed=7), rounds=12, seed=7))
    low, high = reliability_interval(fitted)
    assert 0.5 < low < empirical_bayes(fitted) < high < 1.0
    narrow = reliability_interval(fitted, level=0.5)
    assert low < narrow[0] < narrow[1] < high


@pytest.mark.parametrize(("n", "rounds", "spread"), [(12, 16, 3.0), (30, 6, 1.0), (10, 3, 1.0)])
def test_the_interval_holds_how_far_this_study_found_the_true_order(n, rounds, spread):
    """What is not known of σ would be too little: chance moves r² of each study, too."""
    held, below = [], []
    for seed in range(40):
        truth = normal_truth(n, spread=spread, seed=seed)
        fitted = fit(balanced_study(truth, rounds=rounds, seed=seed))
        low, high = reliability_interval(fitted)
        real = np.corrcoef(truth, fitted.theta)[0, 1] ** 2
        held.append(low <= real <= high)
        below.append(low <= real)
    assert sum(held) >= 32
    assert sum(below) >= 34


def test_the_interval_is_that_of_the_true_orders_which_the_judgements_leave_possible():
    """By brute force: σ on a fine grid by its Laplace evidence, true positions drawn from each posterior."""
    fitted = fit(balanced_study(normal_truth(30, spread=1.5, seed=4), rounds=12, seed=4))
    generator, drawn, weights = np.random.default_rng(1), [], []
    for log_sd in np.linspace(-0.4, 1.4, 31):
        one = fit(fitted.comparisons, prior_sd=float(np.exp(log_sd)))
        root = np.linalg.cholesky(one.covariance + 1e-9 * np.eye(30))
        orders = one.theta + generator.standard_normal((2_000, 30)) @ root.T
        drawn.append(np.square(pearson_of_each(orders, fitted.theta)))
        weights.append(np.full(2_000, one.log_evidence))
    squared, weight = np.concatenate(drawn), np.exp(np.concatenate(weights) - np.max(weights))
    order = np.argsort(squared)
    below = np.cumsum(weight[order]) / weight.sum()
    low, middle, high = np.arctanh(np.sqrt(np.interp([0.05, 0.5, 0.95], below, squared[order])))
    about = np.arctanh(np.sqrt(empirical_bayes(fitted)))
    by_hand = np.tanh([about + low - middle, about + high - middle]) ** 2
    assert reliability_interval(fitted) == pytest.approx(by_hand, abs=0.008)


def test_many_items_have_the_interval_that_few_have():
    """Where H⁻¹ is only sketched, the interval is that of the exact one, to a twentieth of its width."""
    fitted = fit(large_study(essays=300, comparisons=3_000, seed=3)[0])
    posterior = fitted.posterior
    summit = likeliest_prior(posterior, hyperprior=False, log_sd=0.0, tolerance=1e-6)
    found = nearby(posterior, summit, log_sds=[math.log(fitted.prior_sd) + step for step in (-0.1, 0.0, 0.1)])
    for place, log_sd in enumerate(found.log_sd.tolist()):
        one = fit(fitted.comparisons, prior_sd=math.exp(log_sd))
        assert found.trace[place] == pytest.approx(np.trace(one.covariance), rel=0.01)
        assert found.squares[place] == pytest.approx(np.square(one.covariance).sum(), rel=0.03)
        assert found.along[place] == pytest.approx(one.theta @ one.covariance @ one.theta, rel=0.01)
    low, high = reliability_interval(fitted)
    assert low < empirical_bayes(fitted) < high
    assert 0.02 < high - low < 0.05


def test_more_judgements_of_the_same_pairs_narrow_the_interval():
    once = balanced_study(normal_truth(20, spread=1.5, seed=2), rounds=8, seed=2)
    often = replace(once, weight=once.weight * 10.0)
    spans = [high - low for low, high in (reliability_interval(fit(it)) for it in (once, often))]
    assert spans[1] < spans[0] / 2


def test_where_nothing_is_repeatable_the_interval_begins_at_none_and_ends_where_chance_does():
    """Of six items two orders that have nothing to do with each other have r² above .3 in a quarter of cases."""
    fitted = fit(balanced_study(np.zeros(6), rounds=5, seed=1))
    assert empirical_bayes(fitted) < 0.01
    low, high = reliability_interval(fitted)
    assert low == 0.0
    assert 0.3 < high < 0.95


def test_judgements_that_hardly_say_how_much_items_differ_leave_nearly_everything_possible():
    """Six judgements of seven items: the most likely σ is that of a judge who sees much."""
    rows = [("a", "b", 1.0), ("b", "c", 1.0), ("c", "d", 1.0), ("a", "d", 1.0), ("d", "e", 0.0), ("e", "f", 1.0)]
    fitted = fit(comparisons_from("abcdefg", rows))
    assert empirical_bayes(fitted) > 0.4
    low, high = reliability_interval(fitted)
    assert low < 0.05
    assert high > 0.6


def test_a_coin_toss_judge_of_many_items_has_an_interval_near_none():
    for seed in range(5):
        fitted = fit(balanced_study(np.zeros(60), rounds=20, seed=seed))
        low, high = reliability_interval(fitted)
        assert low <= empirical_bayes(fitted) <= high
        assert low < 0.05
        assert 0.03 < high < 0.5


def test_judgements_that_never_contradict_the_order_leave_an_interval():
    order = [str(index) for index in range(8)]
    rows = [(a, b, 1.0) for place, a in enumerate(order) for b in order[place + 1 :]]
    low, high = reliability_interval(fit(comparisons_from(order, rows + [(b, a, 0.0) for a, b, _ in rows])))
    assert 0.4 < low < high <= 1.0


def test_fewer_than_two_items_have_no_reliability():
    alone = fit(comparisons_from(["only"], []))
    assert empirical_bayes(alone) == 0.0
    assert reliability_interval(alone) == (0.0, 0.0)
    assert separation(alone) is None


def test_separation_is_undefined_across_components_and_without_variation():
    assert separation(fit(comparisons_from("abcd", [("a", "b", 1.0), ("c", "d", 1.0)]))) is None
    assert separation(fit(comparisons_from("ab", [("a", "b", 1.0), ("b", "a", 1.0)]))) is None


def test_separation_is_the_textbook_formula():
    """SSR = 1 − mean(SE²)/var(θ̂), the variance with n − 1: transcribed for a balanced design, ε = .3, no position."""
    won = np.array([[0, 3, 3, 4], [1, 0, 2, 3], [1, 2, 0, 3], [0, 1, 1, 0]], dtype=float)  # of 4 judgements a pair
    rows = [
        ("abcd"[i], "abcd"[j], outcome)
        for i in range(4)
        for j in range(i + 1, 4)
        for outcome, times in ((1.0, int(won[i, j])), (0.0, int(won[j, i])))
        for _ in range(times)
    ]
    each, edge = 12.0, 0.3
    score = edge + (each - 2 * edge) * won.sum(axis=1) / each
    theta, information = np.zeros(4), np.eye(4)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(theta[None, :] - theta[:, None]))
        spread = 4.0 * p * (1.0 - p) * (1.0 - np.eye(4))
        information = np.diag(spread.sum(axis=1)) - spread
        expected = 4.0 * (p * (1.0 - np.eye(4))).sum(axis=1)
        theta = theta + np.linalg.pinv(information) @ (score - expected)
    by_hand = 1.0 - np.diag(np.linalg.pinv(information)).mean() / theta.var(ddof=1)
    ours = separation(fit(comparisons_from("abcd", rows), position_effect=False))
    assert ours == pytest.approx(by_hand, abs=1e-3)
    assert abs(by_hand - (1.0 - np.diag(np.linalg.pinv(information)).mean() / theta.var())) > 0.05
