"""Judges who differ in taste: what that is worth for other judges like them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.comparisons import merged
from eng5_runner.measure.quality.reliability import empirical_bayes
from eng5_runner.measure.quality.taste import Taste, taste

MANY = 40


def judged(seed: int, *, sd: float, judges: int = 12, each: int = 60, times: int = 1, many: int = MANY):
    """True positions, and the judgements of judges with a taste of their own; each answer stands so many times."""
    generator, data = np.random.default_rng(seed), []
    items = [f"item-{number:04}" for number in range(many)]
    truth = generator.normal(0.0, 1.5, many)
    for _ in range(judges):
        own, rows = truth + generator.normal(0.0, sd, many), []
        for a, b in generator.permuted(np.tile(np.arange(many), (each, 1)), axis=1)[:, :2].tolist():
            won = float(generator.random() < expit(own[a] - own[b]))
            rows += [(items[a], items[b], won)] * times
        data.append(comparisons_from(items, rows))
    return truth, data


def measured(seeds: range, **judges: float) -> float:
    """The mean of τ² over some studies."""
    studies = [judged(seed, **judges)[1] for seed in seeds]
    return float(np.mean([taste(fit(merged(data)), data).sd ** 2 for data in studies]))


def errors(sd: float) -> tuple[float, float]:
    """By how much the reliability is above the truth, for these judges and for others, on average."""
    found = []
    for seed in range(6):
        truth, data = judged(seed, sd=sd)
        fitted = fit(merged(data))
        measured = taste(fitted, data)
        stated, true = empirical_bayes(fitted), np.corrcoef(truth, fitted.theta)[0, 1] ** 2
        found.append((stated - true, stated - measured.share - true))
    plain, others = np.mean(found, axis=0).tolist()
    return plain, others


def test_tastes_of_their_own_lower_the_reliability_for_other_judges():
    plain, others = errors(1.5)
    assert plain > 0.06
    assert abs(others) < plain / 2


def test_judges_who_differ_by_chance_alone_cost_it_nothing():
    plain, others = errors(0.0)
    assert others == pytest.approx(plain, abs=0.01)


# τ² of 1 where positions are as wide as the judges' answers show them: tastes make answers look less decided.
SEEN = 1.0 / (1.0 + 0.346 * 2.0)


def test_taste_is_as_large_as_it_is_though_the_fit_follows_the_answers():
    """With five judges the positions take in much of each one's taste; with more, less."""
    assert measured(range(12), sd=1.0, judges=5, each=120) == pytest.approx(SEEN, rel=0.15)
    assert measured(range(12), sd=1.0, judges=20, each=120) == pytest.approx(SEEN, rel=0.15)


def test_taste_is_measured_among_many_items_too():
    """Above 1,500 items the traces are those of random signs."""
    assert measured(range(1), sd=1.0, judges=8, each=2_500, many=1_600) == pytest.approx(SEEN, rel=0.15)


def test_an_answer_that_is_repeated_is_no_taste():
    """Each question was asked three times and counts once, as `dependence` weighs it."""
    _, once = judged(2, sd=0.0)
    _, thrice = judged(2, sd=0.0, times=3)
    counted = [replace(one, weight=one.weight / 3.0) for one in thrice]
    assert taste(fit(merged(counted)), counted) == taste(fit(merged(once)), once) == Taste(sd=0.0, share=0.0)


def test_too_few_judges_or_meetings_measure_no_taste():
    _, few = judged(1, sd=1.0, judges=4)
    assert taste(fit(merged(few)), few) is None
    _, short = judged(1, sd=1.0, judges=60, each=4)
    assert taste(fit(merged(short)), short) is None
