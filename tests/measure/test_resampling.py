"""Measures of many rows at once, beside the same of each row and by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from eng5_runner.measure.quality import resampling

WIDTHS = (8, 250)  # every pair looked at, and scipy


def rows(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Grades with ties, and what another judge made of them; the last row without variation."""
    generator = np.random.default_rng(width)
    expert = generator.integers(0, 7, (5, width)).astype(float)
    projected = np.clip(expert + generator.integers(-2, 3, expert.shape), 0, 6)
    projected[-1] = 0.1
    return expert, projected


def weighted_kappa(expert: np.ndarray, projected: np.ndarray) -> float:
    """By the tables of observed and expected counts (Cohen 1968)."""
    observed = np.zeros((7, 7))
    np.add.at(observed, (expert.astype(int), projected.astype(int)), 1.0)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / expert.size
    cost = np.square(np.arange(7)[:, None] - np.arange(7))
    return 1.0 - (cost * observed).sum() / (cost * expected).sum()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("of_each", "of_one"),
    [
        (resampling.kendall_tau_b_of_each, lambda a, b: kendalltau(a, b).statistic),
        (resampling.spearman_of_each, lambda a, b: spearmanr(a, b).statistic),
        (resampling.pearson_of_each, lambda a, b: pearsonr(a, b).statistic),
        (resampling.weighted_kappa_of_each, weighted_kappa),
        (resampling.exact_agreement_of_each, lambda a, b: sum(a == b) / len(a)),
        (resampling.adjacent_agreement_of_each, lambda a, b: sum(abs(a - b) <= 1) / len(a)),
        (resampling.mean_absolute_error_of_each, lambda a, b: sum(abs(a - b)) / len(a)),
        (resampling.bias_of_each, lambda a, b: sum(b - a) / len(a)),
    ],
)
def test_a_row_s_value_is_that_of_the_row_alone(width, of_each, of_one):
    expert, projected = (side[:-1] for side in rows(width))
    wanted = [of_one(*pair) for pair in zip(expert, projected, strict=True)]
    np.testing.assert_allclose(of_each(expert, projected), wanted, atol=1e-12)


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["kendall_tau_b", "spearman", "pearson"])
def test_a_row_without_variation_has_no_correlation(width, name):
    found = getattr(resampling, f"{name}_of_each")(*rows(width))
    assert np.isnan(found).tolist() == [False] * 4 + [True]


def test_the_interval_is_that_of_draws_made_one_by_one():
    one, other = (side[0] for side in rows(12))
    generator = np.random.default_rng(3)
    drawn = generator.standard_normal((0, 12)), generator.integers(0, 12, (4000, 12))
    taus = [kendalltau(one[some], other[some]).statistic for some in drawn[1]]
    found = resampling.bootstrap_interval(resampling.kendall_tau_b_of_each, (one, other), seed=3, draws=4000)
    assert found == pytest.approx(tuple(np.quantile(taus, [0.05, 0.95])))
