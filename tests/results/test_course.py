"""How a study became precise, part by part of its judgements."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from operator import attrgetter

import pytest

from eng5_runner.results.course import course_of
from tests.support.artefacts import artefact, seen_as
from tests.support.judged_run import judged_run


def test_the_course_ends_with_the_reliability_of_the_run_also_where_confidence_counts():
    run = judged_run(students=12, anchors=9, per_essay=12, soft=True)
    model = run.bt_model
    assert model is not None and model.soft_judgements is not None
    assert [judge.used for judge in model.soft_judgements.judges] == ["confidence"]
    assert course_of(run)[-1].reliability == model.reliability.empirical_bayes
    wins_alone = run.model_copy(update={"bt_model": model.model_copy(update={"soft_judgements": None})})
    assert course_of(wins_alone)[-1].reliability < model.reliability.empirical_bayes - 0.02


def test_the_course_ends_with_all_judgements_and_grows_in_cost():
    run = seen_as([float(n * 5 % 12) for n in range(12)], anchors=3)
    points = course_of(run)
    assert [point.judgements for point in points] == [66 * part // 8 for part in range(1, 9)]
    assert points[-1].usd == pytest.approx(66 * 0.00125)
    assert [point.usd for point in points] == sorted(point.usd for point in points)
    known = [point.reliability for point in points if point.reliability is not None]
    assert known[-1] > 0.9 and known[-1] >= known[0] >= 0.0
    assert course_of(artefact()) == ()


def test_rounds_that_were_asked_together_are_told_apart():
    """A round for each of the eight points; asked by their first essays."""
    run = judged_run(students=6, anchors=6, per_essay=8, soft=True)
    count = len(run.llm_comparisons)
    ends = [count * part // 8 for part in range(1, 9)]
    rows = tuple(
        replace(row, iteration=1 + bisect_right(ends, number)) for number, row in enumerate(run.llm_comparisons)
    )
    together = sorted(rows, key=attrgetter("essay_a_id"))
    courses = [course_of(run.model_copy(update={"llm_comparisons": asked})) for asked in (rows, tuple(together))]
    assert courses[0] == courses[1] and [point.judgements for point in courses[0]] == ends
