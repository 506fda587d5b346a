"""A judge that is a language model: turns a question into a verdict, or into a failure with a code and a cost."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import stamina
import structlog

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED, ReplayOf
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.compatibility import refusals
from eng5_runner.judges.credentials import Access
from eng5_runner.judges.manifest import AnswerForm, Model, Usage
from eng5_runner.judges.templates import RUBRIC, SYSTEM, text_sha256
from eng5_runner.judges.verdicts import UnreadableAnswer, beginning, read_answer
from eng5_runner.stack.llm.cache import JudgementCache, Recording
from eng5_runner.stack.llm.judge import AnswerChance, JudgeFailed, Question, Served, Spent, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Call, End, ProviderClient, Reply, Retry, served_by
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)

_CHARACTERS_PER_TOKEN = 4
_USUAL_ANSWER_TOKENS = 300
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
# No tokenizer makes fewer tokens of a text, on average.
_MOST_BYTES_PER_TOKEN = 32


class ModelJudge:
    """One model of one provider."""

    def __init__(
        self,
        model: Model,
        *,
        client: ProviderClient,
        access: Access,
        rate_limiter: RateLimiter,
        cache: JudgementCache | None,
    ) -> None:
        """Set the judge up.

        Args:
            model: the model that judges.
            client: of the provider, shared by all its models.
            access: to the provider.
            rate_limiter: of the provider, shared likewise.
            cache: of earlier judgements; None to use no cache.
        """
        self.model = model
        self._entry = model.entry(attempts=rate_limiter.limits.attempts)
        self._rate_limiter = rate_limiter
        self._client = client
        self._own_server = access.own_server
        self._access = access
        self._form = model.answers or AnswerForm.SCHEMA
        self._is_negotiable = access.own_server and model.answers is None
        self._tells_probabilities = True  # until the server rejects to be asked
        self._cache = cache

    def entry(self) -> JudgeEntry:
        """The judge with its entry in the model manifest."""
        return JudgeEntry(
            self._entry,
            self,
            pauses=self._rate_limiter.pauses,
            trouble=self._rate_limiter.trouble,
            calls=self._rate_limiter.calls,
            system=lambda question: self.call(question).system,
            concurrency=self._rate_limiter.limits.concurrency,
            share=self._rate_limiter.share,
        )

    async def __call__(self, question: Question) -> Verdict:
        """The model's verdict on a pair, from the cache if the same question was asked before, or is being asked.

        Raises:
            JudgeFailed: there is no verdict; the code says why.
        """
        self._check(question)
        call = self.call(question)
        if self._cache is None:
            return await self._ask(call, question)
        key = self._key(call, question)
        async with self._cache.one_at_a_time(key):
            return await self._found(key, question) or await self._kept(
                await self._ask(call, question), question, key=key
            )

    async def recalled(self, question: Question) -> Verdict | None:
        """The verdict on the same question from the cache; None if it has to be asked.

        Raises:
            JudgeFailed: the model does not take a parameter.
        """
        self._check(question)
        return await self._found(self._key(self.call(question), question), question)

    async def _found(self, key: str, question: Question) -> Verdict | None:
        judgement = None if self._cache is None else await self._cache.find(key)
        if judgement is None:
            return None
        return _paid(judgement) if judgement.request_id == question.request_id else _replayed(judgement)

    async def verdict_in_batch(self, question: Question, reply: Reply) -> Verdict:
        """The verdict in a reply of the provider's batch API, at the price of a batch; it is kept in the cache.

        Raises:
            JudgeFailed: there is none.
        """
        call = self.call(question)
        verdict = self._verdict(reply, call=call, question=question, batched=True)
        return await self._kept(verdict, question, key=self._key(call, question))

    def _check(self, question: Question) -> None:
        refused = next(refusals(self._entry, question.overrides, today=datetime.now(UTC).date()), None)
        if refused is not None:
            raise JudgeFailed("LLM_CONFIGURATION_ERROR", refused.for_clients(), is_final=True)

    def _key(self, call: Call, question: Question) -> str:
        return judgement_key(call, own_server=self._own_server, repeat_index=question.repeat_index)

    async def _kept(self, verdict: Verdict, question: Question, *, key: str) -> Verdict:
        if self._cache is not None:
            await self._cache.record(key, _recording(verdict, question, model=self.model))
        return verdict

    async def _ask(self, call: Call, question: Question) -> Verdict:
        """Ask the provider for a verdict.

        Raises:
            JudgeFailed: there is none.
        """
        if question.was_begun:
            message = f"the service ended while the question was under way; {MAY_BE_CHARGED}"
            raise JudgeFailed("LLM_PROVIDER_UNAVAILABLE", message, spent=Spent(cost=None), is_interrupted=True)
        return self._verdict(await self._reply(call, question), call=call, question=question)

    def _verdict(self, reply: Reply, *, call: Call, question: Question, batched: bool = False) -> Verdict:
        """The verdict in a reply.

        Raises:
            JudgeFailed: there is none.
        """
        spent = self._spent(reply, call, batched=batched)
        if reply.end is End.UNREADABLE:
            message = "the provider's answer is not of its API's form"
            raise JudgeFailed("LLM_PROVIDER_API_ERROR", message, spent=spent)
        if reply.end is End.REFUSED:
            raise JudgeFailed("LLM_INVALID_RESPONSE", "the model refused to judge", spent=spent)
        if reply.end is End.CUT:
            raise JudgeFailed(
                "LLM_CONTENT_TOO_LONG",
                "the answer was cut off at its limit of tokens; --llm-max-tokens sets a higher one",
                spent=spent,
            )
        try:
            answer = read_answer(reply.text)
        except UnreadableAnswer as unreadable:
            begins = beginning(reply.text, prompt=question.prompt, secret=self._access.key)
            message = f"{unreadable.message}; it begins {begins}" if reply.text.strip() else "the answer is empty"
            raise JudgeFailed(unreadable.error_code, message, spent=spent) from None
        return Verdict(
            winner=answer.winner,
            justification=answer.justification,
            confidence=answer.confidence,
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cached_tokens=spent.cached_tokens,
            cost=spent.cost,
            served=reply.served,
            seconds=reply.seconds,
            chance=reply.chance if reply.chance and reply.chance.winner == answer.winner else None,
            fallback=None if self.model.answers or self._form is AnswerForm.SCHEMA else self._form,
        )

    def call(self, question: Question) -> Call:
        """The call by which the model is asked a question."""
        overrides = question.overrides
        call = call_of(self.model, question.prompt, shared=question.shared, overrides=overrides, form=self._form)
        asks = question.wants_probability and self.model.tells_probabilities(call.effort, own_server=self._own_server)
        return replace(call, log_probabilities=True) if asks else call

    async def _reply(self, call: Call, question: Question) -> Reply:
        limits = self._rate_limiter.limits
        tokens = math.ceil(len(call.system + call.prompt) / _CHARACTERS_PER_TOKEN) + _USUAL_ANSWER_TOKENS
        sent = is_begun = False
        clock = asyncio.get_running_loop().time

        async def ask() -> Reply:
            nonlocal sent, is_begun
            if not is_begun:  # what waits for its turn was not asked, whatever happens now
                await question.begin()
                is_begun = True
            sent, began = True, clock()
            reply = await self._negotiated(call)
            return replace(reply, seconds=clock() - began)

        async def attempt() -> Reply:
            nonlocal sent
            sent = False
            return await self._attempted(ask, question, tokens=tokens, patience=patience)

        try:
            async with asyncio.timeout(limits.patience_seconds) as patience:
                return await _repeated(attempt, at_most=limits.attempts)
        except AttemptFailed as failed:
            spent = Spent(cost=None) if failed.retry is Retry.CLIENT else None
            is_final = failed.retry is Retry.NEVER
            raise JudgeFailed(failed.error_code, failed.message, spent=spent, is_final=is_final) from None
        except TimeoutError:
            message = f"the provider gave no usable answer within {limits.patience_seconds:g} s"
            message += f"; {MAY_BE_CHARGED}" if sent else ""  # an attempt is under way
            spent = Spent(cost=None) if sent else None
            raise JudgeFailed("LLM_PROVIDER_UNAVAILABLE", message, spent=spent) from None

    async def _attempted(
        self, ask: Callable[[], Awaitable[Reply]], question: Question, *, tokens: int, patience: asyncio.Timeout
    ) -> Reply:
        """One attempt within the provider's limits.

        Raises:
            AttemptFailed: there is no answer.
        """
        try:
            return await self._rate_limiter.through(ask, tokens=tokens, patience=patience)
        except AttemptFailed as failed:
            if failed.is_refusal:
                question.give_way()
            raise

    async def _negotiated(self, call: Call) -> Reply:
        """One attempt; while the server rejects the request, it is asked for less.

        Raises:
            AttemptFailed: there is no answer.
        """
        while True:
            form, asks = self._form, call.log_probabilities and self._tells_probabilities
            try:
                as_asked = (form, asks) == (call.form, call.log_probabilities)
                reply = await self._client.ask(call if as_asked else replace(call, form=form, log_probabilities=asks))
            except AttemptFailed as failed:
                if not failed.is_rejection or not self._asks_for_less(form, asked_for_probabilities=asks):
                    raise
            else:
                self._is_negotiable = False
                return reply

    def _asks_for_less(self, form: AnswerForm, *, asked_for_probabilities: bool) -> bool:
        """After a rejection: no probabilities, then the next form of the answer; false if nothing is left to try."""
        if asked_for_probabilities:
            self._tells_probabilities = False
            log.warning("the server rejected a request; it is asked for no probabilities", model=self.model.id)
            return True
        if not self._is_negotiable or form is AnswerForm.TEXT:
            return False
        if form is self._form:  # no other call has tried the next form meanwhile
            self._form = AnswerForm.JSON if form is AnswerForm.SCHEMA else AnswerForm.TEXT
            # It may have been the form alone that was rejected.
            self._tells_probabilities = True
            log.warning(
                "the server rejected a request; the next form of the answer is tried",
                model=self.model.id,
                rejected=form.value,
                tried=self._form.value,
            )
        return True

    def _spent(self, reply: Reply, call: Call, *, batched: bool) -> Spent:
        usage = reply.usage
        if usage is None or not _is_credible(usage, reply=reply, call=call):
            return Spent(cost=None)
        cost = self.model.cost(usage, batched=batched)
        return Spent(
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cached_tokens=usage.cached,
            cost=None if cost is None else float(cost),
        )


def call_of(
    model: Model, prompt: str, *, shared: tuple[int, ...] = (), overrides: LLMConfigOverrides, form: AnswerForm
) -> Call:
    """The call by which a model is asked."""
    return Call(
        model=model,
        system=_system(overrides, prompt),
        prompt=prompt,
        shared=shared,
        max_tokens=overrides.max_tokens_override or model.max_tokens,
        form=form,
        temperature=overrides.temperature_override,
        effort=overrides.reasoning_effort,
        verbosity=overrides.output_verbosity,
    )


def _is_credible(usage: Usage, *, reply: Reply, call: Call) -> bool:
    """Whether a provider counts at least as many tokens as the texts must have."""
    read, written = len((call.system + call.prompt).encode()), len(reply.text.encode())
    return usage.prompt * _MOST_BYTES_PER_TOKEN >= read and usage.completion * _MOST_BYTES_PER_TOKEN >= written


async def _repeated(attempt: Callable[[], Awaitable[Reply]], *, at_most: int) -> Reply:
    """The reply of the first attempt that has one, with pauses between them.

    Only after a failure is the library set up: each time it leaves 36 objects that Python has to look for.

    Raises:
        AttemptFailed: of the last attempt.
    """
    failed = []
    try:
        return await attempt()
    except AttemptFailed as error:
        failed.append(error)
    async for again in stamina.retry_context(
        on=_wait, attempts=at_most, timeout=None, wait_initial=_FIRST_WAIT, wait_max=_LONGEST_WAIT
    ):
        with again:
            if failed:
                raise failed.pop()  # counted there, too
            return await attempt()
    raise AssertionError("an attempt returns or raises")


def _wait(error: Exception) -> bool | float:
    """Whether to try again; the seconds to wait, if the provider gives them."""
    if not isinstance(error, AttemptFailed) or error.retry is not Retry.HERE:
        return False
    # Calls that were refused in one instant do not come again in one instant.
    return True if error.wait is None else error.wait * (1 + random.random() / 4)  # noqa: S311 - no secret


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
        cached_tokens=verdict.cached_tokens,
        cost_usd=verdict.cost,
        request_id=question.request_id,
        recorded_at=datetime.now(UTC),
        prompt_sha256=text_sha256(question.prompt),
        served_model=served.model,
        system_fingerprint=served.fingerprint,
        probability_a=None if verdict.chance is None else verdict.chance.probability_a,
        probability_is_bound=verdict.chance is not None and verdict.chance.is_bound,
    )


def _chance(judgement: Recording) -> AnswerChance | None:
    if judgement.probability_a is None:
        return None
    return AnswerChance(
        winner=judgement.winner, probability_a=judgement.probability_a, is_bound=judgement.probability_is_bound
    )


def _paid(judgement: Recording) -> Verdict:
    """The answer to this very question, which was kept before the service ended."""
    return Verdict(
        winner=judgement.winner,
        justification=judgement.justification,
        confidence=judgement.confidence,
        prompt_tokens=judgement.prompt_tokens,
        completion_tokens=judgement.completion_tokens,
        cached_tokens=judgement.cached_tokens,
        cost=judgement.cost_usd,
        served=served_by(judgement.served_model, judgement.system_fingerprint),
        chance=_chance(judgement),
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
        served=served_by(judgement.served_model, judgement.system_fingerprint),
        chance=_chance(judgement),
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
    answers = call.model.answers or AnswerForm.SCHEMA
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
        # As the user's file says it, not as a server takes it: that is not known before it is asked.
        "answers": answers,
        "schema": answer_schema() if answers is AnswerForm.SCHEMA else None,
        "repeat_index": repeat_index,
    }
    return hashlib.sha256(orjson.dumps(question, option=orjson.OPT_SORT_KEYS)).hexdigest()
