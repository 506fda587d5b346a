"""How a study became precise: the reliability of the order, and what was spent, after each part of the judgements.

    for point in course_of(artefact):
        print(point.judgements, point.reliability, point.usd)

The artefact states the end only; every judgement before is in it, so that each earlier state can be estimated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import cast

import numpy as np
from numpy.typing import NDArray

from eng5_runner.core.rounding import rounded
from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_at
from eng5_runner.measure.model.dependence import dependence, weighed
from eng5_runner.measure.model.soft import WINS, Reading, SoftEvidence, SoftJudgements, in_fixed_order, soft_from
from eng5_runner.measure.quality.reliability import empirical_bayes, not_defined
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import cells_of
from eng5_runner.results.fitted_study import said_by

# Each point is a fit of its own: a tenth of a second for 10,000 judgements of 2,000 essays.
_POINTS = 8
_MOST_JUDGEMENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """A study after so many judgements.

    Attributes:
        judgements: with a winner, round by round; within a round in the order in which they were asked.
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
    order = _round_by_round(artefact)
    first, second = places[np.array(columns.first)][order], places[np.array(columns.second)][order]
    won = np.array(columns.first_won, dtype=np.float64)[order]
    spent = list(accumulate(np.array(columns.cost_usd)[order].tolist()))
    every = comparisons_at(essays, first=first, second=second, outcome=won)
    found = dependence([every])
    soft = _Soft.of(artefact, weighed([every], found), order=order)
    fitted = None
    for count in sorted({len(won) * part // _POINTS for part in range(1, _POINTS + 1)} - {0}):
        some = comparisons_at(essays, first=first[:count], second=second[:count], outcome=won[:count])
        counted = weighed([some], found)
        fitted = fit(counted, soft=None if soft is None else soft.after(count, counted), near=fitted)
        reliability = None if not_defined(fitted) else rounded(empirical_bayes(fitted))
        yield CoursePoint(judgements=count, reliability=reliability, usd=rounded(spent[count - 1]))


def _round_by_round(artefact: Artefact) -> NDArray[np.int64]:
    """The judgements' places in the artefact, those of the first round first: several rounds can be asked together."""
    rounds = (cast("Sequence[int | None]", each) for (each,) in cells_of(artefact.llm_comparisons, "iteration"))
    return np.argsort([number or 0 for number in chain.from_iterable(rounds)], kind="stable")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Soft:
    """What the judgements say besides who won, read as the fit of all of them reads it.

    Attributes:
        judgements: all of them.
        asked: shape (judgements,), the place of each in the order of the course.
        readings: of each judge.
    """

    judgements: SoftJudgements
    asked: NDArray[np.int64]
    readings: tuple[Reading, ...]

    @classmethod
    def of(cls, artefact: Artefact, every: Comparisons, *, order: NDArray[np.int64]) -> _Soft | None:
        """None where the fit goes by wins alone."""
        use = None if artefact.bt_model is None else artefact.bt_model.soft_judgements
        if use is None or all(judge.used == "wins" for judge in use.judges):
            return None
        said = [said_by(row) for row in artefact.llm_comparisons]
        asked = in_fixed_order(said)
        judgements = soft_from(every, said)
        known = {judge.judge or "": Reading(judge.used, judge.parameters or ()) for judge in use.judges}
        readings = tuple(known.get(judge, WINS) for judge in judgements.judges)
        return cls(judgements=judgements, asked=np.argsort(order)[asked], readings=readings)

    def after(self, count: int, counted: Comparisons) -> SoftEvidence:
        """What the first so many judgements say."""
        return SoftEvidence(
            judgements=self.judgements.rows(self.asked < count).counted_as(counted), readings=self.readings
        )
