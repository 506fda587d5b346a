"""The formulas are near the method study's printed figures, invert each other, and agree with simulation."""

from __future__ import annotations

import numpy as np
import pytest

from eng5_runner.measure.design.planning import (
    comparisons_for_reliability,
    comparisons_for_se,
    error_variance,
    expected_precision,
)
from eng5_runner.measure.model.bradley_terry import fit
from tests.support.studies import balanced_study, normal_truth


@pytest.mark.parametrize(
    ("spread", "k", "reliability", "se"),
    [
        (1.8, 10, 0.793, 0.82),
        (1.8, 20, 0.891, 0.595),
        (1.8, 30, 0.926, None),
        (1.0, 20, 0.780, None),
        (3.0, 20, 0.938, None),
    ],
)
def test_the_printed_predictions_are_a_little_higher(spread, k, reliability, se):
    """They take the mean information for everyone's; essays with less of it lose more than others gain by more."""
    expected = expected_precision(essays=60, comparisons=30 * k, spread=spread)
    assert expected.per_essay == k
    assert reliability - 0.021 < expected.reliability < reliability
    assert se is None or se < expected.se < 1.06 * se


@pytest.mark.parametrize(
    ("spread", "k", "reliability"),
    [(4.0, 8, 0.843), (4.0, 20, 0.934), (5.0, 10, 0.885), (6.0, 8, 0.868), (6.0, 10, 0.892), (6.0, 20, 0.944)],
)
def test_where_few_partners_are_near_the_foretold_reliability_is_that_of_simulations(spread, k, reliability):
    """The squared correlation with the truth in 100 simulated studies a case, of 60 essays."""
    expected = expected_precision(essays=60, comparisons=30 * k, spread=spread).reliability
    assert expected == pytest.approx(reliability, abs=0.008)


def test_the_error_of_the_mean_information_is_the_printed_one():
    for spread, k, reliability in ((1.8, 10, 0.793), (1.8, 20, 0.891), (3.0, 20, 0.938)):
        error = error_variance(k, spread=spread)
        assert error is not None and spread**2 / (spread**2 + error) == pytest.approx(reliability, abs=6e-4)


@pytest.mark.parametrize(
    ("spread", "per_essay"),
    [(1.0, (14, 23, 50, 103)), (1.5, (9, 13, 28, 58)), (1.8, (7, 11, 22, 46)), (2.5, (5, 8, 16, 31))],
)
def test_it_takes_more_judgements_than_the_printed_table_says(spread, per_essay):
    for reliability, k in zip((0.7, 0.8, 0.9, 0.95), per_essay, strict=True):
        needed = comparisons_for_reliability(essays=1000, spread=spread, reliability=reliability)
        assert k - 1.0 < 2 * needed / 1000 < 1.25 * k + 1.0


@pytest.mark.parametrize("essays", [2, 31, 400])
@pytest.mark.parametrize("reliability", [0.05, 0.5, 0.9, 0.99])
def test_the_fewest_comparisons_reach_the_reliability_and_one_less_does_not(essays, reliability):
    needed = comparisons_for_reliability(essays=essays, spread=1.5, reliability=reliability)
    assert expected_precision(essays=essays, comparisons=needed, spread=1.5).reliability >= reliability
    assert expected_precision(essays=essays, comparisons=needed - 1, spread=1.5).reliability < reliability


def test_the_fewest_comparisons_reach_the_standard_error_and_one_less_does_not():
    needed = comparisons_for_se(essays=60, spread=1.8, se=0.5)
    assert expected_precision(essays=60, comparisons=needed, spread=1.8).se <= 0.5
    assert expected_precision(essays=60, comparisons=needed - 1, spread=1.8).se > 0.5


def test_two_judgements_an_essay_or_fewer_place_nothing():
    for comparisons in (0, 10, 60):
        expected = expected_precision(essays=60, comparisons=comparisons, spread=1.8)
        assert (expected.se, expected.reliability) == (1.8, 0.0)


@pytest.mark.parametrize(("spread", "k"), [(1.0, 20), (1.8, 10), (1.8, 20), (4.0, 10), (6.0, 20)])
def test_the_prediction_agrees_with_simulated_studies(spread, k):
    real = []
    for seed in range(20):
        truth = normal_truth(60, spread=spread, seed=100 + seed)
        real.append(np.corrcoef(truth, fit(balanced_study(truth, rounds=k, seed=seed)).theta)[0, 1] ** 2)
    expected = expected_precision(essays=60, comparisons=30 * k, spread=spread)
    assert expected.reliability == pytest.approx(np.mean(real), abs=0.03)


@pytest.mark.parametrize(
    "call",
    [
        lambda: expected_precision(essays=1, comparisons=5, spread=1.0),
        lambda: expected_precision(essays=5, comparisons=-1, spread=1.0),
        lambda: expected_precision(essays=5, comparisons=5, spread=0.0),
        lambda: expected_precision(essays=5, comparisons=5, spread=float("inf")),
        lambda: comparisons_for_reliability(essays=5, spread=1.0, reliability=1.0),
        lambda: comparisons_for_reliability(essays=5, spread=1.0, reliability=0.0),
        lambda: comparisons_for_se(essays=5, spread=1.0, se=1.0),
        lambda: comparisons_for_se(essays=5, spread=1.0, se=0.0),
    ],
)
def test_senseless_plans_are_refused(call):
    with pytest.raises(ValueError):
        call()
