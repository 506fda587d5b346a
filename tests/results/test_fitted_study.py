"""Judgements as the statistics see them, and how the artefact states what was used of them."""

from __future__ import annotations

import pytest

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.model.dependence import Correlation, Dependence
from eng5_runner.measure.model.soft import WINS, Reading, Said
from eng5_runner.measure.model.soft_choice import JudgeReading, SoftChoice
from eng5_runner.results.artefact.measurement import (
    JudgementDependence,
    PairCorrelation,
    SoftCandidate,
    SoftJudge,
    SoftUse,
)
from eng5_runner.results.fitted_study import JudgedStudy, Judgements, dependence_facts, said_by, soft_use
from tests.support.artefacts import comparison
from tests.support.results import call, calls, inputs_of

NAMES = ("ann", "bob", "cyd")
TWO = comparisons_from(NAMES, [("ann", "bob", 1.0), ("bob", "cyd", 0.0), ("ann", "bob", 1.0)])


def test_a_judgement_is_read_with_what_its_judge_said() -> None:
    told = {"provider": "p", "model": "m", "confidence": 4.0, "probability_a": 0.25}
    row = comparison("ann", "bob", "bob", probability_is_bound=True, **told)
    assert said_by(row) == Said(
        "ann", "bob", 0.0, judge="p/m", confidence=4.0, probability=0.25, is_bound=True, count=1.0
    )
    bare = said_by(comparison("ann", "bob", "ann"))
    assert bare == Said("ann", "bob", 1.0, judge="openai/m1")
    assert bare.is_bound is False


def test_judgements_are_columns_in_the_order_in_which_they_were_asked() -> None:
    rows = [
        *calls("bob>ann", "cyd<ann", provider="openai", model="x", cost_estimate=0.25),
        *calls("ann>cyd", provider="google", model="y", cost_estimate=0.5),
    ]
    found = Judgements.of(NAMES, rows)
    assert (found.items, len(found)) == (NAMES, 3)
    assert (found.first.tolist(), found.second.tolist()) == ([1, 2, 0], [0, 0, 2])
    assert (found.first_won.tolist(), found.cost_usd.tolist()) == ([1, 0, 1], [0.25, 0.25, 0.5])
    assert [found.judges[place] for place in found.judge] == [("openai", "x"), ("openai", "x"), ("google", "y")]
    assert list(found.by_judge) == ["google/y", "openai/x"]
    assert [data.weight.sum() for data in found.by_judge.values()] == [1.0, 2.0]
    assert found.comparisons.weight.sum() == 3.0


def test_a_study_has_words_grades_and_judgements_of_all_essays() -> None:
    inputs = inputs_of(students=("ann", "bob"), anchors={"anchor-1": "F+"}, words={"ann": 7, "anchor-1": 9})
    failed = calls("ann?bob")
    study = JudgedStudy.of(inputs, judged=calls("ann>bob", "ann>anchor-1"), failed=failed)
    assert study.words == {"anchor-1": 9, "ann": 7, "bob": inputs.students[1].word_count}
    assert study.grades == {"anchor-1": 0}
    assert (study.failed, study.flags, study.soft, study.own) == (failed, inputs.flags, None, None)
    assert study.fitted.items == study.asked.items == study.judged.items == ("anchor-1", "ann", "bob")
    assert study.measured_scale.prior == study.scale.prior
    assert study.measured_scale.has_below_lowest is True


def test_what_judges_said_is_used_only_where_it_is_allowed() -> None:
    order = [f"essay-{number}" for number in range(10)]
    pairs = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :]]
    rows = [call(a, b, a, number=n, confidence=2.0 + 2 * (n % 2)) for n, (a, b) in enumerate(pairs)]
    allowed = JudgedStudy.of(inputs_of(students=order), judged=rows, soft=True)
    assert allowed.soft is not None
    assert [judge.judge for judge in allowed.soft.judges] == ["mock/invented-judge-1"]
    assert JudgedStudy.of(inputs_of(students=order), judged=rows).soft is None


def test_how_far_judgements_repeat_each_other_is_stated_where_it_was_measured() -> None:
    counted = comparisons_from(NAMES, [("ann", "bob", 1.0)])
    repeats = Correlation(value=0.1234567, interval=(0.0, 0.25), pairs=11)
    stated = PairCorrelation(correlation=0.123457, interval_90=(0.0, 0.25), pairs=11)
    for kind in ("repeats", "swaps"):
        facts = dependence_facts(Dependence(**{kind: repeats}), asked=TWO, counted=counted)
        assert facts == JudgementDependence(
            **{"repeats": None, "swaps": None} | {kind: stated}, judgements=3, count_as=1.0
        )
    assert dependence_facts(Dependence(), asked=TWO, counted=TWO) is None
    assert dependence_facts(None, asked=TWO, counted=TWO) is None


@pytest.mark.parametrize("interval", [None, (1.0, 1.75)])
def test_what_a_fit_used_of_each_judge_is_stated(interval: tuple[float, float] | None) -> None:
    judges = (
        JudgeReading(
            judge="p/m",
            judgements=40.0,
            reading=Reading("probability", (1.5,)),
            gains={"confidence": (-0.125, 0.25), "probability": (0.5, 0.0625)},
        ),
        JudgeReading(judge="", judgements=2.0, reading=WINS, gains={}),
    )
    assert soft_use(SoftChoice(fitted=fit(TWO), judges=judges, worth=1.25, worth_interval=interval)) == SoftUse(
        worth=1.25,
        worth_interval_90=interval,
        judges=(
            SoftJudge(
                judge="p/m",
                judgements=40.0,
                used="probability",
                parameters=(1.5,),
                tried=(
                    SoftCandidate(scale="confidence", gain=-0.125, standard_error=0.25),
                    SoftCandidate(scale="probability", gain=0.5, standard_error=0.0625),
                ),
            ),
            SoftJudge(judge=None, judgements=2.0, used="wins", parameters=None, tried=()),
        ),
    )
    assert soft_use(SoftChoice(fitted=fit(TWO))) is None
