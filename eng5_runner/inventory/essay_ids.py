"""The one rule by which an essay's file name becomes its id; request, artefact and tables use the same.

    file name without suffix ─► letters without accents, lower case, "+" as "plus" ─► other runs as "-"
                             ─► a hash of the name where that lost letters, is too short or too long

The hash has 8 hexadecimal digits: with 10,000 long names that begin alike, 6 digits would collide three times.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 36
"""Characters; the width of the CJ service's column."""
MIN_LENGTH = 3
"""Characters; the least that the artefact's schema admits."""
ANCHOR_PREFIX = "anchor"
"""The CJ service counts every essay whose id starts like this, in any case, as an anchor."""

_HASH_DIGITS = 8
_OTHER = re.compile(r"[^a-z0-9_]+")


def fold(name: str) -> str:
    """The name as two file systems would agree on it: composed Unicode, no difference of case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def student_id(stem: str) -> str:
    """The essay id of a student's file.

    Args:
        stem: the file name without its suffix, in any Unicode normal form.

    Returns:
        3 to 36 characters of `a-z0-9_-`, the same on every machine. It can start with `anchor` if the name
        does, which `assemble` refuses for students.
    """
    body, lossless = _readable(stem)
    if lossless and MIN_LENGTH <= len(body) <= MAX_LENGTH:
        return body
    return _hashed(body or "essay", stem)


def anchor_id(stem: str) -> str:
    """The id of an anchor's file; it always starts with `anchor`.

    Args:
        stem: the file name without its suffix, in any Unicode normal form.

    Returns:
        9 to 36 characters of `a-z0-9_-`; `E+1` gives `anchor-eplus1`, `E-1` gives `anchor-e-1`.
    """
    body, lossless = _readable(stem)
    named = body if body.startswith(ANCHOR_PREFIX) else f"{ANCHOR_PREFIX}-{body}".rstrip("-")
    if lossless and body and len(named) <= MAX_LENGTH:
        return named
    return _hashed(named, stem)


def _readable(stem: str) -> tuple[str, bool]:
    """The name in the id's alphabet, and whether every letter and digit of it came along."""
    folded = fold(stem)
    # An accent is a mark of its own after decomposition; "ø" or "李" have no plain letter and are lost.
    decomposed = unicodedata.normalize("NFKD", folded)
    lossless = not any(char.isalnum() and not char.isascii() for char in decomposed)
    plain = decomposed.encode("ascii", "ignore").decode("ascii").lower().replace("+", "plus")
    return _OTHER.sub("-", plain).strip("-_"), lossless


def _hashed(body: str, stem: str) -> str:
    digest = hashlib.sha256(fold(stem).encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{body[: MAX_LENGTH - _HASH_DIGITS - 1].rstrip('-_')}-{digest}"
