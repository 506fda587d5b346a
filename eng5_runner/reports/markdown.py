"""Markdown that says what it is given and nothing else: foreign text in it is inert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from eng5_runner.canonical import Json

Object: TypeAlias = "Mapping[str, Json]"

# What Markdown or HTML would take for more than a character.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&])")
# What moves a cursor, breaks a line or turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_FENCE = re.compile(r"`{3,}")


def object_of(value: Json) -> Object:
    """An object, or an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def items_of(value: Json) -> list[Object]:
    """An array of objects."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Sequence) else []


def inline(value: Json) -> str:
    """Text in one line, with everything escaped that would be more than text."""
    line = " ".join(_CONTROL.sub(" ", str(value)).split())
    return _SPECIAL.sub(r"\\\1", line)


def block(text: str) -> Iterator[str]:
    """Text as it is, fenced by more backticks than it holds in a row."""
    fence = "`" * max(3, 1 + max((len(run) for run in _FENCE.findall(text)), default=0))
    yield f"{fence}text"
    yield from (_CONTROL.sub("\ufffd", line.replace("\t", "    ")) for line in text.split("\n"))
    yield fence


def number(value: Json, decimals: int = 2, *, sign: bool = False) -> str:
    """A figure, a dash where there is none."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:{'+' if sign else ''}.{decimals}f}"


def between(interval: Json, decimals: int = 2) -> str:
    """An interval in brackets, nothing where there is none."""
    if not isinstance(interval, Sequence) or isinstance(interval, str):
        return ""
    low, high = interval
    return f"({number(low, decimals)} to {number(high, decimals)})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table and an empty line; the cells are escaped already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
