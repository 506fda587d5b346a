"""Measures of agreement equal those of scipy and scikit-learn on one worked example, and are None where undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from eng5_runner.measure.quality.alignment import (
    adjacent_agreement,
    bias,
    exact_agreement,
    kendall_tau_b,
    spearman,
)
from eng5_runner.measure.quality.resampling import (
    bootstrap_interval,
    kendall_tau_b_of_each,
    mean_absolute_error_of_each,
    of_one,
    weighted_kappa_of_each,
)
from tests.support.studies import reference

CASE = reference("metrics")


def test_the_worked_example():
    expert, projected, theta = CASE["expert"], CASE["projected"], CASE["theta"]
    assert kendall_tau_b(theta, expert) == pytest.approx(CASE["tau_b"], abs=1e-9)
    assert spearman(theta, expert) == pytest.approx(CASE["spearman"], abs=1e-9)
    assert of_one(weighted_kappa_of_each, (expert, projected)) == pytest.approx(CASE["qwk_labels_0_8"], abs=1e-9)
    assert exact_agreement(expert, projected) == CASE["exact"]
    assert adjacent_agreement(expert, projected) == CASE["adjacent"]
    assert of_one(mean_absolute_error_of_each, (expert, projected)) == CASE["mae"]
    assert bias(expert, projected) == CASE["bias"]


def test_bias_is_positive_where_the_projection_is_generous():
    assert bias([1, 2, 3], [2, 2, 5]) == 1.0


def test_tau_b_reaches_one_with_tied_grades_when_positions_tie_alike():
    assert kendall_tau_b([0.0, 1.0, 1.0, 2.0], [0, 1, 1, 2]) == pytest.approx(1.0)


def test_kappa_is_below_zero_where_graders_agree_less_than_by_chance():
    assert of_one(weighted_kappa_of_each, ([0, 1, 1], [1, 0, 1])) == pytest.approx(-0.5)
    assert of_one(weighted_kappa_of_each, ([8, 0], [8, 0])) == 1.0


@pytest.mark.parametrize("pair", [([], []), ([1.0], [1]), ([1.0, 1.0], [0, 1]), ([0.0, 1.0], [2, 2])])
def test_correlations_without_variation_are_undefined(pair):
    assert kendall_tau_b(*pair) is None
    assert spearman(*pair) is None


def test_kappa_of_one_grade_for_all_is_undefined():
    assert of_one(weighted_kappa_of_each, ([3, 3], [3, 3])) is None


def test_sides_of_different_length_are_refused():
    for measure in (kendall_tau_b, spearman, exact_agreement, adjacent_agreement, bias):
        with pytest.raises(ValueError):
            measure([1, 2], [1])


def test_an_agreement_about_no_essays_is_refused():
    with pytest.raises(ValueError):
        exact_agreement([], [])


@pytest.mark.parametrize("essays", [2, 7, 30, 250])
def test_correlations_are_those_of_scipy_with_ties_on_both_sides(essays):
    generator = np.random.default_rng(essays)
    for _ in range(20):
        one = np.round(generator.normal(size=essays), 1).tolist()
        other = generator.integers(0, 4, essays).astype(float).tolist()
        if min(len(set(one)), len(set(other))) < 2:
            continue
        assert kendall_tau_b(one, other) == pytest.approx(kendalltau(one, other).statistic)
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)


def test_positions_that_sum_to_zero_are_moved_by_their_own_covariance():
    """Two essays' worth of certainty: with a covariance of nearly nothing the interval is that without any."""
    theta, grades = [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], [0.0, 1.0, 1.0, 2.0, 2.0, 3.0]
    centring = np.eye(6) - np.ones((6, 6)) / 6
    still = bootstrap_interval(kendall_tau_b_of_each, (theta, grades), seed=4, covariance=1e-12 * centring)
    assert still is not None and still[1] == 1.0
    wide = bootstrap_interval(kendall_tau_b_of_each, (theta, grades), seed=4, covariance=4.0 * centring)
    assert wide is not None and wide[0] < still[0] - 0.3
