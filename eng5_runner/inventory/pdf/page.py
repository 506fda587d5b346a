"""What a page of a PDF shows, asked of PDFium."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby

import pypdfium2
import pypdfium2.raw as pdfium

from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.pdf.layout import Glyph, Line
from eng5_runner.inventory.pdf.sight import Colour, DrawnPage, Place
from eng5_runner.inventory.symbol_fonts import UNKNOWN_SYMBOL, symbol_character
from eng5_runner.inventory.text import MAX_TEXT_BYTES

SMALLEST_POINTS = 3.0
"""Nobody reads smaller letters."""

_LINE_HEIGHT = 1.2  # of a glyph's box, in font sizes
_OPAQUE = 20  # of 255; less is as good as transparent
_LIGATURES = range(0xFB00, 0xFB07)
# What a letter can stand for without saying another thing than it shows, beside hyphens and blanks.
_LIGATURE_TEXTS = frozenset(("ff", "fi", "fl", "ffi", "ffl", "fj", "ft", "st", "ti", "tt", "tti", "Th"))
_NESTED_FORMS = 8
_LINE_END_HYPHEN = 2  # what PDFium gives for it
_TURNED = 0.2  # radians
_HIDDEN_ANNOTATION = 2 | 32  # its flags Hidden and NoView
_READ_FIELDS = frozenset(
    (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)
)

Box = tuple[float, float, float, float]
"""Left, bottom, right and top of a box in the page's own coordinates, which begin below."""


@dataclass(slots=True)
class PageContent:
    """What a page shows.

    Attributes:
        glyphs: visible characters in the order of the file; None where a line ends.
        typed: texts of form fields and of annotations that were typed on the page, in the order of the file.
        hidden: passages that a reader does not see, with the reason.
        picture_share: how much of the page pictures cover, 0 to 1.
        shapes: number of drawn shapes; letters may be drawn as shapes.
        characters: number of all characters, hidden ones too.
        recognised: it has characters that lie invisibly on a picture, as text recognition leaves them.
        unknown_symbols: number of characters that stand for a symbol of an unknown font.
    """

    glyphs: list[Glyph | None] = field(default_factory=list)
    typed: list[Line] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)
    picture_share: float = 0.0
    shapes: int = 0
    characters: int = 0
    recognised: bool = False
    unknown_symbols: int = 0


@dataclass(frozen=True, slots=True)
class _Character:
    """A character as PDFium gives it, with the object of the page that it belongs to."""

    text: str
    place: Place
    owner: int
    is_turned: bool
    mode: int
    colour: Colour | None
    alpha: int


