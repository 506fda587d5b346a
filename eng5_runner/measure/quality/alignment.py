"""Agreement of positions and projected grades with experts' grades.

A correlation is None if it is undefined: fewer than two essays, or a side without variation. All measures are coarse if
there are few essays, so report them with the interval of `resampling.bootstrap_interval`. To score projected grades of
anchors, project each anchor's grade from the other anchors first (`grading.grades.leave_one_anchor_out`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eng5_runner.measure.quality.resampling import (
    adjacent_agreement_of_each,
    bias_of_each,
    exact_agreement_of_each,
    kendall_tau_b_of_each,
    of_one,
    spearman_of_each,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eng5_runner.measure.quality.resampling import Measure


def kendall_tau_b(positions: Sequence[float], grades: Sequence[float]) -> float | None:
    """Kendall's τ-b, which is corrected for ties: essays that share a grade.

    Raises:
        ValueError: the lengths differ.
    """
    return _correlation(kendall_tau_b_of_each, (positions, grades))


def spearman(positions: Sequence[float], grades: Sequence[float]) -> float | None:
    """Spearman's rank correlation; ties get their mean rank.

    Raises:
        ValueError: the lengths differ.
    """
    return _correlation(spearman_of_each, (positions, grades))


def exact_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays with the same grade index.

    Raises:
        ValueError: the lengths differ, or there are no essays.
    """
    return _agreement(exact_agreement_of_each, (expert, projected))


def adjacent_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays whose grade indices are at most one step apart.

    Raises:
        ValueError: the lengths differ, or there are no essays.
    """
    return _agreement(adjacent_agreement_of_each, (expert, projected))


def bias(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The mean of projected minus expert, in grade steps; positive if the projection is more generous.

    Raises:
        ValueError: the lengths differ, or there are no essays.
    """
    return _agreement(bias_of_each, (expert, projected))


def _correlation(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> float | None:
    if len(sides[0]) != len(sides[1]):
        raise ValueError("both sides must be of the same essays")
    return of_one(measure, sides) if len(sides[0]) > 1 else None


def _agreement(measure: Measure, sides: tuple[Sequence[int], Sequence[int]]) -> float:
    if len(sides[0]) != len(sides[1]):
        raise ValueError("both sides must grade the same essays")
    if not sides[0]:
        raise ValueError("there are no essays")
    value = of_one(measure, sides)
    if value is None:
        raise AssertionError("the mean of at least one number is a number")
    return value
