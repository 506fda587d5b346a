"""How figures are written: six decimals, no negative zero, nothing where there is nothing."""

from __future__ import annotations

import math

import pytest

from eng5_runner.core.rounding import (
    FIGURE_LIMIT,
    ends,
    ends_if_any,
    figure,
    rounded,
    sum_of_usd,
    usable,
    without_excess,
)

NO_NUMBER = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.23456789, "1.234568"), (-0.0000004, "0.0"), (-1e-6, "-1e-06"), (3, "3.0"), (2.5, "2.5"), (1e-7, "0.0")],
)
def test_a_figure_has_six_decimals_and_zero_no_sign(value, written):
    assert repr(rounded(value)) == repr(figure(value)) == written


@pytest.mark.parametrize("value", [None, *NO_NUMBER])
def test_what_is_no_number_is_no_figure(value):
    assert figure(value) is None


def test_an_interval_is_two_figures_or_nothing():
    assert ends((0.12345678, 2.0)) == ends_if_any((0.12345678, 2.0)) == (0.123457, 2.0)
    assert ends_if_any(None) is None


def test_what_is_there_is_kept_also_where_it_is_empty_or_zero():
    for value in (0, "", False, FIGURE_LIMIT, -FIGURE_LIMIT):
        assert usable(value) == value


@pytest.mark.parametrize("value", [FIGURE_LIMIT + 1, -FIGURE_LIMIT - 1, *NO_NUMBER])
def test_a_number_that_readers_cannot_hold_counts_as_absent(value):
    assert usable(value) is None
    assert without_excess({"a": value, "b": [value, {"c": value, "d": "x"}], "e": 1}) == {"b": [{"d": "x"}], "e": 1}


def test_texts_are_no_lists():
    assert without_excess({"a": "text", "b": ["x", 1.5, True, None]}) == {"a": "text", "b": ["x", 1.5, True, None]}


def test_money_has_nine_decimals_and_its_sum_depends_on_no_order():
    amounts = [0.1, 1e-9, 0.2, 7.0, 4e-10] * 9
    assert sum_of_usd(amounts) == sum_of_usd(reversed(amounts)) == 65.700000013
