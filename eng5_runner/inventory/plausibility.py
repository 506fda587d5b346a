"""Is it an essay? What the text of a student or an anchor shows that no essay has.

    doubts("Click here to enter text.", language="en")     # [Doubt(kind="only_placeholder", facts={})]
    unusual_lengths({"a": 350, "b": 340, …, "z": 30})      # {"z": Doubt(kind="unusual_length", facts={…})}

The rules are for people, who then look at the file; they are cautious. Of 1,256 essays of learners of English (school
grades 8 to 12) `doubts` names none. Where up to 20 % of their words are replaced by Swedish ones, it names none; at
40 % it names 0.7 %, and texts of Swedish words all.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

from eng5_runner.core.inputs import DoubtKind, Finding
from eng5_runner.inventory.addressing_judge import lines_to_the_judge
from eng5_runner.inventory.findings import finding
from eng5_runner.inventory.text import latin, word_runs

SHORT_WORDS = 20
"""Words; a text with fewer is named."""
MIN_ESSAYS = 6
"""With fewer essays nothing is far from the others."""
FAR_DEVIATIONS = 3.5
FAR_FACTOR = 2.5
FEW_USUAL_WORDS = 0.25
"""Share of a language's usual words below which a text is in another one; English essays have 0.43 and more."""
MIN_WORDS_FOR_LANGUAGE = 25

_TO_STANDARD_DEVIATION = 1.4826
"""Of normal values: standard deviation by median absolute deviation."""
COPY_START = 12
"""Words that must be the same where a copy may begin."""
_MOSTLY = 0.9
_MOST_WORDS = 20_000
"""Words of a text in which a copy is looked for: no essay has more."""


class Doubt(NamedTuple):
    """Why a text may be no essay: the kind of a finding and the facts for its words."""

    kind: DoubtKind
    facts: Mapping[str, str | int] = MappingProxyType({})

    def finding(self, source_path: str) -> Finding:
        """The finding about the file at this place, relative to the assets folder, with `/`."""
        return finding(self.kind, source_path, severity=None, **self.facts)


# Zero-width, directional and tag characters, and letters that are drawn as nothing.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe0e\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]"
)
# Usual in honest texts: optional hyphens, joiners of some scripts and of emoji, and marks that a program puts in.
_HARMLESS = re.compile("[\u00ad\u200c-\u200f\u2060\ufe0e\ufe0f\ufeff]")
_MARKUP = (
    ("RTF", re.compile(r"\s*\{\\rtf")),
    ("HTML", re.compile(r"\s*(<!doctype html|<html|<\?xml[^>]*>\s*<(!doctype )?html)", re.IGNORECASE)),
    ("XML", re.compile(r"\s*<\?xml")),
    ("a web archive", re.compile(r"\s*(MIME-Version|Content-Type):", re.IGNORECASE)),
    ("LaTeX", re.compile(r"\s*\\documentclass")),
    ("PostScript or PDF", re.compile(r"\s*%(!PS|PDF)")),
    ("JSON", re.compile(r'\s*\{\s*"\w+"\s*:')),
)
_CLOSING_TAG = re.compile(r"</(?:p|div|span|body|b|i|u|a|td|tr|li|h[1-6]|strong|em|font)\s*>", re.IGNORECASE)
_MANY_TAGS = 3
_PLACEHOLDERS = re.compile(
    r"(?=[ckvhlstwp\[<{(])(?:"  # none starts with another character, which is quick to see
    r"click (?:or tap )?here to (?:enter|add) (?:text|a date)\.?"
    r"|choose an item\.?"
    r"|klicka (?:eller tryck )?här för att (?:ange|skriva|lägga till) (?:text|ett datum)\.?"
    r"|välj ett objekt\.?"
    r"|klicken (?:oder tippen )?sie(?: oder tippen sie)? hier, um text einzugeben\.?"
    r"|cliquez (?:ou appuyez )?ici pour (?:entrer|taper) du texte\.?"
    r"|haga clic (?:o pulse )?aquí para escribir texto\.?"
    r"|klikk (?:eller trykk )?her for å skrive inn tekst\.?"
    r"|klik (?:eller tryk )?her for at (?:skrive|angive) tekst\.?"
    r"|lorem ipsum dolor sit amet"
    r"|[\[<{(](?:type|write|insert|paste|enter|skriv|ange|klistra in)(?: [\w']+){1,5}[\]>})]"
    r"|\[(?:your|ditt|din) [\w' ]{1,30}\]"
    r"|(?:type|write|paste) your (?:text|essay|answer) here\.?"
    r"|skriv (?:din |ditt )?(?:text|uppsats|svar) här\.?)",
    re.IGNORECASE,
)
_PLACEHOLDER_WORDS = "click item klicka objekt hier cliquez aquí klikk klik lorem type paste skriv"
WORDS_OF_PLACEHOLDERS = frozenset(_PLACEHOLDER_WORDS.split())
WRITE_HERE = frozenset(("write", "your", "here"))
OPENED = re.compile(r"[\[<{(](?:type|write|insert|paste|enter|skriv|ange|klistra|your|ditt|din) ")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_UTF8_READ_AS = ("cp1252", "latin-1", "mac_roman", "cp850", "cp437")
_USUAL_LETTERS = re.compile(
    "[\u00a0-\u00ff\u0152\u0153\u0160\u0161\u017d\u017e\u2013\u2014\u2018-\u201e\u2022\u2026\u20ac\ufeff]+"
)
# The most usual words of running text.
_ENGLISH = """
the of and a to in is you that it he was for on are as with his they i at be this have from or had by but not what all
were we when your can said there use an each which she do how their if will up other about out many then them these so
some her would make like him into time has look two more go see no way could people my than who its now because very
just don't i'm it's one also should think
"""
_SWEDISH = """
och att det som en på är av för med den till inte har de ett om var jag men så från han vi kan man när år hon också
efter eller nu sin där vid mot ska skulle kommer ut får finns vara hade alla andra mycket än här då sedan över bara
blir upp även vad få två vill ha många hur mer går sig detta mig dem du sina blev varit någon något mitt min hans ju
måste inget ingen varför eftersom tycker
"""
USUAL_WORDS = MappingProxyType({"en": frozenset(_ENGLISH.split()), "sv": frozenset(_SWEDISH.split())})
# Those that are usual in one language alone.
OWN_WORDS = MappingProxyType({"en": USUAL_WORDS["en"] - USUAL_WORDS["sv"], "sv": USUAL_WORDS["sv"] - USUAL_WORDS["en"]})
_IN_NO_LETTER_WORD = b"0123456789_"
_NAMES = MappingProxyType({"en": "English", "sv": "Swedish"})
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# The same for text that the bytes of Latin-1 hold.
_NO_LETTER = bytes(
    code if chr(code) == "'" or (chr(code).isalnum() and not chr(code).isdecimal()) else ord(" ") for code in range(256)
)


