"""The pictures of a run as files: SVG that stands alone, and PNG."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from xml.etree.ElementTree import Element, tostring

import resvg_py

from eng5_runner.reports.html import element
from eng5_runner.reports.palette import LIGHT, resolved
from eng5_runner.reports.plots.anchors import agreement, known_against_projected
from eng5_runner.reports.plots.design import course, coverage
from eng5_runner.reports.plots.drawing import PLOT_STYLE, Picture
from eng5_runner.reports.plots.positions import positions_of
from eng5_runner.results.artefact import Artefact

_SVG = "http://www.w3.org/2000/svg"
# Of 96 pixels an inch three times as many: a picture of a column's width is sharp in print.
_ZOOM = 3.0
_LETTER = f'<svg xmlns="{_SVG}" viewBox="0 0 20 20"><text y="16" font-size="16" font-family="{{}}">A</text></svg>'
# Of the pictures' style, in its order; the last is what the machine has of this kind.
_FAMILIES = ("Segoe UI", "DejaVu Sans", "Arial", "Liberation Sans", "Noto Sans", "Helvetica")


def pictures(artefact: Artefact) -> Iterator[Picture]:
    """Every picture that this run has; none where nothing was judged."""
    if not artefact.bt_summary:
        return
    drawn = positions_of(artefact)
    yield drawn.picture()
    yield from drawn.panels()
    for picture in (agreement, known_against_projected, coverage, course):
        made = picture(artefact)
        if made is not None:
            yield made


def svg_file(picture: Picture) -> bytes:
    """The picture as an SVG file, in the colours of the day on white paper."""
    drawing = Element("svg", picture.drawing.attrib | {"xmlns": _SVG})
    _, _, width, height = picture.drawing.attrib["viewBox"].split()
    drawing.attrib |= {"width": width, "height": height}
    paper = element("rect", width=width, height=height, fill=LIGHT["paper"])
    title, *parts = picture.drawing
    drawing.extend([title, element("style", resolved(PLOT_STYLE)), paper, *parts])
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(drawing, encoding="unicode").encode() + b"\n"


def png_file(svg: bytes) -> bytes:
    """The same picture as PNG, at 288 pixels an inch.

    Raises:
        LookupError: this machine has no font that is known here; a PNG would have no words.
    """
    return resvg_py.svg_to_bytes(svg_string=svg.decode(), zoom=_ZOOM, sans_serif_family=_family())


@cache
def _family() -> str:
    empty = resvg_py.svg_to_bytes(svg_string=_LETTER.format("no such font"))
    for family in _FAMILIES:
        if resvg_py.svg_to_bytes(svg_string=_LETTER.format(family)) != empty:
            return family
    raise LookupError(f"none of the fonts {', '.join(_FAMILIES)} is installed")
