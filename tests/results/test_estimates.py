"""What the judgements say: each figure is the one that the statistics give, under its name."""

from __future__ import annotations

import pytest

from eng5_runner.measure.quality.reliability import reliability_interval
from eng5_runner.results.estimates import SEED
from tests.results.builders import all_pairs, at, estimates_of, inputs_of, plain, study_of

STUDENTS = ("birk", "cleo", "dag", "ebba", "finn", "gro")
INPUTS = inputs_of(students=STUDENTS)
JUDGED = all_pairs(STUDENTS, upsets=[("gro", "birk"), ("dag", "cleo")])


def test_the_interval_of_reliability_is_drawn_as_often_as_is_said():
    """200 times for a study of this size."""
    block = at(estimates_of(INPUTS, JUDGED), "bt_model", "reliability")
    fitted = study_of(INPUTS, JUDGED).fitted
    low, high = reliability_interval(fitted, fitted.comparisons, seed=SEED, draws=200)
    assert at(block, "bootstrap_draws") == 200
    assert plain(at(block, "interval_90")) == [pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6)]
