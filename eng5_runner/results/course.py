"""How a study became precise: the reliability of the order, and what was spent, after each part of the judgements.

    for point in course_of(artefact):
        print(point.judgements, point.reliability, point.usd)

The artefact states the end only; every judgement before is in it, so that each earlier state can be estimated again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from eng5_runner.core.rounding import rounded
from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import collapse_repeats, comparisons_from
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
    essays = sorted(entry.essay_id for entry in artefact.bt_summary)
    judged = sorted(artefact.llm_comparisons, key=lambda row: row.sequence)
    rows = [(row.essay_a_id, row.essay_b_id, 1.0 if row.first_won else 0.0) for row in judged]
    spent = list(accumulate(row.cost_usd for row in judged))
    for count in sorted({len(rows) * part // _POINTS for part in range(1, _POINTS + 1)} - {0}):
        fitted = fit(collapse_repeats(comparisons_from(essays, rows[:count])))
        reliability = None if not_defined(fitted) else rounded(empirical_bayes(fitted))
        yield CoursePoint(judgements=count, reliability=reliability, usd=rounded(spent[count - 1]))
