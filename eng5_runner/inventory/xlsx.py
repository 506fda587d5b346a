"""The sheets of an .xlsx; called only in a worker process, which limits time and memory.

Only values are read: formats, styles and properties, which other programs write in their own ways, are not looked at.
"""

from __future__ import annotations

import posixpath
import re
from zipfile import ZipFile

from eng5_runner.core.table import Sheet
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.zip_parts import PartTarget, open_archive, parse_part

MAX_ROWS = 20_000
MAX_COLUMNS = 100

_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})", re.IGNORECASE)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_HIDDEN = frozenset(("hidden", "veryHidden"))


def xlsx_sheets(data: bytes) -> list[Sheet]:
    """The worksheets in their order, hidden ones too: values as text, whole numbers without a decimal point.

    Raises:
        Unreadable: it is damaged, encrypted, too large, or declares entities.
    """
    with open_archive(data) as archive:
        parts = _Parts(archive)
        workbook = parts.related("", "officeDocument")
        if not workbook:
            raise Unreadable("damaged_document", how="it names no workbook")
        path = next(iter(workbook.values()))
        strings = _Strings()
        for part in parts.related(path, "sharedStrings").values():
            parts.parse(part, strings)
        worksheets, sheets = parts.related(path, "worksheet"), _Elements("sheet")
        parts.parse(path, sheets)
        return [
            _sheet(parts, worksheets[key], attributes=sheet, strings=strings.found)
            for sheet in sheets.found
            if (key := sheet.get("id", "")) in worksheets
        ]


def _sheet(parts: _Parts, path: str, *, attributes: dict[str, str], strings: list[str]) -> Sheet:
    cells = _Cells(strings)
    parts.parse(path, cells)
    hidden = attributes.get("state") in _HIDDEN
    return Sheet(attributes.get("name", ""), hidden, cells.grid(), cells.unvalued)


class _Parts:
    """The parts of an archive by name: programs differ in upper and lower case and in the kind of slash."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._names = {_plain(name): name for name in archive.namelist()}

    def parse(self, path: str, target: PartTarget) -> None:
        parse_part(self._archive, name=self._names.get(_plain(path), path), target=target)

    def related(self, path: str, kind: str) -> dict[str, str]:
        """The parts to which a part refers, by the id of the relation, of the kind that the relation's type ends in."""
        folder, name = posixpath.split(path)
        relations = _Elements("Relationship")
        self.parse(posixpath.join(folder, "_rels", f"{name}.rels"), relations)
        return {
            each["Id"]: posixpath.normpath(posixpath.join("/", folder, each["Target"].replace("\\", "/")))
            for each in relations.found
            if each.get("Type", "").endswith(f"/{kind}") and "Target" in each and "Id" in each
        }


def _plain(name: str) -> str:
    return name.replace("\\", "/").strip("/").casefold()


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


class _Target:
    """A target of a parser that ignores everything."""

    def start(self, tag: str, attributes: dict[str, str], /) -> None: ...

    def end(self, tag: str, /) -> None: ...

    def data(self, text: str, /) -> None: ...

    def close(self) -> None: ...


class _Elements(_Target):
    """The attributes of all elements of one name, without their namespaces."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.found: list[dict[str, str]] = []

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        if _local(tag) == self._name:
            self.found.append({_local(name): value for name, value in attributes.items()})


class _Text(_Target):
    """Collects the characters of text elements; the reading aid of East Asian characters is not text."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._inside = 0
        self._aid = 0

    def start(self, tag: str, _attributes: dict[str, str], /) -> None:
        self._inside += _local(tag) in {"t", "v"}
        self._aid += _local(tag) == "rPh"

    def end(self, tag: str, /) -> None:
        self._inside -= _local(tag) in {"t", "v"}
        self._aid -= _local(tag) == "rPh"

    def data(self, text: str, /) -> None:
        if self._inside and not self._aid:
            self._pieces.append(text)

    def take(self) -> str:
        """The characters since the last call."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


class _Strings(_Text):
    """The shared strings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def end(self, tag: str, /) -> None:
        super().end(tag)
        if _local(tag) == "si":
            self.found.append(self.take())


class _Cells(_Text):
    """The cells of a sheet; where a cell does not say its place, it follows the one before."""

    def __init__(self, strings: list[str]) -> None:
        super().__init__()
        self.unvalued: list[tuple[int, int]] = []
        self._strings = strings
        self._values: dict[tuple[int, int], str] = {}
        self._row = self._column = 0
        self._kind = "n"
        self._is_formula = False

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        super().start(tag, attributes)
        match _local(tag):
            case "row":
                number = attributes.get("r", "")
                self._row = int(number) if number.isdecimal() else self._row + 1
                self._column = 0
            case "c":
                place = _PLACE.fullmatch(attributes.get("r", ""))
                self._column = _column_number(place[1]) if place else self._column + 1
                self._kind = attributes.get("t", "n")
                self._is_formula = False
                self.take()
            case "f":
                self._is_formula = True
            case _:
                pass

    def end(self, tag: str, /) -> None:
        super().end(tag)
        if _local(tag) == "c" and self._row <= MAX_ROWS and self._column <= MAX_COLUMNS:
            text, place = self.take(), (self._row, self._column)
            if self._is_formula and not text and self._kind != "str":
                self.unvalued.append(place)
            elif text:
                self._values[place] = self._value(text)

    def grid(self) -> list[list[str]]:
        """The rows up to the last cell that has a value."""
        rows = max((row for row, _ in self._values), default=0)
        grid: list[list[str]] = [[] for _ in range(rows)]
        for (row, column), value in sorted(self._values.items()):
            cells = grid[row - 1]
            cells += [""] * (column - len(cells) - 1)
            cells.append(value)
        return grid

    def _value(self, text: str) -> str:
        try:
            if self._kind == "s":
                return self._strings[int(text)]
            if self._kind == "n":
                number = float(text)
                return str(int(number)) if number.is_integer() else str(number)
        except (ValueError, IndexError, OverflowError) as error:
            raise Unreadable("damaged_document", how=f"a cell of row {self._row} has no possible value") from error
        if self._kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        return text


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
