"""A judge that is a language model: turns a question into a verdict, or into a failure with a code and a cost."""

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
from eng5_runner.stack.llm.cache import JudgementCache, Recording
from eng5_runner.stack.llm.judge import JudgeEntry, JudgeFailed, Question, Served, Spent, Verdict
from eng5_runner.stack.llm.providers.connection import Connection
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Call, End, Reply
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

_CHARACTERS_PER_TOKEN = 4
_USUAL_ANSWER_TOKENS = 300
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class ModelJudge:
    """One model of one provider."""

    def __init__(
        self, model: Model, *, rate_limiter: RateLimiter, connection: Connection, cache: JudgementCache | None
    ) -> None:
        """Set the judge up.

        Args:
            model: the model that judges.
            rate_limiter: shared by all models of the provider.
            connection: to the provider, shared likewise.
            cache: of earlier judgements; None to use no cache.
        """
        self.model = model
        self._entry = model.entry(attempts=rate_limiter.limits.attempts)
        self._rate_limiter = rate_limiter
        self._connection = connection
        self._cache = cache

    def entry(self) -> JudgeEntry:
        """The judge with its entry in the model manifest."""
        return JudgeEntry(
            self._entry,
            self,
            pauses=self._rate_limiter.pauses,
            system=lambda question: self._call(question).system,
        )

    async def __call__(self, question: Question) -> Verdict:
        """The model's verdict on a pair, from the cache if the same question was asked before.

        Raises:
            JudgeFailed: there is no verdict; the code says why.
        """
        refused = next(refusals(self._entry, question.overrides, today=datetime.now(UTC).date()), None)
        if refused is not None:
            raise JudgeFailed("LLM_CONFIGURATION_ERROR", refused.for_clients())
        call = self._call(question)
        if self._cache is None:
            return await self._ask(call)
        own_server = self._connection.access.own_server
        key = judgement_key(call, own_server=own_server, repeat_index=question.repeat_index)
        judgement = await self._cache.find(key)
        if judgement is not None:
            return _replayed(judgement)
        verdict = await self._ask(call)
        await self._cache.record(key, _recording(verdict, question, model=self.model))
        return verdict

    async def _ask(self, call: Call) -> Verdict:
        """Ask the provider for a verdict.

        Raises:
            JudgeFailed: there is none.
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
            served=reply.served,
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
        limits = self._rate_limiter.limits
        tokens = math.ceil(len(call.system + call.prompt) / _CHARACTERS_PER_TOKEN) + _USUAL_ANSWER_TOKENS
        client = await self._connection.client()
        attempts = stamina.retry_context(
            on=_wait, attempts=limits.attempts, timeout=None, wait_initial=_FIRST_WAIT, wait_max=_LONGEST_WAIT
        )
        try:
            async with asyncio.timeout(limits.patience_seconds):
                async for attempt in attempts:
                    with attempt:
                        return await self._rate_limiter.through(lambda: client.ask(call), tokens=tokens)
        except AttemptFailed as failed:
            late = failed.error_code == "LLM_PROVIDER_TIMEOUT"  # it may have answered, and may charge
            spent = Spent(cost=None) if late else None
            raise JudgeFailed(failed.error_code, failed.message, spent=spent) from None
        except TimeoutError:
            message = f"the provider gave no usable answer within {limits.patience_seconds:g} s"
            # The last attempt may be charged.
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
    """Whether to try again; the seconds to wait, if the provider gives them."""
    if not isinstance(error, AttemptFailed) or not error.again:
        return False
    return True if error.wait is None else error.wait


def _recording(verdict: Verdict, question: Question, *, model: Model) -> Recording:
    served = verdict.served or Served()
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
        served_model=served.model,
        system_fingerprint=served.fingerprint,
    )


def _replayed(judgement: Recording) -> Verdict:
    """The recorded judgement as a verdict without tokens and cost, since nothing is paid for it now."""
    return Verdict(
        winner=judgement.winner,
        justification=judgement.justification,
        confidence=judgement.confidence,
        prompt_tokens=0,
        completion_tokens=0,
        cost=0.0,
        replay_of=ReplayOf(
            request_id=judgement.request_id,
            recorded_at=judgement.recorded_at,
            cost_usd=judgement.cost_usd,
            prompt_tokens=judgement.prompt_tokens,
            completion_tokens=judgement.completion_tokens,
        ),
        served=Served(judgement.served_model, judgement.system_fingerprint),
    )


def _system(overrides: LLMConfigOverrides, prompt: str) -> str:
    """The system prompt; with the rubric, unless the prompt already contains it."""
    system = overrides.system_prompt_override or SYSTEM.text
    rubric = (overrides.judge_rubric_override or "").strip()
    return f"{system}\n\n{RUBRIC.text}\n{rubric}" if rubric and rubric not in prompt else system


# Changes with the form of the request, such as a new field: cached judgements are then not used.
_FORM = 1


def judgement_key(call: Call, *, own_server: bool, repeat_index: int) -> str:
    """The key of a judgement in the cache: the SHA-256 of everything that is sent, 64 hex digits.

    Args:
        call: the call to the provider; the prompt holds the essays in their order.
        own_server: whether the address is a server of the user's own, whose model can have the name of another model.
        repeat_index: 0 for the first comparison of a pair in this order.
    """
    question = {
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
    return hashlib.sha256(orjson.dumps(question, option=orjson.OPT_SORT_KEYS)).hexdigest()
