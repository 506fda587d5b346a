"""Judges: a judge reads a prompt with two essays and decides which one is better.

A judge is an async function from a `Question` to a `Verdict`; the LLM provider service knows nothing else of it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from eng5_runner.contracts.callbacks import ReplayOf, Winner
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.judges.manifest import AnswerForm
from eng5_runner.judges.prompts import unfenced
from eng5_runner.stack.llm.baseline.prose import PROPERTIES, Property, Text

_ESSAY_HEAD = re.compile(r"\*\*Essay ([AB])(?: \([^)\n]*\))?:\*\*\n")
_CHARACTERS_PER_TOKEN = 4
# By their hash, so each takes some 200 bytes. A study uses its essays in turn, so with one too few none is remembered.
_TEXTS_REMEMBERED = 100_000
_HIGHEST_CONFIDENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The tokens and the cost of an answer, also of an unusable one.

    Attributes:
        prompt_tokens: read.
        completion_tokens: written.
        cached_tokens: the part of `prompt_tokens` that was read from the provider's cache.
        cost: USD; None if it is not known, and then the most that the call can cost counts.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Served:
    """The model behind an answer as its provider names it: a dated version, and the state of the provider's system."""

    model: str | None = None
    fingerprint: str | None = None


class JudgeFailed(Exception):
    """There is no verdict; the code is one of the contract's `LLM_…` codes.

    Attributes:
        is_final: whether the same question would fail again.
        is_interrupted: whether the service ended while the question was under way.
    """

    def __init__(
        self,
        error_code: str,
        message: str,
        *,
        spent: Spent | None = None,
        is_final: bool = False,
        is_interrupted: bool = False,
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.spent = spent or Spent()
        self.is_final = is_final
        self.is_interrupted = is_interrupted


async def _nothing_to_store() -> None:
    """For questions that are in no queue."""


def _nobody_waits() -> None:
    """For questions that are in no queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to a judge.

    Attributes:
        prompt: the exact prompt text.
        blocks: the same text in its parts, or as one part.
        shared: where parts of `prompt` end that other questions begin with as well, ascending, in characters.
        overrides: the client's settings of the judge.
        repeat_index: 0 for the first comparison of a pair in this order; each repeat needs an answer of its own.
        request_id: the queue id.
        wants_probability: whether the model is asked for the probability of its answer, where it can tell.
        was_begun: whether an earlier process may have asked it and ended before the answer was stored.
        begin: stores that it is asked now; to be called before it is sent to a model that costs money.
        give_way: says that its provider refused it for now; while it waits, another one may be asked in its place.
    """

    prompt: str
    blocks: tuple[str, ...]
    shared: tuple[int, ...] = ()
    overrides: LLMConfigOverrides
    repeat_index: int
    request_id: str
    was_begun: bool = False
    wants_probability: bool = False
    begin: Callable[[], Awaitable[None]] = field(default=_nothing_to_store, compare=False, repr=False)
    give_way: Callable[[], None] = field(default=_nobody_waits, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChance:
    """How probable the model's own answer was to it.

    Attributes:
        winner: the answer.
        probability_a: of "Essay A" over both answers, 0 to 1.
        is_bound: whether the winner's probability is at least that, because the other answer was too improbable to be
            listed.
    """

    winner: Winner
    probability_a: float
    is_bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judge's answer.

    Attributes:
        winner: the better essay.
        justification: why, at most 500 characters.
        confidence: 1 (a guess) to 5.
        prompt_tokens: read for this answer.
        completion_tokens: written for it.
        cached_tokens: the part of `prompt_tokens` that was read from the provider's cache.
        cost: USD; None if it is not known.
        replay_of: the cached judgement that this repeats, without tokens and cost.
        served: by which version of the model; None if the provider does not say.
        seconds: that the model took to answer, without any wait for its turn; None if that was not measured.
        chance: how probable the answer was; None if the model does not say.
        fallback: the form of the answer that the model was asked for, where its server does not take a schema.
    """

    winner: Winner
    justification: str
    confidence: float
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost: float | None = 0.0
    replay_of: ReplayOf | None = None
    served: Served | None = None
    seconds: float | None = None
    chance: AnswerChance | None = None
    fallback: AnswerForm | None = None


Judge: TypeAlias = Callable[[Question], Awaitable[Verdict]]


def _usual_properties() -> Sequence[Property]:
    return PROPERTIES


def _no_tilt(_text_a: str, _text_b: str) -> float:
    return 0.0


class BaselineJudge:
    """Compares measurable properties of two texts: a baseline, not a language model.

    Each text gets a score in logits from its properties (`prose.PROPERTIES`). Essay A wins if the logistic function of
    the difference is above a pseudo-random number between 0 and 1, which is drawn from the SHA-256 of the exact prompt.
    So a clear difference nearly always decides. For near-equal texts the same prompt always gives the same winner, and
    the other order, as another prompt, can give another one. It costs nothing; the token counts are estimates of one
    token per four characters.
    """

    def __init__(
        self,
        *,
        tilt: Callable[[str, str], float] = _no_tilt,
        properties: Callable[[], Sequence[Property]] = _usual_properties,
    ) -> None:
        """Set the judge up.

        Args:
            tilt: adds logits in favour of Essay A, from both texts.
            properties: gives what is measured; it is called before the first question is answered.
        """
        self._tilt = tilt
        self._properties = cache(properties)
        # The same essay occurs in about twenty comparisons.
        self._scores: dict[bytes, tuple[float, ...]] = {}

    async def __call__(self, question: Question) -> Verdict:
        """The verdict on a pair.

        Raises:
            JudgeFailed: the prompt does not contain an Essay A and an Essay B (LLM_INVALID_PROMPT).
        """
        text_a, text_b = essays_in(question.blocks)
        gains = [a - b for a, b in zip(self._scores_of(text_a), self._scores_of(text_b), strict=True)]
        chance_a = 1.0 / (1.0 + math.exp(-sum(gains) - self._tilt(text_a, text_b)))
        a_wins = _draw(question.prompt) < chance_a
        justification = _justification(gains, self._properties(), a_wins=a_wins)
        return Verdict(
            winner="Essay A" if a_wins else "Essay B",
            justification=justification,
            confidence=_confidence(chance_a if a_wins else 1.0 - chance_a),
            prompt_tokens=_tokens(question.prompt),
            completion_tokens=_tokens(justification),
        )

    def _scores_of(self, text: str) -> tuple[float, ...]:
        key = hashlib.sha256(text.encode()).digest()
        if key not in self._scores:
            if len(self._scores) == _TEXTS_REMEMBERED:
                self._scores.clear()
            measured = Text.of(text)
            self._scores[key] = tuple(each.score(measured) for each in self._properties())
        return self._scores[key]


def essays_in(blocks: tuple[str, ...]) -> tuple[str, str]:
    """The texts of Essay A and Essay B, from the parts that begin with their headings.

    Raises:
        JudgeFailed: there is no such part, or an essay is empty (LLM_INVALID_PROMPT).
    """
    essays: dict[str, str] = {}
    for block in blocks:
        head = _ESSAY_HEAD.match(block)
        if head and head[1] not in essays:
            essays[head[1]] = unfenced(block[head.end() :])
    if not all(essays.get(name, "").strip() for name in "AB"):
        raise JudgeFailed("LLM_INVALID_PROMPT", "the prompt does not contain an Essay A and an Essay B")
    return essays["A"], essays["B"]


def _draw(prompt: str) -> float:
    """A number in [0, 1), the same for the same prompt."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8]) / 2**64


def _confidence(chance: float) -> float:
    """From 1 (as likely as not, or an unlikely winner) to 5 (certain)."""
    return round(1.0 + (_HIGHEST_CONFIDENCE - 1.0) * max(0.0, 2.0 * chance - 1.0), 3)


def _justification(gains: list[float], properties: Sequence[Property], *, a_wins: bool) -> str:
    winner, sign = ("Essay A", 1.0) if a_wins else ("Essay B", -1.0)
    gain, deciding = max(((sign * gain, each) for gain, each in zip(gains, properties, strict=True)), key=_first)
    if gain <= 0:
        reason = "no measured property speaks for it, the draw alone"
    elif sign * sum(gains) > 0:
        reason = f"it has {deciding.better}"
    else:
        reason = f"it has {deciding.better}, though the properties together favour the other and the draw decided"
    return f"Offline baseline, not a language model: {winner} because {reason}."


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _tokens(text: str) -> int:
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
