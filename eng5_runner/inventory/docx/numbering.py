"""Automatic numbers of paragraphs, as a word processor shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from eng5_runner.inventory.docx.names import NAMES, is_on, number, value
from eng5_runner.inventory.docx.package import ElementReader
from eng5_runner.inventory.docx.styles import property_of
from eng5_runner.inventory.symbol_fonts import symbol_character

_LEVELS = 9
_BULLET = "•"
_MOST_ROMAN = 3999
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
_ORDINAL_ENDINGS = ("th", "st", "nd", "rd", "th", "th", "th", "th", "th", "th")
_ORDINAL_TEENS = (11, 12, 13)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list.

    Attributes:
        start: its first number.
        form: how it is written, such as `decimal`, `lowerRoman` or `bullet`.
        text: of its label, `%1` standing for the number of the first level.
        has_space: something stands between label and text.
        restart: the level, from 1, after which it begins again; 0 for never; -1 for any higher one.
        is_legal: all its numbers are decimal.
        font: of the label.
        is_hidden: the label is not shown.
    """

    start: int = 1
    form: str = "decimal"
    text: str = ""
    has_space: bool = True
    restart: int = -1
    is_legal: bool = False
    font: str = ""
    is_hidden: bool = False


@dataclass(slots=True)
class _Number:
    """A numbering that paragraphs refer to."""

    abstract: str = ""
    levels: dict[int, Level] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    restarted: set[int] = field(default_factory=set)


class Numbering(ElementReader):
    """The numbering part of a document. It counts: ask for each paragraph once, in order."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._abstract: dict[str, dict[int, Level]] = {}
        self._numbers: dict[str, _Number] = {}
        self._links: dict[str, str] = {}  # from an abstract numbering to the style that has its levels
        self._linked: dict[str, str] = {}  # from that style to the abstract numbering
        self._current = ""
        self._level = 0
        self._levels_of: dict[int, Level] = {}
        self._counts: dict[str, dict[int, int]] = {}

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """Keep what a level says about its label."""
        name = NAMES.get(tag, "")
        self._path.append(name)
        text = value(attributes)
        match name:
            case "abstractNum":
                self._current = value(attributes, "abstractNumId")
                self._levels_of = self._abstract.setdefault(self._current, {})
            case "numStyleLink":
                self._links[self._current] = text
            case "styleLink":
                self._linked[text] = self._current
            case "num":
                self._current = value(attributes, "numId")
                self._levels_of = self._numbers.setdefault(self._current, _Number()).levels
            case "abstractNumId":
                self._numbers.setdefault(self._current, _Number()).abstract = text
            case "lvlOverride":
                self._level = number(value(attributes, "ilvl"))
            case "startOverride":
                self._numbers.setdefault(self._current, _Number()).starts[self._level] = number(text, 1)
            case "lvl":
                self._level = number(value(attributes, "ilvl"))
                self._levels_of[self._level] = Level()
            case _ if "lvl" in self._path:
                self._levels_of[self._level] = _with(self._levels_of[self._level], name, attributes=attributes)
            case _:
                pass

    def end(self, _tag: str, /) -> None:
        """An element ends."""
        self._path.pop()

    def label(self, number_id: str, level: int) -> str:
        """The label of the next paragraph with this numbering, with the space after it; "" if it shows none."""
        found = self._numbers.get(number_id)
        if found is None or not 0 <= level < _LEVELS:
            return ""
        levels = {**self._levels_of_abstract(found.abstract), **found.levels}
        here = levels.get(level)
        if here is None:
            return ""
        counts = self._counts.setdefault(found.abstract, {})
        self._advance(counts, found, levels=levels, level=level)
        if here.is_hidden or not here.text:
            return ""
        text = _bullet(here) if here.form == "bullet" else _filled(here, levels=levels, counts=counts)
        return text + " " if text and here.has_space else text

    def _levels_of_abstract(self, abstract: str) -> Mapping[int, Level]:
        linked = self._linked.get(self._links.get(abstract, ""), abstract)
        return self._abstract.get(linked, {})

    def _advance(self, counts: dict[int, int], found: _Number, *, levels: Mapping[int, Level], level: int) -> None:
        if level in found.starts and level not in found.restarted:
            found.restarted.add(level)
            counts[level] = found.starts[level]
        elif level in counts:
            counts[level] += 1
        else:
            counts[level] = levels[level].start
        for higher in range(level):
            counts.setdefault(higher, levels.get(higher, Level()).start)
        for deeper in [each for each in counts if each > level]:
            restart = levels.get(deeper, Level()).restart
            if restart < 0 or (restart > 0 and level < restart):
                del counts[deeper]


def _with(level: Level, name: str, *, attributes: Mapping[str, str]) -> Level:
    text = value(attributes)
    match name:
        case "start":
            return replace(level, start=number(text, 1))
        case "numFmt":
            return replace(level, form=text)
        case "lvlText":
            return replace(level, text=text)
        case "suff":
            return replace(level, has_space=text != "nothing")
        case "lvlRestart":
            return replace(level, restart=number(text))
        case "isLgl":
            return replace(level, is_legal=is_on(attributes))
        case "rFonts":
            return replace(level, font=property_of(name, attributes).get("font", ""))
        case "vanish":
            return replace(level, is_hidden=is_on(attributes))
        case _:
            return level


def _bullet(level: Level) -> str:
    known = [symbol_character(level.font, ord(each)) for each in level.text]
    return "".join(_BULLET if each is None or each == "·" else each for each in known)


def _filled(level: Level, *, levels: Mapping[int, Level], counts: Mapping[int, int]) -> str:
    def written(match: re.Match[str]) -> str:
        index = int(match[1]) - 1
        form = "decimal" if level.is_legal else levels.get(index, Level()).form
        return formatted(counts.get(index, 1), form)

    return re.sub(r"%([1-9])", written, level.text)


def formatted(count: int, form: str) -> str:
    """A number as a list shows it; in digits if the form is not known.

    >>> [formatted(4, form) for form in ("decimal", "upperRoman", "lowerLetter", "decimalZero", "ordinal", "none")]
    ['4', 'IV', 'd', '04', '4th', '']
    """
    match form:
        case "none":
            return ""
        case "upperRoman" | "lowerRoman":
            roman = _roman(count)
            return roman if form == "upperRoman" else roman.lower()
        case "upperLetter" | "lowerLetter":
            letters = chr(ord("A") + (count - 1) % 26) * ((count - 1) // 26 + 1) if 0 < count <= 26 * 20 else str(count)
            return letters if form == "upperLetter" else letters.lower()
        case "decimalZero":
            return f"{count:02}"
        case "ordinal":
            is_teen = count % 100 in _ORDINAL_TEENS
            return f"{count}{'th' if is_teen else _ORDINAL_ENDINGS[count % 10]}"
        case _:
            return str(count)


def _roman(count: int) -> str:
    if not 0 < count <= _MOST_ROMAN:
        return str(count)
    text = ""
    for size, letters in _ROMAN:
        text += letters * (count // size)
        count %= size
    return text