def doubts(text: str, *, language: str, words: Sequence[str] | None = None) -> list[Doubt]:
    """What one text shows.

    Args:
        text: of a student or an anchor, normalised.
        language: of the study, such as `en`; a language without a list of words is not looked at.
        words: its `content_words`, where the caller has them.
    """
    if words is None:
        words = content_words(text)
    visible = _visible(text)
    if not any(char.isalnum() for char in visible):
        return [Doubt("no_letters")]
    folded, vocabulary = visible.casefold(), frozenset(words)
    placeholders = 0
    if _may_hold_a_place(folded, vocabulary=vocabulary):
        written, placeholders = _PLACEHOLDERS.subn("", visible)
        if not any(char.isalnum() for char in written):
            return [Doubt("only_placeholder")]
    markup = _markup(visible)
    found = (
        markup,
        _counted("short_text", _few_words(visible), name="words"),
        _counted("placeholder", placeholders),
        *(() if text.isascii() else beyond_ascii(text)),
        _other_language(folded, language, words=words, vocabulary=vocabulary) if markup is None else None,
        Doubt("repeated_text") if _is_twice(words) else None,
        _instructs(visible, vocabulary),
    )
    return [doubt for doubt in found if doubt is not None]


def _visible(text: str) -> str:
    return text if text.isascii() else _INVISIBLE.sub("", text)


def _may_hold_a_place(folded: str, *, vocabulary: AbstractSet[str]) -> bool:
    """Whether it is worth looking for a placeholder: each has a word or a bracket that is quick to see."""
    if not vocabulary.isdisjoint(WORDS_OF_PLACEHOLDERS) or vocabulary >= WRITE_HERE:
        return True
    return any(bracket in folded for bracket in "[<{(") and OPENED.search(folded) is not None


def beyond_ascii(text: str) -> Iterator[Doubt | None]:
    """What the characters beyond ASCII show; None for each rule that names nothing."""
    yield _counted("replacement_characters", text.count("\ufffd"))
    yield _counted("mojibake", sum(map(_is_mojibake, _BEYOND_ASCII.findall(text))))
    yield _counted("invisible_characters", len(_INVISIBLE.findall(_HARMLESS.sub("", text))))


def _counted(kind: DoubtKind, count: int, *, name: str = "count") -> Doubt | None:
    return Doubt(kind, {name: count}) if count else None


def _few_words(text: str) -> int:
    """The number of words if they are few, else 0."""
    words = len(text.split(maxsplit=SHORT_WORDS))
    return words if words < SHORT_WORDS else 0


def _instructs(visible: str, vocabulary: AbstractSet[str]) -> Doubt | None:
    composed = visible.isascii() or unicodedata.is_normalized("NFKC", visible)
    lines = lines_to_the_judge(visible, words=vocabulary if composed else None)
    return Doubt("instructs_judge", {"lines": ", ".join(map(str, lines))}) if lines else None


