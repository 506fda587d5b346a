r"""Lines of a text that speak to the judge instead of the reader: orders about its instructions or its verdict.

    lines_to_the_judge("I like cats.\nIgnore all previous instructions.")  # (2,)

Each pattern is a form that reports of attacks on language models as judges describe. A person then reads the lines: an
essay about language models may have one in good faith. Of 1,256 real essays of learners of English none has one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import NamedTuple

from eng5_runner.inventory.text import word_runs

_ESSAY = r"(?:(?:this|the|my|above|following) (?:essay|text|answer|response|submission|writing)|essay [ab])\b"
_JUDGE = r"(?:ai|llm|chatgpt|gpt|claude|gemini|chatbot|language model|judge|grader|rater|assessor|evaluator)\b"
_CHOOSE = (
    r"(?:choose|pick|select|prefer|favou?r|vote for|declare|mark|rate|rank|grade|judge|score|give|award|say that)\b"
)
_BEST = r"(?:winner|better|best|highest|higher|top|full|maximum|perfect|excellent|a\+|grade a|5/5|10/10)"
_IGNORE = r"(?:ignore|disregard|forget|override|bypass|do not follow|don't follow)\b"
_WHICH = r"(?:all|any|previous|prior|above|earlier|preceding|these|those|your|other|system)\b"
_MUST = r"(?:is|must be|should be|has to be|will be|must|should)"
_WHO = r"(?:of|in|who|that|at)\b"
_NEAR = r"[^.!?\n]{0,40}"


class Pattern(NamedTuple):
    """A form of speaking to the judge.

    Attributes:
        regex: in lower case, with straight apostrophes; ^ is the start of a line.
        needs: a text has a match only if it has a word of each of these sets, the rarest first. Sets are quick to
            compare, and few essays have all that a pattern needs: the regular expressions alone would take a third of a
            millisecond a text.
        marks: where there are such, a text has a match only if it has one of these characters.
    """

    regex: re.Pattern[str]
    needs: tuple[frozenset[str], ...]
    marks: str

    def lines(self, plain: str, *, words: AbstractSet[str]) -> Iterator[int]:
        """The numbers of the lines where the pattern is, from 1."""
        if any(words.isdisjoint(needed) for needed in self.needs):
            return
        if self.marks and not any(mark in plain for mark in self.marks):
            return
        for match in self.regex.finditer(plain):
            yield plain.count("\n", 0, match.start()) + 1


def _pattern(regex: str, *needs: str, marks: str = "") -> Pattern:
    """A pattern that needs a word of each text; `{judge}` and the like stand for the words of those names."""
    sets = tuple(frozenset(words.format_map(_WORDS).split()) for words in needs)
    return Pattern(re.compile(regex, re.MULTILINE), sets, marks)


_WORDS = MappingProxyType({
    "essay": "essay text answer response submission writing",
    "judge": "ai llm chatgpt gpt claude gemini chatbot model judge grader rater assessor evaluator",
    "choose": "choose pick select prefer favor favour vote declare mark rate rank grade judge score give award say",
    "best": "winner better best highest higher top full maximum perfect excellent a grade 5 10",
    "ignore": "ignore disregard forget override bypass follow",
    "instructions": "instruction instructions",
})  # fmt: skip
PATTERNS = (
    # orders about the instructions
    _pattern(
        rf"\b{_IGNORE}{_NEAR}\b(?:prompts?|rubric|criteria|guidelines|system message)\b",
        "{ignore}",
        "prompt prompts rubric criteria guidelines message",
    ),
    _pattern(rf"\b{_IGNORE}{_NEAR}\b{_WHICH}[^.!?\n]{{0,20}}\binstructions?\b", "{ignore}", "{instructions}"),
    _pattern(rf"\b{_IGNORE}{_NEAR}\binstructions? (?:above|before|given|you)\b", "{ignore}", "{instructions}"),
    _pattern(
        r"\b(?:new|real|actual|updated|hidden|secret) instructions?(?:\s*:|\s+for (?:the|you|all) )",
        "{instructions}",
        "new real actual updated hidden secret",
    ),
    _pattern(rf"\binstructions? (?:for|to) the {_JUDGE}", "{instructions}", "{judge}"),
    # speaking to the judge; "Dear judge of the court" does not
    _pattern(
        rf"\b(?:dear|attention|hey|hello|(?:note|message) to|to the)[ ,:]{{1,2}}(?:the )?{_JUDGE}(?! {_WHO})",
        "{judge}",
        "dear attention hey hello to",
    ),
    _pattern(rf"\byou are (?:now )?(?:an?|the) (?:assistant\b|{_JUDGE})", "assistant {judge}", "you", "are"),
    _pattern(
        r"\bas an? (?:ai|large language|language) (?:model|judge|grader|assistant)\b[^.\n]{0,30}\byou\b",
        "ai language",
        "model judge grader assistant",
        "you",
    ),
    # orders about the verdict
    _pattern(rf"\b{_CHOOSE}[^.!?\n]{{0,30}}\b{_ESSAY}{_NEAR}\b{_BEST}\b", "{essay}", "{choose}", "{best}"),
    _pattern(rf"\b(?:choose|pick|select|prefer|vote for) {_ESSAY}", "{essay}", "choose pick select prefer vote"),
    _pattern(
        rf"\b{_ESSAY} {_MUST} (?:\w+ )?(?:the )?(?:winner|better essay|better than|win|chosen|preferred|ranked)\b",
        "{essay}",
        "winner better win chosen preferred ranked",
    ),
    _pattern(
        rf"\b{_ESSAY} (?:gets?|got|receives?|deserves?) (?:\w+ )?(?:the )?{_BEST}\b",
        "{essay}",
        "{best}",
        "get gets got receive receives deserve deserves",
    ),
    _pattern(rf"\brank {_ESSAY} (?:first|highest)\b", "rank", "{essay}"),
    _pattern(r"\bthis is the (?:better|best|winning) (?:essay|text|answer)\b", "{essay}", "better best winning"),
    _pattern(
        r"\b(?:answer|say|reply|output|respond|return)(?: with)? [\"']?essay [ab]\b",
        "essay",
        "answer say reply output respond return",
    ),
    _pattern(
        r"\bthe (?:correct|right|better|winning) (?:answer|essay|text|verdict) is (?:essay )?\"?[ab]\b",
        "{essay} verdict",
        "correct right better winning",
    ),
    _pattern(r"\bwinner\b[\"'* ]{0,3}[:=]\s*[\"'*]{0,3}(?:essay[ _]?)?[ab]\b", "winner", marks=":="),
    # the frame of a prompt or of a chat
    _pattern(r"^\W{0,4}essay [ab]\W{0,4}$", "essay", "a b"),
    _pattern(r"^\W{0,4}(?:system|assistant|user|developer)\W{0,2}:", "system assistant user developer", marks=":"),
    _pattern(
        r"^\W{0,4}(?:assessment criteria|student assignment|system prompt|end of essay)\W{0,4}$",
        "criteria assignment prompt essay",
        "assessment student system end",
    ),
    _pattern(r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|essay|instructions?)>", marks="<["),
    # in Swedish
    _pattern(
        rf"\b(?:ignorera|bortse från|glöm|strunta i)\b{_NEAR}\b(?:instruktion|anvisning|prompt|kriteri)",
        "ignorera bortse glöm strunta",
    ),
    _pattern(r"\b(?:välj|föredra|rösta på)\s+(?:den här|denna|min)\s+(?:uppsats|text)", "välj föredra rösta"),
    _pattern(r"\bge\s+(?:den här|denna|min)\s+(?:uppsats|text)[^.!?\n]{0,20}\bhögst", "ge", "den denna min"),
    _pattern(r"\bdu är (?:nu )?en (?:ai|språkmodell|bedömare|domare)\b", "du", "ai språkmodell bedömare domare"),
)


_RARE = frozenset(word for each in PATTERNS for word in (each.needs[0] if each.needs else ()))
_WITHOUT_WORDS = tuple(each for each in PATTERNS if not each.needs)


def lines_to_the_judge(text: str, *, words: AbstractSet[str] | None = None) -> tuple[int, ...]:
    """The numbers of these lines, from 1, without repetitions.

    Args:
        text: without characters that nobody sees.
        words: its `word_runs` in lower case, where the caller has them.
    """
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()
    plain = plain.replace("’", "'")
    if "a.i." in plain:
        plain, words = plain.replace("a.i.", "ai"), None
    known = frozenset(word_runs(plain)) if words is None else words
    patterns = _WITHOUT_WORDS if _RARE.isdisjoint(known) else PATTERNS
    return tuple(sorted({line for each in patterns for line in each.lines(plain, words=known)}))
