"""Bytes as text: by a byte-order mark, as UTF-8 or UTF-16, as a person states it, and for tables by a guess.

>>> decode("Åsa".encode("utf-16"), given=None)
('Åsa', 'utf-16-le')
>>> decode_table("Åsa;Öberg".encode("cp850"), given=None)
('Åsa;Öberg', 'cp850 guessed')
"""

from __future__ import annotations

import codecs
from types import MappingProxyType

# UTF-32 comes before UTF-16: its mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
)
# What spreadsheets write as "CSV" in Western and Central Europe, under DOS and on a Mac; the first wins a tie.
_CODE_PAGES = ("cp1252", "cp1250", "cp850", "mac_roman")
# How usual a character is in tables from where the tool is used; any other letter counts 1. In a wrong code page "ö"
# becomes "÷", "”", "š" or "Ü".
_USUAL = MappingProxyType(dict.fromkeys("åäö", 4) | dict.fromkeys("ÅÄÖéÉüÜ", 3) | dict.fromkeys("–—’§°½\xa0€", 2))
_SAMPLE_BYTES = 4096


def decode(data: bytes, *, given: str | None) -> tuple[str, str]:
    """Decode a text without guessing.

    Args:
        data: the file.
        given: the encoding, as a person states it, of files without a mark that are not UTF-8.

    Returns:
        The text without its mark, and how it was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given`.

    Raises:
        UnicodeError: no encoding fits; of a `UnicodeDecodeError`, `encoding` names the one that was tried last.
    """
    if data.isascii() and 0 not in data:
        return data.decode("ascii"), "utf-8"
    for mark, encoding, label in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding), label
    if given is None and (unmarked := _unmarked_utf16(data)):
        return data.decode(unmarked), unmarked
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        if given is None:
            raise
    return data.decode(given), f"{given} given"


def decode_table(data: bytes, *, given: str | None) -> tuple[str, str]:
    """Decode a table: as `decode` does, or else in the code page in which its letters are the most usual ones.

    A table holds names and figures, and is not shown to a judge: a guess that is wrong makes a name that matches no
    essay, which a finding names.

    Raises:
        UnicodeError: as for `decode`, if an encoding was given.
    """
    try:
        return decode(data, given=given)
    except UnicodeDecodeError:
        if given is not None:
            raise
    page = max(_CODE_PAGES, key=lambda page: _usualness(data, page))
    return data.decode(page, errors="replace"), f"{page} guessed"


def _usualness(data: bytes, page: str) -> int:
    """How usual the characters beyond ASCII are when the bytes are read in this code page."""
    text = bytes(byte for byte in data if byte > 0x7F).decode(page, errors="replace")  # noqa: PLR2004 - end of ASCII
    return sum(_USUAL.get(char, char.isalpha()) for char in text)


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark shows itself: in most European texts every other byte is 0."""
    sample = data[:_SAMPLE_BYTES]
    half = len(sample) // 2
    if len(data) % 2 or 0 not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.7 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and not odd else None
