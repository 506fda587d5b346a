"""With many items the fit is the same one, in time linear in the comparisons, and the same to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.sketch import centred_variances, mean_variance
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from tests.support.studies import large_study

MEDIUM = {"essays": 300, "comparisons": 3_000}  # more than are fitted with dense matrices
LARGE = {"essays": 1_600, "comparisons": 16_000}  # more than have exact standard errors


def by_the_book(fitted):
    """The centred covariance of (θ, δ) by one explicit inverse."""
    data, n = fitted.comparisons, len(fitted.items)
    rows = np.zeros((data.first.size, n + 1))
    rows[np.arange(data.first.size), data.first] = 1.0
    rows[np.arange(data.first.size), data.second] -= 1.0
    rows[:, -1] = 1.0
    chance = 1.0 / (1.0 + np.exp(-rows @ np.append(fitted.theta, fitted.position_effect)))
    hessian = (rows * (data.weight * chance * (1.0 - chance))[:, None]).T @ rows
    hessian[np.diag_indices(n)] += fitted.prior_sd**-2
    hessian[-1, -1] += 1e-6
    centre = np.eye(n + 1) - np.pad(np.full((n, n), 1.0 / n), (0, 1))
    return centre @ np.linalg.inv(hessian) @ centre, hessian


def log_evidence(fitted):
    _, hessian = by_the_book(fitted)
    hyperprior = -(np.log(fitted.prior_sd / 1.5) ** 2) / 2.0
    penalty = np.square(fitted.theta).sum() / (2.0 * fitted.prior_sd**2)
    spread = len(fitted.items) * np.log(fitted.prior_sd)
    return fitted.log_likelihood - penalty - spread - np.linalg.slogdet(hessian)[1] / 2.0 + hyperprior


@pytest.mark.parametrize("size", [{"essays": 60, "comparisons": 600}, MEDIUM])
def test_errors_are_those_of_the_explicit_inverse(size):
    fitted = fit(large_study(**size, seed=1)[0], prior_sd=1.5)
    expected, _ = by_the_book(fitted)
    assert fitted.converged
    assert_allclose(fitted.covariance, expected[:-1, :-1], atol=1e-9)
    assert_allclose(fitted.standard_errors, np.sqrt(np.diag(expected)[:-1]), rtol=1e-7)
    assert fitted.position_effect_se == pytest.approx(np.sqrt(expected[-1, -1]), rel=1e-6)
    assert_allclose(fitted.covariance_among([5, 2, 7]), expected[np.ix_([5, 2, 7], [5, 2, 7])], atol=1e-9)


@pytest.mark.parametrize("size", [{"essays": 60, "comparisons": 600}, MEDIUM])
def test_the_spread_is_where_the_laplace_evidence_is_greatest(size):
    study, _ = large_study(**size, seed=2)
    log_sd = np.log(fit(study).prior_sd)
    low, top, high = (log_evidence(fit(study, prior_sd=float(np.exp(log_sd + by)))) for by in (-0.05, 0.0, 0.05))
    parabola = log_sd + 0.025 * (low - high) / (low - 2.0 * top + high)
    assert parabola == pytest.approx(log_sd, abs=2e-3)


def test_standard_errors_of_many_are_near_the_exact_ones():
    fitted = fit(large_study(**LARGE, seed=3)[0])
    ratio = fitted.standard_errors / np.sqrt(np.diag(fitted.covariance))
    assert np.abs(ratio - 1.0).max() < 0.02
    assert np.sqrt(np.mean(np.square(ratio - 1.0))) < 0.005
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.001)
    assert fitted.mean_variance == pytest.approx(np.mean(np.diag(fitted.covariance)), rel=2e-3)


def test_intervals_of_many_are_near_those_of_the_exact_inverse():
    study, _ = large_study(essays=1_600, comparisons=16_000, seed=3)
    few = list(zip(study.first.tolist(), study.second.tolist(), study.outcome.tolist(), strict=True))
    names = study.items
    fitted = fit(study, prior_sd=1.8)
    padded = fit(
        comparisons_from(names[:1500], [(names[a], names[b], y) for a, b, y in few if max(a, b) < 1500]), prior_sd=1.8
    )
    for some in (fitted, padded):
        shift = some.posterior_mean - some.theta
        assert np.corrcoef(shift, some.theta)[0, 1] > 0.8
        assert 0.02 < np.polyfit(some.theta, shift, 1)[0] < 0.15


def test_some_of_a_large_covariance_is_exact_without_the_rest():
    study, _ = large_study(**LARGE, seed=3)
    places = [1599, 3, 700]
    some = fit(study, prior_sd=1.5).covariance_among(places)
    assert_allclose(some, fit(study, prior_sd=1.5).covariance[np.ix_(places, places)], atol=1e-8)


def test_standard_errors_of_many_in_parts_that_nothing_links():
    rows = [(f"a{i}", f"a{(i + step) % 200}", float(i % 3 > 0)) for i in range(200) for step in (1, 3, 7, 20)]
    rows += [(f"b{i}", f"b{(i + step) % 90}", float(i % 4 > 1)) for i in range(90) for step in (1, 2, 9)]
    items = [f"a{i}" for i in range(200)] + [f"b{i}" for i in range(90)] + ["alone"]
    fitted = fit(comparisons_from(items, rows), prior_sd=1.2)
    assert fitted.components == 3
    estimated = np.sqrt(centred_variances(fitted.curvature))
    assert_allclose(estimated, fitted.standard_errors, rtol=0.02)
    assert mean_variance(fitted.curvature) == pytest.approx(np.mean(np.square(fitted.standard_errors)), rel=4e-3)
    assert estimated[-1] == pytest.approx(1.2 * np.sqrt(1.0 - 1.0 / 291), rel=1e-6)


@pytest.mark.parametrize("size", [MEDIUM, LARGE])
def test_the_order_of_many_rows_leaves_no_trace_in_any_bit(size):
    _, rows = large_study(**size, seed=4)
    items = [str(index) for index in range(size["essays"])]
    named = [(str(winner), str(loser), 1.0) for winner, loser in rows]
    one, other = (fit(comparisons_from(items, some)) for some in (named, named[::-1]))
    assert one.theta.tobytes() == other.theta.tobytes()
    assert one.standard_errors.tobytes() == other.standard_errors.tobytes()


def test_ten_thousand_items_are_fitted():
    study, _ = large_study(essays=10_000, comparisons=200_000, seed=5)
    fitted = fit(study)
    assert fitted.converged
    assert fitted.prior_sd == pytest.approx(1.8, abs=0.05)
    assert np.isfinite(fitted.standard_errors).all()
    assert empirical_bayes(fitted) == pytest.approx(0.938, abs=0.005)


def test_reliability_of_many_items():
    study, _ = large_study(essays=400, comparisons=4_000, seed=6)
    fitted = fit(study)
    share = 1.0 - np.trace(fitted.covariance) / (399 * fitted.prior_sd**2)
    assert empirical_bayes(fitted) == pytest.approx(share, abs=0.003)
    low, high = reliability_interval(fitted)
    assert low < empirical_bayes(fitted) < high
    assert separation(fitted) == pytest.approx(empirical_bayes(fitted), abs=0.06)


SCRIPT = """
import numpy as np
from eng5_runner.measure.model.bradley_terry import fit
from tests.support.studies import large_study
for essays, exact in ((90, False), (300, True)):
    fitted = fit(large_study(essays=essays, comparisons=10 * essays, seed=7)[0])
    theta = fitted.theta if exact else np.round(fitted.theta, 9) + 0.0
    print(theta.tobytes().hex(), round(fitted.prior_sd, 9), np.round(fitted.standard_errors, 9).tobytes().hex())
"""


def test_neither_threads_nor_the_hash_seed_change_a_digit():
    told = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(told) == 1
