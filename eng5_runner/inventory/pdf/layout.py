"""From glyphs with places to lines in reading order. Pure.

All measures are points from the upper left corner of the page as it is shown, `top` less than `bottom`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

_HEIGHT_PER_EM = 1.2  # of a glyph's box, from the font's descent to its ascent
_PIECE_GAP = 0.7
"""Em between two glyphs that begins another piece; the space between two words has about 0.3."""
_GUTTER = 0.8
"""Em between two columns, at least."""
_COLUMN_EM = 8
"""Em that a column of text is wide, at least."""
_FULL = 0.6
"""How full the usual line of a column is; the cells of a table are shorter."""
_LINES = 3
_LINES_BESIDE_FEW = 6
"""Two columns have 3 lines each, or one has 6 beside the beginning of the next."""


class Glyph(NamedTuple):
    """A character and its place.

    Attributes:
        text: the character; white space separates words.
        left: of its box; likewise `top`, `right` and `bottom`.
        is_turned: it does not stand upright on the page.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    is_turned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Text on one baseline.

    Attributes:
        text: its words, separated by single spaces.
        left: of its box; likewise `top`, `right` and `bottom`.
        first: width of its first word.
        is_alone: it never belongs to the paragraph of its neighbours, as the text of a form field.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    first: float
    is_alone: bool = False

    @property
    def em(self) -> float:
        """The font's size."""
        return (self.bottom - self.top) / _HEIGHT_PER_EM

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return (self.top + self.bottom) / 2


def pieces(glyphs: Iterable[Glyph | None]) -> list[Line]:
    """Join glyphs that follow one another closely.

    Args:
        glyphs: in the order of the file; None where a line ends.
    """
    made: list[Line] = []
    current: list[Glyph] = []
    for glyph in glyphs:
        last = next((each for each in reversed(current) if not each.text.isspace()), None)
        if last is not None and (glyph is None or (not glyph.text.isspace() and _is_apart(last, glyph))):
            made.append(_piece(current))
            current = []
        if glyph is not None and (current or not glyph.text.isspace()):
            current.append(glyph)
    if current:
        made.append(_piece(current))
    return made


def _is_apart(last: Glyph, glyph: Glyph) -> bool:
    if last.is_turned or glyph.is_turned:
        return last.is_turned != glyph.is_turned
    heights = (last.bottom - last.top, glyph.bottom - glyph.top)
    overlap = min(last.bottom, glyph.bottom) - max(last.top, glyph.top)
    em = max(heights) / _HEIGHT_PER_EM
    # The letters of a ligature have one box, so the next may begin where the last one did.
    return overlap < 0.4 * min(heights) or not last.left - em / 4 < glyph.left < last.right + _PIECE_GAP * em


def _piece(glyphs: Sequence[Glyph]) -> Line:
    seen = [glyph for glyph in glyphs if not glyph.text.isspace()]
    length = next((index for index, glyph in enumerate(glyphs) if glyph.text.isspace()), len(glyphs))
    return Line(
        text=" ".join("".join(glyph.text for glyph in glyphs).split()),
        left=min(glyph.left for glyph in seen),
        top=min(glyph.top for glyph in seen),
        right=max(glyph.right for glyph in seen),
        bottom=max(glyph.bottom for glyph in seen),
        first=glyphs[length - 1].right - glyphs[0].left,
    )


def reading_order(parts: Sequence[Line]) -> list[list[Line]]:
    """The blocks of a page in the order in which a person reads them: columns from the left, each from the top.

    Lines that reach across the columns, such as a title, divide them: what is above them comes first.

    Args:
        parts: the pieces of one page, in any order.
    """
    gutter = _gutter(parts)
    if gutter is None:
        return [_lines(parts)] if parts else []
    blocks: list[list[Line]] = []
    between: list[Line] = []
    for band in _bands(parts, gutter):
        if _are_columns(band.left, band.right):
            blocks += [_lines(between)] if between else []
            blocks += [*reading_order(band.left), *reading_order(band.right)]
            between = []
        else:
            between += [*band.left, *band.right]
        between += band.below
    return blocks + ([_lines(between)] if between else [])


