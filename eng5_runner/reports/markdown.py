"""Markdown with all foreign text escaped: a name, a reason or a prompt stays text, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from eng5_runner.reports.figures import ABSENT

# What Markdown or HTML would take for more than a character.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&])")
# What moves a cursor, breaks a line or turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_FENCE = re.compile(r"`{3,}")


def inline(text: str | float | None) -> str:
    """Text in one line, with everything escaped that would be more than text; a dash where there is none."""
    if text is None:
        return ABSENT
    line = " ".join(_CONTROL.sub(" ", str(text)).split())
    return _SPECIAL.sub(r"\\\1", line)


def block(text: str) -> Iterator[str]:
    """Text as it is, fenced by more backticks than it holds in a row."""
    fence = "`" * max(3, 1 + max((len(run) for run in _FENCE.findall(text)), default=0))
    yield f"{fence}text"
    yield from (_CONTROL.sub("\ufffd", line.replace("\t", "    ")) for line in text.split("\n"))
    yield fence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table and an empty line; the cells are escaped already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
