"""The names of WordprocessingML that matter, without their namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_MATH = (
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "http://purl.oclc.org/ooxml/officeDocument/math",
)
_DRAWING = (
    "http://schemas.openxmlformats.org/drawingml/2006/main",
    "http://purl.oclc.org/ooxml/drawingml/main",
)
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
_PLACED = (
    "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing",
)
_VML = "urn:schemas-microsoft-com:vml"
_SHAPE = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
_WORD_2010 = "http://schemas.microsoft.com/office/word/2010/wordml"

_WORD_NAMES = (
    # the parts and what is in them
    *("document", "background", "footnotes", "footnote", "endnotes", "endnote", "altChunk", "subDoc"),
    *("footnoteReference", "endnoteReference", "fldChar", "sym", "del", "moveFrom"),
    *("p", "pPr", "r", "rPr", "t", "tab", "ptab", "br", "cr", "noBreakHyphen", "softHyphen"),
    *("tbl", "tblPr", "tblStyle", "tr", "trPr", "hidden", "tc", "tcPr", "txbxContent"),
    # looks
    *("vanish", "color", "sz", "shd", "highlight", "w", "rFonts", "rStyle", "pStyle", "numPr", "ilvl", "numId"),
    *("framePr", "ind", "spacing", "position", "fitText", "trHeight"),
    # styles
    *("styles", "docDefaults", "style", "basedOn", "rPrDefault", "displayBackgroundShape"),
    # numbering
    *("numbering", "abstractNum", "lvl", "start", "numFmt", "lvlText", "suff", "lvlRestart", "isLgl", "num"),
    *("abstractNumId", "lvlOverride", "startOverride", "numStyleLink", "styleLink"),
)
_PLACED_NAMES = ("anchor", "inline", "docPr", "extent", "posOffset")
NAMES: Mapping[str, str] = MappingProxyType(
    {f"{{{space}}}{name}": name for space in _WORD for name in _WORD_NAMES}
    | {f"{{{space}}}t": "t" for space in _MATH}
    | {f"{{{space}}}{name}": f"a:{name}" for space in _DRAWING for name in ("noFill", "solidFill", "srgbClr")}
    | {f"{{{space}}}{name}": f"wp:{name}" for space in _PLACED for name in _PLACED_NAMES}
    | {f"{{{_VML}}}{name}": "v:shape" for name in ("shape", "rect", "roundrect", "oval")}
    | {f"{{{_COMPATIBILITY}}}{name}": name for name in ("AlternateContent", "Choice", "Fallback")}
    | {f"{{{_SHAPE}}}{name}": f"wps:{name}" for name in ("wsp", "spPr")}
    | {f"{{{_WORD_2010}}}{name}": f"w14:{name}" for name in ("textFill", "noFill", "solidFill", "srgbClr", "alpha")}
)
"""From a name as the parser gives it, `{namespace}name`, to a short one."""

_OFF = frozenset(("0", "false", "off"))


def value(attributes: Mapping[str, str], name: str = "val") -> str:
    """An attribute by its name without namespace, "" if it is missing."""
    return next((text for key, text in attributes.items() if key.rpartition("}")[2] == name), "")


def is_on(attributes: Mapping[str, str]) -> bool:
    """Whether a property that is on or off is on; it is if it has no value."""
    return value(attributes).casefold() not in _OFF


def number(text: str, default: int = 0) -> int:
    """A whole number of at most nine digits, else the default."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else default  # noqa: PLR2004 - see above
