r"""Tables of other people, from CSV in any usual form: delimiter, encoding and heading are found.

>>> table = table_from_csv("sep=;\nClass 9B\nessay A;essay B\nåsa;bo\n".encode("cp1252"), is_heading=has("essaya"))
>>> table.heading, table.rows
(('essay A', 'essay B'), (TableRow(number=3, cells=('åsa', 'bo')),))
>>> table.notes
('its letters were read as cp1252', 'row 1 above the heading was passed over')

A caller says by `is_heading` which row of names it looks for; names are compared by `column_key`. Spreadsheets come
as sheets of cells and go the same way through `table_from_sheets`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from itertools import islice
from typing import NamedTuple, TypeAlias

from eng5_runner.core.decoding import decode_table

IsHeading: TypeAlias = Callable[[Sequence[str]], bool]
"""Whether a row is the heading, by its cells as `column_key` gives them."""

_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\r\n])"?[ ,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_HEADING_WITHIN = 40
"""Rows that are searched for the heading."""
_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_BINARY = (
    (b"PK\x03\x04", "it is a spreadsheet or an archive, not CSV"),
    (b"\xd0\xcf\x11\xe0", "it is an old or encrypted office file, not CSV"),
    (b"%PDF", "it is a PDF, not CSV"),
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_AMBIGUOUS = re.compile(r"-?[1-9]\d{0,2},\d{3}")
_THOUSANDS = (re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+(,\d*)?"), re.compile(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?"))


class NotATable(Exception):
    """The file is no table that can be read.

    Attributes:
        reason: why, in words that go after "it cannot be used:".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TableRow(NamedTuple):
    """One row below the heading.

    Attributes:
        number: as a spreadsheet counts rows, 1 for the first of the file; a `sep=` line is not counted.
        cells: without white space at their ends; at least as many as the heading has, and more only if the row has
            text beyond the last column.
    """

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that was read.

    Attributes:
        heading: the names of the columns as written, without empty ones at the end; empty if the file is. It is the
            first row that the caller takes for a heading, else the first row that is not empty.
        heading_number: the heading's row number.
        rows: the rows below it, without empty ones.
        delimiter: between the cells; None for a spreadsheet.
        encoding: `utf-8`, `utf-8-sig`, `utf-16-le` …, `cp1252 given`, `cp1252 guessed`; None for a spreadsheet.
        notes: what a person should know of the reading, as parts of sentences.
        unvalued: row number and column index of the spreadsheet's formulas whose value is not stored.
    """

    heading: tuple[str, ...]
    heading_number: int
    rows: tuple[TableRow, ...] = field(repr=False)
    delimiter: str | None = None
    encoding: str | None = None
    notes: tuple[str, ...] = ()
    unvalued: tuple[tuple[int, int], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The heading's names as `column_key` gives them."""
        return tuple(map(column_key, self.heading))

    def overlong(self) -> TableRow | None:
        """The first row with more cells than the heading has columns: often an unquoted comma inside a cell."""
        return next((row for row in self.rows if len(row.cells) > len(self.heading)), None)


def table_from_csv(data: bytes, *, is_heading: IsHeading, encoding: str | None = None) -> Table:
    """Read CSV with commas, semicolons, tabs or bars, with or without a `sep=` line and lines above the heading.

    Args:
        data: the file: UTF-8, UTF-16 or a Windows, DOS or Mac code page.
        is_heading: which row is the heading. The delimiter is the one that gives such a row.
        encoding: of files that are neither UTF-8 nor UTF-16; None guesses it.

    Raises:
        NotATable: it is another kind of file, or its quotes do not close.
    """
    for start, reason in _BINARY:
        if data.startswith(start):
            raise NotATable(reason)
    try:
        text, decoded = decode_table(data, given=encoding)
    except UnicodeError as error:
        raise NotATable(f"its text is not {encoding}") from error
    text = unicodedata.normalize("NFC", text)
    if "\0" in text:
        raise NotATable("it is no text file")
    line = _SEPARATOR_LINE.match(text)
    delimiters = line["delimiter"] if line else _DELIMITERS
    text = text[line.end() :] if line else text
    delimiter = _delimiter(text, delimiters, is_heading=is_heading)
    guessed = decoded.removesuffix(" guessed")
    notes = (f"its letters were read as {guessed}",) if guessed != decoded else ()
    return _table(_records(text, delimiter), is_heading=is_heading, delimiter=delimiter, encoding=decoded, notes=notes)


class Sheet(NamedTuple):
    """A sheet of a spreadsheet.

    Attributes:
        name: as its tab shows it.
        hidden: whether its tab is not shown.
        rows: the cells as text; a row ends with its last cell that has a value.
        unvalued: row and column, from 1, of formulas whose value is not stored.
    """

    name: str
    hidden: bool
    rows: Sequence[Sequence[str]]
    unvalued: Sequence[tuple[int, int]] = ()


