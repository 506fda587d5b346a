"""McNemar's test and its sample size, against independent calculations."""

from __future__ import annotations

import pytest
from statsmodels.stats.contingency_tables import mcnemar as by_statsmodels

from eng5_runner.measure.quality.paired import LEVEL, mcnemar, pairs_to_tell


@pytest.mark.parametrize(("only_first", "only_second"), [(12, 3), (1, 6), (5, 5), (0, 4), (40, 22)])
def test_the_p_value_is_that_of_statsmodels(only_first: int, only_second: int) -> None:
    expected = by_statsmodels([[7, only_first], [only_second, 9]], exact=True).pvalue
    assert mcnemar(only_first, only_second) == pytest.approx(expected)


def test_two_judges_that_never_differ_have_no_test() -> None:
    assert mcnemar(0, 0) is None
    assert pairs_to_tell(4, 4, pairs=30) is None


def test_the_number_of_pairs_is_that_of_the_formula_by_hand() -> None:
    """20 % of the pairs differ, by 10 % of all: (1.645 √.2 + .842 √.19)² / .1² = 121.6 pairs."""
    assert pairs_to_tell(15, 5, pairs=100) == 122 - 100


def test_more_pairs_are_needed_for_a_smaller_difference_and_none_where_there_are_enough() -> None:
    assert pairs_to_tell(11, 9, pairs=100) > pairs_to_tell(13, 7, pairs=100) > pairs_to_tell(15, 5, pairs=100)
    assert pairs_to_tell(40, 2, pairs=100) == 0


@pytest.mark.parametrize(("only_first", "pairs"), [(1, 1), (2, 2), (1, 4), (3, 30)])
def test_the_exact_test_can_tell_with_as_many_more(only_first, pairs):
    more = pairs_to_tell(only_first, 0, pairs=pairs)
    differing = round(only_first * (pairs + more) / pairs)
    assert mcnemar(differing, 0) <= LEVEL
