"""What statistics, pictures and tables ask of every judgement, as columns: a million rows are read once.

>>> columns = ColumnBuilder().columns()
>>> len(columns.first), columns.any_probability
(0, False)
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import nan
from typing import Final, TypeAlias, TypeVar, cast

from eng5_runner.results.artefact.part import RowSequence, cells_of
from eng5_runner.results.artefact.study import Comparison

Cells: TypeAlias = tuple[str, str, str, str, str, float, float | None, str | None, str | None, float | None]
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
    cells = chain.from_iterable(zip(*some, strict=True) for some in cells_of(rows, *COLUMN_FIELDS))
    return ColumnBuilder(cast("Iterable[Cells]", cells)).columns()


class ColumnBuilder:
    """Takes the judgements one by one."""

    def __init__(self, judgements: Iterable[Cells] = ()) -> None:
        self._essays: dict[str, int] = {}
        self._judges: dict[tuple[str, str], int] = {}
        self._first, self._second, self._judge = array("i"), array("i"), array("h")
        self._won, self._cost, self._confidence = array("b"), array("d"), array("d")
        self._characters = self._flagged = 0
        self._any_probability = False
        for cells in judgements:
            self.add(cells)

    def add(self, cells: Cells) -> None:
        """Add a judgement, by its `COLUMN_FIELDS`."""
        first, second, position, provider, model, usd, confidence, reason, flagged, probability = cells
        essays, judges = self._essays, self._judges
        self._first.append(essays.setdefault(first, len(essays)))
        self._second.append(essays.setdefault(second, len(essays)))
        self._won.append(position == "A")
        self._judge.append(judges.setdefault((provider, model), len(judges)))
        self._cost.append(usd)
        self._confidence.append(nan if confidence is None else confidence)
        if reason is not None:
            self._characters += len(reason)
        self._flagged += flagged is not None
        self._any_probability = self._any_probability or probability is not None

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
