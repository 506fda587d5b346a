"""What judges of a known agreement with the experts get in a design: against other simulated judges, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.dependence import Correlation, Dependence, weighed
from eng5_runner.measure.quality.able_judges import able_judges
from eng5_runner.measure.quality.alignment import kendall_tau_b
from eng5_runner.measure.quality.inversions import inversions, without_win
from tests.support.studies import balanced_rounds, judged

ANCHORS = {f"anchor-{place:02}": grade for place, grade in enumerate([0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 6])}
SPREAD = 1.8


def judge_of(r, *, number, rounds=20):
    """A study of the anchors by a judge whose positions correlate with the experts' by r."""
    generator = np.random.default_rng([number, 7])
    expert = np.array([*ANCHORS.values()]) + generator.uniform(-0.5, 0.5, len(ANCHORS))
    noise = generator.normal(size=len(ANCHORS))
    truth = SPREAD * (r * (expert - expert.mean()) / expert.std() + np.sqrt(1 - r * r) * noise)
    planned = balanced_rounds([*ANCHORS], rounds=rounds, seed=number)
    pairs = [(pair.first, pair.second) for around in planned for pair in around]
    return fit(comparisons_from([*ANCHORS], judged(pairs, truth=dict(zip(ANCHORS, truth, strict=True)), seed=number)))


def figures(fitted):
    tau = kendall_tau_b(fitted.theta.tolist(), [ANCHORS[item] for item in fitted.items])
    winless = [anchor for anchor in without_win(fitted, anchors=ANCHORS) if anchor.grade > 0]
    return tau, sum(row.inverted for row in inversions(fitted, anchors=ANCHORS)), len(winless)


@pytest.mark.parametrize("r", [0.6, 1.0])
def test_the_simulated_judges_are_like_real_ones_of_that_agreement(r):
    """The means agree within three standard errors of so many real judges."""
    real = np.array([figures(judge_of(r, number=number)) for number in range(60)])
    simulated = [
        able_judges(judge_of(r, number=number), anchors=ANCHORS, rs=[r], seed=1, draws=40)[0] for number in range(15)
    ]
    for column, name in enumerate(("kendall_tau_b", "inversions", "without_win")):
        drawn = np.concatenate([getattr(one, name) for one in simulated])
        error = real[:, column].std() / np.sqrt(len(real))
        assert drawn.mean() == pytest.approx(real[:, column].mean(), abs=3.0 * error + 0.02), name


def test_other_essays_keep_their_positions():
    """An anchor that is set against essays far below it never stays without a win; the student is no anchor."""
    rows = [("high", "low", 1.0), ("high", "pupil", 1.0), ("pupil", "low", 1.0)] * 30
    fitted = fit(comparisons_from(["high", "low", "pupil"], rows), position_effect=False)
    found = able_judges(fitted, anchors={"high": 2, "low": 0}, rs=[1.0], seed=1, draws=50)[0]
    assert found.kendall_tau_b.tolist() == [1.0] * 50
    assert found.without_win.tolist() == found.inversions.tolist() == [0.0] * 50


def test_judgements_that_repeat_each_other_are_no_second_chance():
    """A judge who says the same in both orders has an anchor without a win as often as one who is asked once."""
    rows = [("low", item, float(item == "b")) for item in "abcde"] + [("high", item, 1.0) for item in "abcde"]
    once = comparisons_from(["low", "high", *"abcde"], rows)
    both = comparisons_from(once.items, [*rows, *((b, a, 1.0 - won) for a, b, won in rows)])
    counted = weighed([both], Dependence(swaps=Correlation(value=1.0, interval=(0.9, 1.0), pairs=10)))
    winless = []
    for data in (once, counted, both):
        fitted = fit(data, position_effect=False, prior_sd=1.0)
        found = able_judges(fitted, anchors={"high": 1, "low": 0, "a": 1, "b": 1}, rs=[0.5], seed=2, draws=400)[0]
        winless.append(found.without_win.mean())
    assert winless[1] == pytest.approx(winless[0], abs=0.1)
    assert winless[2] < winless[0] - 0.15, "independent answers in both orders are two chances to win"


def test_even_scores_are_half_an_inversion_and_the_seed_decides():
    fitted = fit(comparisons_from(["high", "low"], [("high", "low", 1.0), ("high", "low", 0.0)]), position_effect=False)
    found = able_judges(fitted, anchors={"high": 1, "low": 0}, rs=[0.5], seed=3, draws=50)[0]
    assert set(found.inversions.tolist()) <= {0.0, 0.5, 1.0}
    again = able_judges(fitted, anchors={"high": 1, "low": 0}, rs=[0.5], seed=3, draws=50)[0]
    assert found.inversions.tolist() == again.inversions.tolist()
    other = able_judges(fitted, anchors={"high": 1, "low": 0}, rs=[0.5], seed=4, draws=50)[0]
    assert found.inversions.tolist() != other.inversions.tolist()
