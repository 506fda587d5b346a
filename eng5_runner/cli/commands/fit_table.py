"""The tables that `fit` reads: comparisons from any source, and anchors' grades."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_counted

_OUTCOMES = MappingProxyType({"a": 1.0, "b": 0.0, "tie": 0.5, "": None})
_MOST_COUNT = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A table of comparisons.

    Attributes:
        comparisons: all of them that were judged.
        judges: the judgements of each judge, if the table names judges.
        missing: how many have no winner.
        ties: how many ended in a tie.
    """

    comparisons: Comparisons
    judges: Mapping[str, Comparisons]
    missing: int
    ties: int


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a table and its cells by column."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def cell(self, column: str) -> str:
        return self.cells.get(column, "")

    def wrong(self, column: str, message: str, *, remedy: str) -> InputsInvalid:
        return InputsInvalid(f"{self.path}, row {self.line}, column {column}: {message}.", remedy=remedy)


def read_comparisons(path: Path) -> Judged:
    """Read a table of comparisons.

    Raises:
        InputsMissing: the file is not there.
        InputsInvalid: it is not such a table; the message names row and column.
    """
    rows = _rows(path, required=("item_a", "item_b", "winner"))
    items: set[str] = set()
    missing, ties = 0, 0
    by_judge: dict[str, list[tuple[str, str, float, int]]] = {}
    for row in rows:
        first, second = _pair(row)
        items |= {first, second}
        outcome, count = _outcome(row), _count(row)
        if outcome is None:
            missing += count
            continue
        ties += count if outcome == _OUTCOMES["tie"] else 0
        by_judge.setdefault(row.cell("judge"), []).append((first, second, outcome, count))
    names = sorted(items)
    every = [one for judged in by_judge.values() for one in judged]
    if not sum(count for *_, count in every):
        raise InputsInvalid(
            f"{path} has no comparison with a winner.", remedy="Fill the column winner with a, b or tie."
        )
    judges = {name: comparisons_counted(names, by_judge[name]) for name in sorted(by_judge)}
    return Judged(
        comparisons=comparisons_counted(names, every),
        judges=judges if set(judges) != {""} else {},
        missing=missing,
        ties=ties,
    )


def read_anchors(path: Path, *, scale: GradeScale, items: Sequence[str]) -> dict[str, int]:
    """Read the anchors' grades, as indices into the scale's grades.

    Args:
        path: a table with the columns item (or anchor_id) and grade.
        scale: the grades.
        items: what was compared.

    Raises:
        InputsMissing: the file is not there.
        InputsInvalid: it is not such a table; the message names row and column.
    """
    known, anchors = set(items), dict[str, int]()
    for row in _rows(path, required=("item", "grade"), alias={"anchor_id": "item"}):
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


def _rows(path: Path, *, required: Sequence[str], alias: Mapping[str, str] | None = None) -> list[_Row]:
    """The lines of a table under its heading, those without any cell left out."""
    text = _text(path)
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise InputsInvalid(f"{path} is not CSV: {error}.", remedy="Save it again as CSV.") from None
    columns = [(alias or {}).get(name.lower(), name.lower()) for name in (lines[0][1] if lines else [])]
    lacking = [name for name in required if columns.count(name) != 1]
    if lacking:
        found = ", ".join(columns) or "nothing"
        raise InputsInvalid(
            f"{path}, row 1: the column {lacking[0]} is needed once; the heading has {found}.",
            remedy=f"Give the table a heading line with the columns {', '.join(required)}.",
        )
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise InputsInvalid(
                f"{path}, row {number}: it has {len(cells)} cells, the heading {len(columns)} columns.",
                remedy="Put names with commas into quotes.",
            )
        if any(cells):
            rows.append(_Row(path, number, dict(zip(columns, cells, strict=False))))
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputsMissing(f"{path} is not there.", remedy="Name a CSV file.") from None
    except OSError as error:
        raise InputsInvalid(f"{path} cannot be read: {error.strerror}.", remedy="Name a CSV file.") from None
    except UnicodeDecodeError as error:
        raise InputsInvalid(f"{path} is not UTF-8 (byte {error.start}).", remedy="Save it as CSV UTF-8.") from None
