"""A judge that is a language model: from a question to a verdict, or to a failure with its code and its price."""

from __future__ import annotations

import asyncio
import hashlib
import math
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import stamina

from eng5_runner.contracts.callbacks import ReplayOf
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.judges.answer_format import UnreadableAnswer, answer_schema, read_answer
from eng5_runner.judges.compatibility import refusals
from eng5_runner.judges.manifest import Model, Usage
from eng5_runner.judges.templates import RUBRIC, SYSTEM, text_sha256
from eng5_runner.stack.llm.cache import Cassette, Recording
from eng5_runner.stack.llm.judge import JudgeEntry, JudgeFailed, Question, Spent, Verdict
from eng5_runner.stack.llm.providers.connection import Connection
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Call, End, Reply
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

_CHARACTERS_PER_TOKEN = 4
_USUAL_ANSWER_TOKENS = 300
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class ModelJudge:
    """One model of one provider."""

    def __init__(self, model: Model, *, gate: RateLimiter, connection: Connection, cassette: Cassette | None) -> None:
        """Set the judge up.

        Args:
            model: who judges.
            gate: shared by all models of the provider.
            connection: to the provider, shared likewise.
            cassette: of earlier judgements; None to ask anew each time.
        """
        self.model = model
        self._entry = model.entry(attempts=gate.limits.attempts)
        self._gate = gate
        self._connection = connection
        self._cassette = cassette

    def entry(self) -> JudgeEntry:
        """The judge as the LLM provider service takes it."""
        return JudgeEntry(
            self._entry,
            self,
            pauses=self._gate.pauses,
            system=lambda question: self._call(question).system,
        )

    async def __call__(self, question: Question) -> Verdict:
        """The model's verdict on a pair, or the one that it gave when it was asked the very same before.

        Raises:
            JudgeFailed: it gave none; the code says why.
        """
        refused = next(refusals(self._entry, question.overrides, today=datetime.now(UTC).date()), None)
        if refused is not None:
            raise JudgeFailed("LLM_CONFIGURATION_ERROR", refused.for_clients())
        call = self._call(question)
        if self._cassette is None:
            return await self._asked(call)
        own_server = self._connection.access.own_server
        key = cassette_key(call, own_server=own_server, repeat_index=question.repeat_index)
        found = await self._cassette.find(key)
        if found is not None:
            return _replayed(found)
        verdict = await self._asked(call)
        await self._cassette.record(key, _recording(verdict, question, model=self.model))
        return verdict

    async def _asked(self, call: Call) -> Verdict:
        """The verdict that the provider gives now.

        Raises:
            JudgeFailed: it gave none.
        """
        reply = await self._reply(call)
        spent = self._spent(reply.usage)
        if reply.end is End.REFUSED:
            raise JudgeFailed("LLM_INVALID_RESPONSE", "the model refused to judge", spent=spent)
        if reply.end is End.CUT:
            raise JudgeFailed("LLM_CONTENT_TOO_LONG", "the answer was cut off at max_tokens", spent=spent)
        try:
            answer = read_answer(reply.text)
        except UnreadableAnswer as unreadable:
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
        client = await self._connection.client()
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
            # An attempt was perhaps under way, and may be charged.
            raise JudgeFailed("LLM_PROVIDER_UNAVAILABLE", message, spent=Spent(cost=None)) from None
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


def _recording(verdict: Verdict, question: Question, *, model: Model) -> Recording:
    return Recording(
        provider=model.provider.value,
        model=model.id,
        winner=verdict.winner,
        justification=verdict.justification,
        confidence=verdict.confidence,
        prompt_tokens=verdict.prompt_tokens,
        completion_tokens=verdict.completion_tokens,
        cost_usd=verdict.cost,
        request_id=question.request_id,
        recorded_at=datetime.now(UTC),
        prompt_sha256=text_sha256(question.prompt),
    )


def _replayed(found: Recording) -> Verdict:
    """The same judgement; nothing is read, written or paid for it now."""
    return Verdict(
        winner=found.winner,
        justification=found.justification,
        confidence=found.confidence,
        prompt_tokens=0,
        completion_tokens=0,
        cost=0.0,
        replay_of=ReplayOf(
            request_id=found.request_id,
            recorded_at=found.recorded_at,
            cost_usd=found.cost_usd,
            prompt_tokens=found.prompt_tokens,
            completion_tokens=found.completion_tokens,
        ),
    )


def _system(overrides: LLMConfigOverrides, prompt: str) -> str:
    """The system prompt, with the rubric if the prompt does not hold it already."""
    system = overrides.system_prompt_override or SYSTEM.text
    rubric = (overrides.judge_rubric_override or "").strip()
    return f"{system}\n\n{RUBRIC.text}\n{rubric}" if rubric and rubric not in prompt else system


# Another way to ask, such as a new field of the request, makes other questions of all.
_FORM = 1


def cassette_key(call: Call, *, own_server: bool, repeat_index: int) -> str:
    """The SHA-256 of what is asked, 64 hex digits; the prompt holds the essays in their order.

    Args:
        call: as it goes to the provider.
        own_server: whether the model is the provider's own, or one of the same name elsewhere.
        repeat_index: 0 for the first asking of a pair in this order.
    """
    asked = {
        "form": _FORM,
        "provider": call.model.provider.value,
        "model": call.model.id,
        "own_server": own_server,
        "system_sha256": text_sha256(call.system),
        "prompt_sha256": text_sha256(call.prompt),
        "max_tokens": call.max_tokens,
        "temperature": None if call.temperature is None else float(call.temperature),
        "effort": call.effort,
        "verbosity": call.verbosity,
        "answers": call.model.answers,
        "schema": answer_schema() if call.model.answers == "schema" else None,
        "repeat_index": repeat_index,
    }
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
