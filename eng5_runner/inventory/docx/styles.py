"""How text looks: the styles of a document and direct formatting, as far as it decides what a reader sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from eng5_runner.inventory.docx.names import NAMES, is_on, number, value
from eng5_runner.inventory.docx.package import ElementReader
from eng5_runner.inventory.docx.places import HIDDEN, OFF_PAGE, TINY

Look = dict[str, str]
"""Properties of text by name: `hidden`, `colour`, `size` (half points), `ground`, `highlight`, `scale` (per cent),
`transparent`, `font`, `style`, `spacing` (twips between letters), `raised` (half points), `fitted` (twips in all)."""

UNKNOWN_GROUND = ""
WHITE = "FFFFFF"

_SMALLEST_HALF_POINTS = 6
_NARROWEST_PER_CENT = 10
_SAME = 16
"""Two colours this close, of 255, look the same."""
_TRANSPARENT = 95_000
"""Thousandths of a per cent."""
_HIGHLIGHTS = MappingProxyType({
    "black": "000000", "blue": "0000FF", "cyan": "00FFFF", "darkblue": "000080", "darkcyan": "008080",
    "darkgray": "808080", "darkgreen": "008000", "darkmagenta": "800080", "darkred": "800000", "darkyellow": "808000",
    "green": "00FF00", "lightgray": "C0C0C0", "magenta": "FF00FF", "red": "FF0000", "white": WHITE, "yellow": "FFFF00",
})  # fmt: skip
_THEME_WHITE = frozenset(("background1", "light1", "bg1", "lt1"))
_DEEPEST_STYLES = 20
_COPIED = MappingProxyType(
    {"sz": "size", "w": "scale", "rStyle": "style", "w14:srgbClr": "colour"}
    | {"spacing": "spacing", "position": "raised", "fitText": "fitted"}
)
_USUAL_HALF_POINTS = 22
_TALLEST_HALF_POINTS = 1000
"""Text that is raised or lowered by more is on no page."""
_NARROWEST_TWIPS = 100


def property_of(name: str, attributes: Mapping[str, str]) -> Look:
    """What an element of run properties says, nothing if it does not matter."""
    text = value(attributes)
    if name in _COPIED:
        return {_COPIED[name]: text}
    match name:
        case "vanish":
            return {"hidden": "1" if is_on(attributes) else "0"}
        case "color":
            return {"colour": _theme_white(attributes, "theme") or text}
        case "shd":
            return {"ground": ground_of(attributes)}
        case "highlight":
            return {"highlight": _HIGHLIGHTS.get(text.casefold(), "")}
        case "rFonts":
            font = value(attributes, "ascii") or value(attributes, "hAnsi")
            return {"font": font} if font else {}
        case "w14:noFill":
            return {"transparent": "1"}
        case "w14:alpha":
            return {"transparent": "1"} if number(text) >= _TRANSPARENT else {}
        case _:
            return {}


def ground_of(attributes: Mapping[str, str]) -> str:
    """The colour of a shading, `auto` if it has none."""
    pattern = value(attributes).casefold()
    if pattern in {"", "clear", "nil"}:
        return _theme_white(attributes, "themeFill") or value(attributes, "fill") or "auto"
    # A pattern of two colours: only a solid one is known.
    return value(attributes, "color") or "auto" if pattern == "solid" else UNKNOWN_GROUND


def _theme_white(attributes: Mapping[str, str], prefix: str) -> str:
    """The colour if it is the theme's white, which counts for more than a colour beside it; else nothing."""
    shade = value(attributes, f"{prefix}Shade") or "FF"
    name = value(attributes, "themeColor" if prefix == "theme" else prefix)
    return shade.upper() * 3 if name.casefold() in _THEME_WHITE else ""


def hidden_reason(look: Mapping[str, str], ground: str) -> str:
    """Why a reader does not see text of this look; nothing if it is seen.

    Args:
        look: of the text.
        ground: the colour behind it if its own look has none: six hexadecimal digits, or `UNKNOWN_GROUND`.
    """
    if look.get("hidden") == "1":
        return HIDDEN
    size = number(look.get("size", ""), _SMALLEST_HALF_POINTS)
    if size < _SMALLEST_HALF_POINTS or number(look.get("scale", ""), 100) < _NARROWEST_PER_CENT:
        return TINY
    # An average letter is half as wide as it is tall: 5 twips for each half point.
    if -number(look.get("spacing", "")) >= 5 * number(look.get("size", ""), _USUAL_HALF_POINTS):
        return "letters on top of each other"
    if abs(number(look.get("raised", ""))) >= _TALLEST_HALF_POINTS:
        return OFF_PAGE
    if number(look.get("fitted", ""), _NARROWEST_TWIPS) < _NARROWEST_TWIPS:
        return TINY
    if look.get("transparent") == "1":
        return "transparent text"
    own = look.get("ground", "auto")
    behind = look.get("highlight") or (ground if own == "auto" else own)
    return "in the colour of the page" if _are_same(look.get("colour", ""), behind) else ""