def _lines(parts: Sequence[Line]) -> list[Line]:
    """Join the pieces that stand side by side, from top to bottom."""
    rows: list[list[Line]] = []
    for part in sorted(parts, key=lambda part: part.middle):
        tallest = max(rows[-1], key=lambda each: each.em) if rows else None
        if tallest is not None and tallest.top < part.middle < tallest.bottom - 0.2 * tallest.em:
            rows[-1].append(part)
        else:
            rows.append([part])
    return [_joined(sorted(row, key=lambda part: part.left)) for row in rows]


def _joined(row: Sequence[Line]) -> Line:
    text = row[0].text
    for before, part in pairwise(row):
        touches = -0.3 < (part.left - before.right) / part.em < 0.12  # noqa: PLR2004 - em; a narrow space has 0.2
        text += part.text if touches else f" {part.text}"
    return Line(
        text=text,
        left=row[0].left,
        top=min(part.top for part in row),
        right=max(part.right for part in row),
        bottom=max(part.bottom for part in row),
        first=row[0].first,
    )


class _Band(NamedTuple):
    """What stands left and right of a gutter between two lines that cross it, and those lines below."""

    left: list[Line]
    right: list[Line]
    below: list[Line]


def _bands(parts: Sequence[Line], gutter: float) -> list[_Band]:
    em = median(part.em for part in parts)
    is_left = {id(part) for part in parts if part.right <= gutter - (_GUTTER - 0.3) * em}
    is_right = {id(part) for part in parts if part.left >= gutter - 0.3 * em}
    across = sorted((part for part in parts if id(part) not in is_left | is_right), key=lambda part: part.middle)
    heights = [part.middle for part in across]

    def band(part: Line) -> int:
        return bisect(heights, part.middle - 0.3 * part.em)

    above = {number: list(group) for number, group in groupby(sorted(parts, key=band), key=band)}
    bands = []
    for number in range(len(across) + 1):
        group = [part for part in above.get(number, ()) if id(part) in is_left | is_right]
        left = [part for part in group if id(part) in is_left]
        right = [part for part in group if id(part) in is_right]
        bands.append(_Band(left, right, across[number : number + 1]))
    return bands


def _gutter(parts: Sequence[Line]) -> float | None:
    """The left edge of a second column, or None if the page has one column."""
    if len(parts) <= _LINES_BESIDE_FEW:
        return None
    em = median(part.em for part in parts)
    least = min(part.left for part in parts) + _COLUMN_EM * em
    edges = [next(group) for _, group in groupby(sorted(part.left for part in parts if part.left > least), key=round)]
    best = (0, 0.0)
    for edge in edges:
        lines = sum(
            len(band.left) + len(band.right) for band in _bands(parts, edge) if _are_columns(band.left, band.right)
        )
        best = max(best, (lines, edge))
    return best[1] if best[0] else None


def _are_columns(left: Sequence[Line], right: Sequence[Line]) -> bool:
    if not left or not right:
        return False
    columns = (_lines(left), _lines(right))
    few, many = sorted(map(len, columns))
    if few < _LINES and many < _LINES_BESIDE_FEW:
        return False
    tops = [column[0].top for column in columns]
    bottoms = [column[-1].bottom for column in columns]
    shortest = min(bottom - top for top, bottom in zip(tops, bottoms, strict=True))
    return min(bottoms) - max(tops) > shortest / 2 and all(map(_is_text, columns))


def _is_text(column: Sequence[Line]) -> bool:
    width = max(line.right for line in column) - min(line.left for line in column)
    if len(column) < _LINES:
        return True
    usual = median(line.right - line.left for line in column)
    return width >= _COLUMN_EM * median(line.em for line in column) and usual >= _FULL * width