def table_from_sheets(sheets: Sequence[Sheet], *, is_heading: IsHeading, best: IsHeading | None = None) -> Table:
    """The table of a spreadsheet: of its first visible sheet that has the heading.

    Args:
        sheets: of the spreadsheet.
        is_heading: which row is the heading.
        best: a sheet with this heading is read rather than an earlier one without.

    Raises:
        NotATable: no visible sheet has it.
    """
    found = [
        (sheet, table)
        for sheet in sheets
        if is_heading((table := _table(_stripped(sheet.rows), is_heading=is_heading)).columns)
    ]
    visible = [(sheet, table) for sheet, table in found if not sheet.hidden]
    if best is not None:
        visible.sort(key=lambda each: not best(each[1].columns))
    if not visible and found:
        raise NotATable(f"only its hidden sheet {found[0][0].name} has the columns")
    if not visible:
        names = ", ".join(sheet.name for sheet in sheets if not sheet.hidden)
        raise NotATable(f"no visible sheet of it has the columns (there are: {names})")
    sheet, table = visible[0]
    notes = [*table.notes]
    if len(sheets) > 1:
        notes.append(f"its sheet {sheet.name} was read")
    if more := ", ".join(other.name for other, _ in found if other is not sheet):
        notes.append(f"the same columns are also in {more}, which was not read")
    unvalued = tuple((row, column - 1) for row, column in sheet.unvalued if row >= table.heading_number)
    return replace(table, notes=tuple(notes), unvalued=unvalued)


def cell_name(row: int, column: int) -> str:
    """What a spreadsheet calls a cell: row 2 and column index 27 are `AB2`."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


def column_key(name: str) -> str:
    """A column's name without case, blanks, hyphens and underscores: `ANCHOR-ID` and `anchor_id` are one."""
    return re.sub(r"[\s_-]", "", name).casefold()


def has(*columns: str) -> IsHeading:
    """The heading is the row that has all these columns, written as `column_key` gives them."""
    return lambda cells: set(columns) <= set(cells)


def number(text: str) -> float:
    """A number with a decimal point or comma, and with or without thousands: `0,5`, `1 234.5`, `1.234,5`.

    Raises:
        ValueError: it is none, or it may be two: `1,234`.
    """
    plain = re.sub(r"(?<=\d)[\s'’](?=\d{3})", "", text.strip()).replace("\u2212", "-")
    if _AMBIGUOUS.fullmatch(plain):
        raise ValueError(f"{text} may be a thousand or a decimal number")
    european, english = _THOUSANDS
    if english.fullmatch(plain):
        return float(plain.replace(",", ""))
    if plain.count(".") > 1 or "," in plain:
        plain = plain.replace(".", "") if european.fullmatch(plain) else plain
    plain = plain.replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        raise ValueError(f"{text} is no number")
    return float(plain)


def _delimiter(text: str, delimiters: str, *, is_heading: IsHeading) -> str:
    """The delimiter that gives a heading, the widest if several do; else the one that splits the first row most."""
    ranked = []
    for delimiter in delimiters:
        rows: list[list[str]] = []
        # A quote that does not close ends the search; reading the whole reports it.
        with suppress(NotATable):
            rows.extend(row for row in islice(_records(text, delimiter), _HEADING_WITHIN) if any(row))
        heading = next((row for row in rows if is_heading([*map(column_key, row)])), None)
        ranked.append((heading is not None, len(heading or next(iter(rows), ())), delimiter))
    return max(ranked, key=lambda rank: rank[:2])[2]


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """The records of a CSV text.

    Raises:
        NotATable: the quotes do not close.
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        yield from ([_cell(cell) for cell in record] for record in reader)
    except csv.Error as error:
        raise NotATable(f"it is not CSV (line {reader.line_num}: {error})") from error


def _cell(text: str) -> str:
    cell = text.strip()
    # Spreadsheets keep the digits of "007" by writing ="007".
    return found[1].strip() if cell.startswith("=") and (found := _EXCEL_TEXT.fullmatch(cell)) else cell


def _table(
    records: Iterable[Sequence[str]],
    *,
    is_heading: IsHeading,
    delimiter: str | None = None,
    encoding: str | None = None,
    notes: tuple[str, ...] = (),
) -> Table:
    rows = [(number, row) for number, row in enumerate(records, start=1) if any(row)]
    found = (place for place, (_, row) in enumerate(rows[:_HEADING_WITHIN]) if is_heading([*map(column_key, row)]))
    place = next(found, 0)
    heading_number, heading = rows[place] if rows else (1, ())
    heading = _without_empty_end(heading)
    if place:
        above = [number for number, _ in rows[:place]]
        lines = f"row {above[0]}" if len(above) == 1 else f"rows {above[0]} to {above[-1]}"
        notes += (f"{lines} above the heading {'was' if len(above) == 1 else 'were'} passed over",)
    width = len(heading)
    return Table(
        heading=heading,
        heading_number=heading_number,
        rows=tuple(TableRow(number, _of_width(row, width)) for number, row in rows[place + 1 :]),
        delimiter=delimiter,
        encoding=encoding,
        notes=notes,
    )


def _stripped(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    return ([unicodedata.normalize("NFC", cell.strip()) for cell in row] for row in rows)


def _of_width(row: Sequence[str], width: int) -> tuple[str, ...]:
    if len(row) < width:
        return (*row, *("",) * (width - len(row)))
    return tuple(row) if len(row) == width else (*row[:width], *_without_empty_end(row[width:]))


def _without_empty_end(row: Sequence[str]) -> tuple[str, ...]:
    end = len(row)
    while end and not row[end - 1]:
        end -= 1
    return tuple(row[:end])
