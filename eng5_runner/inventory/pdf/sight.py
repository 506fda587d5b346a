"""Whether a reader of a page sees a word: the page is drawn, and the place of the word looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2

Colour = tuple[int, int, int]

_MOST_PIXELS = 4_000_000
"""Of the picture of a page; an A4 page at one pixel per point has half a million."""
_SAME = 16
"""Two colours this close, of 255, look the same."""
_DRAWN = 12
"""A place whose pixels differ by more shows something."""
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

    def shows(self, box: tuple[float, float, float, float], colour: Colour) -> bool:
        """Whether letters of this colour stand out in the box (left, top, right, bottom)."""
        pixels = [*self._pixels(box)]
        same = sum(all(abs(one - other) < _SAME for one, other in zip(pixel, colour, strict=True)) for pixel in pixels)
        return same < _MOSTLY * len(pixels)

    def has_something(self, box: tuple[float, float, float, float]) -> bool:
        """Whether anything is drawn in the box (left, top, right, bottom)."""
        pixels = [*self._pixels(box)]
        return any(max(values) - min(values) > _DRAWN for values in zip(*pixels, strict=True))

    def _pixels(self, box: tuple[float, float, float, float]) -> Iterator[bytes]:
        left, top, right, bottom = (round(edge * self.scale) for edge in box)
        step = 2 if (right - left) * (bottom - top) > 400 else 1  # noqa: PLR2004 - pixels; half of them show enough
        for y in range(max(0, top), min(self.height, max(bottom, top + 1)), step):
            start = y * self.stride
            for x in range(max(0, left), min(self.width, max(right, left + 1)), step):
                yield self.pixels[start + 3 * x : start + 3 * x + 3]