class PageReader:
    """Reads one page."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self._page = page
        self._left, self._bottom, self._right, self._top = page.get_bbox()
        self._rotation = page.get_rotation() % 360
        self._content = PageContent()
        self._pictures: list[Place] = []
        self._spoken: list[str] = []  # texts that a program reads in the place of what is drawn

    def read(self) -> PageContent:
        """The page's content.

        Raises:
            Unreadable: it has more characters than a document may have.
        """
        self._look_at_objects()
        self._content.picture_share = self._share()
        self._read_characters()
        self._name_spoken()
        self._read_annotations()
        return self._content

    @cached_property
    def _drawn(self) -> DrawnPage:
        return DrawnPage.of(self._page)

    @property
    def _size(self) -> tuple[float, float]:
        width, height = self._right - self._left, self._top - self._bottom
        return (height, width) if self._rotation in {90, 270} else (width, height)

    def _place(self, box: Box) -> Place:
        """A box as the page is shown."""
        left, bottom, right, top = box
        match self._rotation:
            case 90:
                return bottom - self._bottom, left - self._left, top - self._bottom, right - self._left
            case 180:
                return self._right - right, bottom - self._bottom, self._right - left, top - self._bottom
            case 270:
                return self._top - top, self._right - right, self._top - bottom, self._right - left
            case _:
                return left - self._left, self._top - top, right - self._left, self._top - bottom

    def _look_at_objects(self) -> None:
        kinds = (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING)
        for each, matrices in _objects(self._page):
            kind = pdfium.FPDFPageObj_GetType(each)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self._spoken += [text for text in _without_spoken(each) if text not in self._spoken[-1:]]
            if kind in kinds:
                self._content.shapes += kind != pdfium.FPDF_PAGEOBJ_IMAGE
                if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                    self._pictures.append(self._place(_bounds(each, matrices)))

    def _name_spoken(self) -> None:
        """Name the texts that say another thing than the page shows."""
        seen = _letters("".join(glyph.text for glyph in self._content.glyphs if glyph is not None))
        for text in self._spoken:
            if _letters(text) not in seen:
                self._hide(text, "a text in the place of what is shown")

    def _share(self) -> float:
        width, height = self._size
        covered = sum(
            max(0.0, min(right, width) - max(left, 0.0)) * max(0.0, min(bottom, height) - max(top, 0.0))
            for left, top, right, bottom in self._pictures
        )
        return min(1.0, covered / max(1.0, width * height))

    def _read_characters(self) -> None:
        for word, group in _words(self._characters()):
            if word is None:
                self._content.glyphs.append(None)
                continue
            reason = self._hidden_reason(group) if word else ""
            if reason:
                self._hide("".join(each.text for each in group), reason)
            else:
                self._content.glyphs += [Glyph(each.text, *each.place, each.is_turned) for each in group]

    def _hide(self, text: str, reason: str) -> None:
        hidden = self._content.hidden
        if hidden and hidden[-1][1] == reason:
            hidden[-1] = (f"{hidden[-1][0]} {text}", reason)
        else:
            hidden.append((text, reason))

    def _hidden_reason(self, word: Sequence[_Character]) -> str:
        """Why a reader does not see a word; nothing if it is seen."""
        places = [each.place for each in word]
        lefts, tops, rights, bottoms = zip(*places, strict=True)
        box = (min(lefts), min(tops), max(rights), max(bottoms))
        width, height = self._size
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        first = word[0]
        if not (0 <= x <= width and 0 <= y <= height):
            return "off the page"
        if first.mode == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
            if any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in self._pictures):
                self._content.recognised = True
                return ""
            return "invisible text"
        if first.alpha < _OPAQUE and first.mode != pdfium.FPDF_TEXTRENDERMODE_CLIP:
            return "transparent text"
        if not first.is_turned and box[3] - box[1] < SMALLEST_POINTS * _LINE_HEIGHT:
            return "tiny letters"
        if not any(each.text.isalnum() and ord(each.text[0]) < 0x250 for each in word):  # noqa: PLR2004 - end of Latin
            # A dash fills no box, and a font of other letters may be missing on this machine.
            return ""
        if first.colour is not None and not self._drawn.shows(box, first.colour):
            return "in the colour of the page"
        return "" if self._drawn.has_something(box) else "covered or not drawn"

    def _characters(self) -> Iterator[_Character | None]:
        """The characters; None where a line ends."""
        page = self._page.get_textpage()
        rectangle = pdfium.FS_RECTF()
        looks: dict[int, tuple[bool, int, Colour | None, int]] = {}
        owner = 0
        self._content.characters = pdfium.FPDFText_CountChars(page)
        if self._content.characters > MAX_TEXT_BYTES:
            raise Unreadable("too_large", size=f"a page has more than {MAX_TEXT_BYTES:,} characters")
        for index in range(self._content.characters):
            code = pdfium.FPDFText_GetUnicode(page, index)
            if code in {0x0A, 0x0D}:
                yield None
                continue
            text_object = pdfium.FPDFText_GetTextObject(page, index)
            if text_object:
                owner = ctypes.addressof(text_object.contents)
                if owner not in looks:
                    turned = _is_turned(pdfium.FPDFText_GetCharAngle(page, index), self._rotation)
                    looks[owner] = (turned, *_look(page, index, text_object=text_object))
            pdfium.FPDFText_GetLooseCharBox(page, index, rectangle)
            yield _Character(
                self._text(page, index, code=code),
                self._place(_box(rectangle)),
                owner,
                *looks.get(owner, (False, pdfium.FPDF_TEXTRENDERMODE_FILL, None, 255)),
            )

    def _text(self, page: pypdfium2.PdfTextPage, index: int, *, code: int) -> str:
        if code == _LINE_END_HYPHEN and pdfium.FPDFText_IsHyphen(page, index) == 1:
            return "-"
        if code in _LIGATURES:
            return unicodedata.normalize("NFKC", chr(code))
        if 0xE000 <= code <= 0xF8FF:  # noqa: PLR2004 - Unicode's private use area
            known = symbol_character(_font_family(page, index), code)
            self._content.unknown_symbols += known is None
            return known or UNKNOWN_SYMBOL
        is_character = 0x20 <= code < 0x110000 and code not in {0x7F, 0xFFFE, 0xFFFF}  # noqa: PLR2004 - Unicode's range
        if not is_character and code != 0x09:  # noqa: PLR2004 - a tab
            self._content.unknown_symbols += 1
            return UNKNOWN_SYMBOL
        return chr(code)

    def _read_annotations(self) -> None:
        form = self._page.formenv
        for index in range(pdfium.FPDFPage_GetAnnotCount(self._page)):
            annotation = pdfium.FPDFPage_GetAnnot(self._page, index)
            if not annotation:
                continue
            try:
                text = _annotation_text(form, annotation)
                if text.strip():
                    self._add_typed(annotation, text)
            finally:
                pdfium.FPDFPage_CloseAnnot(annotation)

    def _add_typed(self, annotation: pdfium.FPDF_ANNOTATION, text: str) -> None:
        rectangle = pdfium.FS_RECTF()
        pdfium.FPDFAnnot_GetRect(annotation, rectangle)
        left, top, right, bottom = self._place(_box(rectangle))
        width, height = self._size
        if pdfium.FPDFAnnot_GetFlags(annotation) & _HIDDEN_ANNOTATION:
            self._content.hidden.append((text, "a hidden field or note"))
        elif right < 0 or bottom < 0 or left > width or top > height:
            self._content.hidden.append((text, "off the page"))
        else:
            lines = "\n".join(" ".join(line.split()) for line in text.replace("\r\n", "\n").split("\r"))
            line = "\n".join(" ".join(part.split()) for part in lines.split("\n")).strip()
            self._content.typed.append(
                Line(text=line, left=left, top=top, right=right, bottom=bottom, first=0.0, is_alone=True)
            )


def _words(
    characters: Iterator[_Character | None],
) -> Iterator[tuple[bool | None, list[_Character]]]:
    """Groups of characters: words of one object (True), white space (False), and ends of lines (None)."""

    def key(each: _Character | None) -> tuple[bool | None, int]:
        return (None, 0) if each is None else (not each.text.isspace(), each.owner)

    for (is_word, _), group in groupby(characters, key=key):
        yield is_word, [each for each in group if each is not None]


def _look(
    page: pypdfium2.PdfTextPage, index: int, *, text_object: pdfium.FPDF_PAGEOBJECT
) -> tuple[int, Colour | None, int]:
    """How an object's letters are painted: their mode, colour and opacity (0 to 255)."""
    mode = pdfium.FPDFTextObj_GetTextRenderMode(text_object)
    is_stroke = mode == pdfium.FPDF_TEXTRENDERMODE_STROKE
    get: Callable[..., int] = pdfium.FPDFText_GetStrokeColor if is_stroke else pdfium.FPDFText_GetFillColor
    values = [ctypes.c_uint(255) for _ in range(4)]
    if not get(page, index, *values):
        return mode, None, 255
    red, green, blue, alpha = (value.value for value in values)
    return mode, None if mode == pdfium.FPDF_TEXTRENDERMODE_CLIP else (red, green, blue), alpha


