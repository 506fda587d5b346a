"""Where text stands: whether a paragraph, a row or a text box is placed so that nobody sees it.

>>> shape_hides("position:absolute;margin-left:-5000pt;width:200pt")
'off the page'
>>> shape_hides("position:absolute;margin-left:50pt;width:200pt")
''
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from eng5_runner.inventory.docx.names import is_on, number, value

HIDDEN, TINY, OFF_PAGE = "hidden formatting", "tiny letters", "off the page"

_FARTHEST_TWIPS = 20_000
"""What begins so far to the right, or two thirds as far to the left, is off any page."""
_LOWEST_LINE_TWIPS = 60
_EMU = 635
"""Units of drawings in a twip."""
_TWIPS = MappingProxyType({"pt": 20.0, "in": 1440.0, "cm": 567.0, "mm": 56.7, "px": 15.0, "": 15.0})
_PLACES = frozenset(("left", "top", "margin-left", "margin-top"))
_SIZES = frozenset(("width", "height"))


def paragraph_hides(name: str, attributes: Mapping[str, str]) -> str:
    """Why a paragraph with this property is not seen; nothing if it is."""
    match name:
        case "framePr":
            is_off = _is_off_page(value(attributes, "x")) or _is_off_page(value(attributes, "y"))
        case "ind":
            is_off = _is_off_page(value(attributes, "left") or value(attributes, "start"))
        case "spacing":
            return TINY if _is_low(attributes, height="line", rule="lineRule") else ""
        case _:
            return ""
    return OFF_PAGE if is_off else ""


def row_hides(name: str, attributes: Mapping[str, str]) -> str:
    """Why a table's row with this property is not seen; nothing if it is."""
    if name == "hidden" and is_on(attributes):
        return HIDDEN
    return TINY if name == "trHeight" and _is_low(attributes, height="val", rule="hRule") else ""


def drawing_hides(name: str, attributes: Mapping[str, str]) -> str:
    """Why a drawing with this element is not seen; nothing if it is."""
    if name == "wp:docPr" and value(attributes, "hidden").casefold() in {"1", "true", "on"}:
        return HIDDEN
    sides = [value(attributes, side) for side in ("cx", "cy")] if name == "wp:extent" else []
    return TINY if any(side and number(side) < _LOWEST_LINE_TWIPS * _EMU for side in sides) else ""


def offset_hides(text: str) -> str:
    """Why a drawing at this distance is not seen; nothing if it is."""
    return OFF_PAGE if _is_off_page(str(number(text) // _EMU)) else ""


def shape_hides(style: str) -> str:
    """Why a shape with this style, as CSS, is not seen; nothing if it is."""
    for part in style.casefold().split(";"):
        name, _, text = (piece.strip() for piece in part.partition(":"))
        if (name, text) in {("visibility", "hidden"), ("display", "none")}:
            return HIDDEN
        twips = _in_twips(text)
        if twips is not None and name in _PLACES and _is_off_page(str(twips)):
            return OFF_PAGE
        if twips is not None and name in _SIZES and 0 <= twips < _LOWEST_LINE_TWIPS:
            return TINY
    return ""


def _in_twips(text: str) -> int | None:
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz%")
    unit = _TWIPS.get(text[len(digits) :])
    try:
        return None if unit is None else round(float(digits) * unit)
    except (ValueError, OverflowError):
        return None


def _is_low(attributes: Mapping[str, str], *, height: str, rule: str) -> bool:
    tall = number(value(attributes, height), _LOWEST_LINE_TWIPS)
    return value(attributes, rule) == "exact" and tall < _LOWEST_LINE_TWIPS


def _is_off_page(text: str) -> bool:
    twips = number(text)
    return twips >= _FARTHEST_TWIPS or twips <= -_FARTHEST_TWIPS * 2 // 3
