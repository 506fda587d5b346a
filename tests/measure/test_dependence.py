"""What judgements count for that repeat each other."""

import tracemalloc

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.comparisons import comparisons_at, shared_chance
from eng5_runner.measure.model.dependence import Correlation, Dependence, dependence, weighed
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval
from tests.support.studies import normal_truth

N = 40
NAMES = [f"essay-{number:02}" for number in range(N)]
TRUTH = normal_truth(N, spread=1.5, seed=5)


def judged(*, alike: float, repeats: int = 1, swaps: bool = True, partners: int = 8, seed: int = 7):
    """Each essay with its next ones; a judgement gives the pair's own answer with the chance √alike."""
    generator, rows = np.random.default_rng(seed), []
    for place in range(N):
        for step in range(1, partners + 1):
            first, second = place, (place + step) % N
            chance = 1.0 / (1.0 + np.exp(TRUTH[second] - TRUTH[first]))
            own = generator.random()
            for turned in (False, True)[: 1 + swaps]:
                for _ in range(repeats):
                    drawn = own if generator.random() < np.sqrt(alike) else generator.random()
                    won = float(drawn < chance)
                    rows.append(
                        (NAMES[second], NAMES[first], 1.0 - won) if turned else (NAMES[first], NAMES[second], won)
                    )
    return comparisons_from(NAMES, rows)


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_the_correlation_of_two_answers_is_estimated(alike):
    twice = dependence([judged(alike=alike)])
    assert twice.repeats is None and twice.swaps is not None and twice.swaps.pairs == N * 8
    assert twice.swaps.value == pytest.approx(alike, abs=0.13)
    assert twice.swaps.interval[0] <= max(alike, twice.swaps.interval[0]) <= twice.swaps.interval[1]
    assert 0.05 < twice.swaps.interval[1] - twice.swaps.interval[0] < 0.4
    again = dependence([judged(alike=alike, repeats=3, swaps=False)])
    assert again.swaps is None and again.repeats is not None
    assert again.repeats.value == pytest.approx(alike, abs=0.13)


def test_fewer_that_agree_than_by_chance_leave_open_how_many_would():
    """Of 80 pairs of like items, 20 in both orders with the same winner and 60 with the other one."""
    rows = []
    for number in range(2 * N):
        first, second, won = number % N, (number + 1 + number // N) % N, float(number % 2)
        rows.append((NAMES[first], NAMES[second], won))
        rows.append((NAMES[second], NAMES[first], 1.0 - won if number % 4 == 0 else won))
    found = dependence([comparisons_from(NAMES, rows)]).swaps
    assert found is not None and found.pairs == 2 * N
    assert (found.value, found.interval[0]) == (0.0, 0.0)
    assert 0.03 < found.interval[1] < 0.2


def test_one_answer_given_twice_is_one_judgement():
    once, twice = judged(alike=1.0, swaps=False), judged(alike=1.0, swaps=True)
    found = dependence([twice])
    assert found.swaps is not None and found.swaps.value == 1.0 and found.swaps.interval[0] < 1.0
    counted = weighed([twice], found)
    assert counted.weight.tolist() == [0.5] * counted.weight.size
    assert counted.weight.sum() == once.weight.sum()
    assert empirical_bayes(fit(counted)) < empirical_bayes(fit(twice)) - 0.05
    assert np.mean(fit(counted).standard_errors) == pytest.approx(np.mean(fit(once).standard_errors), rel=0.05)
    thrice = dependence([judged(alike=1.0, repeats=3, swaps=False)])
    assert thrice.repeats is not None and thrice.repeats.value == 1.0


def test_a_judgement_counts_by_the_others_of_its_pair():
    data = comparisons_from("abc", [("a", "b", 1.0), ("a", "b", 0.0), ("b", "a", 1.0), ("b", "c", 1.0)])
    correlations = [Correlation(value=value, interval=(0.0, 1.0), pairs=10) for value in (0.5, 0.25)]
    counted = weighed([data], Dependence(repeats=correlations[0], swaps=correlations[1]))
    asked = zip(counted.first.tolist(), counted.second.tolist(), counted.weight.tolist(), strict=True)
    assert list(asked) == [(0, 1, 1.0 / 1.75), (0, 1, 1.0 / 1.75), (1, 0, 1.0 / 1.5), (1, 2, 1.0)]
    assert weighed([data, data], Dependence(repeats=correlations[0])).weight.tolist() == pytest.approx(
        [2.0 / 1.5, 2.0 / 1.5, 2.0, 2.0]
    ), "two judges do not repeat each other"


def test_what_is_not_asked_twice_cannot_be_measured():
    once = judged(alike=0.0, swaps=False)
    assert dependence([once]) == Dependence(unmeasured=0.0)
    assert dependence([once, once]) == Dependence(unmeasured=0.0), "another judge's answer is no repeat"
    assert weighed([once], Dependence(unmeasured=0.0)).weight.tolist() == once.weight.tolist()
    agreeing = comparisons_from("ab", [("a", "b", 1.0)] * 3)
    assert weighed([agreeing], dependence([agreeing])).weight.tolist() == [1.0], "repeats that agree count once"
    torn = comparisons_from("ab", [("a", "b", 1.0), ("a", "b", 0.0)])
    assert weighed([torn], dependence([torn])).weight.tolist() == [1.0, 1.0]


def test_studies_drawn_again_repeat_themselves_as_the_weights_say():
    twice = judged(alike=1.0, swaps=True)
    assert shared_chance(twice, np.random.default_rng(1)) is None, "all count in full"
    half = weighed([twice], dependence([twice]))
    drawn = shared_chance(half, np.random.default_rng(1))
    assert drawn is not None and not np.isnan(drawn).any()
    by_question = {(a, b): u for a, b, u in zip(half.first.tolist(), half.second.tolist(), drawn.tolist(), strict=True)}
    assert all(u == pytest.approx(1.0 - by_question[b, a]) for (a, b), u in by_question.items())
    fitted = fit(half)
    low, high = reliability_interval(fitted)
    assert low < empirical_bayes(fitted) < high
    correlated = weighed([twice], Dependence(swaps=Correlation(value=0.5, interval=(0.0, 1.0), pairs=320)))
    shared = shared_chance(correlated, np.random.default_rng(1))
    assert shared is not None and np.isnan(shared).mean() == pytest.approx(0.5, abs=0.1)


def test_the_pull_of_the_prior_does_not_pass_for_agreement():
    """With few judgements an essay it is strong: by the mode, .29 would be .37."""
    found = [dependence([judged(alike=0.3, partners=4, seed=seed)]).swaps for seed in range(12)]
    assert np.mean([one.value for one in found if one is not None]) == pytest.approx(0.3, abs=0.04)


def test_to_measure_repeats_takes_little_more_memory_than_a_fit() -> None:
    """A run can have a million judgements: few of its pairs are judged twice, and one fit is held at a time."""
    generator, items, judgements = np.random.default_rng(1), 1_600, 24_000
    first = generator.integers(0, items, judgements)
    second = (first + generator.integers(1, items, judgements)) % items
    won = (generator.random(judgements) < 0.5).astype(np.float64)
    study = comparisons_at([f"{n:04}" for n in range(items)], first=first, second=second, outcome=won)
    peaks = []
    for work in (lambda: fit(study), lambda: dependence([study])):
        tracemalloc.start()
        try:
            assert work() is not None
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
