"""The fit equals what other people's programs make of the same data."""

from __future__ import annotations

import choix
import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.clustered import errors_by_pair
from tests.support.studies import balanced_study, large_study, normal_truth


def design(data, *, items):
    """One row a judgement: +1 for the first, -1 for the second."""
    rows = np.zeros((data.first.size, items))
    rows[np.arange(data.first.size), data.first] = 1.0
    rows[np.arange(data.first.size), data.second] = -1.0
    return rows


@pytest.mark.parametrize("essays", [40, 300])
@pytest.mark.parametrize("sd", [0.8, 2.0])
def test_scikit_learn_with_a_penalty_of_the_same_size(essays, sd):
    study, _ = large_study(essays=essays, comparisons=10 * essays, seed=8)
    model = LogisticRegression(C=sd**2, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    model.fit(design(study, items=essays), study.outcome)
    fitted = fit(study, prior_sd=sd)
    assert_allclose(fitted.theta, model.coef_[0], atol=1e-6)
    assert fitted.position_effect == pytest.approx(float(model.intercept_[0]), abs=1e-5)


@pytest.mark.parametrize("essays", [40, 300])
def test_choix_whose_alpha_is_half_a_precision(essays):
    """Its documentation says 1/σ²; its code penalises α Σ θ², which is a prior of variance 1/(2 α)."""
    study, rows = large_study(essays=essays, comparisons=10 * essays, seed=9)
    sd = 1.5
    theirs = choix.opt_pairwise(essays, rows, alpha=1.0 / (2.0 * sd**2), tol=1e-12)
    assert_allclose(fit(study, prior_sd=sd, position_effect=False).theta, theirs, atol=1e-5)


def test_choix_expectation_propagation_has_about_the_same_errors():
    """Its alpha is a precision, 1/σ²; it integrates where we take the mode."""
    study, rows = large_study(essays=40, comparisons=800, seed=10)
    mean, covariance = choix.ep_pairwise(40, rows, alpha=1.0 / 1.5**2)
    fitted = fit(study, prior_sd=1.5, position_effect=False)
    assert_allclose(fitted.theta, mean - mean.mean(), rtol=0.08, atol=0.05)  # a mean lies further out than a mode
    centre = np.eye(40) - 1.0 / 40
    assert_allclose(fitted.standard_errors, np.sqrt(np.diag(centre @ covariance @ centre)), rtol=0.08)


def as_binomial(study):
    """The maximum of the likelihood by iterated least squares, the first item held at 0, the intercept last."""
    rows = np.column_stack([design(study, items=len(study.items))[:, 1:], np.ones(study.first.size)])
    return sm.GLM(study.outcome, rows, family=sm.families.Binomial())


def centred(covariance):
    """From contrasts with the first item, δ last, to contrasts with the mean of all."""
    n = len(covariance)
    full = np.zeros((n, n))
    full[1:, 1:] = covariance[:-1, :-1]
    centre = np.eye(n) - 1.0 / n
    return centre @ full @ centre


def dense_judgements(seed=11):
    """Ten essays, every pair often enough that the likelihood has its maximum."""
    return balanced_study(normal_truth(10, spread=1.0, seed=seed), rounds=90, seed=seed, advantage=0.4)


def expanded(study):
    """Each judgement a row of its own."""
    times = study.weight.astype(int)
    repeat = {name: np.repeat(getattr(study, name), times) for name in ("first", "second", "outcome")}
    return type(study)(items=study.items, weight=np.ones(times.sum()), **repeat)


def test_statsmodels_without_a_prior():
    study = expanded(dense_judgements())
    theirs = as_binomial(study).fit(tol=1e-13)
    fitted = fit(dense_judgements(), prior_sd=1e4)
    theta = np.append(0.0, theirs.params[:-1])
    assert_allclose(fitted.theta, theta - theta.mean(), atol=1e-6)
    assert fitted.position_effect == pytest.approx(theirs.params[-1], abs=1e-6)
    assert_allclose(fitted.covariance, centred(theirs.cov_params()), atol=1e-6)
    assert fitted.log_likelihood == pytest.approx(theirs.llf, abs=1e-6)


def test_statsmodels_with_pairs_as_clusters():
    """From its scores and leverages of single judgements, summed by pair; each score is then corrected for leverage."""
    study = expanded(dense_judgements())
    model = as_binomial(study)
    theirs = model.fit(tol=1e-13)
    pair = np.minimum(study.first, study.second) * 10 + np.maximum(study.first, study.second)
    of_pair = (np.unique(pair)[:, None] == pair).astype(float)
    leverage = of_pair @ theirs.get_influence().hat_matrix_diag
    scores = of_pair @ model.score_obs(theirs.params) / (1.0 - leverage)[:, None]
    covariance = centred(theirs.cov_params() @ scores.T @ scores @ theirs.cov_params())
    ours = errors_by_pair(fit(dense_judgements(), prior_sd=1e4))
    assert_allclose(ours, np.sqrt(np.diag(covariance)), rtol=1e-5)


def test_repeats_of_a_judge_without_randomness_inflate_no_clustered_error():
    rows = [(str(a), str(b), float((a * 7 + b * 3) % 5 < 3)) for a in range(12) for b in range(12) if a != b]
    names = [str(index) for index in range(12)]
    once, often = (fit(comparisons_from(names, rows * times), prior_sd=1e3) for times in (1, 9))
    assert_allclose(often.standard_errors * 3.0, once.standard_errors, rtol=1e-3)
    assert_allclose(errors_by_pair(often), errors_by_pair(once), rtol=1e-3)
