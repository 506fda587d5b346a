"""What most essays show at once: how many words they have, which, and that no rule doubts that they are essays.

    quick_looks(["My town has changed a lot since I was a child …"], language="en")
    # [QuickLook(word_count=350, words_sha256="…", is_clear=True)]

The rules are those of `plausibility` and `addressing_judge`, which take a text apart into its words. Here the words of
several texts are looked up in one table, as numbers, in a fifth of that time. This module decides nothing: where a rule
could name a text, or where its words may be others than its bytes show, the text has to be examined by the rules.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eng5_runner.canonical import sha256_hex
from eng5_runner.inventory import plausibility as rules
from eng5_runner.inventory.addressing_judge import PATTERNS
from eng5_runner.inventory.text import latin, word_count

_Numbers = npt.NDArray[np.uint64]

_LONGEST = 50_000
"""Characters of a text that is looked at here."""
_UNSURE = 0


def _lower(code: int) -> int:
    """A character of a word in lower case, a space for what is in no word, 0 where the bytes may hide other words."""
    char = chr(code)
    if len(char.casefold()) > 1 or unicodedata.normalize("NFKC", char) != char:
        return _UNSURE
    if (unicodedata.category(char) == "Cc" and char not in "\t\n") or char == "\xad":
        return _UNSURE
    return ord(char.casefold()) if char.isalnum() or char == "_" else ord(" ")


_LOWER = bytes(map(_lower, range(256)))
_MARKS = b"0123456789_"
_MARKUP = ("{", "<", "\\", "%", "mime-version", "content-type")
# A word as a number is its first eight bytes; so is a longer word that begins with them.
_WHOLE = 8
# Where a copy begins, as many words are the same; each has a byte at least, and a space after it.
_COPY_BYTES = 2 * rules.COPY_START - 1
_MASKS = tuple((1 << 8 * length) - 1 for length in range(_WHOLE + 1))
_END = 0x0A
_TABLE_BITS = 14
_GOLDEN = 0x9E3779B97F4A7C15


class QuickLook(NamedTuple):
    """What is seen of a text at once; the fields are those of `known_files.FileRecord`.

    Attributes:
        word_count: words as separated by white space.
        words_sha256: of its content words.
        is_clear: whether it is certain that no rule doubts the text.
    """

    word_count: int
    words_sha256: str
    is_clear: bool


class _Table(NamedTuple):
    """The words that the rules look for, each at the place that its number hashes to.

    Attributes:
        multiplier: of the hash, by which no two words have the same place.
        words: as numbers, by place.
        flags: the sets that a word belongs to, one bit each, by place.
        suspicious: sets of which a text must have a word each before a rule can name it.
        own: the bit of a language's own words, and that of those of the others.
    """

    multiplier: np.uint64
    words: _Numbers
    flags: _Numbers
    suspicious: _Numbers
    own: MappingProxyType[str, tuple[np.uint64, np.uint64]]


@cache
def _table() -> _Table:
    sets: dict[frozenset[str], int] = {}

    def bit(words: frozenset[str]) -> int:
        return 1 << sets.setdefault(words, len(sets))

    suspicious = [sum({bit(words) for words in each.needs}) for each in PATTERNS if each.needs]
    suspicious += [bit(rules.WORDS_OF_PLACEHOLDERS), sum(bit(frozenset((word,))) for word in rules.WRITE_HERE)]
    own = {}
    for language, words in rules.OWN_WORDS.items():
        others = frozenset[str]().union(*(rest for other, rest in rules.OWN_WORDS.items() if other != language))
        # Which long word it is cannot be seen. It must not count in favour of a text.
        short = frozenset(word for word in words if len(word) < _WHOLE)
        own[language] = np.uint64(sets.setdefault(short, len(sets))), np.uint64(sets.setdefault(others, len(sets)))
    flags: dict[int, int] = {}
    for words, place in sets.items():
        for word in words:
            number = int.from_bytes(word.encode("latin-1")[:_WHOLE], "little")
            flags[number] = flags.get(number, 0) | 1 << place
    numbers = np.array(list(flags), dtype=np.uint64)
    multiplier = np.uint64(_GOLDEN)
    while len(set(_places(numbers, multiplier).tolist())) < len(numbers):
        multiplier = np.uint64((int(multiplier) * _GOLDEN) % 2**64)
    table = np.zeros((2, 1 << _TABLE_BITS), dtype=np.uint64)
    table[:, _places(numbers, multiplier)] = numbers, np.array(list(flags.values()), dtype=np.uint64)
    return _Table(multiplier, table[0], table[1], np.array(suspicious, dtype=np.uint64), MappingProxyType(own))


def _places(numbers: _Numbers, multiplier: np.uint64) -> npt.NDArray[np.int64]:
    return ((numbers * multiplier) >> np.uint64(64 - _TABLE_BITS)).view(np.int64)


def quick_looks(texts: Sequence[str], *, language: str) -> list[QuickLook | None]:
    """What is seen of each text; None where a text is too long or has characters that are rare in English or Swedish.

    Args:
        texts: normalised. Some dozens of usual length at the same time are the quickest.
        language: of the essays, such as `en`.
    """
    looks: list[QuickLook | None] = [None] * len(texts)
    numbers, spaced, lower = [], [], []
    for number, text in enumerate(texts):
        data = latin(text) if len(text) <= _LONGEST else None
        if data is not None and _UNSURE not in (in_lower_case := data.translate(_LOWER)):
            numbers.append(number)
            spaced.append(data)
            lower.append(in_lower_case)
    if not numbers:
        return looks
    counts = _word_counts(spaced)
    for place, words in enumerate(_words(lower, language=language)):
        text, joined = texts[numbers[place]], words.joined
        joined = joined if joined.isascii() else joined.decode("latin-1").encode()
        count = counts[place] if text.isascii() else word_count(text)
        looks[numbers[place]] = QuickLook(
            word_count=count,
            words_sha256=sha256_hex(joined) if joined else "",
            is_clear=count >= rules.SHORT_WORDS and words.is_clear and _is_clear(text, words, language=language),
        )
    return looks


class _Words(NamedTuple):
    """The words of a text.

    Attributes:
        joined: by single spaces.
        total: how many there are.
        own: how many of them only the language of the essays has, among the usual words of all.
        others: how many of them only other languages have.
        marks: digits and underscores in them.
        has_a_i: whether `a` is followed by `i` somewhere, as in A.I., which `addressing_judge` reads as AI.
        is_clear: whether one is lacking without which no rule names the text for its words.
    """

    joined: bytes
    total: int
    own: int
    others: int
    marks: int
    has_a_i: bool
    is_clear: bool


def _words(texts: Sequence[bytes], *, language: str) -> Iterator[_Words]:
    """The words of texts in lower case, with spaces for what is in no word."""
    table = _table()
    # The end of a text is a word of its own. The spaces at the end let eight bytes be read from any word.
    data = b" " + b" \n ".join(texts) + b" \n" + b" " * _WHOLE
    codes = np.frombuffer(data, dtype=np.uint8)
    are_spaces = codes == ord(" ")
    edges = np.flatnonzero(are_spaces[1:] != are_spaces[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    eights = np.ndarray((len(data) - _WHOLE + 1,), dtype="<u8", buffer=data, strides=(1,))
    words = eights[starts] & np.array(_MASKS, dtype=np.uint64)[np.minimum(lengths, _WHOLE)]
    places = _places(words, table.multiplier)
    flags = table.flags[places] * (table.words[places] == words)
    are_a_i = np.append((words[:-1] == ord("a")) & (words[1:] == ord("i")), [False])
    ends = np.flatnonzero(words == _END)
    begins = np.concatenate(([0], ends[:-1] + 1))
    has = np.bitwise_or.reduceat(flags, begins)[:, np.newaxis]
    own, others = table.own.get(language, (np.uint64(0), np.uint64(0)))
    marks = np.flatnonzero((codes - np.uint8(ord("0")) < 10) | (codes == ord("_")))  # noqa: PLR2004 - digits
    joined = codes[1:][~(are_spaces[1:] & are_spaces[:-1])].tobytes().split(b"\n")
    return map(
        _Words,
        map(bytes.strip, joined[:-1]),
        (ends - begins).tolist(),
        np.add.reduceat((flags >> own) & np.uint64(1), begins).tolist(),
        np.add.reduceat((flags >> others) & np.uint64(1), begins).tolist(),
        np.diff(np.searchsorted(marks, starts[ends]), prepend=0).tolist(),
        np.logical_or.reduceat(are_a_i, begins).tolist(),
        (~((has & table.suspicious) == table.suspicious).any(axis=1)).tolist(),
    )


def _word_counts(texts: Sequence[bytes]) -> list[int]:
    """Of each text the words as separated by white space, of which only spaces, tabs and line ends are there."""
    are_white = np.frombuffer(b"\n" + b"\n".join(texts), dtype=np.uint8) <= ord(" ")
    begin = are_white[:-1] > are_white[1:]
    counts, start = [], 0
    for text in texts:
        counts.append(int(np.count_nonzero(begin[start : start + len(text)])))
        start += len(text) + 1
    return counts


def _is_clear(text: str, words: _Words, *, language: str) -> bool:
    """Whether it is certain that `plausibility.doubts` names nothing, as far as `_Words.is_clear` does not show it."""
    if not any(char.isalnum() for char in text):
        return False
    if language in rules.OWN_WORDS:
        hidden = 2 * (text.count("'") + text.count("’"))
        if words.own - hidden < max(
            rules.FEW_USUAL_WORDS * (words.total + words.marks), words.others + 2 * words.marks
        ):
            return False
    if words.has_a_i and "a.i" in text.lower():
        return False
    if "<" in text or "[" in text or text.lstrip()[:12].lower().startswith(_MARKUP):
        return False
    if ("{" in text or "(" in text) and rules.OPENED.search(text.casefold()):
        return False
    if words.joined.find(b" " + words.joined[:_COPY_BYTES]) >= 0:
        return False
    return text.isascii() or not any(rules.beyond_ascii(text))
