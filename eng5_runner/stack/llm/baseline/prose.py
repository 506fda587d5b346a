"""Measurable properties of a learner's English text, for the offline baseline judge.

General knowledge about learner writing, not about any essay: better texts are on the whole longer, show fewer signs
of mechanical errors and fewer sentences that run on for want of a full stop, and have more varied words, longer words
and more connectives. Centres, spreads and weights were set from that and not fitted. None of it reads for content; a
well-formed text without any thought in it does well here. How far it agrees with teachers is in docs/judges.md.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from eng5_runner.stack.llm.baseline.lexicon import (
    AUXILIARY,
    BASE_VERBS,
    BEFORE_BASE_VERB,
    COMPARATIVES,
    CONNECTIVE,
    MAY_REPEAT,
    MISSPELT,
    PAST,
    PLURAL,
    SINGULAR,
    SINGULAR_VERBS,
)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’')]*\s+|\n\s*\n")
# "word ,word": a space on the wrong side of a comma or a full stop, or none. "3.5" and "e.g." are as they should be.
# What is looked for begins with a sign that is rare: a search that begins with a look behind takes ten times as long.
_SPACE_BEFORE_SIGN = re.compile(r"\s[,.;!?](?!\.)")
_NO_SPACE_AFTER_SIGN = re.compile(r"[,;!?.](?<=[^\W\d_]{2}.)(?=[^\W\d_]{2})")
_LETTER = re.compile(r"[^\W\d_]")
_LOWER_I = re.compile(r"(?<![\w.'’])i(?=[ '’,])")
# Only these words, or one that stands twice, can go wrong with a neighbour.
_TELLING = MISSPELT | SINGULAR | PLURAL | COMPARATIVES | frozenset(("i", "a", "an", "did", "didn't", "more"))
_CLOSED = (".", "!", "?", '"', "”", ")", "'", "’")
_PUNCTUATION = (",", ";", ":", "?", "–—", "(", '"“”', "'’")
_WINDOW = 50
_LONG_WORD = 7
_SHORTEST_PARTICIPLE = 6
_LONGEST_SENTENCE = 35
# Beyond this many spreads a property says no more: a text of 3,000 words is not ten times as good.
_REACH = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text, cut up once.

    Attributes:
        raw: the text.
        words: its words in lower case.
        sentences: its sentences and headings.
    """

    raw: str
    words: tuple[str, ...]
    sentences: tuple[str, ...]

    @classmethod
    def of(cls, raw: str) -> Text:
        """The text's words and sentences."""
        words = tuple(word.lower().replace("’", "'") for word in _WORD.findall(raw))
        sentences = tuple(part.strip() for part in _SENTENCE_END.split(raw) if _WORD.search(part))
        return cls(raw=raw, words=words, sentences=sentences)

    def share(self, count: float) -> float:
        """A count per 100 words."""
        return 100.0 * count / max(len(self.words), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One measured property and how much it counts.

    Attributes:
        better: what a text has that is better in it, for a justification.
        measure: the value of a text.
        centre: a usual value in learners' essays of upper-secondary school.
        spread: a usual difference from it; negative where less is better.
        weight: logits for one spread.
    """

    better: str
    measure: Callable[[Text], float]
    centre: float
    spread: float
    weight: float

    def score(self, text: Text) -> float:
        """What the property of a text is worth, in logits."""
        return self.weight * max(-_REACH, min(_REACH, (self.measure(text) - self.centre) / self.spread))


def mechanical_errors(text: Text) -> float:
    """Signs of mechanical errors per 100 words; finds some of them, and mistakes a few good phrases for errors."""
    return text.share(_slips_of_form(text) + _slips_of_words(text.words))


def _slips_of_form(text: Text) -> int:
    """Sentences that begin with a small letter, the pronoun "i", spaces in wrong places, an end without a full stop."""
    lower_starts = sum(1 for sentence in text.sentences if sentence[:1].islower())
    found = len(_LOWER_I.findall(text.raw)) + _wrong_spaces(text.raw)
    return lower_starts + found + int(not text.raw.rstrip().endswith(_CLOSED))


def _wrong_spaces(raw: str) -> int:
    """Spaces on the wrong side of a comma or a full stop, or missing there."""
    missing = len(_NO_SPACE_AFTER_SIGN.findall(raw))
    return missing + sum(_follows_a_letter(raw, found.start()) for found in _SPACE_BEFORE_SIGN.finditer(raw))


def _follows_a_letter(raw: str, space: int) -> bool:
    """Whether the spaces that end here follow a letter."""
    before = space - 1
    while before >= 0 and raw[before].isspace():
        before -= 1
    return before >= 0 and _LETTER.match(raw, before) is not None


def _slips_of_words(words: tuple[str, ...]) -> int:
    """Words that are misspelt or do not go with the next one, as far as three words in a row can tell."""
    triples = zip(("", *words), words, (*words[1:], ""), strict=False)
    return sum(
        word in MISSPELT
        or _wrong_agreement(word, after, before=before)
        or _wrong_article(word, after)
        or _wrong_neighbours(word, after)
        for before, word, after in triples
        if word in _TELLING or word == after
    )


def _wrong_agreement(word: str, after: str, *, before: str) -> bool:
    """Such as "he go", "people is", "we playing"."""
    if word in SINGULAR and after in BASE_VERBS:
        return before not in BEFORE_BASE_VERB
    if word in PLURAL and after in SINGULAR_VERBS:
        return True
    participle = after.endswith("ing") and len(after) >= _SHORTEST_PARTICIPLE
    return (word in PLURAL or word == "i") and participle and before not in AUXILIARY


def _wrong_article(word: str, after: str) -> bool:
    """Such as "a apple", "an car"."""
    if word == "a":
        return after[:1] in tuple("aeio") and after[:3] not in ("eur", "one", "onc")
    return word == "an" and after[:1] in tuple("bcdfgjklmnpqrstvwz")


def _wrong_neighbours(word: str, after: str) -> bool:
    """Such as "the the", "did went", "more better", "better then"."""
    return (
        (word == after and word not in MAY_REPEAT)
        or (word in ("did", "didn't") and after in PAST)
        or (word == "more" and after in COMPARATIVES)
        or (word in COMPARATIVES and after == "then")
    )


def log_length(text: Text) -> float:
    """The natural logarithm of the number of words."""
    return math.log(max(len(text.words), 1))


def diversity(text: Text) -> float:
    """How many of 50 successive words are different ones, in per cent, averaged over the text."""
    words, size = text.words, max(min(_WINDOW, len(text.words)), 1)
    inside = Counter(words[:size])
    different = [len(inside)]
    for gone, new in zip(words, words[size:], strict=False):
        inside[new] += 1
        inside[gone] -= 1
        if not inside[gone]:
            del inside[gone]
        different.append(len(inside))
    return statistics.fmean(100.0 * count / size for count in different)


def long_words(text: Text) -> float:
    """Words of seven letters or more per 100 words."""
    return text.share(sum(1 for word in text.words if len(word) >= _LONG_WORD))


def connectives(text: Text) -> float:
    """How many different connectives and subordinators it uses."""
    return float(len(set(CONNECTIVE.findall(" ".join(text.words)))))


def run_on(text: Text) -> float:
    """Words beyond the 35th of their sentence per 100 words: a full stop is missing before most of them."""
    return text.share(sum(max(len(_WORD.findall(part)) - _LONGEST_SENTENCE, 0) for part in text.sentences))


def punctuation(text: Text) -> float:
    """How many of eight kinds of punctuation it uses."""
    return float(sum(1 for kind in _PUNCTUATION if any(sign in text.raw for sign in kind)))


PROPERTIES = (
    Property(better="fewer signs of errors", measure=mechanical_errors, centre=2.0, spread=-1.5, weight=1.0),
    Property(better="a greater length", measure=log_length, centre=5.4, spread=0.35, weight=0.6),
    Property(better="a more varied vocabulary", measure=diversity, centre=78.0, spread=4.0, weight=0.7),
    Property(better="more long words", measure=long_words, centre=14.0, spread=4.0, weight=0.7),
    Property(better="more kinds of connectives", measure=connectives, centre=7.0, spread=3.0, weight=0.5),
    Property(better="fewer sentences that run on", measure=run_on, centre=8.0, spread=-10.0, weight=0.6),
    Property(better="more kinds of punctuation", measure=punctuation, centre=4.0, spread=1.5, weight=0.4),
)
