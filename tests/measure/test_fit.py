"""What holds for the fit of any comparisons."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from tests.support.studies import balanced_study, large_study, normal_truth

ITEMS = tuple("abcdefg")
ordinary = settings(deadline=None, max_examples=60, derandomize=True)
row = st.tuples(st.permutations(ITEMS), st.sampled_from([0.0, 0.5, 1.0])).map(lambda it: (it[0][0], it[0][1], it[1]))
any_rows = st.lists(row, max_size=40)
some_sd = st.sampled_from([None, 0.01, 0.7, 2.0, 1e3])


def everything(fitted):
    numbers = [fitted.prior_sd, fitted.position_effect, fitted.position_effect_se or 0.0, fitted.log_likelihood]
    return np.concatenate([fitted.theta, fitted.covariance.ravel(), fitted.standard_errors, numbers])


@ordinary
@given(any_rows, some_sd, st.booleans(), st.booleans())
def test_any_comparisons_have_a_finite_converged_fit_that_sums_to_zero(rows, sd, hyperprior, position_effect):
    comparisons = comparisons_from(ITEMS, rows)
    fitted = fit(comparisons, prior_sd=sd, hyperprior=hyperprior, position_effect=position_effect)
    assert np.isfinite(everything(fitted)).all()
    assert fitted.converged
    assert abs(fitted.theta.sum()) < 1e-9 * max(1.0, np.abs(fitted.theta).max())
    assert (fitted.standard_errors <= fitted.prior_sd * (1 + 1e-6)).all()


@ordinary
@given(any_rows, st.randoms(use_true_random=False), some_sd)
def test_the_order_of_the_rows_leaves_no_trace_in_any_bit(rows, random, sd):
    shuffled = random.sample(rows, len(rows))
    one, other = (fit(comparisons_from(ITEMS, some), prior_sd=sd) for some in (rows, shuffled))
    assert everything(one).tobytes() == everything(other).tobytes()


@ordinary
@given(any_rows, st.permutations(ITEMS), st.permutations(ITEMS))
def test_names_and_their_order_mean_nothing(rows, names, order):
    renamed = dict(zip(ITEMS, names, strict=True))
    plain = fit(comparisons_from(ITEMS, rows), prior_sd=1.5)
    other = fit(comparisons_from(order, [(renamed[a], renamed[b], y) for a, b, y in rows]), prior_sd=1.5)
    place = [order.index(renamed[item]) for item in ITEMS]
    assert_allclose(other.theta[place], plain.theta, atol=1e-7)
    assert_allclose(other.covariance[np.ix_(place, place)], plain.covariance, atol=1e-7)


@ordinary
@given(any_rows)
def test_swapping_places_and_outcomes_turns_only_the_position_effect(rows):
    plain = fit(comparisons_from(ITEMS, rows), prior_sd=1.5)
    swapped = fit(comparisons_from(ITEMS, [(b, a, 1.0 - y) for a, b, y in rows]), prior_sd=1.5)
    assert_allclose(swapped.theta, plain.theta, atol=1e-7)
    assert swapped.position_effect == pytest.approx(-plain.position_effect, abs=1e-7)


@ordinary
@given(any_rows)
def test_turning_every_outcome_turns_the_scale(rows):
    plain = fit(comparisons_from(ITEMS, rows), prior_sd=1.5)
    turned = fit(comparisons_from(ITEMS, [(a, b, 1.0 - y) for a, b, y in rows]), prior_sd=1.5)
    assert_allclose(turned.theta, -plain.theta, atol=1e-7)


@ordinary
@given(any_rows, st.sampled_from([0.7, 2.0, 20.0]))
def test_one_more_win_never_brings_the_winner_closer_to_the_loser(rows, sd):
    before, after = (
        fit(comparisons_from(ITEMS, some), prior_sd=sd, position_effect=False).theta
        for some in (rows, [*rows, ("a", "b", 1.0)])
    )
    assert after[0] - after[1] >= before[0] - before[1] - 1e-9


@ordinary
@given(any_rows, st.sampled_from([0.5, 1.5, 4.0]))
def test_an_isolated_item_stays_in_the_middle_with_the_priors_own_doubt(rows, sd):
    fitted = fit(comparisons_from((*ITEMS, "lonely"), rows), prior_sd=sd)
    n = len(ITEMS) + 1
    assert fitted.theta[-1] == pytest.approx(0.0, abs=1e-9)
    assert fitted.flags[-1] == "isolated"
    # Its own σ² is untouched by the others, less the σ²/n of the mean of all, which no judgement changes.
    assert fitted.standard_errors[-1] == pytest.approx(sd * np.sqrt(1.0 - 1.0 / n), rel=1e-6)


def test_without_comparisons_there_is_the_prior_alone():
    fitted = fit(comparisons_from(ITEMS, []))
    assert fitted.prior_sd == pytest.approx(1.5)
    assert fitted.position_effect_se is None
    assert_allclose(fitted.theta, 0.0)
    assert_allclose(fitted.standard_errors, 1.5 * np.sqrt(6 / 7))
    assert fitted.components == 7


def test_a_single_item_is_at_zero_without_doubt():
    fitted = fit(comparisons_from(["only"], []))
    assert fitted.theta.tolist() == [0.0]
    assert_allclose(fitted.standard_errors, 0.0, atol=1e-9)


def test_extremes_are_flagged_and_components_told_apart():
    rows = [("a", "b", 1.0), ("b", "c", 1.0), ("d", "e", 0.5), ("e", "d", 1.0), ("d", "e", 1.0)]
    fitted = fit(comparisons_from("abcdef", rows))
    assert fitted.flags == ("undefeated", None, "winless", None, None, "isolated")
    assert fitted.component.tolist() == [0, 0, 0, 1, 1, 2]
    assert fitted.components == 3
    assert fitted.counts.tolist() == [1, 2, 1, 3, 3, 0]
    assert fitted.wins.tolist() == [1, 1, 0, 1.5, 1.5, 0]


def test_a_position_that_always_wins_has_a_finite_advantage():
    cycle = [("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)] * 20
    fitted = fit(comparisons_from("abc", [*cycle, *((b, a, y) for a, b, y in cycle)]))
    assert 2.0 < fitted.position_effect < 6.0
    assert 0.0 < fitted.position_effect_se < 1.0
    assert_allclose(fitted.theta, 0.0, atol=1e-9)


def test_the_position_effect_and_the_spread_are_found_again():
    effects, ratios = [], []
    for seed in range(12):
        truth = normal_truth(60, spread=2.0, seed=seed)
        fitted = fit(balanced_study(truth, rounds=20, seed=seed, advantage=0.6))
        effects.append(fitted.position_effect)
        ratios.append(fitted.prior_sd / np.std(truth))
    assert fitted.prior_sd_estimated
    assert np.mean(effects) == pytest.approx(0.6, abs=0.1)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.08)


def test_ninety_per_cent_intervals_hold_the_truth_nine_times_in_ten():
    inside = []
    for seed in range(40):
        truth = normal_truth(30, spread=1.8, seed=seed)
        fitted = fit(balanced_study(truth, rounds=14, seed=seed))
        low, high = fitted.intervals(level=0.9)
        inside.append(np.mean((low <= truth - truth.mean()) & (truth - truth.mean() <= high)))
    assert 0.86 <= np.mean(inside) <= 0.94


@pytest.mark.parametrize("items", [30, 700])
def test_an_interval_is_wider_by_what_is_not_known_of_the_spread(items):
    study = balanced_study(normal_truth(items, spread=3.0, seed=1), rounds=10, seed=1)
    fitted, step = fit(study), 0.05
    less, more = (fit(study, prior_sd=fitted.prior_sd * math.exp(by)) for by in (-step, step))

    def height(one):
        return one.log_evidence - math.log(one.prior_sd / 1.5) ** 2 / (2 * 0.5**2)

    error = step / math.sqrt(2 * height(fitted) - height(less) - height(more))
    assert_allclose(fitted.spread_shift, error * (more.theta - less.theta) / (2 * step), rtol=0.15, atol=0.005)
    low, high = fitted.intervals(level=0.9)
    assert_allclose((high - low) / 2, 1.644854 * np.hypot(fitted.errors_at_mean, fitted.spread_shift), rtol=1e-6)
    assert not less.spread_shift.any(), "where the caller gives the spread, it is known"


@pytest.mark.parametrize("position_effect", [False, True])
def test_the_posterior_mean_is_that_of_numerical_integration(position_effect):
    rows = [("a", "b", 1.0)] * 7 + [("b", "a", 1.0), ("b", "c", 1.0), ("b", "c", 1.0), ("c", "b", 1.0), ("a", "c", 1.0)]
    turned = [(b, a, 1.0 - y) for a, b, y in rows] if position_effect else []
    comparisons = comparisons_from("abc", [*rows, *turned])
    fitted = fit(comparisons, prior_sd=1.0, position_effect=position_effect)
    axes = [np.linspace(-4.0, 4.0, 33)] * 3 + [np.linspace(-3.0, 3.0, 25) if position_effect else np.zeros(1)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    eta = x[..., comparisons.first] - x[..., comparisons.second] + x[..., 3:]
    height = ((comparisons.outcome * eta - np.logaddexp(0, eta)) * comparisons.weight).sum(axis=-1)
    weight = np.exp(height - height.max() - np.square(x[..., :3]).sum(axis=-1) / 2.0)
    mean = np.array([(weight * x[..., item]).sum() for item in range(3)]) / weight.sum()
    error = np.abs(fitted.posterior_mean - (mean - mean.mean())).max()
    assert error < 0.06
    assert error < np.abs(fitted.theta - (mean - mean.mean())).max() / 2.0
    low, high = fitted.intervals(level=0.9)
    assert_allclose((low + high) / 2.0, fitted.posterior_mean)
    assert (high - low >= 2 * 1.6448 * fitted.standard_errors).all()


def test_the_posterior_mean_stays_within_a_standard_error_where_the_prior_says_next_to_nothing():
    fitted = fit(comparisons_from("abc", [("a", "b", 1.0), ("b", "c", 1.0)]), prior_sd=1e3)
    off = fitted.posterior_mean - fitted.theta
    assert (np.abs(off) <= 1.5 * fitted.standard_errors).all()
    assert off[0] > 0.0 > off[2]


def test_a_large_study_is_fitted():
    truth = normal_truth(400, spread=1.5, seed=1)
    fitted = fit(balanced_study(truth, rounds=20, seed=1))
    assert fitted.converged
    assert np.corrcoef(fitted.theta, truth)[0, 1] > 0.9


def test_the_estimated_spread_is_where_the_evidence_is_greatest():
    """Against numerical integration over every position of a study of three items."""
    rows = [("a", "b", 1.0), ("b", "c", 1.0), ("a", "c", 1.0), ("c", "a", 1.0), ("b", "a", 1.0)] * 6
    comparisons = comparisons_from("abc", rows)
    fitted = fit(comparisons, position_effect=False)
    grid = np.linspace(-4.0, 4.0, 81)
    theta = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1)
    eta = theta[..., comparisons.first] - theta[..., comparisons.second]
    log_likelihood = ((comparisons.outcome * eta - np.logaddexp(0, eta)) * comparisons.weight).sum(axis=-1)
    sds = np.exp(np.linspace(np.log(0.3), np.log(2.0), 60))
    evidence = [
        np.log(np.exp(log_likelihood - log_likelihood.max() - (theta**2).sum(axis=-1) / (2 * sd**2)).sum() / sd**3)
        - np.log(sd / 1.5) ** 2 / 2
        for sd in sds
    ]
    assert fitted.prior_sd == pytest.approx(sds[int(np.argmax(evidence))], rel=0.06)


@pytest.mark.parametrize(
    ("items", "rows"),
    [
        ("aa", []),
        ("ab", [("a", "z", 1.0)]),
        ("ab", [("a", "a", 1.0)]),
        ("ab", [("a", "b", 1.5)]),
        ("ab", [("a", "b", float("nan"))]),
    ],
    ids=["item twice", "unknown item", "against itself", "outcome too great", "outcome not a number"],
)
def test_senseless_comparisons_are_refused(items, rows):
    with pytest.raises(ValueError):
        comparisons_from(items, rows)


@pytest.mark.parametrize("sd", [0.0, -1.0, float("inf"), float("nan")])
def test_a_senseless_prior_is_refused(sd):
    with pytest.raises(ValueError):
        fit(comparisons_from("ab", []), prior_sd=sd)


def test_nothing_to_place_is_refused():
    with pytest.raises(ValueError):
        fit(comparisons_from([], []))


def test_judgements_that_are_no_part_are_expected_over_what_is_known_of_the_positions():
    """Against the mean of expit by quadrature, for judges with a slope and a shift of their own."""
    fitted = fit(comparisons_from(ITEMS, [("a", "b", 1.0), ("b", "c", 1.0), ("a", "d", 1.0), ("d", "c", 0.0)]))
    asked = comparisons_from(ITEMS, [("a", "c", 1.0), ("g", "a", 1.0), ("b", "d", 0.0), ("d", "a", 0.0)])
    slope, shift = np.array([2.0, 1.5, 0.5, 1.0]), np.array([0.3, -0.2, 0.0, 0.4])
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    contrasts = np.zeros((4, len(ITEMS) + 1))
    contrasts[np.arange(4), asked.first], contrasts[np.arange(4), asked.second], contrasts[:, -1] = 1.0, -1.0, 1.0
    mean = contrasts @ np.append(fitted.theta, fitted.position_effect)
    sd = np.sqrt(np.einsum("ri,ij,rj->r", contrasts, fitted.covariance_with_position, contrasts))
    for rows, one, other in ((asked, 1.0, 0.0), (replace(asked, slope=slope, offset=shift), slope, shift)):
        expected = shares @ expit(one * (mean + nodes[:, None] * sd) + other) / shares.sum()
        assert_allclose(expit(fitted.expected_log_odds(rows)), expected, atol=0.02)


@pytest.mark.parametrize(("essays", "largest"), [(40, 0.0), (400, 1e-3)])
def test_a_fit_that_begins_at_another_one_ends_where_it_would_without(essays, largest):
    study, _ = large_study(essays=essays, comparisons=essays * 10, seed=1)
    before = fit(replace(study, weight=study.weight / 2.0))
    near, alone = fit(study, near=before), fit(study)
    assert np.abs(near.theta - alone.theta).max() <= largest
    assert abs(near.prior_sd - alone.prior_sd) <= largest
    assert near.links is before.links and alone.links is not before.links
    others, _ = large_study(essays=essays, comparisons=essays * 10, seed=2)
    assert np.abs(fit(others, near=before).theta - fit(others).theta).max() <= largest
