"""Plain text from bytes: decoded by its byte-order mark, as UTF-8, or as the user states; never guessed."""

from __future__ import annotations

import re
import unicodedata

from eng5_runner.decoding import decode
from eng5_runner.inventory.findings import Unreadable

MAX_TEXT_BYTES = 1024 * 1024
"""Bytes of one text in UTF-8; a long essay has 10,000."""

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
    try:
        raw, decoded = decode(data, given=given)
    except UnicodeError as error:
        encoding = error.encoding if isinstance(error, UnicodeDecodeError) else str(given)
        raise Unreadable("unknown_encoding", encoding=encoding) from error
    return normal(raw), decoded


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
