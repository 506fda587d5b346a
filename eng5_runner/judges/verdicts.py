"""Reads the verdict in a language model's answer: exactly one has to be there, and a winner is never guessed.

    >>> read_answer('<think>B?</think> I say: {"winner": "a", "justification": "Clear.", "confidence": "3",}').winner
    'Essay A'

Models without a schema put words, code fences or their thinking around the JSON object, break lines inside its strings,
leave a comma behind the last field, or write `A` for `Essay A`. None of that changes what they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from eng5_runner.contracts.callbacks import Winner

# In characters. A model that is asked for a few sentences writes no such answer.
_LONGEST_ANSWER = 200_000
_JUSTIFICATION_LENGTH = 500
_LOWEST, _HIGHEST = 1, 5
_SHOWN = 80
_QUOTED = 20

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad"
_THINKING = re.compile(rf"\s*[<\[](?P<name>{_NAMES})[>\]].*?(?:[<\[]/(?P=name)[>\]]|\Z)", re.IGNORECASE | re.DOTALL)
_THOUGHT = re.compile(rf"[<\[]/(?:{_NAMES})[>\]]", re.IGNORECASE)
# A brace before a quoted key, or an empty object, perhaps as the first element of a list. Other braces are prose.
_OBJECT = re.compile(r'(?P<list>\[\s*)?\{(?=\s*["}])')
# A string, also one without its end, so that each character is read once; a bracket; a comma behind the last element.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[{}\[\]]|,(?=\s*[}\]])', re.DOTALL)
_WINNER = re.compile(r"""[\s"'*_`(\[]*(?:essay[\s_-]*)?(?P<side>[ab])[\s"'*_`.)\]]*""", re.IGNORECASE)
_RATING = re.compile(r"\s*[0-9](?:\.[0-9]{1,6})?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A readable answer: the winner, the reason, and the judge's confidence from 1 (a guess) to 5."""

    winner: Winner
    justification: str
    confidence: float


class UnreadableAnswer(Exception):
    """An answer without exactly one verdict; `error_code` is the contract's."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message


def read_answer(text: str) -> Answer:
    """The verdict in a model's text.

    Raises:
        UnreadableAnswer: LLM_PARSING_ERROR: there is not exactly one verdict; LLM_INVALID_RESPONSE: a part of it is
            missing or out of range.
    """
    if len(text) > _LONGEST_ANSWER:
        raise _unreadable("is far too long")
    verdicts = [verdict for found in _objects(_said(text)) for verdict in _verdicts(found)]
    if len(verdicts) != 1:
        raise _unreadable("holds more than one verdict" if verdicts else "holds no verdict")
    (verdict,) = verdicts
    side = _WINNER.fullmatch(winner) if isinstance(winner := verdict["winner"], str) else None
    if side is None:
        raise _invalid("winner is neither Essay A nor Essay B")
    justification = verdict.get("justification")
    if not isinstance(justification, str) or not justification.strip():
        raise _invalid("verdict has no justification")
    confidence = verdict.get("confidence")
    if isinstance(confidence, str) and _RATING.fullmatch(confidence):
        confidence = float(confidence)
    if not _is_rating(confidence):
        raise _invalid("confidence is not a number from 1 to 5")
    won: Winner = "Essay A" if side["side"] in "aA" else "Essay B"
    return Answer(winner=won, justification=_shortened(justification), confidence=float(confidence))


def _unreadable(what: str) -> UnreadableAnswer:
    return UnreadableAnswer("LLM_PARSING_ERROR", f"the answer {what}")


def _invalid(what: str) -> UnreadableAnswer:
    return UnreadableAnswer("LLM_INVALID_RESPONSE", f"the answer's {what}")


def _said(text: str) -> str:
    """The text without marks in front, and without what the model says that it thinks."""
    text = text.lstrip("\ufeff\u200b \t\r\n")
    while thinking := _THINKING.match(text):
        text = text[thinking.end() :]
    ends = list(_THOUGHT.finditer(text))
    # The opening tag can be a part of the prompt. An answer that begins with an object does not begin with thinking:
    # its tag is a quotation.
    if len(ends) == 1 and not text.lstrip().startswith(("{", "`")):
        return text[ends[0].end() :]
    return text


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The JSON objects in a text.

    Raises:
        UnreadableAnswer: one of them cannot be read, or is an element of a list.
    """
    place = 0
    while found := _OBJECT.search(text, place):
        if found["list"]:
            raise _unreadable("is a list")
        source, place = _source(text, found.start())
        try:
            read = json.loads(source, strict=False, object_pairs_hook=_unique, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise _unreadable("holds no readable JSON object") from None
        yield read


def _source(text: str, start: int) -> tuple[str, int]:
    """The JSON of the object that starts there, without commas behind last elements, and where it ends."""
    parts: list[str] = []
    depth, copied = 0, start
    for token in _TOKEN.finditer(text, start):
        if token[0] == ",":
            parts.append(text[copied : token.start()])
            copied = token.end()
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth == 0 and token[0] in "}]":
            return "".join((*parts, text[copied : token.end()])), token.end()
    return "", len(text)


def _verdicts(found: dict[str, object]) -> Iterator[dict[str, object]]:
    """The objects with a winner: this one, and those that it holds."""
    waiting: list[object] = [found]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if "winner" in each:
                yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The object with its keys in small letters. A repeated key is refused: the two values can differ."""
    unique = {key.strip().casefold(): value for key, value in pairs}
    if len(unique) != len(pairs):
        raise ValueError("a key occurs twice")
    return unique


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _is_rating(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and _LOWEST <= value <= _HIGHEST


def _shortened(text: str) -> str:
    line = "".join(char if char.isprintable() or char == "\n" else " " for char in text.strip())
    return line if len(line) <= _JUSTIFICATION_LENGTH else line[: _JUSTIFICATION_LENGTH - 1] + "…"


def beginning(text: str, *, prompt: str, secret: str) -> str:
    """What an answer begins with, in quotation marks: one printable line of at most 80 characters.

    It ends where it begins to repeat the prompt, which holds the essays, or the secret.

    >>> beginning("Sure! Mother went to the market.", prompt="… Mother went to the market.", secret="sk-1")
    '"Sure!…"'
    """
    line = _line(text[: 20 * _SHOWN])
    shown = line[:_SHOWN]
    if secret and secret in line:
        shown = shown[: line.index(secret)]
    known = _line(prompt).casefold()
    for start in range(len(shown)):
        if line[start : start + _QUOTED].casefold() in known and len(line) - start >= min(_QUOTED, len(known)):
            shown = shown[:start]
            break
    return f'"{shown.rstrip()}{"" if shown == line else "…"}"'


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
