"""What one run of a sweep says of its judge: the figures of its own report."""

from __future__ import annotations

import pytest

from eng5_runner.results.artefact.judge import (
    AlignmentIntervals,
    AnchorAlignment,
    FirstPositionAdvantage,
    JudgeConsistency,
    JudgeQuality,
    LengthBias,
)
from eng5_runner.results.artefact.record import ComparisonCounts
from eng5_runner.results.artefact.study import Costs, JudgeIdentity, ReplayedUnknown, ReplaySavings, TrialAnswer
from eng5_runner.results.sweep.figures import RunFigures, SweptFigure, SweptRun, figures_of
from tests.support.artefacts import RUN, artefact, comparison, entry, metadata, model, status

ANCHORS = {"anchor-a1": "A", "anchor-b1": "B", "anchor-b2": "B"}
INTERVALS = AlignmentIntervals.model_construct(kendall_tau_b=(0.5, 1.0), left_out_mean_absolute_error=(0.25, 1.5))
ALIGNMENT = AnchorAlignment.model_construct(
    kendall_tau_b=0.75, left_out_mean_absolute_error=0.5, intervals_90=INTERVALS
)
QUALITY = JudgeQuality.model_construct(
    position_effect=FirstPositionAdvantage.model_construct(estimate=0.125, interval_90=(-0.5, 0.5)),
    length=LengthBias.model_construct(logits_a_doubling=0.25, interval_90=(0.0, 0.5)),
    swap=JudgeConsistency.model_construct(share=0.875, interval_90=(0.75, 1.0)),
)
TIMES = "2027-03-02T08:00:00.000000Z", "2027-03-02T08:01:30.500000Z"


def of(**blocks: object) -> RunFigures:
    made = artefact(anchors=ANCHORS, students=("birk", "cleo"), **blocks)
    return figures_of(made, judge="j", design="d", seed=7, directory="runs/j-7")


def test_a_run_has_the_figures_of_its_report() -> None:
    rows = [
        comparison("anchor-a1", "anchor-b1", "anchor-a1", response_time_ms=100),
        comparison("anchor-b1", "anchor-a1", "anchor-b1", sequence=2, response_time_ms=300),
        comparison("anchor-b2", "anchor-a1", "anchor-b2", sequence=3, response_time_ms=200),
        comparison("anchor-b1", "anchor-b2", "anchor-b2", sequence=4),
        comparison("anchor-b1", "birk", "birk", sequence=5, response_time_ms=9000, replayed=ReplayedUnknown()),
    ]
    found = of(
        metadata=metadata(
            started_at=TIMES[0],
            generated_at=TIMES[1],
            judges=tuple(JudgeIdentity(provider="p", model=name, kind="k") for name in ("m1", "m2")),
        ),
        runner_status=status(comparisons=ComparisonCounts(judged=4, failed=2), outcome="partial"),
        llm_comparisons=tuple(rows),
        bt_summary=(entry("anchor-a1", theta=1.5, grade="A"), entry("birk", theta=0.5, rank=2)),
        bt_model=model(reliability=0.625),
        anchor_alignment=ALIGNMENT,
        judge_quality=QUALITY,
        costs=Costs(
            total_usd=1.0,
            token_counts=(),
            test_answer=TrialAnswer(usd=0.25, prompt_tokens=1, completion_tokens=1),
            replayed=ReplaySavings(comparisons=1, saved_usd=0.5),
        ),
    )
    assert found.run == SweptRun(
        judge="j",
        design="d",
        seed=7,
        directory="runs/j-7",
        run_id=RUN,
        model="p m1, p m2",
        outcome="partial",
        judged=4,
        failed=2,
        tau_b=SweptFigure(value=0.75, interval_90=(0.5, 1.0)),
        grade_error=SweptFigure(value=0.5, interval_90=(0.25, 1.5)),
        first_shown=SweptFigure(value=0.125, interval_90=(-0.5, 0.5)),
        length=SweptFigure(value=0.25, interval_90=(0.0, 0.5)),
        swap=SweptFigure(value=0.875, interval_90=(0.75, 1.0)),
        reliability=0.625,
        usd=1.0,
        usd_a_judgement=0.3125,
        seconds_an_answer=0.2,
        seconds=90.5,
    )
    assert (found.mode, found.students) == ("execute", 2)
    assert found.positions == {"anchor-a1": 1.5}
    assert found.grades == {"anchor-a1": 8, "anchor-b1": 7, "anchor-b2": 7}
    assert found.shares == {("anchor-a1", "anchor-b1"): 0.5, ("anchor-a1", "anchor-b2"): 0.0}


def test_what_was_not_measured_has_no_value() -> None:
    bare = of().run
    assert bare.model is None
    figures = (bare.tau_b, bare.grade_error, bare.first_shown, bare.length, bare.swap)
    assert set(figures) == {SweptFigure()}
    assert (bare.reliability, bare.usd_a_judgement, bare.seconds_an_answer) == (None, None, None)
    few = of(anchor_alignment=ALIGNMENT.model_copy(update={"intervals_90": None})).run
    assert few.tau_b == SweptFigure(value=0.75)
    assert few.grade_error == SweptFigure(value=0.5)


def test_on_a_scale_that_is_not_known_no_pair_can_be_right() -> None:
    found = of(metadata=metadata(grade_scale="of another program"), bt_summary=(entry("anchor-a1", grade="A"),))
    assert (found.grades, found.positions, found.shares) == ({}, {}, {})


def test_without_a_replay_or_a_test_answer_a_judgement_costs_its_part() -> None:
    counts = status(comparisons=ComparisonCounts(judged=8, failed=0))
    found = of(runner_status=counts, costs=Costs(total_usd=1.0, token_counts=()))
    assert found.run.usd_a_judgement == pytest.approx(0.125)


def test_a_run_that_ended_before_it_began_by_a_clock_that_was_set_back_took_no_time() -> None:
    assert of(metadata=metadata(started_at=TIMES[1], generated_at=TIMES[0])).run.seconds == 0.0
