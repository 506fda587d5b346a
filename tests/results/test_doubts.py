"""When the judge's order may be no better than chance, and when agreement with the experts is not shown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eng5_runner.measure.quality.reliability import NO_DIFFERENCE
from eng5_runner.results.artefact.judge import (
    AlignmentIntervals,
    AnchorAlignment,
    FirstPositionAdvantage,
    JudgeFigures,
    JudgeQuality,
    NotMeasured,
)
from eng5_runner.results.artefact.record import Stopping
from eng5_runner.results.doubts import doubts_about
from tests.support.artefacts import artefact, model

UNKNOWN = NotMeasured(not_measured="as no judgement is there")


def reliable_from(low: float):
    made = model(reliability=0.6)
    reliability = made.reliability.model_copy(update={"interval_90": (low, 0.8)})
    return made.model_copy(update={"reliability": reliability})


def agreeing(interval: tuple[float, float] | None) -> AnchorAlignment:
    """An alignment of which only the interval of τ-b matters."""
    others = dict.fromkeys(("spearman", "left_out_exact", "left_out_within_one", "left_out_qwk", "left_out_bias"), None)
    intervals = AlignmentIntervals(kendall_tau_b=interval, left_out_mean_absolute_error=None, **others)
    return AnchorAlignment.model_construct(kendall_tau_b=0.28, intervals_90=intervals)


@pytest.mark.parametrize(("low", "is_noise"), [(0.0, True), (0.099, True), (0.1, False), (0.7, False)])
def test_an_order_is_noise_where_its_reliability_may_be_about_none(low, is_noise):
    noise = doubts_about(artefact(bt_model=reliable_from(low))).noise
    assert (noise is not None) == is_noise
    if noise is not None:
        assert noise == f"the reliability of the order is 0.60, 90% interval {low:.2f} to 0.80"


@pytest.mark.parametrize(
    ("first_won", "of", "place"),
    [
        (60, 60, "60 of 60 judgements were won by the essay that was shown first"),
        (97, 100, "97 of 100 judgements were won by the essay that was shown first"),
        (1, 60, "59 of 60 judgements were won by the essay that was shown second"),
        (96, 100, None),
        (30, 60, None),
        (19, 19, None),
    ],
)
def test_a_judge_who_nearly_always_chooses_one_place_goes_by_the_place(first_won, of, place):
    shown = FirstPositionAdvantage.model_construct(first_won=first_won, judgements=of)
    quality = JudgeQuality.model_construct(judges=(), position_effect=shown)
    assert doubts_about(artefact(judge_quality=quality)).place == place


def test_an_order_is_noise_where_no_essay_differs():
    made = model()
    nothing = {"undefined": NO_DIFFERENCE, "empirical_bayes": None, "interval_90": None}
    same = made.reliability.model_copy(update=nothing)
    doubts = doubts_about(artefact(bt_model=made.model_copy(update={"reliability": same})))
    assert doubts.noise == "the judgements show no difference between the essays"


def test_without_judgements_nothing_is_said():
    doubts = doubts_about(artefact())
    assert (doubts.noise, doubts.disagreement) == (None, None)


def test_named_pairs_are_no_test_of_the_order():
    made = artefact(bt_model=reliable_from(0.0))
    chosen = {design: Stopping.model_construct(design=design) for design in ("boundary", "balanced")}
    assert doubts_about(made.model_copy(update={"stopping": chosen["boundary"]})).noise is None
    assert doubts_about(made.model_copy(update={"stopping": chosen["balanced"]})).noise is not None


@pytest.mark.parametrize(
    ("interval", "is_doubted"),
    [((-0.03, 0.82), True), ((0.0, 0.5), True), ((-0.9, -0.4), True), ((0.01, 0.9), False), (None, False)],
)
def test_agreement_is_shown_where_the_interval_of_tau_lies_above_zero(interval, is_doubted):
    doubts = doubts_about(artefact(anchor_alignment=agreeing(interval)))
    assert (doubts.disagreement is not None) == is_doubted
    if interval == (-0.03, 0.82):
        assert doubts.disagreement == (
            "Kendall τ-b of the anchors' order with their grades is 0.28, 90% interval -0.03 to 0.82"
        )


def judged_by(*shares: tuple[int, bool], first_won: Sequence[int | None] = ()):
    """A run whose judges made so many judgements, and disagree or not; how many of these the essay shown first won."""
    judges = [
        JudgeFigures(
            provider="p",
            model=f"m{number}",
            judgements=count,
            infit=1.0,
            outfit=1.0,
            agreed=0.41 if odd else 0.8,
            expected=0.78,
            disagrees=odd,
            first_won=dict(enumerate(first_won)).get(number),
        )
        for number, (count, odd) in enumerate(shares)
    ]
    return doubts_about(
        artefact(judge_quality=JudgeQuality.model_construct(judges=tuple(judges), position_effect=UNKNOWN))
    )


def test_of_two_judges_who_disagree_neither_is_outvoted():
    found = judged_by((100, True), (100, False))
    assert found.divided == "p m0 disagrees with the other judge: it agrees in 41%, 78% expected"
    assert found.outvoted is None
    assert judged_by((50, True), (100, False)).divided is not None, "two are no majority of three"


def test_a_judge_is_outvoted_where_most_judgements_are_from_judges_who_agree():
    found = judged_by((100, True), (100, False), (100, False))
    assert found.outvoted == "p m0 disagrees with the others: it agrees in 41%, 78% expected"
    assert found.divided is None
    assert judged_by((200, True), (100, False), (100, False)).divided is not None, "as many as the others"


@pytest.mark.parametrize(("first_won", "place"), [(58, "first"), (1, "second"), (57, None), (2, None)])
def test_one_of_several_judges_that_goes_by_the_place_is_named_so(first_won, place):
    """Nearly always is 97%; with one place in 96.6% a judge may still go by the essays."""
    found = judged_by((59, True), (59, False), first_won=(first_won, 30)).divided
    if place is None:
        assert found == "p m0 disagrees with the other judge: it agrees in 41%, 78% expected"
    else:
        count = first_won if place == "first" else 59 - first_won
        assert found == (
            f"p m0 goes by the place and not by the essay: {count} of 59 judgements were won by the essay that was "
            f"shown {place}; it agrees with the other judge in 41%, 78% expected"
        )


def test_a_judge_that_goes_by_the_place_is_a_doubt_also_where_it_does_not_clearly_disagree():
    assert judged_by((100, False), (100, False), first_won=(100, 50)).divided is not None
    assert judged_by((19, False), (100, False), first_won=(19, 50)).divided is None, "too few judgements to say"


def test_judges_who_agree_are_no_doubt():
    found = judged_by((100, False), (100, False))
    assert found.divided is found.outvoted is None
