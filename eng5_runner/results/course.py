"""How a study became precise: the reliability of the order, and what was spent, after each part of the judgements.

    for point in course_of(artefact):
        print(point.judgements, point.reliability, point.usd)

The artefact states the end only; every judgement before is in it, so that each earlier state can be estimated again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from eng5_runner.core.rounding import rounded
from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import collapse_repeats, comparisons_at
from eng5_runner.measure.quality.reliability import empirical_bayes, not_defined
from eng5_runner.results.artefact import Artefact

# Each point is a fit of its own: a tenth of a second for 10,000 judgements of 2,000 essays.
_POINTS = 8
_MOST_JUDGEMENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """A study after so many judgements.

    Attributes:
        judgements: with a winner, in the order in which they were asked.
        reliability: of the order by then, 0 to 1; None where it was not defined yet.
        usd: spent on these judgements.
    """

    judgements: int
    reliability: float | None
    usd: float


def course_of(artefact: Artefact) -> tuple[CoursePoint, ...]:
    """Eight points of about equal distance, the last one with all judgements; none beyond 100,000 judgements."""
    return tuple(_points(artefact)) if len(artefact.llm_comparisons) <= _MOST_JUDGEMENTS else ()


def _points(artefact: Artefact) -> Iterator[CoursePoint]:
    columns, ids = artefact.columns, [entry.essay_id for entry in artefact.bt_summary]
    essays = sorted(ids)
    place = {essay_id: index for index, essay_id in enumerate(essays)}
    places = np.array([place[essay_id] for essay_id in ids], dtype=np.int64)
    first, second = places[np.array(columns.first)], places[np.array(columns.second)]
    won = np.array(columns.first_won, dtype=np.float64)
    spent = list(accumulate(columns.cost_usd))
    for count in sorted({len(won) * part // _POINTS for part in range(1, _POINTS + 1)} - {0}):
        some = comparisons_at(essays, first=first[:count], second=second[:count], outcome=won[:count])
        fitted = fit(collapse_repeats(some))
        reliability = None if not_defined(fitted) else rounded(empirical_bayes(fitted))
        yield CoursePoint(judgements=count, reliability=reliability, usd=rounded(spent[count - 1]))
