"""Figures of the artefact: six decimals, no negative zero, nothing that a JSON reader cannot hold."""

from __future__ import annotations

import math

import pytest

from eng5_runner.core.rounding import FIGURE_LIMIT, ends, ends_if_any, figure, rounded, usable, without_excess


def test_six_decimals() -> None:
    assert (rounded(1.23456789), rounded(2), rounded(-0.0000015)) == (1.234568, 2.0, -0.000002)


def test_no_negative_zero() -> None:
    assert math.copysign(1.0, rounded(-1e-9)) == 1.0
    assert math.copysign(1.0, rounded(-0.0)) == 1.0


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(value: float | None) -> None:
    assert figure(value) is None


def test_a_figure_is_rounded() -> None:
    assert figure(1 / 3) == 0.333333


def test_an_interval_is_two_rounded_figures_or_none() -> None:
    assert ends((1 / 3, 2 / 3)) == (0.333333, 0.666667)
    assert ends_if_any((1 / 3, 2 / 3)) == (0.333333, 0.666667)
    assert ends_if_any(None) is None


@pytest.mark.parametrize("value", [FIGURE_LIMIT + 1, -FIGURE_LIMIT - 1, math.nan, math.inf, None])
def test_a_value_that_no_reader_can_hold_is_left_out(value: float | None) -> None:
    assert usable(value) is None


@pytest.mark.parametrize("value", [0, False, FIGURE_LIMIT, -FIGURE_LIMIT, "x"])
def test_any_other_value_is_kept(value: object) -> None:
    assert usable(value) == value


def test_excess_is_left_out_at_any_depth() -> None:
    value = {"a": [1, FIGURE_LIMIT + 1, {"b": -FIGURE_LIMIT - 1, "c": math.inf, "d": 1.5, "e": None}], "f": "text"}
    assert without_excess(value) == {"a": [1, {"d": 1.5, "e": None}], "f": "text"}
