"""Plain text from bytes: decoded by its byte-order mark, as UTF-8, or as the user states; never guessed."""

from __future__ import annotations

import re
import unicodedata

from eng5_runner.core.decoding import decode
from eng5_runner.inventory.document_text import DocumentText, Remark
from eng5_runner.inventory.findings import Unreadable

MAX_TEXT_BYTES = 1024 * 1024
"""Bytes of one text in UTF-8; a long essay has 10,000."""

_LINE_END = re.compile(r"\r\n|[\r\n\x0b\x0c]")
# Surrogates stand alone here: a pair is one character.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_SQUARE = "□"
_END_OF_FILE = "\x1a\0"
# For text of Western Europe, which the bytes of Latin-1 hold: what is in no word becomes a space.
_IN_NO_WORD = bytes(code if chr(code).isalnum() or chr(code) == "_" else ord(" ") for code in range(256))
_SHAPE = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))
# What a word processor writes beyond Latin-1 in such a text. It is in no word.
_TYPOGRAPHY = "’‘“”–—…"
_CONTROL_BYTES = bytes((*range(0x09), *range(0x0E, 0x20), 0x7F))
# A text with more of them is another kind of file, or in another encoding.
_FEW_CONTROLS, _MOST_CONTROLS = 3, 0.05


def is_text_encoding(name: str) -> bool:
    """Whether Python knows the name as an encoding of text."""
    try:
        b"a".decode(name, errors="replace")
    except (LookupError, UnicodeError):
        return False
    return True


def plain_text(data: bytes, *, given: str | None) -> tuple[DocumentText, str]:
    """Decode a text file.

    Args:
        data: the file.
        given: the encoding of files without a byte-order mark that are not UTF-8, as the user states it.

    Returns:
        The normalised text, and how it was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given`.

    Raises:
        Unreadable: no encoding fits, it is no text, or the text is too long.
    """
    try:
        raw, decoded = decode(data, given=given)
    except UnicodeError as error:
        encoding = error.encoding if isinstance(error, UnicodeDecodeError) else str(given)
        raise Unreadable("unknown_encoding", encoding=encoding) from error
    if not _has_controls(raw):
        return DocumentText(_tidy(raw)), decoded
    if _is_binary(raw):
        raise Unreadable("not_text")
    return normalised(DocumentText(raw)), decoded


def normalised(document: DocumentText) -> DocumentText:
    """The same with its text as `normal` gives it; a remark counts the control characters that it had.

    Raises:
        Unreadable: as for `normal`.
    """
    if not _has_controls(document.text):
        return DocumentText(_tidy(document.text), document.remarks)
    text, remarks = normal(document.text), document.remarks
    raw = document.text.rstrip(_END_OF_FILE)
    if controls := list(_CONTROL.finditer(raw)):
        line = len(_LINE_END.findall(raw, 0, controls[0].start())) + 1
        remarks += (Remark("control_characters", {"count": str(len(controls)), "line": str(line)}),)
    return DocumentText(text, remarks)


def normal(raw: str) -> str:
    """The text as it is hashed, counted and uploaded: NFC, line ends as LF, no white space at its end.

    Form feeds and vertical tabs become line ends. Other control characters, which a font without names for its letters
    leaves in a PDF, become a square that the judge can see.

    Raises:
        Unreadable: control characters are a great part of it, or it is too long.
    """
    if not _has_controls(raw):
        return _tidy(raw)
    if _is_binary(raw):
        raise Unreadable("damaged_document", how="a great part of its text is control characters")
    return _tidy(_CONTROL.sub(_SQUARE, raw.rstrip(_END_OF_FILE)))


def _tidy(text: str) -> str:
    """The normal form of a text without control characters."""
    if "\r" in text or "\x0b" in text or "\x0c" in text:
        text = _LINE_END.sub("\n", text)
    text = unicodedata.normalize("NFC", text).rstrip()
    if (size := len(text.encode())) > MAX_TEXT_BYTES:
        raise Unreadable("too_large", size=f"the text has {size:,} bytes, and at most {MAX_TEXT_BYTES:,} are allowed")
    return text


def word_count(text: str) -> int:
    """The number of words as separated by white space.

    >>> word_count("My town,  and me.")
    4
    """
    if not text.isascii():
        return len(text.split())
    shape = text.encode().translate(_SHAPE)
    return shape.count(b" x") + shape.startswith(b"x")


def word_runs(text: str) -> list[str]:
    r"""What the pattern `\w+` matches, in a seventh of its time where the letters are those of Western Europe.

    >>> word_runs("It’s 7 o'clock, Åsa!")
    ['It', 's', '7', 'o', 'clock', 'Åsa']
    """
    data = latin(text)
    if data is None:
        return re.findall(r"\w+", text)
    return data.translate(_IN_NO_WORD).decode("latin-1").split()


def latin(text: str) -> bytes | None:
    """The text as bytes of Latin-1, with a space for each typographic mark beyond it; None if it has more than that."""
    if not text.isascii():
        for mark in _TYPOGRAPHY:
            text = text.replace(mark, " ")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _is_binary(raw: str) -> bool:
    count = len(_CONTROL.findall(raw))
    return count > _FEW_CONTROLS and count > _MOST_CONTROLS * len(raw)


def _has_controls(raw: str) -> bool:
    """Whether the text has a control character. Bytes are looked through ten times as fast as characters."""
    try:
        data = raw.encode()
    except UnicodeEncodeError:  # a surrogate
        return True
    return len(data.translate(None, _CONTROL_BYTES)) != len(data)
