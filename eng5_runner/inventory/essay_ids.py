"""How an essay's file name becomes its id; request, artefact and tables all use this rule.

    file name without suffix -> lower case, letters without accents, "+" as "plus" -> other characters as "-"
                             -> with a hash of the name if letters were lost, or it is too short or too long

    student_id("Åsa Öberg") == "asa-oberg"        anchor_id("E+1") == "anchor-eplus1"
    student_id("李明") == "essay-…"               (8 hexadecimal digits)

With 10,000 long names that start alike, a hash of 6 digits would collide three times.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 36
"""Characters; the width of the CJ service's column."""
MIN_LENGTH = 3
"""Characters; the artefact's schema allows no fewer."""
ANCHOR_PREFIX = "anchor"
"""The CJ service counts every essay whose id starts with this, in upper or lower case, as an anchor."""

_HASH_DIGITS = 8
_OTHER = re.compile(r"[^a-z0-9_]+")


def fold(name: str) -> str:
    """The name in a form that is equal on every file system: composed Unicode, upper and lower case the same."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem_of(path: str) -> str:
    """The last part of a path with `/`, without its suffix. It is what `PurePosixPath.stem` is, in a tenth of its time.

    >>> stem_of("student_essays/B+1.v2.txt"), stem_of("a."), stem_of(".b")
    ('B+1.v2', 'a.', '.b')
    """
    name = path.rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix else name


def student_id(stem: str) -> str:
    """The essay id of a student's file.

    Args:
        stem: the file name without its suffix, in any Unicode normal form.

    Returns:
        3 to 36 characters of `a-z0-9_-`, the same on every machine. It starts with `anchor` if the name
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
    """The name in the characters of an id, and whether every letter and digit of it was kept."""
    folded = fold(stem)
    if folded.isascii():
        return _OTHER.sub("-", folded.replace("+", "plus")).strip("-_"), True
    # Decomposition makes an accent a mark of its own; "ø" and "李" have no plain letter and are lost.
    decomposed = unicodedata.normalize("NFKD", folded)
    lossless = not any(char.isalnum() and not char.isascii() for char in decomposed)
    plain = decomposed.encode("ascii", "ignore").decode("ascii").lower().replace("+", "plus")
    return _OTHER.sub("-", plain).strip("-_"), lossless


def _hashed(body: str, stem: str) -> str:
    digest = hashlib.sha256(fold(stem).encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{body[: MAX_LENGTH - _HASH_DIGITS - 1].rstrip('-_')}-{digest}"