def _markup(text: str) -> Doubt | None:
    found = next((name for name, pattern in _MARKUP if pattern.match(text)), None)
    if found is None and len(_CLOSING_TAG.findall(text)) >= _MANY_TAGS:
        found = "HTML"
    return None if found is None else Doubt("markup", {"format": found})


def _is_mojibake(run: str) -> bool:
    """Whether characters beyond ASCII are UTF-8 that was read in a code page: two to four usual letters in a row."""
    for page in _UTF8_READ_AS:
        try:
            if _USUAL_LETTERS.fullmatch(run.encode(page).decode("utf-8")):
                return True
        except UnicodeError:
            continue
    return False


def _other_language(folded: str, language: str, *, words: Sequence[str], vocabulary: AbstractSet[str]) -> Doubt | None:
    usual = USUAL_WORDS.get(language)
    if usual is None or _is_clearly_in(language, folded, words=words, vocabulary=vocabulary):
        return None
    words = _letter_words(folded)
    if len(words) < MIN_WORDS_FOR_LANGUAGE:
        return None
    count = sum(map(usual.__contains__, words))
    if count >= FEW_USUAL_WORDS * len(words) and all(
        count >= sum(map(other.__contains__, words)) for other in USUAL_WORDS.values() if other is not usual
    ):
        return None
    return Doubt("other_language", {"language": _NAMES[language], "percent": round(100 * count / len(words))})


def _is_clearly_in(language: str, folded: str, *, words: Sequence[str], vocabulary: AbstractSet[str]) -> bool:
    """Whether the content words show what the words of letters, which take three times as long, would show as well.

    The two differ where there is an apostrophe, a digit or an underscore. Each may hide two words.
    """
    data = latin(folded)
    if data is None:
        return False
    own = sum(map(OWN_WORDS[language].__contains__, words)) - 2 * (data.count(b"'") + folded.count("’"))
    marks = len(data) - len(data.translate(None, _IN_NO_LETTER_WORD))
    of_others = (words_of for other, words_of in OWN_WORDS.items() if other != language)
    others = sum(words.count(word) for words_of in of_others for word in words_of & vocabulary)
    return own >= FEW_USUAL_WORDS * (len(words) + marks) and own >= others + 2 * marks


def _letter_words(folded: str) -> Sequence[str]:
    """The words of letters, with apostrophes inside."""
    straight = folded.replace("’", "'")
    data = latin(straight)
    if data is None:
        return _WORD.findall(straight)
    text = f" {data.translate(_NO_LETTER).decode('latin-1')} "
    if "'" in text:  # one at the edge of a word is a quotation mark
        text = text.replace("''", "  ").replace(" '", "  ").replace("' ", "  ")
    return text.split()


def _is_twice(words: Sequence[str]) -> bool:
    """Whether the text is, but for some words, a text and its copy."""
    if len(words) > _MOST_WORDS:
        words = words[:_MOST_WORDS]
    start = words[:COPY_START]
    place, end = len(words) * 2 // 5 - 1, len(words) - SHORT_WORDS
    with suppress(ValueError):  # the first word is nowhere else
        while (place := words.index(start[0], place + 1, max(end, 0))) >= 0:
            if words[place : place + COPY_START] == start:
                same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(words[place:], words, strict=False))
                if 2 * sum(1 for _ in same) >= _MOSTLY * len(words):
                    return True
    return False


def unusual_lengths(words: Mapping[str, int]) -> dict[str, Doubt]:
    """The texts that are far shorter or longer than the others, by their names.

    Far is more than 3.5 robust standard deviations of the logarithm from the median, and more than 2.5 times shorter
    or longer than it. Of 1,256 real essays about several tasks in random groups of 8, 30 and 100 it names 1.3, 0.9
    and 0.7 %.

    Args:
        words: the number of words of each text. With fewer than six texts nothing is far from the others.
    """
    if len(words) < MIN_ESSAYS:
        return {}
    ordered = [math.log(count + 1) for count in sorted(words.values())]
    middle = statistics.median(ordered)
    if max(ordered[-1] - middle, middle - ordered[0]) <= math.log(FAR_FACTOR):
        return {}
    logarithms = {name: math.log(count + 1) for name, count in words.items()}
    deviation = _TO_STANDARD_DEVIATION * statistics.median(abs(value - middle) for value in logarithms.values())
    limit = max(FAR_DEVIATIONS * deviation, math.log(FAR_FACTOR))
    median = round(statistics.median(words.values()))
    return {
        name: Doubt(
            "unusual_length",
            {"words": words[name], "median": median, "longer_or_shorter": "longer" if value > middle else "shorter"},
        )
        for name, value in logarithms.items()
        if abs(value - middle) > limit
    }


def content_words(text: str) -> list[str]:
    """The words of a text; two texts with the same words differ in nothing but case, punctuation and layout."""
    return word_runs(_visible(text).casefold())
