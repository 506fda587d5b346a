"""A judge that is a language model: from a question to a verdict, or to a failure with its code and its price."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from decimal import Decimal

import stamina

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.stack.judges import JudgeEntry, JudgeFailed, Question, Spent, Verdict
from eng5_runner.stack.model_manifest import Model, Usage
from eng5_runner.stack.providers.answers import SYSTEM_PROMPT, Unreadable, read_answer
from eng5_runner.stack.providers.asking import AttemptFailed, Call, Client, End, Reply
from eng5_runner.stack.providers.gate import Gate

_CHARACTERS_PER_TOKEN = 4
_USUAL_ANSWER_TOKENS = 300
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class ModelJudge:
    """One model of one provider."""

    def __init__(self, model: Model, *, gate: Gate, client: Callable[[], Awaitable[Client]]) -> None:
        """Set the judge up.

        Args:
            model: who judges.
            gate: shared by all models of the provider.
            client: gives the provider's client, made when it is first used.
        """
        self.model = model
        self._gate = gate
        self._client = client

    def entry(self) -> JudgeEntry:
        """The judge as the LLM provider service takes it."""
        return JudgeEntry(self.model.entry(), self, refuses=self.model.refuses, pauses=self._gate.pauses)

    async def __call__(self, question: Question) -> Verdict:
        """The model's verdict on a pair.

        Raises:
            JudgeFailed: it gave none; the code says why.
        """
        refused = self.model.refuses(question.overrides)
        if refused is not None:
            raise JudgeFailed("LLM_CONFIGURATION_ERROR", refused)
        reply = await self._reply(self._call(question))
        spent = self._spent(reply.usage)
        if reply.end is End.REFUSED:
            raise JudgeFailed("LLM_INVALID_RESPONSE", "the model refused to judge", spent=spent)
        if reply.end is End.CUT:
            raise JudgeFailed("LLM_CONTENT_TOO_LONG", "the answer was cut off at max_tokens", spent=spent)
        try:
            answer = read_answer(reply.text)
        except Unreadable as unreadable:
            raise JudgeFailed(unreadable.error_code, unreadable.message, spent=spent) from None
        return Verdict(
            winner=answer.winner,
            justification=answer.justification,
            confidence=answer.confidence,
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cost=spent.cost,
        )

    def _call(self, question: Question) -> Call:
        overrides = question.overrides
        return Call(
            model=self.model,
            system=_system(overrides, question.prompt),
            prompt=question.prompt,
            max_tokens=overrides.max_tokens_override or self.model.max_tokens,
            temperature=overrides.temperature_override,
            effort=overrides.reasoning_effort,
            verbosity=overrides.output_verbosity,
        )

    async def _reply(self, call: Call) -> Reply:
        limits = self._gate.limits
        tokens = math.ceil(len(call.system + call.prompt) / _CHARACTERS_PER_TOKEN) + _USUAL_ANSWER_TOKENS
        client = await self._client()
        attempts = stamina.retry_context(
            on=_wait, attempts=limits.attempts, timeout=None, wait_initial=_FIRST_WAIT, wait_max=_LONGEST_WAIT
        )
        try:
            async with asyncio.timeout(limits.patience_seconds):
                async for attempt in attempts:
                    with attempt:
                        return await self._gate.through(lambda: client.ask(call), tokens=tokens)
        except AttemptFailed as failed:
            late = failed.error_code == "LLM_PROVIDER_TIMEOUT"  # it may have answered, and may charge for it
            spent = Spent(cost=None) if late else None
            raise JudgeFailed(failed.error_code, failed.message, spent=spent) from None
        except TimeoutError:
            message = f"the provider was not well for {limits.patience_seconds:g} s"
            raise JudgeFailed("LLM_PROVIDER_UNAVAILABLE", message) from None
        raise AssertionError("an attempt returns or raises")

    def _spent(self, usage: Usage | None) -> Spent:
        if usage is None:
            return Spent(cost=None)
        cost: Decimal | None = self.model.cost(usage)
        return Spent(
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cost=None if cost is None else float(cost),
        )


def _wait(error: Exception) -> bool | float:
    """Whether to try again, and after how long if the provider says so."""
    if not isinstance(error, AttemptFailed) or not error.again:
        return False
    return True if error.wait is None else error.wait


def _system(overrides: LLMConfigOverrides, prompt: str) -> str:
    """The system prompt, with the rubric if the prompt does not hold it already."""
    system = overrides.system_prompt_override or SYSTEM_PROMPT
    rubric = (overrides.judge_rubric_override or "").strip()
    return f"{system}\n\nJudge by this rubric:\n{rubric}" if rubric and rubric not in prompt else system
