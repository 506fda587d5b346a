"""Judges: whoever is given a prompt with two essays and says which one is better.

A judge is an async function from a `Question` to a `Verdict`; the LLM provider service knows nothing else about it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from eng5_runner.contracts.callbacks import ReplayOf, Winner
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.catalogue import baseline_model
from eng5_runner.stack.llm.baseline.prose import PROPERTIES, Text

_ESSAY_HEAD = re.compile(r"\*\*Essay ([AB])(?: \([^)\n]*\))?:\*\*\n")
_CHARACTERS_PER_TOKEN = 4
_TEXTS_REMEMBERED = 4096
_HIGHEST_CONFIDENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What an answer took, also one that could not be used.

    Attributes:
        prompt_tokens: read for it.
        completion_tokens: written for it.
        cost: USD; None where the price is not known.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0


class JudgeFailed(Exception):
    """A judge could not judge; the code is one of the contract's `LLM_…` codes."""

    def __init__(self, error_code: str, message: str, *, spent: Spent | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.spent = spent or Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a judge is asked.

    Attributes:
        prompt: the exact prompt text.
        blocks: the same text in its parts, or the whole as one part.
        overrides: what the asker wants otherwise than the judge's defaults.
        repeat_index: 0 for the first asking of a pair in this order; the next ones want answers of their own.
        request_id: under which it is asked.
    """

    prompt: str
    blocks: tuple[str, ...]
    overrides: LLMConfigOverrides
    repeat_index: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge answers.

    Attributes:
        winner: the better essay.
        justification: why, at most 500 characters.
        confidence: 1 (a guess) to 5.
        prompt_tokens: read for this answer.
        completion_tokens: written for it.
        cost: USD; None where the price is not known.
        replay_of: what this is a replay of, which itself took no tokens and cost nothing.
    """

    winner: Winner
    justification: str
    confidence: float
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = 0.0
    replay_of: ReplayOf | None = None


Judge: TypeAlias = Callable[[Question], Awaitable[Verdict]]


def _never_pauses() -> float:
    return 0.0


def _no_system_prompt(_: Question) -> None:
    """It is shown the prompt alone."""


@dataclass(frozen=True, slots=True)
class JudgeEntry:
    """A judge and how the model manifest tells of it.

    Attributes:
        model: what it is.
        judge: itself.
        pauses: for how many seconds from now its provider is left alone, after it has failed too often.
        system: the exact system prompt that goes with a question, None where there is none.
    """

    model: ModelEntry
    judge: Judge
    pauses: Callable[[], float] = _never_pauses
    system: Callable[[Question], str | None] = _no_system_prompt


def offline_baseline() -> JudgeEntry:
    """The judge that needs no key and no network."""
    return JudgeEntry(baseline_model(), BaselineJudge())


class BaselineJudge:
    """Compares measurable properties of two texts: a baseline, not a language model.

    Each text gets a score in logits from its properties (`prose.PROPERTIES`). Essay A wins if the logistic function of
    the scores' difference is above a pseudo-random number between 0 and 1 drawn from the SHA-256 of the exact prompt:
    a clear difference decides almost always, near-equal texts are like a coin that always falls the same way for the
    same prompt, and the other order of the same pair is another prompt and another throw. It costs nothing; the token
    counts are estimates of one token per four characters.
    """

    def __init__(self) -> None:
        # The same essay comes in some twenty comparisons.
        self._scores = lru_cache(maxsize=_TEXTS_REMEMBERED)(_scores)

    async def __call__(self, question: Question) -> Verdict:
        """The verdict on a pair.

        Raises:
            JudgeFailed: the prompt does not hold an Essay A and an Essay B (LLM_INVALID_PROMPT).
        """
        text_a, text_b = essays_in(question.blocks)
        gains = [a - b for a, b in zip(self._scores(text_a), self._scores(text_b), strict=True)]
        chance_a = 1.0 / (1.0 + math.exp(-sum(gains)))
        a_wins = _draw(question.prompt) < chance_a
        justification = _justification(gains, a_wins=a_wins)
        return Verdict(
            winner="Essay A" if a_wins else "Essay B",
            justification=justification,
            confidence=_confidence(chance_a if a_wins else 1.0 - chance_a),
            prompt_tokens=_tokens(question.prompt),
            completion_tokens=_tokens(justification),
        )


def essays_in(blocks: tuple[str, ...]) -> tuple[str, str]:
    """The texts of Essay A and Essay B: each in the part that begins with its heading.

    Raises:
        JudgeFailed: there is no such part, or an essay is empty (LLM_INVALID_PROMPT).
    """
    found: dict[str, str] = {}
    for block in blocks:
        head = _ESSAY_HEAD.match(block)
        if head and head[1] not in found:
            found[head[1]] = block[head.end() :]
    if not all(found.get(name, "").strip() for name in "AB"):
        raise JudgeFailed("LLM_INVALID_PROMPT", "the prompt does not hold an Essay A and an Essay B")
    return found["A"], found["B"]


def _scores(raw: str) -> tuple[float, ...]:
    """What each property of the text is worth, in logits."""
    text = Text.of(raw)
    return tuple(each.score(text) for each in PROPERTIES)


def _draw(prompt: str) -> float:
    """A number in [0, 1) that is always the same for the same prompt."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8]) / 2**64


def _confidence(chance: float) -> float:
    """1 for a coin or a verdict against the odds, 5 for a certainty."""
    return round(1.0 + (_HIGHEST_CONFIDENCE - 1.0) * max(0.0, 2.0 * chance - 1.0), 3)


def _justification(gains: list[float], *, a_wins: bool) -> str:
    winner, sign = ("Essay A", 1.0) if a_wins else ("Essay B", -1.0)
    gain, deciding = max(((sign * gain, each) for gain, each in zip(gains, PROPERTIES, strict=True)), key=_first)
    if gain <= 0:
        told = "no measured property speaks for it, the draw alone"
    elif sign * sum(gains) > 0:
        told = f"it has {deciding.better}"
    else:
        told = f"it has {deciding.better}, though the properties together favour the other and the draw decided"
    return f"Offline baseline, not a language model: {winner} because {told}."


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _tokens(text: str) -> int:
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
