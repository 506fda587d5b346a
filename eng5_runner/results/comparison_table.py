"""Tables of comparisons and of known grades, from a table that was read or from rows of a program.

A table of comparisons has the columns `item_a` (shown first), `item_b` and `winner` (`a`, `b`, `tie`, or empty where
there was no judgement), and may have `count` and `judge`. A table of anchors has `item` (or `anchor_id`) and `grade`.
Every error names the table, the row and the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.errors import InputsInvalid
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_counted
from eng5_runner.table import Table, column_key, number

Records: TypeAlias = Iterable[Mapping[str, object]]
"""Rows of a program: column → value, such as `csv.DictReader(file)` or pandas' `frame.to_dict("records")`."""

_OUTCOMES = MappingProxyType({"a": 1.0, "b": 0.0, "tie": 0.5, "": None})
_MOST_COUNT = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """A table of comparisons.

    Attributes:
        comparisons: all comparisons that have a winner or a tie.
        judges: the comparisons of each judge; empty if the table names no judges.
        missing: the number of comparisons without a winner.
        ties: the number of ties.
    """

    comparisons: Comparisons
    judges: Mapping[str, Comparisons]
    missing: int
    ties: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table: its number and its cells by column."""

    table: str
    line: int
    cells: Mapping[str, str]

    def cell(self, column: str) -> str:
        return self.cells.get(column, "")

    def wrong(self, column: str, message: str, *, remedy: str) -> InputsInvalid:
        return InputsInvalid(f"{self.table}, row {self.line}, column {column}: {message}.", remedy=remedy)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that a table must have, and all names that are known, by `column_key`."""

    required: tuple[str, ...]
    names: Mapping[str, str]

    def is_heading(self, keys: Iterable[str]) -> bool:
        """Whether a row with these keys is the heading."""
        return set(self.required) <= {self.names.get(key) for key in keys}

    def names_of(self, heading: Iterable[str], *, place: str) -> list[str]:
        """The heading under our names.

        Raises:
            InputsInvalid: a required column is missing or there twice.
        """
        columns = [self.names.get(column_key(name), name) for name in heading]
        lacking = [name for name in self.required if columns.count(name) != 1]
        if lacking:
            raise InputsInvalid(
                f"{place}: the column {lacking[0]} is needed once; the heading has {', '.join(columns) or 'nothing'}.",
                remedy=f"Give the table a heading line with the columns {', '.join(self.required)}.",
            )
        return columns


_COMPARISONS = _Columns(
    ("item_a", "item_b", "winner"),
    MappingProxyType({"itema": "item_a", "itemb": "item_b", "winner": "winner", "count": "count", "judge": "judge"}),
)
_ANCHORS = _Columns(("item", "grade"), MappingProxyType({"item": "item", "anchorid": "item", "grade": "grade"}))

is_comparisons_heading = _COMPARISONS.is_heading
is_grades_heading = _ANCHORS.is_heading


def parse_comparisons(table: Table | Records, *, name: str) -> ComparisonTable:
    """The comparisons of a table.

    Args:
        table: a table that was read, or rows of a program.
        name: of the table, for error messages.

    Raises:
        InputsInvalid: the table has an error; the message names row and column.
    """
    items: set[str] = set()
    missing, ties = 0, 0
    by_judge: dict[str, list[tuple[str, str, float, int]]] = {}
    for row in _rows(table, columns=_COMPARISONS, name=name):
        first, second = _pair(row)
        items |= {first, second}
        outcome, count = _outcome(row), _count(row)
        if outcome is None:
            missing += count
            continue
        ties += count if outcome == _OUTCOMES["tie"] else 0
        by_judge.setdefault(row.cell("judge"), []).append((first, second, outcome, count))
    names = sorted(items)
    every = [comparison for comparisons in by_judge.values() for comparison in comparisons]
    if not sum(count for *_, count in every):
        raise InputsInvalid(
            f"{name} has no comparison with a winner.", remedy="Fill the column winner with a, b or tie."
        )
    judges = {judge: comparisons_counted(names, by_judge[judge]) for judge in sorted(by_judge)}
    return ComparisonTable(
        comparisons=comparisons_counted(names, every),
        judges=judges if set(judges) != {""} else {},
        missing=missing,
        ties=ties,
    )


