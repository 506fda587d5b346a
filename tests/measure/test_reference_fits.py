"""Fits agree to 1e-6 with R (BradleyTerry2) and with an independent Newton iteration; see the data files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from tests.support.studies import by_names, reference, table_rows

NO_PRIOR = 1e4
CLOSE = 1e-6


def toy_rows():
    return [(str(a), str(b), 1.0) for a, b in reference("toy4")["comparisons_winner_loser"]]


def deviance(table, log_likelihood):
    """R's deviance of a binomial table, against the model that fits each cell."""
    saturated = sum(wins * math.log(wins / (won + lost)) for _, _, won, lost in table for wins in (won, lost) if wins)
    return 2.0 * (saturated - log_likelihood)


@pytest.mark.parametrize("sd", [1, 2, 5])
def test_seven_comparisons_of_four_items(sd):
    expected = reference("toy4")["results"][f"sd{sd}"]
    fitted = fit(comparisons_from("0123", toy_rows()), prior_sd=sd, position_effect=False)
    assert fitted.converged
    assert_allclose(fitted.theta, expected["theta"], atol=CLOSE)
    assert_allclose(fitted.standard_errors, expected["se_sumzero"], atol=CLOSE)
    # H⁻¹ itself has σ²/n everywhere on top: the mean of all positions, which the judgements leave open.
    assert_allclose(fitted.covariance + sd**2 / 4, expected["cov"], atol=CLOSE)
    assert_allclose(np.sqrt(np.diag(fitted.covariance) + sd**2 / 4), expected["se"], atol=CLOSE)


def test_each_comparison_twice():
    expected = reference("toy4")["sd2_every_comparison_doubled"]
    fitted = fit(comparisons_from("0123", toy_rows() * 2), prior_sd=2.0, position_effect=False)
    assert_allclose(fitted.theta, expected["theta"], atol=CLOSE)


def test_citations_by_maximum_likelihood():
    case = reference("citations")
    fitted = fit(comparisons_from(case["items"], table_rows(case["table"])), prior_sd=NO_PRIOR, position_effect=False)
    assert_allclose(fitted.theta, by_names(case["ml"]["theta"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.standard_errors, by_names(case["ml"]["se"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.covariance, case["ml"]["cov"], atol=CLOSE)
    assert deviance(case["table"], fitted.log_likelihood) == pytest.approx(case["deviance"], abs=1e-5)


@pytest.mark.parametrize("sd", [1, 2])
def test_citations_with_a_prior(sd):
    case = reference("citations")
    expected = case[f"map_sd{sd}"]
    fitted = fit(comparisons_from(case["items"], table_rows(case["table"])), prior_sd=sd, position_effect=False)
    assert_allclose(fitted.theta, by_names(expected["theta"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.standard_errors, by_names(expected["se_sumzero"], case["items"]), atol=CLOSE)


@pytest.mark.parametrize(("case_name", "position_effect"), [("ml_no_order", False), ("ml_order", True)])
def test_baseball_by_maximum_likelihood_with_and_without_home_advantage(case_name, position_effect):
    case = reference("baseball")
    expected = case[case_name]
    comparisons = comparisons_from(case["items"], table_rows(case["table"]))
    fitted = fit(comparisons, prior_sd=NO_PRIOR, position_effect=position_effect)
    assert_allclose(fitted.theta, by_names(expected["theta"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.standard_errors, by_names(expected["se"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.covariance, expected["cov"], atol=CLOSE)
    assert deviance(case["table"], fitted.log_likelihood) == pytest.approx(expected["deviance"], abs=1e-5)
    if position_effect:
        assert fitted.position_effect == pytest.approx(expected["order"], abs=CLOSE)
        assert fitted.position_effect_se == pytest.approx(expected["order_se"], abs=CLOSE)
    else:
        assert fitted.position_effect_se is None


def test_baseball_with_a_prior_and_home_advantage():
    case = reference("baseball")
    expected = case["map_sd2"]
    fitted = fit(comparisons_from(case["items"], table_rows(case["table"])), prior_sd=2.0)
    assert_allclose(fitted.theta, by_names(expected["theta"], case["items"]), atol=CLOSE)
    assert_allclose(fitted.standard_errors, by_names(expected["se_sumzero"], case["items"]), atol=CLOSE)
    assert fitted.log_likelihood == pytest.approx(expected["loglik"], abs=CLOSE)
    assert fitted.position_effect == pytest.approx(expected["order"], abs=CLOSE)
    assert fitted.position_effect_se == pytest.approx(expected["order_se"], abs=CLOSE)
