"""Reads the text of one part of a .docx while it is parsed, and what of it a reader does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from eng5_runner.inventory.document_text import HiddenPassages
from eng5_runner.inventory.docx.names import NAMES, number, value
from eng5_runner.inventory.docx.numbering import Numbering
from eng5_runner.inventory.docx.places import (
    HIDDEN,
    drawing_hides,
    offset_hides,
    paragraph_hides,
    row_hides,
    shape_hides,
)
from eng5_runner.inventory.docx.styles import (
    UNKNOWN_GROUND,
    WHITE,
    Look,
    Styles,
    ground_of,
    hidden_reason,
    property_of,
)
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.symbol_fonts import UNKNOWN_SYMBOL, symbol_character

_IN_RUN = MappingProxyType({"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""})
_ROOTS = frozenset(("document", "footnotes", "endnotes"))
_ORDINARY_NOTES = frozenset(("", "normal"))
_BLANKS = MappingProxyType(str.maketrans("\t\r\n", "   "))


@dataclass(slots=True, kw_only=True)
class Context:
    """What the parts of a document share.

    Attributes:
        styles: of the document.
        numbering: counts its automatic numbers.
        hidden: collects the passages that a reader does not see.
        shows_background: the colour of the page is shown.
        embedded: gives the text of a file inside by the id of its relation.
        marks: kinds and ids of the notes whose marks a reader sees.
        unknown_symbols: number of symbols whose character is not known.
    """

    styles: Styles
    numbering: Numbering
    hidden: HiddenPassages
    shows_background: bool
    embedded: Callable[[str], str]
    marks: set[tuple[str, str]] = field(default_factory=set)
    unknown_symbols: int = 0


@dataclass(slots=True)
class _Paragraph:
    """An open paragraph.

    Attributes:
        begins: how many pieces of text there were before it.
        is_merged: its end is deleted, or it is a drop cap: it continues in the next paragraph.
        hides: a reason why none of it is seen, or "".
        style: its style's id.
        number_id: of its automatic number, None if its style decides.
        level: of the same.
        ground: its shading, `auto` if it has none.
        has_hidden: it holds text that is not seen.
    """

    begins: int
    is_merged: bool = False
    hides: str = ""
    style: str = ""
    number_id: str | None = None
    level: str = ""
    ground: str = "auto"
    has_hidden: bool = False


class TextReader:
    """Collects the visible text of a part while it is parsed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._path: list[str] = []
        self._skipped = 0  # depth within an element whose content is not read
        self._pieces: list[list[str]] = [[]]  # of the part, and of each text box that is open
        self._boxes: list[str] = []  # finished text boxes, until their paragraph ends
        self._paragraphs: list[_Paragraph] = []
        self._runs: list[Look] = []  # direct properties of each open run
        self._chosen: list[bool] = []  # of each open AlternateContent: a choice was read
        self._fields: list[bool] = []  # of each open field: its code is being read
        self._grounds: list[str] = [WHITE]  # of the page, and of each open table, cell and text box
        self._rows: list[str] = []  # of each open row: why it is not seen
        self._box_hides: list[str] = []  # of each open text box: likewise
        self._shape_hides = ""  # likewise of the drawing or shape that is open
        self._fill = UNKNOWN_GROUND  # of the shape that is open
        self._note = ""  # why the open note is not seen
        self._unseen: tuple[str, list[str]] = ("", [])  # the hidden passage that is open, and its reason
        self._starts: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            "p": lambda _: self._paragraphs.append(_Paragraph(len(self._pieces[-1]))),
            "r": lambda _: self._runs.append({}),
            "AlternateContent": lambda _: self._chosen.append(False),
            "background": self._start_background,
            "footnote": lambda attributes: self._start_note("footnote", attributes),
            "endnote": lambda attributes: self._start_note("endnote", attributes),
            "footnoteReference": lambda attributes: self._mark("footnote", attributes),
            "endnoteReference": lambda attributes: self._mark("endnote", attributes),
            "tbl": lambda _: self._grounds.append(self._grounds[-1]),
            "tblStyle": self._start_table_style,
            "tr": lambda _: self._rows.append(""),
            "tc": lambda _: self._grounds.append(self._grounds[-1]),
            "wps:wsp": lambda _: self._start_shape(),
            "wp:anchor": lambda _: self._place_shape(),
            "wp:inline": lambda _: self._place_shape(),
            "v:shape": lambda attributes: self._place_shape(value(attributes, "style")),
            "txbxContent": lambda _: self._start_box(),
            "fldChar": self._field,
            "sym": self._symbol,
            "altChunk": self._chunk,
            "subDoc": self._outside,
        }
        self._ends: Mapping[str, Callable[[], object]] = {
            "p": self._end_paragraph,
            "r": self._runs.pop,
            "AlternateContent": self._chosen.pop,
            "txbxContent": self._end_box,
            "tbl": self._grounds.pop,
            "tc": self._end_cell,
            "tr": self._end_row,
            "footnote": self._end_note,
            "endnote": self._end_note,
        }

    def text(self) -> str:
        """The text of the part, after it was parsed."""
        self._end_passage()
        return "".join(self._pieces[0])

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """An element begins."""
        name = NAMES.get(tag, "")
        if self._skipped or self._is_skipped(name):
            self._skipped += 1
            return
        if not self._path and name not in _ROOTS:
            raise Unreadable("damaged_document", how="it is not a text document")
        if name in _IN_RUN and self._path[-1] == "r":
            self._add(_IN_RUN[name])
        elif name in self._starts:
            self._starts[name](attributes)
        else:
            self._property(name, attributes)
        self._path.append(name)

    def end(self, _tag: str, /) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
            return
        name = self._path.pop()
        if name in self._ends:
            self._ends[name]()

    def data(self, text: str, /) -> None:
        """Characters."""
        if not self._skipped and self._path and self._path[-1] == "t":
            self._add(self._from_symbol_font(text.translate(_BLANKS)))
        elif not self._skipped and self._path and self._path[-1] == "wp:posOffset":
            self._shape_hides = offset_hides(text) or self._shape_hides

    def close(self) -> None:
        """The part is over."""

    def _is_skipped(self, name: str) -> bool:
        if name in {"del", "moveFrom"}:
            # In a paragraph's properties these mean that its end is deleted: it continues in the next paragraph.
            if self._paragraphs and self._path[-2:] == ["pPr", "rPr"]:
                self._paragraphs[-1].is_merged = True
            return True
        if name in {"Choice", "Fallback"} and self._chosen:
            chosen, self._chosen[-1] = self._chosen[-1], True
            return chosen
        return False

    def _property(self, name: str, attributes: Mapping[str, str]) -> None:
        match self._path[-2:]:
            case ["r", "rPr"] if self._runs:
                self._runs[-1] |= property_of(name, attributes)
            case [_, "w14:textFill" | "w14:solidFill" | "w14:srgbClr"] if self._runs and "w14:textFill" in self._path:
                self._runs[-1] |= property_of(name, attributes)
            case ["p", "pPr"] | ["pPr", "numPr"] if self._paragraphs:
                self._paragraph_property(self._paragraphs[-1], name=name, attributes=attributes)
                self._paragraphs[-1].hides = paragraph_hides(name, attributes) or self._paragraphs[-1].hides
            case ["tc", "tcPr"] if name == "shd":
                ground = ground_of(attributes)
                self._grounds[-1] = self._grounds[-1] if ground == "auto" else ground
            case ["tr", "trPr"] if self._rows:
                self._rows[-1] = row_hides(name, attributes) or self._rows[-1]
            case [*_, "wp:anchor" | "wp:inline"]:
                self._shape_hides = drawing_hides(name, attributes) or self._shape_hides
            case ["wps:wsp", "wps:spPr"] if name == "a:noFill":
                self._fill = self._grounds[-1]
            case ["wps:spPr", "a:solidFill"] if name == "a:srgbClr":
                self._fill = value(attributes)
            case _:
                pass

    def _paragraph_property(self, paragraph: _Paragraph, *, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "pStyle":
                paragraph.style = value(attributes)
            case "numId":
                paragraph.number_id = value(attributes)
            case "ilvl":
                paragraph.level = value(attributes)
            case "shd":
                paragraph.ground = ground_of(attributes)
            case "framePr":
                paragraph.is_merged |= value(attributes, "dropCap") in {"drop", "margin"}
            case _:
                pass

    def _add(self, piece: str) -> None:
        """Add text of the run that is open."""
        reason = self._reason()
        if not reason:
            if piece.strip():
                self._end_passage()
            self._pieces[-1].append(piece)
            return
        if self._paragraphs and piece.strip():
            self._paragraphs[-1].has_hidden = True
        if reason != self._unseen[0]:
            self._end_passage()
            self._unseen = (reason, [])
        self._unseen[1].append(piece)

    def _reason(self) -> str:
        """Why a reader does not see the text that comes now; nothing if it is seen."""
        if self._note:
            return self._note
        if any(self._fields):
            return "a field's code"
        if reasons := [reason for reason in (*self._rows, *self._box_hides) if reason]:
            return reasons[0]
        paragraph = self._paragraphs[-1] if self._paragraphs else _Paragraph(0)
        if paragraph.hides:
            return paragraph.hides
        look = self._context.styles.look(paragraph=paragraph.style, direct=self._runs[-1] if self._runs else {})
        return hidden_reason(look, self._grounds[-1] if paragraph.ground == "auto" else paragraph.ground)

    def _end_passage(self) -> None:
        reason, pieces = self._unseen
        if pieces:
            self._context.hidden.add("".join(pieces), reason)
        self._unseen = ("", [])

    def _from_symbol_font(self, text: str) -> str:
        font = self._runs[-1].get("font", "") if self._runs else ""
        return "".join(self._known(symbol_character(font, ord(each))) if each > " " else each for each in text)

    def _known(self, character: str | None) -> str:
        self._context.unknown_symbols += character is None
        return UNKNOWN_SYMBOL if character is None else character

    def _symbol(self, attributes: Mapping[str, str]) -> None:
        try:
            code = int(value(attributes, "char"), 16)
            character = symbol_character(value(attributes, "font"), code)
        except (ValueError, OverflowError):
            character = None
        self._add(self._known(character))

    def _field(self, attributes: Mapping[str, str]) -> None:
        match value(attributes, "fldCharType"):
            case "begin":
                self._fields.append(True)
            case "separate" if self._fields:
                self._fields[-1] = False
            case "end" if self._fields:
                self._fields.pop()
            case _:
                pass

    def _mark(self, kind: str, attributes: Mapping[str, str]) -> None:
        if not self._reason():
            self._context.marks.add((kind, value(attributes, "id")))

    def _start_note(self, kind: str, attributes: Mapping[str, str]) -> None:
        is_ordinary = value(attributes, "type") in _ORDINARY_NOTES
        has_mark = (kind, value(attributes, "id")) in self._context.marks
        self._note = "a note without a mark" if is_ordinary and not has_mark else ""

    def _end_note(self) -> None:
        self._end_passage()
        self._note = ""

    def _start_background(self, _attributes: Mapping[str, str]) -> None:
        if self._context.shows_background:
            self._grounds[0] = UNKNOWN_GROUND

    def _start_table_style(self, attributes: Mapping[str, str]) -> None:
        if self._path[-2:] == ["tbl", "tblPr"] and self._context.styles.colours_tables(value(attributes)):
            self._grounds[-1] = UNKNOWN_GROUND

    def _start_shape(self) -> None:
        self._fill = UNKNOWN_GROUND

    def _place_shape(self, style: str = "") -> None:
        self._shape_hides = shape_hides(style)

    def _start_box(self) -> None:
        self._pieces.append([])
        of_run = self._reason()
        self._box_hides.append(self._shape_hides or (of_run if of_run == HIDDEN else ""))
        self._grounds.append(self._fill)

    def _end_box(self) -> None:
        self._end_passage()
        self._grounds.pop()
        self._box_hides.pop()
        self._fill = UNKNOWN_GROUND
        self._boxes.extend(self._pieces.pop())

    def _chunk(self, attributes: Mapping[str, str]) -> None:
        if text := self._context.embedded(value(attributes, "id")):
            self._pieces[-1].append(f"{text}\n")

    def _outside(self, _attributes: Mapping[str, str]) -> None:
        raise Unreadable("external_content", what="a part of the text")

    def _end_paragraph(self) -> None:
        paragraph = self._paragraphs.pop()
        pieces = self._pieces[-1]
        text = "".join(pieces[paragraph.begins :])
        is_seen = bool(text.strip()) or not paragraph.has_hidden
        if is_seen and not paragraph.hides and (label := self._label(paragraph)):
            pieces.insert(paragraph.begins, label)
        if paragraph.is_merged:
            return
        if self._unseen[0]:
            self._unseen[1].append("\n")
        if is_seen and not self._note:
            pieces.append("\n")
        if len(self._pieces) == 1:
            self._pieces[0] += self._boxes
            self._boxes.clear()

    def _label(self, paragraph: _Paragraph) -> str:
        number_id, level = self._context.styles.numbering(paragraph.style)
        if paragraph.number_id is not None:
            number_id, level = paragraph.number_id, paragraph.level or level
        return self._context.numbering.label(number_id, number(paragraph.level or level))

    def _end_cell(self) -> None:
        self._grounds.pop()
        self._close("\n", "\t")

    def _end_row(self) -> None:
        self._close("\t", "\n")
        self._rows.pop()

    def _close(self, before: str, after: str) -> None:
        pieces = self._pieces[-1]
        if pieces and pieces[-1] == before:
            pieces.pop()
        pieces.append(after)
