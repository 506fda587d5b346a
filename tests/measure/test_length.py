"""The effect of length against statsmodels' regression and counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.length import length_effect, longer_wins
from tests.support.studies import balanced_study, normal_truth

STUDY = balanced_study(normal_truth(12, spread=1.5, seed=4), rounds=20, seed=4)
FITTED = fit(STUDY)
GENERATOR = np.random.default_rng(8)
GRADES = {item: int(GENERATOR.integers(0, 9)) for item in STUDY.items}
WORDS = {item: int(GENERATOR.integers(120, 420)) for item in STUDY.items}


def test_the_effect_is_that_of_statsmodels():
    items = list(STUDY.items)
    design = sm.add_constant(np.column_stack([[GRADES[i] for i in items], np.log2([WORDS[i] for i in items])]))
    expected = sm.OLS(FITTED.theta, design).fit()
    found = length_effect(FITTED, grades=GRADES, words=WORDS)
    assert found.estimate == pytest.approx(expected.params[2])
    assert found.interval == pytest.approx(tuple(expected.conf_int(alpha=0.1)[2]))
    assert found.essays == 12


def test_it_is_undefined_with_few_essays_or_without_variation():
    few = dict(list(GRADES.items())[:5])
    assert length_effect(FITTED, grades=few, words=WORDS) is None
    assert length_effect(FITTED, grades=GRADES, words=dict.fromkeys(WORDS, 200)) is None
    assert length_effect(FITTED, grades=dict.fromkeys(GRADES, 3), words=WORDS) is None
    with pytest.raises(ValueError):
        length_effect(FITTED, grades={"nobody": 1}, words=WORDS)


def test_the_longer_ones_wins_are_counted_by_hand():
    rows = [("a", "b", 1.0), ("b", "a", 1.0), ("b", "c", 0.0), ("c", "a", 0.5), ("a", "x", 1.0), ("a", "d", 1.0)]
    found = longer_wins(
        comparisons_from("abcdx", rows),
        grades={"a": 2, "b": 2, "c": 5, "d": 1},
        words={"a": 300, "b": 200, "c": 250, "d": 300, "x": 10},
    )
    assert found.judged == 4, "not that of an essay without a grade, nor that of two of one length"
    assert found.won == 1.0 + 0.0 + 1.0 + 0.5
    assert found.by_grades == 0.5 + 0.5 + 1.0 + 0.0
