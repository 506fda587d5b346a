"""What statistics, pictures and tables ask of every judgement, as columns: a million rows are read once.

>>> columns = ColumnBuilder().columns()
>>> len(columns.first), columns.any_probability
(0, False)
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from math import nan
from typing import Final, TypeAlias, TypeVar, cast

from eng5_runner.results.artefact.part import RowSequence, cells_of
from eng5_runner.results.artefact.study import Comparison

Columns: TypeAlias = tuple[
    *tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str], Sequence[str], Sequence[float]],
    *tuple[Sequence[float | None], Sequence[str | None], Sequence[str | None], Sequence[float | None]],
]
COLUMN_FIELDS: Final = (
    *("essay_a_id", "essay_b_id", "winner_position", "provider", "model", "cost_usd"),
    *("confidence", "justification", "flagged", "probability_a"),
)
"""The fields of a judgement that the columns are made of."""
_NOT_LISTED = -1
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgementColumns:
    """A value of each judgement, in the order of the artefact's list: 27 bytes, where a row takes 2 kB.

    Attributes:
        essays: the ids that `first` and `second` refer to by place.
        first: the essay shown first; -1 where it is not among `essays`.
        second: the other essay.
        first_won: 1 if the first won, else 0.
        judges: provider and model of each judge.
        judge: the place of the model in `judges`.
        cost_usd: what it cost.
        confidence: of the judge; nan where it gave none.
        reason_characters: of all reasons together.
        flagged: how many judgements are of essays with flags.
        any_probability: whether a judge told the probability of an answer.
    """

    essays: tuple[str, ...]
    first: array[int]
    second: array[int]
    first_won: array[int]
    judges: tuple[tuple[str, str], ...]
    judge: array[int]
    cost_usd: array[float]
    confidence: array[float]
    reason_characters: int
    flagged: int
    any_probability: bool

    def of_essays(self, essays: Sequence[str]) -> JudgementColumns:
        """The same by the places of these essays."""
        place = {essay: number for number, essay in enumerate(essays)}
        places = [place.get(essay, _NOT_LISTED) for essay in self.essays]
        first, second = (array("i", map(places.__getitem__, side)) for side in (self.first, self.second))
        return replace(self, essays=tuple(essays), first=first, second=second)


class RowsWithColumns(RowSequence[T]):
    """Rows of which judgements have their columns beside them."""

    @property
    @abstractmethod
    def columns(self) -> JudgementColumns | None:
        """In the order of the rows; None where these are no judgements."""


def columns_of(rows: Sequence[Comparison]) -> JudgementColumns:
    """The columns of judgements: those that were made with the rows, or else the rows are read."""
    if isinstance(rows, RowsWithColumns) and rows.columns is not None:
        return rows.columns
    builder = ColumnBuilder()
    for some in cells_of(rows, *COLUMN_FIELDS):
        builder.add(cast("Columns", some))
    return builder.columns()


class ColumnBuilder:
    """Takes some hundred judgements at a time."""

    def __init__(self) -> None:
        # Each is numbered when it is first seen.
        self._essays: defaultdict[str, int] = defaultdict(count().__next__)
        self._judges: defaultdict[tuple[str, str], int] = defaultdict(count().__next__)
        self._first, self._second, self._judge = array("i"), array("i"), array("h")
        self._won, self._cost, self._confidence = array("b"), array("d"), array("d")
        self._characters = self._flagged = 0
        self._any_probability = False

    def add(self, columns: Columns) -> None:
        """Add judgements, by the columns of their `COLUMN_FIELDS`."""
        first, second, position, provider, model, usd, confidence, reason, flagged, probability = columns
        shown = list(map(self._essays.__getitem__, chain.from_iterable(zip(first, second, strict=True))))
        self._first.extend(shown[::2])
        self._second.extend(shown[1::2])
        self._won.extend(map("A".__eq__, position))
        self._judge.extend(map(self._judges.__getitem__, zip(provider, model, strict=True)))
        self._cost.extend(usd)
        self._confidence.extend([nan if value is None else value for value in confidence])
        self._characters += sum(map(len, filter(None, reason)))
        self._flagged += len(flagged) - flagged.count(None)
        self._any_probability = self._any_probability or probability.count(None) < len(probability)

    def columns(self) -> JudgementColumns:
        """In the order in which the judgements were added."""
        return JudgementColumns(
            essays=tuple(self._essays),
            first=self._first,
            second=self._second,
            first_won=self._won,
            judges=tuple(self._judges),
            judge=self._judge,
            cost_usd=self._cost,
            confidence=self._confidence,
            reason_characters=self._characters,
            flagged=self._flagged,
            any_probability=self._any_probability,
        )