def _is_turned(angle: float, rotation: int) -> bool:
    quarter = 1.5707963267948966
    off = (angle - rotation / 90 * quarter) % (4 * quarter)
    return angle >= 0 and _TURNED < off < 4 * quarter - _TURNED


def _font_family(page: pypdfium2.PdfTextPage, index: int) -> str:
    """The font's name without the prefix of a subset and the suffix of a style."""
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(page, index, buffer, len(buffer), flags)
    name = buffer.value.decode("utf-8", "replace").rpartition("+")[2].partition("-")[0].partition(",")[0]
    return name.removesuffix("MT").removesuffix("Regular")


def _objects(page: pypdfium2.PdfPage) -> Iterator[tuple[pdfium.FPDF_PAGEOBJECT, tuple[pdfium.FS_MATRIX, ...]]]:
    """All objects of a page, and the matrices of the forms that they are in, the innermost first."""
    waiting: list[tuple[pdfium.FPDF_PAGEOBJECT, tuple[pdfium.FS_MATRIX, ...]]] = [
        (pdfium.FPDFPage_GetObject(page, index), ()) for index in range(pdfium.FPDFPage_CountObjects(page))
    ]
    while waiting:
        each, matrices = waiting.pop()
        if pdfium.FPDFPageObj_GetType(each) != pdfium.FPDF_PAGEOBJ_FORM:
            yield each, matrices
        elif len(matrices) < _NESTED_FORMS:
            matrix = pdfium.FS_MATRIX()
            pdfium.FPDFPageObj_GetMatrix(each, matrix)
            count = pdfium.FPDFFormObj_CountObjects(each)
            waiting += [(pdfium.FPDFFormObj_GetObject(each, index), (matrix, *matrices)) for index in range(count)]


