"""Pseudonyms: under which names the essays' files are shown, so that pupils' names stay out of a run.

The key table says which pseudonym is for which file:

    file_name,pseudonym
    "Lindqvist, Maria.docx",essay-012
    Björn Åkesson.txt,essay-003

It is the only file with both names. A run shows `student_essays/essay-012.docx` in place of the first file, and makes
the essay's id of `essay-012`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Protocol

from eng5_runner.core.table import NotATable, Table, column_key, has, table_from_csv
from eng5_runner.errors import InputsInvalid

_HEADING = ("file_name", "pseudonym")
_KEYS = tuple(map(column_key, _HEADING))
_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")
_MADE_HERE = re.compile(r"essay-([0-9]{1,9})")
_DIGITS = 3
# A suffix that is none of these may be a part of a name, as in `Anna.Lindqvist`.
_SUFFIXES = frozenset(
    (".txt", ".md", ".docx", ".pdf", ".doc", ".odt", ".rtf", ".pages", ".html", ".csv", ".xlsx", ".jpg", ".png")
)

Shuffle = Callable[[list[str]], None]


class FileNames(Protocol):
    """Under which name each essay's file is shown."""

    @property
    def are_private(self) -> bool:
        """Whether the real names must not be shown."""

    @property
    def own_names(self) -> Collection[str]:
        """The file names that must not be shown."""

    def prepare(self, file_names: Collection[str]) -> None:
        """Make ready to show these files; called for each folder of essays before any of its files is read."""

    def shown(self, file_name: str) -> str:
        """The name to show, without a folder."""

    def meant(self, name: str) -> str:
        """The name to look for where a person wrote `name` in a table: a real name gives the one that is shown."""


