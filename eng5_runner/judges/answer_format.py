"""The form of a language model's answer. It is read strictly: a winner is never guessed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from eng5_runner.contracts.callbacks import Winner

SCHEMA_NAME = "comparison"
_JUSTIFICATION_LENGTH = 500
_LOWEST, _HIGHEST = 1, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A readable answer: the winner, the reason, and the judge's confidence from 1 (a guess) to 5."""

    winner: Winner
    justification: str
    confidence: float


class UnreadableAnswer(Exception):
    """An answer that is not of the required form; `error_code` is the contract's."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message


def answer_schema() -> dict[str, Any]:
    """The JSON Schema of an answer, with the keywords that all providers support."""
    return {
        "type": "object",
        "properties": {
            "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
            "justification": {"type": "string"},
            "confidence": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        },
        "required": ["winner", "justification", "confidence"],
        "additionalProperties": False,
    }


def read_answer(text: str) -> Answer:
    """The answer in a model's text, which has to be exactly one JSON object of the required form.

    Raises:
        UnreadableAnswer: LLM_PARSING_ERROR: it is not one JSON object; LLM_INVALID_RESPONSE: it lacks a verdict.
    """
    try:
        answer = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("LLM_PARSING_ERROR", "the answer is not one JSON object") from None
    if not isinstance(answer, dict):
        raise UnreadableAnswer("LLM_PARSING_ERROR", "the answer is not one JSON object")
    winner, justification, confidence = (answer.get(name) for name in ("winner", "justification", "confidence"))
    if winner not in ("Essay A", "Essay B"):
        raise UnreadableAnswer("LLM_INVALID_RESPONSE", "the answer's winner is neither Essay A nor Essay B")
    if not isinstance(justification, str) or not justification.strip():
        raise UnreadableAnswer("LLM_INVALID_RESPONSE", "the answer has no justification")
    if not _is_rating(confidence):
        raise UnreadableAnswer("LLM_INVALID_RESPONSE", "the answer's confidence is not a number from 1 to 5")
    return Answer(winner=winner, justification=_shortened(justification), confidence=float(confidence))


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object with a repeated key: the two values can differ."""
    unique = dict(pairs)
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
