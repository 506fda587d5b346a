"""The lapse rate against simulated judges who sometimes do not look, and against scipy's own optimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.lapse import MOST_ITEMS, lapse_rate
from tests.support.studies import balanced_rounds, balanced_study, normal_truth


def study_with_lapses(truth, *, rounds, rate, seed):
    """Balanced rounds by a judge of the model who tosses a coin at this rate."""
    generator = np.random.default_rng(seed)
    items = [str(index) for index in range(len(truth))]
    place = dict(zip(items, truth, strict=True))
    rows = []
    for pair in (pair for each in balanced_rounds(items, rounds=rounds, seed=seed) for pair in each):
        chance = rate / 2 + (1 - rate) * expit(place[pair.first] - place[pair.second])
        rows.append((pair.first, pair.second, float(generator.random() < chance)))
    return comparisons_from(items, rows)


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_the_rate_is_found_on_average_and_its_interval_holds_it(rate):
    found = [
        lapse_rate(fit(study_with_lapses(normal_truth(24, spread=2.0, seed=seed), rounds=36, rate=rate, seed=seed)))
        for seed in range(8)
    ]
    assert np.mean([one.rate for one in found]) == pytest.approx(rate, abs=0.06)
    assert sum(one.interval[0] <= rate <= one.interval[1] for one in found) >= 6
    assert all(one.interval[0] <= one.rate + 0.02 and one.rate - 0.02 <= one.interval[1] for one in found)


def test_it_is_where_scipys_marginal_likelihood_is_highest():
    """The same model written anew: mode by BFGS, the information by finite differences of its gradient."""
    fitted = fit(study_with_lapses(normal_truth(8, spread=2.0, seed=5), rounds=40, rate=0.25, seed=5))
    data, n = fitted.comparisons, 8

    def marginal(rate, log_sd):
        def cost(x):
            won = rate / 2 + (1 - rate) * expit(x[data.first] - x[data.second] + x[-1])
            value = (data.weight * (data.outcome * np.log(won) + (1 - data.outcome) * np.log(1 - won))).sum()
            return -value + (x[:-1] ** 2).sum() / 2 / math.exp(2 * log_sd) + 1e-6 * x[-1] ** 2 / 2

        top = minimize(cost, np.append(fitted.theta, 0.0), method="BFGS", options={"gtol": 1e-6})
        p = expit(top.x[data.first] - top.x[data.second] + top.x[-1])
        won = rate / 2 + (1 - rate) * p
        told = data.weight * ((1 - rate) * p * (1 - p)) ** 2 / (won * (1 - won))
        design = np.zeros((data.first.size, n + 1))
        for row, (i, j) in enumerate(zip(data.first, data.second, strict=True)):
            design[row, i], design[row, j], design[row, n] = 1, -1, 1
        information = design.T @ (told[:, None] * design) + np.diag([math.exp(-2 * log_sd)] * n + [1e-6])
        hyper = -0.5 * ((log_sd - math.log(1.5)) / 0.5) ** 2
        return -top.fun - n * log_sd - 0.5 * np.linalg.slogdet(information)[1] + hyper

    rates = np.linspace(0.0, 0.5, 26)
    spreads = math.log(fitted.prior_sd) + np.array([-0.2, 0.05, 0.3, 0.55, 0.8])
    profile = np.array([max(marginal(rate, spread) for spread in spreads) for rate in rates])
    found = lapse_rate(fitted)
    assert found.rate == pytest.approx(rates[profile.argmax()], abs=0.03)
    inside = rates[profile >= profile.max() - 1.353]
    assert found.interval == pytest.approx((inside[0], inside[-1]), abs=0.05)


def test_too_many_items_and_no_judgement_have_none():
    many = balanced_study(normal_truth(MOST_ITEMS + 1, spread=1.0, seed=1), rounds=4, seed=1)
    assert lapse_rate(fit(many)) is None
    assert lapse_rate(fit(comparisons_from("abc", []))) is None