def parse_anchors(table: Table | Records, *, name: str, scale: GradeScale, items: Sequence[str]) -> dict[str, int]:
    """The known grade of each anchor, as an index into the scale's grades.

    Args:
        table: a table that was read, or rows of a program.
        name: of the table, for error messages.
        scale: the grade scale.
        items: the compared items; each anchor must be among them.

    Raises:
        InputsInvalid: the table has an error; the message names row and column.
    """
    known, anchors = set(items), dict[str, int]()
    for row in _rows(table, columns=_ANCHORS, name=name):
        item, grade = row.cell("item"), row.cell("grade")
        if item not in known:
            raise row.wrong("item", f"{item!r} is in no comparison", remedy="Write it as in the table of comparisons.")
        if item in anchors:
            raise row.wrong("item", f"{item!r} stands in an earlier row", remedy="Keep one row for each anchor.")
        if grade not in scale.grades:
            remedy = f"Use one of {' '.join(scale.grades)}, or choose another --grade-scale."
            raise row.wrong(
                "grade", f"{grade!r} is not a grade that an anchor can have on {scale.scale_id}", remedy=remedy
            )
        anchors[item] = scale.index(grade)
    return anchors


def _pair(row: _Row) -> tuple[str, str]:
    for column in ("item_a", "item_b"):
        if not row.cell(column):
            raise row.wrong(column, "it is empty", remedy="Name the two items of every comparison.")
    if row.cell("item_a") == row.cell("item_b"):
        raise row.wrong(
            "item_b", f"{row.cell('item_b')!r} is compared with itself", remedy="Correct the row, or take it out."
        )
    return row.cell("item_a"), row.cell("item_b")


def _outcome(row: _Row) -> float | None:
    winner = row.cell("winner").lower()
    if winner not in _OUTCOMES:
        raise row.wrong(
            "winner",
            f"{row.cell('winner')!r} is no outcome",
            remedy="Write a, b or tie; leave it empty where there was no judgement.",
        )
    return _OUTCOMES[winner]


def _count(row: _Row) -> int:
    text = row.cell("count") or "1"
    try:
        count = number(text)
    except ValueError:
        count = -1.0
    if not (count.is_integer() and 0 <= count <= _MOST_COUNT):
        raise row.wrong("count", f"{text!r} is not a whole number", remedy="Write how many comparisons the row counts.")
    return int(count)


def _rows(table: Table | Records, *, columns: _Columns, name: str) -> list[_Row]:
    """The rows under the heading; rows without any cell are left out."""
    return _table_rows(table, columns, name=name) if isinstance(table, Table) else _records(table, columns, name=name)


def _table_rows(table: Table, columns: _Columns, *, name: str) -> list[_Row]:
    names = columns.names_of(table.heading, place=f"{name}, row {table.heading_number}")
    if long := table.overlong():
        raise InputsInvalid(
            f"{name}, row {long.number}: it has {len(long.cells)} cells, the heading {len(names)} columns.",
            remedy="Put names with commas into quotes.",
        )
    return [_Row(name, row.number, dict(zip(names, row.cells, strict=True))) for row in table.rows]


def _records(records: Records, columns: _Columns, *, name: str) -> list[_Row]:
    """Rows of a program; the first has the number 1."""
    rows = []
    for place, record in enumerate(records, start=1):
        names = columns.names_of(record, place=f"{name}, row {place}")
        rows.append(_Row(name, place, dict(zip(names, map(_as_cell, record.values()), strict=True))))
    return rows


def _as_cell(value: object) -> str:
    """A value as a CSV file would hold it; None and NaN are empty, 2.0 is 2 (pandas makes floats of whole numbers)."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