class RealNames:
    """Files are shown under their own names."""

    are_private = False
    own_names: Collection[str] = ()

    def prepare(self, file_names: Collection[str]) -> None:
        """Nothing is to be done."""

    def shown(self, file_name: str) -> str:
        """The name itself."""
        return file_name

    def meant(self, name: str) -> str:
        """The name itself."""
        return name


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A key table as it was read.

    Attributes:
        pseudonyms: file name in composed Unicode → pseudonym.
        data: the bytes of the file, to which rows are only added.
        table: the same as rows; None for a file that does not exist yet.
    """

    pseudonyms: Mapping[str, str]
    data: bytes = b""
    table: Table | None = None

    @classmethod
    def parse(cls, data: bytes, *, name: str) -> KeyTable:
        """Read a key table.

        Args:
            data: of the file; no bytes make an empty table.
            name: of the table, for errors. They name rows and no file names.

        Raises:
            InputsInvalid: it is not such a table, or two files have the same pseudonym or one file has two.
        """
        if not data:
            return cls(MappingProxyType({}))
        try:
            table = table_from_csv(data, is_heading=has(*_KEYS))
        except NotATable as error:
            raise _invalid(f"{name} cannot be used: {error.reason}.", "Restore it, or name another file.") from None
        if not set(_KEYS) <= set(table.columns):
            raise _invalid(
                f"{name} is no key table: it has no heading with {' and '.join(_HEADING)}.",
                "Name a key table, or a file that does not exist yet.",
            )
        pseudonyms: dict[str, str] = {}
        taken: dict[str, int] = {}
        for row in table.rows:
            file_name, pseudonym = (row.cells[table.columns.index(key)] for key in _KEYS)
            if not file_name or not _PSEUDONYM.fullmatch(pseudonym):
                raise _invalid(
                    f"{name}, row {row.number}: there is no file name, or no pseudonym that can be used.",
                    "A pseudonym has 1 to 30 letters (a-z), digits, dashes and underscores, and begins with no dash.",
                )
            if composed(file_name) in pseudonyms:
                raise _invalid(f"{name}, row {row.number}: an earlier row has the same file.", "Keep one of them.")
            if (first := taken.setdefault(pseudonym.casefold(), row.number)) != row.number:
                raise _invalid(f"{name}: rows {first} and {row.number} have the same pseudonym.", "Change one of them.")
            pseudonyms[composed(file_name)] = pseudonym
        return cls(MappingProxyType(pseudonyms), data, table)

    def extended(self, file_names: Iterable[str], *, shuffle: Shuffle) -> KeyTable:
        """The table with a row for each of these files; rows that it has stay as they are.

        New pseudonyms are numbered in random order: in the order of the names, a class list would tell who is who.

        Args:
            file_names: without folders.
            shuffle: puts a list into random order, in place.

        Raises:
            InputsInvalid: the encoding of the table lacks a letter of a new name.
        """
        new = sorted({composed(name) for name in file_names} - self.pseudonyms.keys())
        if not new:
            return self
        shuffle(new)
        used = (_MADE_HERE.fullmatch(pseudonym.casefold()) for pseudonym in self.pseudonyms.values())
        first = max((int(match[1]) for match in used if match), default=0) + 1
        added = {name: f"essay-{number:0{_DIGITS}}" for number, name in enumerate(new, start=first)}
        return KeyTable(MappingProxyType({**self.pseudonyms, **added}), self.data + self._rows(added), self.table)

    def _rows(self, added: Mapping[str, str]) -> bytes:
        """New rows as the file has its own: the same columns, delimiter and encoding."""
        columns = _KEYS if self.table is None else self.table.columns
        delimiter, encoding = (self.table.delimiter or ",", self.table.encoding) if self.table else (",", None)
        text = StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        if self.table is None:
            writer.writerow(_HEADING)
        codec = (encoding or "utf-8").split()[0].removesuffix("-sig")
        if self.data and not self.data.endswith("\n".encode(codec)):
            text.write("\n")
        for file_name, pseudonym in added.items():
            cells = dict(zip(_KEYS, (file_name, pseudonym), strict=True))
            writer.writerow([cells.get(column, "") for column in columns])
        try:
            return text.getvalue().encode(codec)
        except UnicodeEncodeError:
            raise _invalid(
                f"The key table is in {codec}, which lacks a letter of a name.", "Save it as UTF-8."
            ) from None


@dataclass(slots=True)
class Pseudonyms:
    """Files are shown under the pseudonyms of a key table.

    Attributes:
        table: the table; a file that is not in it is shown as `unknown`.
        extend: adds files to the table for good and returns it, where that may be done.
    """

    table: KeyTable
    extend: Callable[[Collection[str]], KeyTable] | None = None

    are_private = True

    @property
    def own_names(self) -> Collection[str]:
        """The file names in the table."""
        return self.table.pseudonyms.keys()

    def prepare(self, file_names: Collection[str]) -> None:
        """Add the files that the table lacks."""
        lacking = {composed(name) for name in file_names if _is_text(name)} - self.table.pseudonyms.keys()
        if lacking and self.extend is not None:
            self.table = self.extend(lacking)

    def shown(self, file_name: str) -> str:
        """The pseudonym with the file's suffix, where that is the suffix of a document."""
        return with_suffix_of(file_name, self.table.pseudonyms.get(composed(file_name), "unknown"))

    def meant(self, name: str) -> str:
        """The pseudonym of a file that is named with or without its suffix; any other name as it is."""
        pseudonyms, wanted = self.table.pseudonyms, composed(name)
        if wanted in pseudonyms:
            return pseudonyms[wanted]
        same = [
            pseudonym
            for file_name, pseudonym in pseudonyms.items()
            if wanted.casefold() in (file_name.casefold(), PurePosixPath(file_name).stem.casefold())
        ]
        return same[0] if len(same) == 1 else name


def with_suffix_of(file_name: str, name: str) -> str:
    """Another name with the suffix of a file, where that is the suffix of a document."""
    suffix = PurePosixPath(file_name).suffix
    return name + (suffix if suffix.lower() in _SUFFIXES else "")


def composed(file_name: str) -> str:
    """The name in one form for all file systems, and as a cell of a table holds it."""
    return unicodedata.normalize("NFC", file_name).strip()


def _is_text(file_name: str) -> bool:
    """Whether the name can be written in UTF-8; a file whose name cannot is refused anyway."""
    try:
        file_name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(message: str, remedy: str) -> InputsInvalid:
    return InputsInvalid(message, remedy=f"{remedy} Nothing was sent.")
