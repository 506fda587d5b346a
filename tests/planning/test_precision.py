"""What comparisons buy, for each spread of the essays, and what other precisions need."""

from __future__ import annotations

import math

import pytest

from eng5_runner.core.spec import Budget
from eng5_runner.measure.design.planning import (
    adaptive_worth,
    comparisons_for_reliability,
    comparisons_for_se,
    expected_precision,
)
from eng5_runner.planning.measured import Pilot, PilotMeasures
from eng5_runner.planning.precision import GradeAims, PrecisionForecast, forecasts, pair_margin, spreads
from eng5_runner.planning.pricing import Interval
from tests.support.results import inputs_of

ANCHORS = {f"anchor-{n}": grade for n, grade in enumerate(("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"))}
INPUTS = inputs_of(students=[f"student-{n}" for n in range(11)], anchors=ANCHORS)
ESSAYS = 20
NOTHING = Interval(low=0.0, high=0.0)


def pilot(*, step: float | None = 0.5) -> Pilot:
    return Pilot(
        label="pilot",
        comparisons=100,
        failed=0,
        essays=10,
        spread=2.0,
        spread_90=Interval(low=1.5, high=2.5),
        step=step,
        judge=None,
        measured=PilotMeasures(prompt_tokens=NOTHING, completion_tokens=NOTHING, usd=None, seconds=NOTHING),
    )


def forecast(
    comparisons: int = 200, *, earlier: Pilot | None = None, within_one: float | None = None, **budget: object
) -> list[PrecisionForecast]:
    asked = Budget.model_validate(budget)
    return list(forecasts(asked, INPUTS, comparisons=comparisons, pilot=earlier, aims=GradeAims(within_one=within_one)))


def needed(found: PrecisionForecast) -> dict[tuple[str, float], int | None]:
    return {(target.of, target.value): target.comparisons for target in found.targets}


def test_without_a_pilot_three_spreads_are_assumed():
    assert [(one.spread, one.origin) for one in forecast()] == [(spread, "assumed") for spread in (1.0, 2.0, 4.0, 6.0)]


def test_a_pilots_spread_and_its_ends_take_their_place():
    assert spreads(pilot()) == ((1.5, "low"), (2.0, "estimate"), (2.5, "high"))
    assert [one.origin for one in forecast(earlier=pilot())] == ["low", "estimate", "high"]


@pytest.mark.parametrize("design", ["balanced", "adaptive"])
def test_precision_is_that_of_the_design(design):
    for found in forecast(design=design):
        adaptive = design == "adaptive"
        expected = expected_precision(essays=ESSAYS, comparisons=200, spread=found.spread, adaptive=adaptive)
        assert (found.se, found.reliability, found.per_essay) == (expected.se, expected.reliability, expected.per_essay)
        assert found.adaptive_worth == (adaptive_worth(found.spread) if adaptive else 1.0)


@pytest.mark.parametrize(("design", "other"), [("balanced", "adaptive"), ("adaptive", "balanced")])
def test_a_plan_says_what_the_other_design_takes_for_the_same(design, other):
    for found in forecast(design=design):
        takes = found.in_other_design
        assert takes < 200 if other == "adaptive" else takes > 200
        same = expected_precision(essays=ESSAYS, comparisons=takes, spread=found.spread, adaptive=other == "adaptive")
        assert same.reliability == pytest.approx(found.reliability, abs=0.002)


def test_more_comparisons_are_more_precise_and_repeats_are_none():
    few, many = forecast(100), forecast(200)
    assert all(a.se > b.se and a.reliability < b.reliability for a, b in zip(few, many, strict=True))
    assert [one.se for one in forecast(200, repeats=2)] == [one.se for one in few]


def test_grades_are_promised_only_where_anchors_can_project_them():
    assert all(0.0 < one.exact < one.within_one < 1.0 for one in forecast())
    bare = inputs_of(students=[f"student-{n}" for n in range(20)])
    found = list(forecasts(Budget(), bare, comparisons=200, pilot=None, aims=GradeAims()))
    assert {(one.exact, one.within_one) for one in found} == {(None, None)}
    assert all(needed(one)["grade within one step", 0.8] is None for one in found)


def test_a_pilot_that_measured_the_grades_distance_changes_their_chances():
    wide, narrow = forecast(earlier=pilot(step=1.0)), forecast(earlier=pilot(step=0.25))
    assert all(a.within_one > b.within_one for a, b in zip(wide, narrow, strict=True))
    unknown = forecast(earlier=pilot(step=None))
    assert unknown[1].within_one not in (wide[1].within_one, narrow[1].within_one)


def test_the_usual_precisions_are_shown_where_a_run_has_none_of_its_own():
    for found in forecast():
        targets = needed(found)
        assert list(targets) == [("reliability", 0.8), ("reliability", 0.9), ("grade within one step", 0.8)]
        for reliability in (0.8, 0.9):
            takes = comparisons_for_reliability(essays=ESSAYS, spread=found.spread, reliability=reliability)
            assert targets["reliability", reliability] == takes


def test_a_run_s_own_targets_take_their_place():
    for found in forecast(target_reliability=0.85, target_se=0.6, within_one=0.7):
        targets = needed(found)
        assert list(targets) == [("reliability", 0.85), ("standard error", 0.6), ("grade within one step", 0.7)]
        assert targets["standard error", 0.6] == comparisons_for_se(essays=ESSAYS, spread=found.spread, se=0.6)


def test_a_standard_error_no_smaller_than_the_spread_needs_nothing():
    found = {one.spread: needed(one)["standard error", 2.0] for one in forecast(target_se=2.0)}
    assert found[1.0] == found[2.0] == 0 < found[4.0]


def test_repeats_and_swaps_come_on_top():
    for once, often in zip(forecast(), forecast(repeats=2, swap="audit"), strict=True):
        one, other = needed(once)["reliability", 0.8], needed(often)["reliability", 0.8]
        assert one is not None and other == math.ceil(one * 2.2)


def test_an_adaptive_design_needs_fewer():
    for balanced, adaptive in zip(forecast(), forecast(design="adaptive"), strict=True):
        assert needed(adaptive)["reliability", 0.9] < needed(balanced)["reliability", 0.9]


def test_a_boundary_design_places_no_essay():
    assert forecast(design="boundary", pairs=(("student-1", "student-2"),)) == []


@pytest.mark.parametrize(("judgements", "margin"), [(4, 0.3176), (16, 0.1902), (100, 0.0812)])
def test_the_margin_of_a_pair_is_half_of_wilsons_interval(judgements, margin):
    assert pair_margin(judgements) == pytest.approx(margin, abs=1e-4)
