"""Inversions, anchors without a win, claims against outcomes, and bootstrap intervals, against counting by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as log_loss_of_sklearn
from statsmodels.stats.proportion import proportion_confint

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.comparisons import comparisons_counted
from eng5_runner.measure.quality.alignment import kendall_tau_b
from eng5_runner.measure.quality.claims import brier, calibration, log_loss, ranked_probability_score
from eng5_runner.measure.quality.inversions import inversions, wilson, without_win
from eng5_runner.measure.quality.resampling import bootstrap_interval, kendall_tau_b_of_each

GRADES = {"a": 0, "b": 1, "c": 2, "d": 5}
ROWS = [
    *[("b", "a", 0.0), ("a", "b", 1.0), ("b", "a", 1.0)],  # inverted, two of three
    *[("b", "c", 1.0), ("c", "b", 1.0)],  # even
    *[("d", "a", 1.0), ("d", "b", 1.0), ("student", "a", 1.0), ("student", "d", 0.0)],
]
FITTED = fit(comparisons_from([*GRADES, "student"], ROWS), prior_sd=1.0)


def chance(first, second):
    index = FITTED.items.index
    gap = FITTED.theta[index(first)] - FITTED.theta[index(second)]
    return 1.0 / (1.0 + math.exp(-gap - FITTED.position_effect))


def test_inversions_are_counted_by_distance_with_their_denominator_and_expectation():
    near, far = inversions(FITTED, anchors=GRADES)
    assert (near.distance, near.judged, near.inverted) == (1, 2, 1.5)
    assert (far.distance, far.judged, far.inverted, far.pairs) == (3, 2, 0.0, ())
    assert [(pair.higher, pair.lower, pair.judgements, pair.lost) for pair in near.pairs] == [
        ("b", "a", 3.0, 2.0),
        ("c", "b", 2.0, 1.0),
    ]
    lost = [chance("a", "b"), 1 - chance("b", "a"), 1 - chance("b", "a")]
    two = sum(math.prod(p if nth != won else 1 - p for nth, p in enumerate(lost)) for won in range(3))
    ab = two + math.prod(lost)
    p, q = chance("b", "c"), 1 - chance("c", "b")
    assert near.expected == pytest.approx(ab + p * q + (p * (1 - q) + q * (1 - p)) / 2)
    assert near.interval == pytest.approx(wilson(1.5, 2))


def test_wilson_is_that_of_statsmodels():
    for happened, cases in ((0, 7), (3, 11), (9, 9)):
        expected = proportion_confint(happened, cases, alpha=0.1, method="wilson")
        assert wilson(happened, cases) == pytest.approx(expected, abs=1e-12)
    for wrong in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError):
            wilson(*wrong)


def test_an_anchor_without_a_win_comes_with_its_chance():
    rows = [("a", "b", 0.0), ("c", "a", 1.0), ("b", "c", 1.0), ("c", "b", 1.0), ("x", "b", 0.0)]
    fitted = fit(comparisons_from("abcx", rows), prior_sd=1.0)
    (found,) = without_win(fitted, anchors={"a": 0, "b": 1, "c": 1})
    theta = dict(zip(fitted.items, fitted.theta.tolist(), strict=True))
    lost = 1 / (1 + math.exp(theta["a"] - theta["b"] + fitted.position_effect))
    also = 1 / (1 + math.exp(theta["a"] - theta["c"] - fitted.position_effect))
    assert (found.item, found.grade, found.judgements) == ("a", 0, 2.0)
    assert found.expected == pytest.approx(lost * also)


def test_of_a_judge_that_leaves_no_doubt_the_chance_is_stated_without_a_warning():
    """Pytest makes an error of any warning; on a terminal it would stand among the messages."""
    fitted = replace(FITTED, theta=np.array([-40.0, 0.0, 10.0, 40.0, -10.0]))
    rows = comparisons_from(FITTED.items, [("b", "a", 1.0), ("d", "a", 1.0), ("c", "student", 1.0)])
    (found,) = without_win(replace(fitted, comparisons=rows), anchors={"a": 0})
    assert found.expected == 1.0
    (odd,) = without_win(replace(fitted, comparisons=rows, theta=-fitted.theta), anchors={"a": 0})
    assert odd.expected < 1e-30


def test_unknown_anchors_are_refused():
    for call in (inversions, without_win):
        with pytest.raises(ValueError):
            call(FITTED, anchors={"nobody": 1})


def test_scores_are_those_of_scikit_learn_and_of_the_formula():
    claimed = np.random.default_rng(1).dirichlet(np.ones(4), 30)
    outcomes = np.random.default_rng(2).integers(0, 4, 30).tolist()
    columns = [brier_score_loss([y == g for y in outcomes], claimed[:, g]) for g in range(4)]
    assert brier(claimed.tolist(), outcomes) == pytest.approx(sum(columns))
    assert log_loss(claimed.tolist(), outcomes) == pytest.approx(
        log_loss_of_sklearn(outcomes, claimed, labels=range(4))
    )
    steps = [
        sum((row[: g + 1].sum() - (y <= g)) ** 2 for g in range(4)) / 3
        for row, y in zip(claimed, outcomes, strict=True)
    ]
    assert ranked_probability_score(claimed.tolist(), outcomes) == pytest.approx(np.mean(steps))


def test_what_was_held_impossible_has_an_infinite_log_loss():
    assert log_loss([[1.0, 0.0]], [1]) == math.inf
    assert (brier([[1.0, 0.0]], [0]), ranked_probability_score([[1.0, 0.0]], [1])) == (0.0, 1.0)


def test_claims_are_set_against_outcomes_in_bins():
    low, high = calibration([0.1, 0.15, 1.0, 0.9], [False, True, True, True])
    assert (low.cases, low.claimed, low.held) == (2, pytest.approx(0.125), 0.5)
    assert (high.cases, high.claimed, high.held) == (2, pytest.approx(0.95), 1.0)


def test_scores_of_nothing_or_off_the_scale_are_refused():
    for score in (brier, ranked_probability_score, log_loss):
        for claimed, outcomes, why in (
            ([], [], "every essay needs its probabilities"),
            ([[0.5, 0.5]], [0, 1], "every essay needs its probabilities"),
            ([[0.5, 0.5]], [2], "outside 0 to 1"),
            ([[0.5, 0.5]], [-1], "outside 0 to 1"),
        ):
            with pytest.raises(ValueError, match=why):
                score(claimed, outcomes)
    for claims, held in (([0.5], []), ([1.5], [True])):
        with pytest.raises(ValueError):
            calibration(claims, held)


def test_bootstrap_intervals_hold_the_value_and_widen_with_the_positions_errors():
    generator = np.random.default_rng(3)
    grades = np.repeat(np.arange(8.0), 4)
    theta = grades + generator.normal(0.0, 1.0, 32)
    sides = (theta.tolist(), grades.tolist())
    low, high = bootstrap_interval(kendall_tau_b_of_each, sides, seed=1, draws=400)
    assert low < kendall_tau_b(*sides) < high
    assert bootstrap_interval(kendall_tau_b_of_each, sides, seed=1, draws=400) == (low, high)
    wider = bootstrap_interval(kendall_tau_b_of_each, sides, seed=1, draws=400, covariance=np.eye(32) * 4.0)
    assert wider[0] < low


def test_few_essays_or_an_undefined_measure_have_no_interval():
    assert bootstrap_interval(kendall_tau_b_of_each, ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), seed=1) is None
    assert bootstrap_interval(kendall_tau_b_of_each, ([1.0] * 6, [2] * 6), seed=1, draws=5) is None
    with pytest.raises(ValueError):
        bootstrap_interval(kendall_tau_b_of_each, ([1, 2], [1]), seed=1)


def test_counted_rows_are_rows_so_many_times():
    rows = [("a", "b", 1.0, 2), ("b", "a", 0.0, 1), ("a", "b", 1.0, 1), ("a", "b", 0.5, 0)]
    counted = comparisons_counted("ab", rows)
    plain = comparisons_from("ab", [(a, b, y) for a, b, y, times in rows for _ in range(times)])
    for name in ("first", "second", "outcome", "weight"):
        assert getattr(counted, name).tolist() == getattr(plain, name).tolist()
    for wrong in ([("a", "b", 1.0, -1)], [("a", "c", 1.0, 1)]):
        with pytest.raises(ValueError):
            comparisons_counted("ab", wrong)
    with pytest.raises(ValueError):
        comparisons_counted("aa", [])
