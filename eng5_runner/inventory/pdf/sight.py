"""Whether a reader of a page sees a word: the page is drawn, and the place of the word looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pypdfium2

Colour = tuple[int, int, int]
Place = tuple[float, float, float, float]
"""Left, top, right and bottom of a box, in points from the upper left corner of the page as it is shown."""

_MOST_PIXELS = 4_000_000
"""Of the picture of a page; an A4 page at one pixel per point has half a million."""
_SAME = 16
"""Two colours this close, of 255, look the same."""
_DRAWN = 12
"""A place whose pixels differ by more shows something."""
_SAMPLES = 8
"""Rows and columns of pixels to look at."""
_MOSTLY = 0.6
"""Letters cover at most half of their boxes. A place that has more of their colour hides them."""


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page as PDFium draws it.

    Attributes:
        pixels: red, green and blue of each pixel, row by row.
        width: of the picture in pixels; likewise `height`.
        stride: bytes of a row.
        scale: pixels per point.
    """

    pixels: bytes
    width: int
    height: int
    stride: int
    scale: float

    @classmethod
    def of(cls, page: pypdfium2.PdfPage) -> DrawnPage:
        """Draw a page without its annotations, at 72 pixels per inch or fewer."""
        points = max(1.0, page.get_width() * page.get_height())
        scale = min(1.0, math.sqrt(_MOST_PIXELS / points))
        drawn = page.render(scale=scale, may_draw_forms=False, draw_annots=False, rev_byteorder=True)
        return cls(bytes(drawn.buffer), drawn.width, drawn.height, drawn.stride, scale)

    def shows(self, box: Place, colour: Colour) -> bool:
        """Whether letters of this colour stand out in the box."""
        red, green, blue = colour
        columns, rows = self._range(box)
        pixels = self.pixels
        looked = same = 0
        for y in rows[:: 1 + len(rows) // _SAMPLES]:
            for x in columns[:: 1 + len(columns) // _SAMPLES]:
                at = y * self.stride + 3 * x
                looked += 1
                same += (
                    -_SAME < pixels[at] - red < _SAME
                    and -_SAME < pixels[at + 1] - green < _SAME
                    and -_SAME < pixels[at + 2] - blue < _SAME
                )
        return same < _MOSTLY * looked

    def has_something(self, box: Place) -> bool:
        """Whether anything is drawn in the box."""
        columns, rows = self._range(box)
        lows, highs = [255] * 3, [0] * 3
        for y in rows:
            row = self.pixels[y * self.stride + 3 * columns.start : y * self.stride + 3 * columns.stop]
            for channel in range(3):
                values = row[channel::3] or bytes([highs[channel]])
                low, high = min(values), max(values)
                lows[channel] = min(lows[channel], low)
                highs[channel] = max(highs[channel], high)
            if any(high - low > _DRAWN for low, high in zip(lows, highs, strict=True)):
                return True
        return False

    def _range(self, box: Place) -> tuple[range, range]:
        """The columns and rows of pixels in the box, at least one of each where it is on the page."""
        left, top, right, bottom = (round(edge * self.scale) for edge in box)
        columns = range(max(0, left), min(self.width, max(right, left + 1)))
        return columns, range(max(0, top), min(self.height, max(bottom, top + 1)))
