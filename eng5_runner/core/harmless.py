r"""What other people and services wrote, so that it cannot act on a terminal.

>>> print(harmless("model\x1b[2J"))
model\x1b[2J

`reports.terminal.safe_console` does this with all that it shows; what is written without it goes through here.
"""

from __future__ import annotations

import json
import re
import unicodedata

import orjson

_KEPT = frozenset("\n\t")
# What JSON leaves as it is: DEL, the C1 controls, marks of direction, and the separators of lines and paragraphs.
_ACTIVE = re.compile("[\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")


def harmless(text: str) -> str:
    """The text with every character written out that could move a cursor, change colours or turn the direction.

    Lines, tabs and all kinds of spaces stay. An escape character becomes a backslash, an x, a 1 and a b.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _KEPT or unicodedata.category(char) == "Zs" else _written_out(char)
        for char in text
    )


def harmless_json(line: str) -> str:
    """The same JSON, with those characters as escapes of JSON."""
    return _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def json_line(value: object) -> str:
    """A value as one line of harmless JSON. A file name that is no UTF-8 has its bytes as escapes."""
    try:
        line = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        line = json.dumps(value)
    return harmless_json(line)


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
