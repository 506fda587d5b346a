"""The judge's card says of each figure what is good and what is not, by its interval and not by its size alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eng5_runner.reports.judge_card import confidence_row, judge_card, model_lines, model_rows
from eng5_runner.results.artefact.judge import (
    CallFailures,
    CircularTriads,
    FirstPositionAdvantage,
    JudgeConsistency,
    JudgeFigures,
    JudgementPrice,
    JudgeQuality,
    LapseRate,
    LengthBias,
    MisfitFigures,
    NotMeasured,
    OwnEffectsUse,
)
from tests.support.artefacts import seen_as


def position(estimate: float, *, half: float, wins: float) -> FirstPositionAdvantage:
    return FirstPositionAdvantage(
        estimate=estimate,
        interval_90=(estimate - half, estimate + half),
        first_wins_of_equals=wins,
        first_won=60,
        judgements=100,
        first_won_interval_90=(0.5, 0.7),
    )


def consistency(low: float, high: float) -> JudgeConsistency:
    return JudgeConsistency(compared=40, pairs=20, agreed=30, share=0.75, interval_90=(low, high), expected_share=0.8)


def length(low: float, high: float) -> LengthBias:
    return LengthBias(
        logits_a_doubling=(low + high) / 2,
        interval_90=(low, high),
        anchors=10,
        judgements=40,
        longer_won=25,
        longer_won_by_grades=22,
    )


def failures(failed: int) -> CallFailures:
    return CallFailures(calls=100, failed=failed, interval_90=(0.0, 0.3), by_code={"TIMEOUT": failed} if failed else {})


def quality(**figures: object) -> JudgeQuality:
    nothing = NotMeasured(not_measured="no pair was asked twice")
    given = {
        "position_effect": nothing,
        "swap": nothing,
        "repeats": nothing,
        "circular_triads": nothing,
        "lapse": nothing,
        "length": nothing,
        "failures": failures(0),
        "misfit": MisfitFigures(infit=1.0, outfit=1.0),
        "price": JudgementPrice(usd=1.0, judgements=100, usd_a_judgement=0.01),
        "judges": (JudgeFigures(infit=1.0, outfit=1.0, provider="p", model="m", judgements=100),),
    }
    return JudgeQuality(**(given | figures))


def rows(**figures: object):
    return {row.name.split(",")[0].split(" ")[0]: row for row in judge_card(quality(**figures))}


@pytest.mark.parametrize(
    ("figures", "row", "level"),
    [
        ({"position_effect": position(0.4, half=0.5, wins=0.6)}, "advantage", "good"),
        ({"position_effect": position(0.1, half=0.05, wins=0.52)}, "advantage", "fair"),
        ({"position_effect": position(-0.3, half=0.1, wins=0.42)}, "advantage", "fair"),
        ({"position_effect": position(0.8, half=0.2, wins=0.69)}, "advantage", "bad"),
        ({"swap": consistency(0.6, 0.85)}, "flips", "good"),
        ({"swap": consistency(0.6, 0.79)}, "flips", "bad"),
        ({"repeats": consistency(0.9, 1.0)}, "same", "good"),
        ({"repeats": consistency(0.5, 0.7)}, "same", "bad"),
        ({"circular_triads": CircularTriads(complete=100, circular=12, expected=9.0, zeta=None)}, "circular", "good"),
        ({"circular_triads": CircularTriads(complete=100, circular=16, expected=9.0, zeta=None)}, "circular", "bad"),
        ({"lapse": LapseRate(rate=0.12, interval_90=(0.0, 0.2))}, "lapses", "good"),
        ({"lapse": LapseRate(rate=0.08, interval_90=(0.02, 0.2))}, "lapses", "fair"),
        ({"lapse": LapseRate(rate=0.2, interval_90=(0.1, 0.3))}, "lapses", "bad"),
        ({"length": length(-0.1, 0.9)}, "a", "good"),
        ({"length": length(0.1, 0.9)}, "a", "bad"),
        ({"failures": failures(2)}, "failed", "good"),
        ({"failures": failures(5)}, "failed", "fair"),
        ({"failures": failures(20)}, "failed", "bad"),
        ({"misfit": MisfitFigures(infit=1.4, outfit=1.0)}, "misfit", "bad"),
        ({"misfit": MisfitFigures(infit=0.5, outfit=1.0)}, "misfit", "fair"),
        ({"misfit": MisfitFigures(infit=None, outfit=None)}, "misfit", "none"),
    ],
)
def test_each_figure_is_judged_by_its_interval(figures, row, level):
    assert rows(**figures)[row].level == level


def test_what_was_not_measured_says_why_and_nothing_else():
    row = rows()["flips"]
    assert (row.level, row.found) == ("none", "not measured: no pair was asked twice")


def test_the_sentence_names_which_place_or_length_is_favoured():
    assert "shown second" in rows(position_effect=position(-0.8, half=0.1, wins=0.3))["advantage"].says
    assert "the shorter one" in rows(length=length(-0.9, -0.1))["a"].says


def with_confidences(right: float, wrong: float):
    """A run whose judge gives one confidence where the order agrees, another where it does not."""
    run = seen_as([float(n) for n in range(9)])
    ranks = {entry.essay_id: entry.rank for entry in run.bt_summary}
    other = {"A": "B", "B": "A"}
    rows = [
        replace(row, winner_id=row.loser_id, loser_id=row.winner_id, winner_position=other[row.winner_position])
        if number % 3 == 0
        else row
        for number, row in enumerate(run.llm_comparisons)
    ]
    held = [ranks[row.winner_id] < ranks[row.loser_id] for row in rows]
    return run.model_copy(
        update={
            "llm_comparisons": tuple(
                replace(row, confidence=right if agrees else wrong) for row, agrees in zip(rows, held, strict=True)
            )
        }
    )


def test_confidence_is_good_where_the_order_agrees_more_often_with_the_surer_answers():
    good, bad = confidence_row(with_confidences(5.0, 2.0)), confidence_row(with_confidences(2.0, 5.0))
    assert good is not None and bad is not None
    assert (good.level, good.found) == ("good", "2: 0% of 12, 5: 100% of 24")
    assert bad.level == "fair"
    same = confidence_row(with_confidences(3.0, 3.0))
    assert same is not None and same.level == "none"
    assert confidence_row(seen_as([0.0, 1.0, 2.0], anchors=3)) is None
    run = with_confidences(5.0, 2.0)
    level = run.model_copy(update={"bt_summary": tuple(one.model_copy(update={"rank": 1}) for one in run.bt_summary)})
    assert confidence_row(level) is None, "an order without differences says nothing of any answer"


def test_models_that_judge_together_are_compared_and_who_disagrees_is_named():
    usual = {"infit": 1.0, "outfit": 1.0, "provider": "p", "judgements": 100}
    steady = JudgeFigures(**usual, model="steady", agreed=0.8, expected=0.78, disagrees=False)
    odd = JudgeFigures(**usual, model="odd", agreed=0.41, expected=0.78, disagrees=True, slope=0.2, slope_se=0.1)
    both = quality(judges=(steady, odd), own_effects=OwnEffectsUse(is_used=True, gain=0.02, standard_error=0.01))
    first, second = model_lines(both)
    assert first == "p odd disagrees with the other judge: it agrees in 41%, 78% expected"
    assert "own discrimination" in second
    assert [row[-2:] for row in model_rows(both)] == [("–", "–"), ("0.20 ± 0.10", "–")]
    assert not [*model_rows(quality())] and not [*model_lines(quality())], "a single model"
