"""Ties as answers against the published likelihood under other optimisers, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from statsmodels.tools.numdiff import approx_hess

from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.model.davidson import MOST_ITEMS, fit_ties
from eng5_runner.measure.model.prior_scale import TYPICAL_SD

CHANCES = {"log_ties": -0.4, "advantage": 0.3}


def tied_study(truth, *, each, seed):
    """Every ordered pair so many times, by a judge who may say "equal"."""
    generator = np.random.default_rng(seed)
    rows = []
    for i, first in enumerate(truth):
        for j, second in enumerate(truth):
            if i == j:
                continue
            eta = first - second + CHANCES["advantage"]
            told = np.array([math.exp(eta / 2), math.exp(CHANCES["log_ties"]), math.exp(-eta / 2)])
            outcomes = generator.choice([1.0, 0.5, 0.0], size=each, p=told / told.sum())
            rows += [(str(i), str(j), float(outcome)) for outcome in outcomes]
    return comparisons_from([str(index) for index in range(len(truth))], rows)


def cost(params, study):
    """Minus Davidson's (1970) log likelihood as he writes it, the first item held at 0: θ, δ, log ν."""
    pi = np.exp(np.concatenate([[0.0], params[:-2]]))
    first, second = pi[study.first] * np.exp(params[-2]), pi[study.second]
    tie = np.exp(params[-1]) * np.sqrt(first * second)
    chosen = np.select([study.outcome == 1.0, study.outcome == 0.0], [first, second], tie)
    return -float((study.weight * np.log(chosen / (first + second + tie))).sum())


def test_without_a_prior_it_is_the_maximum_of_davidsons_likelihood():
    """The mode by BFGS and the errors by statsmodels' numerical Hessian, of the formula as it was published."""
    study = tied_study([-1.2, -0.3, 0.2, 1.3], each=12, seed=1)
    top = minimize(cost, np.zeros(5), args=(study,), method="BFGS", options={"gtol": 1e-7})
    covariance = np.linalg.inv(approx_hess(top.x, cost, args=(study,)))
    ours = fit_ties(study, prior_sd=1e3)
    pi = np.concatenate([[0.0], top.x[:3]])
    assert_allclose(ours.theta, pi - pi.mean(), atol=1e-4)
    assert ours.position_effect == pytest.approx(top.x[3], abs=1e-4)
    assert ours.log_ties == pytest.approx(top.x[4], abs=1e-4)
    assert ours.log_likelihood == pytest.approx(-top.fun, abs=1e-5)
    centring = np.vstack([np.zeros(3), np.eye(3)]) - np.ones((4, 3)) / 4
    assert_allclose(ours.standard_errors, np.sqrt(np.diag(centring @ covariance[:3, :3] @ centring.T)), rtol=2e-3)


def test_the_truth_is_found_within_its_errors():
    truth = np.random.default_rng(7).normal(0.0, 1.5, 12)
    found = fit_ties(tied_study(truth, each=4, seed=7))
    off = (found.theta - (truth - truth.mean())) / found.standard_errors
    assert 0.5 < math.sqrt(np.mean(off**2)) < 1.6
    assert found.log_ties == pytest.approx(CHANCES["log_ties"], abs=0.3)
    assert found.equals_tie == pytest.approx(1 / (1 + 2 * math.exp(-found.log_ties)))
    assert found.theta.sum() == pytest.approx(0.0, abs=1e-9)
    assert 0.8 < found.prior_sd < 2.6


def test_the_order_of_the_two_sides_is_the_advantages_alone():
    study = tied_study([-1.0, 0.0, 0.4, 1.0], each=8, seed=3)
    rows = [
        (study.items[b], study.items[a], 1.0 - y)
        for a, b, y, w in zip(study.first, study.second, study.outcome, study.weight, strict=True)
        for _ in range(int(w))
    ]
    ours, turned = fit_ties(study), fit_ties(comparisons_from(study.items, rows))
    assert_allclose(turned.theta, ours.theta, atol=1e-6)
    assert turned.position_effect == pytest.approx(-ours.position_effect, abs=1e-6)
    assert fit_ties(study, position_effect=False).position_effect == pytest.approx(0.0, abs=1e-6)


def test_undefeated_and_winless_items_stay_finite():
    rows = [("a", "b", 1.0), ("a", "c", 1.0), ("b", "c", 0.5), ("d", "c", 0.0), ("d", "b", 0.0)]
    found = fit_ties(comparisons_from("abcde", rows))
    assert np.isfinite(found.theta).all() and np.isfinite(found.standard_errors).all()
    assert found.items[int(found.theta.argmax())] == "a"


def test_without_ties_or_with_nothing_else_it_has_no_say():
    assert fit_ties(comparisons_from("ab", [("a", "b", 1.0)])) is None
    assert fit_ties(comparisons_from("ab", [("a", "b", 0.5)])) is None
    many = [str(index) for index in range(MOST_ITEMS + 1)]
    assert fit_ties(comparisons_from(many, [("0", "1", 0.5), ("0", "1", 1.0)])) is None
    with pytest.raises(ValueError):
        fit_ties(comparisons_from("ab", [("a", "b", 0.25)]))


def test_a_spread_of_which_judgements_say_nothing_is_the_usual_one():
    found = fit_ties(comparisons_from("abcdef", [("a", "b", 1.0), ("c", "d", 0.5)]))
    assert found.prior_sd == pytest.approx(TYPICAL_SD, rel=0.1)
