"""Tables of comparisons and of known grades, from CSV text or from rows of a program.

A table of comparisons has the columns `item_a` (shown first), `item_b` and `winner` (`a`, `b`, `tie`, or empty where
there was no judgement), and may have `count` and `judge`. A table of anchors has `item` (or `anchor_id`) and `grade`.
Every error names the table, the row and the column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from types import MappingProxyType
from typing import TypeAlias

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.errors import InputsInvalid
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_counted

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
    """The columns that a table must have, and other names for them."""

    required: tuple[str, ...]
    aliases: Mapping[str, str]

    def names_of(self, heading: Iterable[str], *, table: str) -> list[str]:
        """The heading under our names.

        Raises:
            InputsInvalid: a required column is missing or there twice.
        """
        columns = [self.aliases.get(name.lower(), name.lower()) for name in heading]
        lacking = [name for name in self.required if columns.count(name) != 1]
        if lacking:
            raise InputsInvalid(
                f"{table}, row 1: the column {lacking[0]} is needed once; "
                f"the heading has {', '.join(columns) or 'nothing'}.",
                remedy=f"Give the table a heading line with the columns {', '.join(self.required)}.",
            )
        return columns


_COMPARISONS = _Columns(("item_a", "item_b", "winner"), MappingProxyType({}))
_ANCHORS = _Columns(("item", "grade"), MappingProxyType({"anchor_id": "item"}))


def parse_comparisons(table: str | Records, *, name: str) -> ComparisonTable:
    """The comparisons of a table.

    Args:
        table: CSV text with a heading (comma, semicolon or tab), or rows of a program.
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


def parse_anchors(table: str | Records, *, name: str, scale: GradeScale, items: Sequence[str]) -> dict[str, int]:
    """The known grade of each anchor, as an index into the scale's grades.

    Args:
        table: CSV text, or rows of a program.
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
    if not (text.isascii() and text.isdecimal() and int(text) <= _MOST_COUNT):
        raise row.wrong("count", f"{text!r} is not a whole number", remedy="Write how many comparisons the row counts.")
    return int(text)


def _rows(table: str | Records, *, columns: _Columns, name: str) -> list[_Row]:
    """The rows under the heading; rows without any cell are left out."""
    return _rows_of_csv(table, columns, name=name) if isinstance(table, str) else _records(table, columns, name=name)


def _rows_of_csv(text: str, columns: _Columns, *, name: str) -> list[_Row]:
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise InputsInvalid(f"{name} is not CSV: {error}.", remedy="Save it again as CSV.") from None
    names = columns.names_of(lines[0][1] if lines else [], table=name)
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise InputsInvalid(
                f"{name}, row {number}: it has {len(cells)} cells, the heading {len(names)} columns.",
                remedy="Put names with commas into quotes.",
            )
        if any(cells):
            rows.append(_Row(name, number, dict(zip(names, cells, strict=False))))
    return rows


def _records(records: Records, columns: _Columns, *, name: str) -> list[_Row]:
    """Rows of a program; the first has the number 1."""
    rows = []
    for number, record in enumerate(records, start=1):
        names = columns.names_of(record, table=name)
        rows.append(_Row(name, number, dict(zip(names, map(_as_cell, record.values()), strict=True))))
    return rows


def _as_cell(value: object) -> str:
    """A value as a CSV file would hold it; None and NaN are empty, 2.0 is 2 (pandas makes floats of whole numbers)."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
