"""Plain text from bytes: decoded by its byte-order mark, as UTF-8, or as the user states; never guessed."""

from __future__ import annotations

import codecs
import re
import unicodedata

from eng5_runner.inventory.findings import Unreadable

MAX_TEXT_BYTES = 1024 * 1024
"""Bytes of one text in UTF-8; a long essay has 10,000."""

# UTF-32 comes before UTF-16: its mark starts with that of UTF-16.
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
        given: the encoding of files without a byte-order mark that are not UTF-8, as the user states it.

    Returns:
        The normalised text, and how it was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given`.

    Raises:
        Unreadable: no encoding fits, or the text has control characters or is too long.
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
        Unreadable: it has control characters or unpaired surrogates, or is too long.
    """
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n"))
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise Unreadable(
            "control_characters", characters=f"the control character U+{ord(control[0]):04X} in line {line}"
        )
    text = text.rstrip()
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Unreadable("control_characters", characters="unpaired surrogates") from error
    if size > MAX_TEXT_BYTES:
        raise Unreadable("too_large", size=f"the text has {size:,} bytes, and at most {MAX_TEXT_BYTES:,} are allowed")
    return text


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise Unreadable("unknown_encoding", encoding=encoding) from error