def _are_same(one: str, other: str) -> bool:
    colours = [_rgb(one), _rgb(other)]
    if None in colours:
        return False
    return all(abs(a - b) < _SAME for a, b in zip(colours[0] or (), colours[1] or (), strict=True))


def _rgb(text: str) -> tuple[int, ...] | None:
    try:
        return tuple(bytes.fromhex(text)) if len(text) == 6 else None  # noqa: PLR2004 - two digits for each colour
    except ValueError:
        return None


@dataclass(slots=True)
class Style:
    """A style as the document declares it.

    Attributes:
        kind: paragraph, character, table or numbering.
        based_on: the id of the style that it extends, or "".
        look: of its text.
        number_id: of its automatic numbers, or "".
        level: of the same.
        has_ground: it colours the ground of something.
    """

    kind: str
    based_on: str = ""
    look: Look = field(default_factory=dict)
    number_id: str = ""
    level: str = ""
    has_ground: bool = False


class Styles(ElementReader):
    """The styles part of a document. Without one, all text looks plain."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._style = Style("")
        self._default: Look = {}
        self._defaults: dict[str, str] = {}
        self._by_id: dict[str, Style] = {}
        self._looks: dict[tuple[str, str], Look] = {}

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """Keep what a style says about its text."""
        name = NAMES.get(tag, "")
        self._path.append(name)
        path = self._path
        if name == "style":
            self._style = Style(value(attributes, "type"))
            style_id = value(attributes, "styleId")
            self._by_id[style_id] = self._style
            if value(attributes, "default") in {"1", "true", "on"}:
                self._defaults[self._style.kind] = style_id
        elif path[-3:-1] == ["rPrDefault", "rPr"]:
            self._default |= property_of(name, attributes)
        elif path[-3:-1] == ["style", "rPr"] or ("style" in path and "w14:textFill" in path):
            self._style.look |= property_of(name, attributes)
        elif name == "basedOn":
            self._style.based_on = value(attributes)
        elif path[-2:-1] == ["numPr"]:
            self._number(name, value(attributes))
        if name == "shd":
            self._style.has_ground = True

    def end(self, _tag: str, /) -> None:
        """An element ends."""
        self._path.pop()

    def _number(self, name: str, text: str) -> None:
        if name == "numId":
            self._style.number_id = text
        elif name == "ilvl":
            self._style.level = text

    def look(self, *, paragraph: str, direct: Look) -> Look:
        """How text looks.

        Args:
            paragraph: the id of its paragraph's style, or "".
            direct: its own properties; they take precedence.
        """
        key = (paragraph, direct.get("style", ""))
        if key not in self._looks:
            self._looks[key] = self._styled(*key)
        return self._looks[key] | direct

    def _styled(self, paragraph: str, character: str) -> Look:
        styles = (
            paragraph or self._defaults.get("paragraph", ""),
            character or self._defaults.get("character", ""),
        )
        looks = [_merged([*self._chain(style)]) for style in styles]
        # Hidden text is a toggle: a character style that hides text shows it where the paragraph's style hides it.
        hidden = [each.pop("hidden", "0") for each in looks]
        toggled = {"hidden": "1"} if hidden.count("1") == 1 else {}
        return self._default | looks[0] | looks[1] | toggled

    def numbering(self, paragraph: str) -> tuple[str, str]:
        """The id and level of the numbers that a paragraph's style gives; "" where it gives none."""
        chain = [*self._chain(paragraph or self._defaults.get("paragraph", ""))]
        number_id = next((style.number_id for style in chain if style.number_id), "")
        return number_id, next((style.level for style in chain if style.level), "")

    def colours_tables(self, style_id: str) -> bool:
        """Whether a table style colours cells, so that the ground behind their text is not known."""
        return any(style.has_ground for style in self._chain(style_id))

    def _chain(self, style_id: str) -> Iterator[Style]:
        """A style and those that it extends."""
        for _ in range(_DEEPEST_STYLES):
            style = self._by_id.get(style_id)
            if style is None:
                return
            yield style
            style_id = style.based_on


def _merged(chain: Sequence[Style]) -> Look:
    look: Look = {}
    for style in reversed(chain):
        look |= style.look
    return look
