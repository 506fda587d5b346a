"""Whether a judge prefers longer texts more than experts' grades do.

A better text is often longer, so a position alone does not show an effect of length. It can only be seen among essays
whose quality is known from somewhere else: from their grades.
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
    """How much twice as many words change the position of an essay of the same grade.

    Attributes:
        estimate: in logits per doubling, by least squares of θ on the grade's index and the logarithm of the words.
        interval: of the estimate, by Student's t.
        essays: number of essays that were used.
    """

    estimate: float
    interval: tuple[float, float]
    essays: int


def length_effect(
    fitted: Fit, *, grades: Mapping[str, int], words: Mapping[str, int], level: float = 0.9
) -> LengthEffect | None:
    """The effect of length among the essays with known grades.

    Args:
        fitted: the study.
        grades: essay → index of its grade.
        words: essay → number of words, at least 1.
        level: of the interval.

    Returns:
        None if there are fewer than 6 essays, or if grades and lengths do not vary independently.

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
    coefficients = inverse @ (design.T @ theta)
    freedom = len(items) - _COEFFICIENTS
    variance = float(np.square(theta - design @ coefficients).sum()) / freedom
    margin = float(stdtrit(freedom, (1.0 + level) / 2.0)) * float(np.sqrt(variance * inverse[-1, -1]))
    estimate = float(coefficients[-1])
    return LengthEffect(estimate=estimate, interval=(estimate - margin, estimate + margin), essays=len(items))


@dataclass(frozen=True, slots=True, kw_only=True)
class LongerWins:
    """How often the longer of two essays won.

    Attributes:
        judged: number of judgements of two essays with different lengths and known grades.
        won: number of them that the longer essay won; a tie counts as half.
        by_grades: the number that it would have won if the higher grade always won, and half of those with equal
            grades.
    """

    judged: float
    won: float
    by_grades: float


def longer_wins(comparisons: Comparisons, *, grades: Mapping[str, int], words: Mapping[str, int]) -> LongerWins:
    """Count how often the longer essay won, among the judgements of essays with known grades.

    Args:
        comparisons: the judgements.
        grades: essay → index of its grade.
        words: essay → number of words.
    """
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
