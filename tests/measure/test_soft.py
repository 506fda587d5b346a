"""Judgements that say more than who won: likelihood, choice by held-out pairs, and what a judgement is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from eng5_runner.measure.model.bradley_terry import Comparisons, comparisons_from, fit
from eng5_runner.measure.model.dependence import Dependence, weighed
from eng5_runner.measure.model.soft import Reading, Said, Scale, SoftEvidence, soft_from
from eng5_runner.measure.model.soft_choice import choose, losses_held_out
from eng5_runner.measure.model.soft_fit import fit_read, posterior_of_rows
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval
from tests.support.soft_judges import OVER_SURE, Says, SoftStudy, judgements, soft_study

ITEMS = tuple(f"essay-{number:02}" for number in range(30))
TRUTH = dict(zip(ITEMS, np.random.default_rng(7).normal(0.0, 1.8, len(ITEMS)).tolist(), strict=True))


def compared(said: tuple[Said, ...], items: tuple[str, ...] = ITEMS) -> Comparisons:
    asked = comparisons_from(items, [(row.first, row.second, row.outcome) for row in said])
    return weighed([asked], Dependence())


@pytest.fixture
def sure() -> SoftStudy:
    return soft_study(TRUTH, k=12, number=1, says="confidence")


def realised(theta: np.ndarray) -> float:
    return float(np.corrcoef(theta, list(TRUTH.values()))[0, 1] ** 2)


def test_confidence_is_a_cumulative_logit_model() -> None:
    """The positions are those that maximise the model's own likelihood, written out and maximised by another way."""
    said = (
        *(Said("a", "b", 1.0, confidence=level) for level in (1, 2, 3, 1)),
        *(Said("b", "c", 0.0, confidence=level) for level in (2, 3)),
        *(Said("c", "a", 1.0, confidence=level) for level in (3, 3)),
        Said("a", "c", 0.5),
    )
    items, ends = ("a", "b", "c"), np.array([0.0, 0.7, 2.1, np.inf])
    comparisons = comparisons_from(items, [(row.first, row.second, row.outcome) for row in said])
    soft = soft_from(comparisons, said)
    level = np.array([{1.0: 1, 2.0: 2, 3.0: 3}.get(row.confidence or 0.0, 0) for row in said])
    by_name = sorted(range(len(said)), key=lambda n: (said[n].first, said[n].second, said[n].outcome, level[n] or -1))
    soft = replace(soft, level=level[by_name])
    reading = Reading("confidence", (0.7, 2.1))
    fitted = fit(comparisons, prior_sd=1.3, soft=SoftEvidence(judgements=soft, readings=(reading,)))

    def cost(x: np.ndarray) -> float:
        total = np.square(x[:-1]).sum() / 2.0 / 1.3**2
        for row, grade in zip(said, level.tolist(), strict=True):
            eta = x[items.index(row.first)] - x[items.index(row.second)] + x[-1]
            if row.outcome == 0.5:
                total -= 0.5 * (np.log(expit(eta)) + np.log(expit(-eta)))
            else:
                eta *= 1.0 if row.outcome else -1.0
                total -= np.log(expit(eta - ends[grade - 1]) - expit(eta - ends[grade]))
        return float(total)

    best = minimize(cost, np.zeros(4), tol=1e-12)
    assert fitted.theta == pytest.approx(best.x[:-1] - best.x[:-1].mean(), abs=1e-4)
    assert fitted.position_effect == pytest.approx(best.x[-1], abs=1e-4)


def test_a_probability_is_the_position_of_the_answer_on_the_scale() -> None:
    """Of two items with answers that all say the same log odds, these log odds are the difference."""
    said = (*(Said("a", "b", 1.0, probability=float(expit(3.0))) for _ in range(200)), Said("b", "a", 0.0))
    comparisons = comparisons_from(("a", "b"), [(row.first, row.second, row.outcome) for row in said])
    evidence = SoftEvidence(judgements=soft_from(comparisons, said), readings=(Reading("probability", (2.0,)),))
    fitted = fit(comparisons, prior_sd=50.0, position_effect=False, soft=evidence)
    assert fitted.theta[0] - fitted.theta[1] == pytest.approx(3.0 / 2.0, abs=0.02)


