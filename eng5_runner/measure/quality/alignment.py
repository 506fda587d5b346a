"""How well positions and projected grades agree with experts' grades.

Each measure is None where it is undefined: fewer than two essays, or one side without any variation. With few essays
all of them are coarse: quote them with the `bootstrap_interval`, and grade anchors by the others before scoring them.
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
    """Kendall's τ-b, which can reach 1 although several essays share a grade (τ-a cannot).

    Raises:
        ValueError: the two have different lengths.
    """
    return _correlation(kendall_tau_b_of_each, (positions, grades))


def spearman(positions: Sequence[float], grades: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties by mean rank.

    Raises:
        ValueError: the two have different lengths.
    """
    return _correlation(spearman_of_each, (positions, grades))


def exact_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays with the same grade index.

    Raises:
        ValueError: different lengths, or no essays.
    """
    return _agreement(exact_agreement_of_each, (expert, projected))


def adjacent_agreement(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The share of essays whose grade indices are at most one step apart.

    Raises:
        ValueError: different lengths, or no essays.
    """
    return _agreement(adjacent_agreement_of_each, (expert, projected))


def bias(expert: Sequence[int], projected: Sequence[int]) -> float:
    """The mean of projected minus expert in grade steps; positive where the projection is more generous.

    Raises:
        ValueError: different lengths, or no essays.
    """
    return _agreement(bias_of_each, (expert, projected))


def _correlation(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> float | None:
    if len(sides[0]) != len(sides[1]):
        raise ValueError("both sides must be of the same essays")
    return of_one(measure, sides) if len(sides[0]) > 1 else None


def _agreement(measure: Measure, sides: tuple[Sequence[int], Sequence[int]]) -> float:
    _check(*sides)
    value = of_one(measure, sides)
    if value is None:
        raise AssertionError("a mean of something is a number")
    return value


def _check(expert: Sequence[int], projected: Sequence[int]) -> None:
    if len(expert) != len(projected):
        raise ValueError("both sides must grade the same essays")
    if not expert:
        raise ValueError("there are no essays")
