"""The text of a .docx as a reader sees it.

Included: paragraphs, tables, content controls, links, fields' results, formulas' letters, tracked insertions and
moves, text boxes (after the paragraph that holds them, once), footnotes and endnotes (after the body).
Left out: tracked deletions, the source of a tracked move, hidden text, comments, headers and footers (which often
name the writer).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from types import MappingProxyType
from zipfile import ZipFile

from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.zip_parts import open_archive, parse_part

_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_MATH = (
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "http://purl.oclc.org/ooxml/officeDocument/math",
)
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
_WORD_NAMES = (
    *("document", "footnotes", "endnotes", "altChunk", "subDoc"),
    *("p", "pPr", "r", "rPr", "t", "tab", "ptab", "br", "cr", "noBreakHyphen", "vanish"),
    *("tc", "tr", "txbxContent", "del", "moveFrom"),
)
_NAMES = MappingProxyType(
    {f"{{{space}}}{name}": name for space in _WORD for name in _WORD_NAMES}
    | {f"{{{space}}}t": "t" for space in _MATH}
    | {f"{{{_COMPATIBILITY}}}{name}": name for name in ("AlternateContent", "Choice", "Fallback")}
)
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_IN_RUN = MappingProxyType({"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"})
_ROOTS = frozenset(("document", "footnotes", "endnotes"))
_OFF = frozenset(("0", "false", "off"))
_BLANKS = MappingProxyType(str.maketrans("\t\r\n", "   "))
_WITHOUT_TEXT = frozenset(("hyperlink", "image", "video", "audio", "media"))
"""External relations that add no text to the document; they are never followed."""


def docx_text(data: bytes) -> DocumentText:
    """The text of a document, paragraphs by newline, table cells by tab.

    Raises:
        Unreadable: it is damaged, encrypted or too large, declares entities, or shows content from another file.
    """
    with open_archive(data) as archive:
        main = _main_part(archive)
        related = _Relations.of(archive, main)
        notes = [related.inside[kind] for kind in ("footnotes", "endnotes") if kind in related.inside]
        texts = [_part_text(archive, main), *(_part_text(archive, note).strip() for note in notes)]
    return DocumentText("\n".join(text.rstrip("\n") for text in texts if text.strip()))


def _main_part(archive: ZipFile) -> str:
    main = _Relations.of(archive, "").inside.get("officeDocument")
    if main is None:
        raise Unreadable("damaged_document", how="it names no main part")
    return main


def _part_text(archive: ZipFile, part: str) -> str:
    reader = _TextReader()
    parse_part(archive, name=part, target=reader)
    return reader.text()


class _Relations:
    """The parts that a part refers to, by the last word of the relation's type."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.inside: dict[str, str] = {}

    @classmethod
    def of(cls, archive: ZipFile, part: str) -> _Relations:
        folder, name = posixpath.split(part)
        relations = cls(folder)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        # A main part without relations needs no list; a package without one has no main part.
        if not part or listed in archive.namelist():
            parse_part(archive, name=listed, target=relations)
        return relations

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        if tag != _RELATIONSHIP:
            return
        kind = attributes.get("Type", "").rpartition("/")[2]
        if attributes.get("TargetMode") == "External":
            if kind not in _WITHOUT_TEXT:
                raise Unreadable("external_content", what=kind)
            return
        target = posixpath.join("/", self._folder, attributes.get("Target", ""))
        self.inside.setdefault(kind, posixpath.normpath(target).lstrip("/"))

    def end(self, tag: str, /) -> None:
        """Relations have no content."""

    def data(self, text: str, /) -> None:
        """Relations have no text."""

    def close(self) -> None:
        """Nothing is left open."""


class _TextReader:
    """Collects the visible text of a part while it is parsed."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._skipped = 0  # depth within an element whose content is not read
        self._pieces: list[list[str]] = [[]]  # of the part, and of each text box that is open
        self._boxes: list[str] = []  # finished text boxes, until their paragraph ends
        self._merged: list[bool] = []  # of each open paragraph: its end is deleted
        self._hidden: list[bool] = []  # of each open run
        self._chosen: list[bool] = []  # of each open AlternateContent: a choice was read
        self._starts: dict[str, Callable[[dict[str, str]], None]] = {
            "p": lambda _: self._merged.append(False),
            "r": lambda _: self._hidden.append(False),
            "AlternateContent": lambda _: self._chosen.append(False),
            "txbxContent": lambda _: self._pieces.append([]),
            "vanish": self._start_vanish,
            "altChunk": self._start_outside,
            "subDoc": self._start_outside,
        }
        self._ends: dict[str, Callable[[], object]] = {
            "p": self._end_paragraph,
            "r": self._hidden.pop,
            "AlternateContent": self._chosen.pop,
            "txbxContent": lambda: self._boxes.extend(self._pieces.pop()),
            "tc": lambda: self._end_cell("\n", "\t"),
            "tr": lambda: self._end_cell("\t", "\n"),
        }

    def text(self) -> str:
        return "".join(self._pieces[0])

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        name = _NAMES.get(tag, "")
        if self._skipped or self._is_skipped(name):
            self._skipped += 1
            return
        if not self._path and name not in _ROOTS:
            raise Unreadable("damaged_document", how="it is not a text document")
        if name in _IN_RUN and self._path[-1] == "r":
            self._add(_IN_RUN[name])
        elif name in self._starts:
            self._starts[name](attributes)
        self._path.append(name)

    def end(self, _tag: str, /) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        name = self._path.pop()
        if name in self._ends:
            self._ends[name]()

    def data(self, text: str, /) -> None:
        if not self._skipped and self._path and self._path[-1] == "t":
            self._add(text.translate(_BLANKS))

    def close(self) -> None:
        """Nothing is left open."""

    def _is_skipped(self, name: str) -> bool:
        if name in {"del", "moveFrom"}:
            # In a paragraph's properties these mean that its end is deleted: it continues in the next paragraph.
            if self._merged and self._path[-2:] == ["pPr", "rPr"]:
                self._merged[-1] = True
            return True
        if name in {"Choice", "Fallback"} and self._chosen:
            chosen, self._chosen[-1] = self._chosen[-1], True
            return chosen
        return False

    def _add(self, piece: str) -> None:
        if not (self._hidden and self._hidden[-1]):
            self._pieces[-1].append(piece)

    def _start_vanish(self, attributes: dict[str, str]) -> None:
        if self._path[-2:] == ["r", "rPr"]:
            self._hidden[-1] = not _OFF.intersection(attributes.values())

    def _start_outside(self, _attributes: dict[str, str]) -> None:
        raise Unreadable("external_content", what="a part of the text")

    def _end_paragraph(self) -> None:
        if self._merged.pop():
            return
        self._pieces[-1].append("\n")
        if len(self._pieces) == 1:
            self._pieces[0] += self._boxes
            self._boxes.clear()

    def _end_cell(self, before: str, after: str) -> None:
        pieces = self._pieces[-1]
        if pieces and pieces[-1] == before:
            pieces.pop()
        pieces.append(after)
