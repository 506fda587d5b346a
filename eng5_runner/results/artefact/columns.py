"""What pictures and tables ask of every judgement, as columns: a million rows are read once, and not once for each.

>>> columns = columns_of([], places={})
>>> len(columns.first), columns.any_probability
(0, False)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TypeAlias, cast

from eng5_runner.results.artefact.part import cells_of
from eng5_runner.results.artefact.study import Comparison

_NOT_LISTED = -1
_Cells: TypeAlias = tuple[str, str, str, float, float | None, str | None, str | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgementColumns:
    """A value of each judgement, in the order of the artefact's list.

    Attributes:
        first: the place in `bt_summary` of the essay shown first; -1 where it is not listed.
        second: that of the other essay.
        first_won: 1 if the first won, else 0.
        cost_usd: what it cost.
        confidence: of the judge; nan where it gave none.
        reason_characters: of all reasons together.
        flagged: how many judgements are of essays with flags.
        any_probability: whether a judge told the probability of an answer.
    """

    first: array[int]
    second: array[int]
    first_won: bytearray
    cost_usd: array[float]
    confidence: array[float]
    reason_characters: int
    flagged: int
    any_probability: bool


def columns_of(rows: Sequence[Comparison], *, places: Mapping[str, int]) -> JudgementColumns:
    """Read the rows once.

    Args:
        rows: the judgements.
        places: essay id → its place in `bt_summary`.
    """
    first, second, won = array("i"), array("i"), bytearray()
    cost, confidence = array("d"), array("d")
    characters = flagged = 0
    any_probability = False
    fields = ("essay_a_id", "essay_b_id", "winner_position", "cost_usd", "confidence", "justification", "flagged")
    cells = cast("Iterator[_Cells]", cells_of(rows, *fields, "probability_a"))
    for a, b, position, usd, given, reason, flag, probability in cells:
        first.append(places.get(a, _NOT_LISTED))
        second.append(places.get(b, _NOT_LISTED))
        won.append(position == "A")
        cost.append(usd)
        confidence.append(nan if given is None else given)
        characters += len(reason or "")
        flagged += flag is not None
        any_probability = any_probability or probability is not None
    return JudgementColumns(
        first=first,
        second=second,
        first_won=won,
        cost_usd=cost,
        confidence=confidence,
        reason_characters=characters,
        flagged=flagged,
        any_probability=any_probability,
    )
