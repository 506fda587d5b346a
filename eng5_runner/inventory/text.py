"""Plain text from bytes: told by its byte-order mark, or UTF-8, or what a person said; never guessed."""

from __future__ import annotations

import codecs
import re
import unicodedata

from eng5_runner.inventory.unreadable import Unreadable

MAX_TEXT_BYTES = 1024 * 1024
"""Bytes of one text in UTF-8; a long essay has 10,000."""

# UTF-32 before UTF-16, whose mark it starts with.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def is_text_encoding(name: str) -> bool:
    """Whether Python knows the name as an encoding of text."""
    try:
        b"a".decode(name, errors="replace")
    except (LookupError, UnicodeError):
        return False
    return True


def plain_text(data: bytes, *, given: str | None) -> tuple[str, str]:
    """Decode a text file.

    Args:
        data: the file.
        given: the encoding of files that are neither marked nor UTF-8, as a person stated it.

    Returns:
        The normalised text, and how it was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given`.

    Raises:
        Unreadable: nothing fits, or the text has control characters or is too long.
    """
    for mark, encoding, label in _MARKS:
        if data.startswith(mark):
            return normal(_decode(data[len(mark) :], encoding)), label
    try:
        return normal(_decode(data, "utf-8")), "utf-8"
    except Unreadable as refusal:
        if given is None or refusal.kind == "too_large":
            raise
    return normal(_decode(data, given)), f"{given} given"


def normal(raw: str) -> str:
    """The text as it is hashed, counted and uploaded: NFC, line ends as LF, no white space at its end.

    Raises:
        Unreadable: it has control characters or half characters, or is too long.
    """
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n"))
    if control := _CONTROL.search(text):
        raise Unreadable(
            "control_characters",
            f"Line {text.count(chr(10), 0, control.start()) + 1} has the control character "
            f"U+{ord(control[0]):04X}, which no text has.",
            remedy='Save it as UTF-8 text; or, if it is UTF-16 without a mark, set encoding = "utf-16-le".',
        )
    text = text.rstrip()
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Unreadable(
            "control_characters", "The text has half characters.", remedy="Save it as UTF-8 text."
        ) from error
    if size > MAX_TEXT_BYTES:
        raise Unreadable(
            "too_large",
            f"The text has {size:,} bytes; an essay of more than {MAX_TEXT_BYTES:,} is none.",
            remedy="See whether the right file is in its place.",
        )
    return text


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise Unreadable(
            "unknown_encoding",
            f"The file is not {encoding} text, and what else it is will not be guessed.",
            remedy='Save it as UTF-8, or state its encoding: encoding = "cp1252" under [assets] in eng5.toml.',
        ) from error