@pytest.mark.parametrize(("says", "scale"), [("confidence", "confidence"), ("probability", "probability")])
def test_what_says_more_is_used(says: Says, scale: str) -> None:
    study = soft_study(TRUTH, k=8, number=3, says=says)
    choice, plain = study.choice, fit(compared(study.said))
    (judge,) = choice.judges
    gain, error = judge.gains[scale]
    assert judge.reading.scale == scale
    assert gain > error > 0.0
    assert realised(choice.fitted.theta) > realised(plain.theta) + 0.05
    assert choice.worth_interval is not None
    assert choice.worth_interval[0] < choice.worth < choice.worth_interval[1]
    assert choice.worth > 1.5


@pytest.mark.parametrize("says", ["noise as confidence", "noise as probability"])
def test_noise_leaves_the_fit_of_the_wins(says: Says) -> None:
    study = soft_study(TRUTH, k=12, number=4, says=says)
    plain = fit(compared(study.said))
    assert study.choice.fitted.theta.tolist() == plain.theta.tolist()
    assert [judge.reading.scale for judge in study.choice.judges] == ["wins"]
    assert (study.choice.worth, study.choice.worth_interval) == (1.0, None)


def test_the_scale_of_an_over_sure_judge_is_learnt() -> None:
    readings = []
    for factor in (1.0, 3.0):
        said = [
            replace(row, probability=float(expit(factor * logit(row.probability or 0.5) / OVER_SURE)))
            for row in judgements(TRUTH, k=8, number=5, says="probability")
        ]
        comparisons = compared(tuple(said))
        (judge,) = choose(comparisons, soft_from(comparisons, said)).judges
        readings.append(judge.reading.parameters[0])
    assert readings[1] == pytest.approx(3.0 * readings[0], rel=0.05)


def test_a_bound_pulls_less_than_a_value() -> None:
    rows = judgements(TRUTH, k=8, number=6, says="probability")
    capped = [
        replace(row, probability=float(np.clip(row.probability or 0.5, 0.02, 0.98)), is_bound=True)
        if min(row.probability or 0.5, 1.0 - (row.probability or 0.5)) < 0.02
        else row
        for row in rows
    ]
    as_values = [replace(row, is_bound=False) for row in capped]
    comparisons = compared(rows)
    r2 = [realised(choose(comparisons, soft_from(comparisons, said)).fitted.theta) for said in (as_values, capped)]
    assert r2[1] > r2[0]


def test_the_order_of_the_judgements_does_not_matter(sure: SoftStudy) -> None:
    comparisons = compared(sure.said)
    again = choose(comparisons, soft_from(comparisons, reversed(sure.said)))
    assert again.fitted.theta.tolist() == sure.choice.fitted.theta.tolist()
    assert again.worth == sure.choice.worth


def test_repeats_share_the_weight_of_their_question(sure: SoftStudy) -> None:
    """A judge that repeats itself word for word says nothing new."""
    twice = (*sure.said, *sure.said)
    comparisons = compared(twice)
    choice = choose(comparisons, soft_from(comparisons, twice))
    assert choice.fitted.standard_errors == pytest.approx(sure.choice.fitted.standard_errors, rel=0.03)


def test_judges_are_read_by_themselves() -> None:
    """One judge's confidence says something, the other's nothing."""
    knows = [replace(row, judge="knows") for row in judgements(TRUTH, k=10, number=8, says="confidence")]
    guesses = [replace(row, judge="guesses") for row in judgements(TRUTH, k=10, number=9, says="noise as confidence")]
    said = (*knows, *guesses)
    comparisons = compared(said)
    choice = choose(comparisons, soft_from(comparisons, said))
    assert {judge.judge: judge.reading.scale for judge in choice.judges} == {"knows": "confidence", "guesses": "wins"}


def test_judges_who_say_more_in_different_ways_are_each_read_by_their_own_scale() -> None:
    sure = [replace(row, judge="sure") for row in judgements(TRUTH, k=8, number=8, says="confidence")]
    exact = [replace(row, judge="exact") for row in judgements(TRUTH, k=8, number=3, says="probability")]
    said = (*sure, *exact)
    comparisons = compared(said)
    choice = choose(comparisons, soft_from(comparisons, said))
    assert {judge.judge: judge.reading.scale for judge in choice.judges} == {
        "sure": "confidence",
        "exact": "probability",
    }
    assert choice.worth_interval is not None
    assert choice.worth_interval[0] < choice.worth < choice.worth_interval[1]
    assert realised(choice.fitted.theta) > realised(fit(comparisons).theta) + 0.02