def _without_spoken(text_object: pdfium.FPDF_PAGEOBJECT) -> Iterator[str]:
    """Take the texts from a text object that PDFium would give in the place of its letters, and give them.

    Those of ligatures and of hyphens at a line's end stay.
    """
    for index in reversed(range(max(0, pdfium.FPDFPageObj_CountMarks(text_object)))):
        mark = pdfium.FPDFPageObj_GetMark(text_object, index)
        text = _string(partial(_mark_text, mark=mark))
        if _letters(text) and text not in _LIGATURE_TEXTS:
            pdfium.FPDFPageObj_RemoveMark(text_object, mark)
            yield text


def _mark_text(buffer: object, size: int, *, mark: pdfium.FPDF_PAGEOBJECTMARK) -> int:
    needed = ctypes.c_ulong()
    pdfium.FPDFPageObjMark_GetParamStringValue(mark, b"ActualText", buffer, size, needed)
    return needed.value


def _letters(text: str) -> str:
    """The text without what lines are broken at."""
    return "".join(char for char in unicodedata.normalize("NFKC", text) if char.isalnum())


def _box(rectangle: pdfium.FS_RECTF) -> Box:
    return rectangle.left, rectangle.bottom, rectangle.right, rectangle.top


def _bounds(each: pdfium.FPDF_PAGEOBJECT, matrices: Sequence[pdfium.FS_MATRIX]) -> Box:
    """Left, bottom, right and top of an object in the page's coordinates."""
    edges = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(each, *edges)
    left, bottom, right, top = (edge.value for edge in edges)
    corners = [(x, y) for x in (left, right) for y in (bottom, top)]
    for m in matrices:
        corners = [(m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f) for x, y in corners]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _annotation_text(form: pypdfium2.PdfFormEnv | None, annotation: pdfium.FPDF_ANNOTATION) -> str:
    """What was typed: the value of a form field, or the text of a FreeText annotation. Notes and links give nothing."""
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium.FPDF_ANNOT_FREETEXT:
        return _string(lambda *buffer: pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", *buffer))
    if kind != pdfium.FPDF_ANNOT_WIDGET or form is None:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldType(form, annotation) not in _READ_FIELDS:
        return ""
    return _string(lambda *buffer: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, *buffer))


def _string(get: Callable[..., int]) -> str:
    """A string that PDFium writes into a buffer as UTF-16, with a closing zero."""
    size = get(None, 0)
    buffer = ctypes.create_string_buffer(size + 2)
    get(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\x00")
