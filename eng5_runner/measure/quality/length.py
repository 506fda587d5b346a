"""Whether a judge prefers long texts to what the experts' grades say.

A text's length is part of whatever its position is made of, so an effect of length can only be seen against something
else that says how good the text is: the known grade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

_FEWEST = 6
_COEFFICIENTS = 3
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthEffect:
    """What a doubling of the words does to the position of essays of one grade.

    Attributes:
        estimate: logits a doubling, by least squares of θ on the grade's index and the logarithm of the words.
        interval: of it, by Student's t.
        essays: how many it rests on.
    """

    estimate: float
    interval: tuple[float, float]
    essays: int


def length_effect(
    fitted: Fit, *, grades: Mapping[str, int], words: Mapping[str, int], level: float = 0.9
) -> LengthEffect | None:
    """The effect among the essays of known grade.

    Args:
        fitted: the study.
        grades: the grade's index of each.
        words: how many words each has, at least one.
        level: of the interval.

    Returns:
        None with fewer than 6 essays, or where grades or lengths do not vary apart from each other.

    Raises:
        ValueError: an essay is not in the fit.
    """
    place = {item: index for index, item in enumerate(fitted.items)}
    unknown = [item for item in grades if item not in place]
    if unknown:
        raise ValueError(f"essays that are not in the fit: {', '.join(unknown)}")
    items = [item for item in fitted.items if item in grades]
    if len(items) < _FEWEST:
        return None
    theta = fitted.theta[[place[item] for item in items]]
    design = np.column_stack(
        [
            np.ones(len(items)),
            [float(grades[item]) for item in items],
            np.log2([float(words[item]) for item in items]),
        ]
    )
    if np.linalg.matrix_rank(design) < _COEFFICIENTS:
        return None
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ (design.T @ theta)
    freedom = len(items) - _COEFFICIENTS
    variance = float(np.square(theta - design @ found).sum()) / freedom
    margin = float(stdtrit(freedom, (1.0 + level) / 2.0)) * float(np.sqrt(variance * inverse[-1, -1]))
    estimate = float(found[-1])
    return LengthEffect(estimate=estimate, interval=(estimate - margin, estimate + margin), essays=len(items))


@dataclass(frozen=True, slots=True, kw_only=True)
class LongerWins:
    """How often the longer of two essays won.

    Attributes:
        judged: judgements of two essays of different length, both of known grade.
        won: how many the longer one won, a tie counting half.
        by_grades: how many it would have won if the higher grade always won, and equal grades half the time.
    """

    judged: float
    won: float
    by_grades: float


def longer_wins(comparisons: Comparisons, *, grades: Mapping[str, int], words: Mapping[str, int]) -> LongerWins:
    """The count over the judgements of essays of known grade."""
    size = np.array([float(words.get(item, 0)) for item in comparisons.items])
    grade = np.array([float(grades.get(item, np.nan)) for item in comparisons.items])
    longer = np.sign(size[comparisons.first] - size[comparisons.second])
    higher = np.sign(grade[comparisons.first] - grade[comparisons.second])
    counts = np.where((longer != 0.0) & ~np.isnan(higher), comparisons.weight, 0.0)
    won = np.where(longer > 0.0, comparisons.outcome, 1.0 - comparisons.outcome)
    due = _HALF + _HALF * longer * np.nan_to_num(higher)
    return LongerWins(
        judged=float(counts.sum()), won=float((counts * won).sum()), by_grades=float((counts * due).sum())
    )