def test_wins_are_predicted_with_the_position_effect_that_the_scales_have() -> None:
    """Else a confidence that says nothing would seem to help where the place decides."""
    generator = np.random.default_rng(1)
    said = [
        Said(
            one, other, float(generator.random() < expit(TRUTH[one] / 3.0 - TRUTH[other] / 3.0 + 2.0)), confidence=sure
        )
        for one, other in (generator.choice(ITEMS, 2, replace=False).tolist() for _ in range(240))
        for sure in (float(generator.integers(1, 4)),)
    ]
    comparisons = compared(tuple(said))
    (judge,) = choose(comparisons, soft_from(comparisons, said)).judges
    assert judge.reading.scale == "wins"


def test_the_unit_of_the_log_odds_is_tuned_on_other_folds_alone() -> None:
    """A fold that turned out against what was predicted does not soften its own loss, but that of the others."""
    items = ("a", "b")
    odds, fold = np.tile([3.0, -1.0, 2.0, np.nan], 6), np.tile([0, 1, 2, 3], 6)
    as_said = Comparisons(
        items=items,
        first=np.zeros(24, dtype=np.int64),
        second=np.ones(24, dtype=np.int64),
        outcome=(odds > 0.0).astype(np.float64),
        weight=np.ones(24),
    )
    turned = replace(as_said, outcome=np.where(fold == 0, 0.0, as_said.outcome))
    before, after = (losses_held_out(odds, data, fold=fold) for data in (as_said, turned))
    own = fold == 0
    # The two losses of a judgement, as won and as lost, are apart by its log odds in the unit that it had.
    assert after[own] - before[own] == pytest.approx(4.0 * odds[own], rel=1e-3)
    assert (after[(fold == 1) | (fold == 2)] > before[(fold == 1) | (fold == 2)] + 0.01).all()
    assert np.isnan(after[fold == 3]).all() and np.isnan(before[fold == 3]).all()


def test_reliability_counts_what_was_said(sure: SoftStudy) -> None:
    fitted = sure.choice.fitted
    low, high = reliability_interval(fitted)
    assert low < empirical_bayes(fitted) < high
    assert empirical_bayes(fitted) > empirical_bayes(fit(fitted.comparisons)) + 0.02
    assert abs(empirical_bayes(fitted) - realised(fitted.theta)) < 0.08


def test_few_judgements_count_as_wins() -> None:
    said = judgements(dict(list(TRUTH.items())[:6]), k=5, number=10, says="confidence")
    comparisons = compared(said, ITEMS[:6])
    assert choose(comparisons, soft_from(comparisons, said)).judges == ()


def _unexpected(said: list[Said], gap: np.ndarray, spread: np.ndarray, parameters: np.ndarray) -> float:
    """Minus the log likelihood of what was said, expected over the posterior of the two positions of each row."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(15)
    toward = np.array([1.0 if row.outcome else -1.0 for row in said])
    seen = toward * (gap + nodes[:, None] * spread)
    if said[0].confidence is not None:
        ends = np.array([0.0, *parameters, np.inf])
        level = np.array([int(row.confidence or 0) for row in said])
        chance = expit(seen - ends[level - 1]) - expit(seen - ends[level])
    else:
        off = seen - toward * logit([row.probability or 0.0 for row in said]) / parameters[0]
        chance = expit(off) * expit(-off) / parameters[0]
    return -float((shares @ np.log(np.maximum(chance, 1e-300))).sum() / shares.sum())


@pytest.mark.parametrize(("says", "scale"), [("garbled confidence", "confidence"), ("probability", "probability")])
def test_the_parameters_of_a_scale_are_the_likeliest_for_the_positions(says: Says, scale: Scale) -> None:
    """Checked with the likelihood written out judgement by judgement, and integrated with more nodes."""
    said = judgements(TRUTH, k=12, number=4, says=says)
    data = comparisons_from(list(TRUTH), [(row.first, row.second, row.outcome) for row in said])
    soft = soft_from(data, said)
    fitted = fit_read(data, soft, scales={0: scale}, position_effect=True)
    by_row = {(row.first, row.second): row for row in said}
    gaps, spreads = posterior_of_rows(fitted, soft)
    rows = [
        by_row[fitted.items[first], fitted.items[second]]
        for first, second in zip(soft.data.first, soft.data.second, strict=True)
    ]

    def cost(log_steps: np.ndarray) -> float:
        return _unexpected(rows, gaps, spreads, np.cumsum(np.exp(log_steps)))

    assert fitted.soft is not None
    found = np.array(fitted.soft.readings[0].parameters)
    best = minimize(cost, np.log(np.diff(found, prepend=0.0)), method="Nelder-Mead", options={"xatol": 1e-3})
    assert found == pytest.approx(np.cumsum(np.exp(best.x)), rel=0.03)
