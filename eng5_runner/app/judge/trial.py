"""Preflight's last check: the judge's provider is asked for one tiny answer, and what is wrong is named.

Only an embedded stack's judges are asked, as their keys and addresses are here. A given LLM provider service can be
asked for its health and its models only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from eng5_runner.app.judge.check import known_judge
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.events import JudgeCheck
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.judges.compatibility import close_names
from eng5_runner.judges.credentials import Access, Place, access_to, is_loopback, without_password
from eng5_runner.judges.manifest import Model, with_concurrency
from eng5_runner.judges.trial import trial_at_most_usd
from eng5_runner.judges.verdicts import UnreadableAnswer, read_answer
from eng5_runner.planning.candidates import lengths_of, prompt_size
from eng5_runner.planning.plan import seconds_by_one_answer
from eng5_runner.planning.pricing import ModelPricing, longest_pair_tokens
from eng5_runner.reports.figures import in_time
from eng5_runner.run.ports import Check, Findings
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, End, ListedModel, Reply, Retry
from eng5_runner.stack.llm.providers.trial import Trial, try_judge

_LATER = "Try again later, or leave this check out with --no-judge-check."


def trial_checks(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> Iterator[tuple[str, Check]]:
    """The check of each judge, where the run is judged by a language model of an embedded stack.

    Args:
        spec: of the run.
        inputs: of the run.
        texts: sha256 → bytes; empty where they were not read again.
    """
    if spec.send and spec.target.stack == "embedded" and spec.judge_check and spec.judge is not None:
        for one in spec.of_each_judge():
            yield "judge's answer", partial(_check_answer, one, inputs, texts=texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who was asked, and what came of it."""

    model: Model
    place: Place
    access: Access
    trial: Trial

    @property
    def who(self) -> str:
        """The provider and its address, for messages."""
        return f"{self.model.provider.value} at {without_password(self.access.url)}"


async def _check_answer(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> Findings:
    known = known_judge(spec, with_concurrency(os.environ, spec.judge_concurrency))
    findings = Findings()
    # The rubric belongs to the study's texts, which the question has none of.
    overrides = (spec.judge or LLMConfigOverrides()).model_copy(update={"judge_rubric_override": None})
    if known.model is None or known.place is None:
        return findings
    model, limits = known.model, known.limits
    access = access_to(model.provider, os.environ, timeout_seconds=limits.timeout_seconds)
    if access is None:
        return findings  # the check of the keys says so
    most, limit = trial_at_most_usd(known.entry, overrides), spec.budget.max_cost_usd
    if most is not None and limit is not None and 2 * most > limit:
        findings.warn(
            f"the judge was not asked for a test answer, which may cost {most:.4f} of the {limit:g} USD",
            remedy="Go on, or give a higher --max-cost.",
        )
        return findings
    wants_probability = spec.budget.soft_judgements == "auto"
    trial = await try_judge(model, access, overrides=overrides, wants_probability=wants_probability)
    asked = _Asked(model=model, place=known.place, access=access, trial=trial)
    findings.judge_check = _cost(asked, most=float(most or 0.0))
    try:
        if trial.failure is not None:
            _judge_failure(asked, trial.failure, findings)
        elif trial.reply is not None:
            _judge_reply(asked, trial.reply, findings, wants_probability=wants_probability)
    except RunnerError as error:
        # Whatever the answer was, it may be the proxy's own.
        raise type(error)(error.message, remedy=error.remedy + _proxy(asked)) from error
    if trial.reply is not None and trial.reply.seconds is not None:
        took, pricing = trial.reply.seconds, ModelPricing.of(known, overrides)
        study = seconds_by_one_answer(spec, inputs, pricing=pricing, seconds=took)
        stated = pricing.answer_seconds
        by = "that" if stated is None else f"the {stated:g} s that the file of models states"
        findings.checks.append(
            f"the answer took {took:.1f} s; by {by} the study takes {in_time(study.low)} to {in_time(study.high)}"
        )
    if texts:
        context = _context_of(model, trial.listed) or known.entry.context_window
        _judge_length(spec, inputs, texts=texts, context=context, findings=findings, who=asked.who)
    return findings


def _cost(asked: _Asked, *, most: float) -> JudgeCheck | None:
    """What counts as the cost: the most where it is not known, and nothing where nothing can be charged."""
    reply, failure = asked.trial.reply, asked.trial.failure
    if reply is None:
        return JudgeCheck(usd=most) if failure is not None and failure.retry is Retry.CLIENT and most else None
    usage = reply.usage
    if usage is None:
        return JudgeCheck(usd=most)
    cost = asked.model.cost(usage)
    usd = most if cost is None else float(cost)
    return JudgeCheck(usd=usd, prompt_tokens=usage.prompt, completion_tokens=usage.completion)


def _judge_reply(asked: _Asked, reply: Reply, findings: Findings, *, wants_probability: bool) -> None:
    if reply.end is End.UNREADABLE:
        _refuse_address(asked, "its answer is not one of the API")
    named = f" ({reply.served.model})" if reply.served and reply.served.model else ""
    findings.checks.append(f"{asked.who} answers for {asked.model.id}{named}")
    if reply.end is End.REFUSED:
        findings.warn(f"{asked.model.id} refused a harmless test question", remedy="Look at its --system-prompt.")
    elif reply.end is End.DONE:
        try:
            answer = read_answer(reply.text)
        except UnreadableAnswer as unreadable:
            remedy = "If the run fails too, set the model's `answers` in ENG5_MODELS_FILE; see docs/judges.md."
            findings.warn(
                f"{asked.model.id} did not keep to the form of an answer: {unreadable.message}", remedy=remedy
            )
        else:
            if wants_probability and (reply.chance is None or reply.chance.winner != answer.winner):
                _no_probability(asked, findings)


def _no_probability(asked: _Asked, findings: Findings) -> None:
    """Say what the run does without log-probabilities; a warning if the model was expected to tell them."""
    instead = "the confidence that the judge states is used where it helps"
    if not asked.trial.asked_for_probabilities:
        findings.checks.append(f"{asked.model.id} is not asked for log-probabilities: {instead}")
        return
    findings.warn(
        f"{asked.who} gives no log-probabilities with the answers of {asked.model.id}",
        remedy=f"The run goes on: {instead}. With --soft-judgements off it asks for none and counts wins.",
    )


def _judge_failure(asked: _Asked, failure: AttemptFailed, findings: Findings) -> None:
    """Name what is wrong; a warning where the run may succeed all the same.

    Raises:
        RunnerError: the run would fail.
    """
    place, status = asked.place, failure.status
    if failure.error_code == "LLM_PROVIDER_UNAVAILABLE" and status is None and failure.retry is Retry.HERE:
        remedy = f"Start that server, or correct {place.base_url}." if asked.access.own_server else "Check the network."
        raise ServiceUnavailable(f"{asked.who} cannot be reached: {failure.message}.", remedy=remedy)
    if status in (401, 403) and failure.error_code == "LLM_CONFIGURATION_ERROR":
        key = f"the key in {place.key}" if asked.access.key else f"a request without a key; {place.key} is not set"
        raise NotAllowed(f"{asked.who} does not accept {key} ({status}).", remedy=f"Set {place.key} to a valid key.")
    names = [listed.id for listed in asked.trial.listed]
    if names and asked.model.id not in names and status in (400, 404, 422):
        near = ", ".join(close_names(asked.model.id, names))
        raise ConfigurationError(f"{asked.who} has no model {asked.model.id}.", remedy=f"It has {near}.")
    if status in (404, 405):
        _refuse_address(asked, failure.message)
    if failure.error_code == "LLM_COST_LIMIT_EXCEEDED":
        raise NotAllowed(f"{asked.who}: {failure.message}.", remedy="Pay in, or choose another judge.")
    if failure.error_code in ("LLM_CONFIGURATION_ERROR", "LLM_CONTENT_TOO_LONG"):
        raise ConfigurationError(
            f"{asked.who} does not take a test question: {failure.message}.",
            remedy="Change the judge's options, or its entry in ENG5_MODELS_FILE.",
        )
    if failure.unhealthy and status is not None:
        raise ServiceUnavailable(f"{asked.who} does not work now: {failure.message}.", remedy=_LATER)
    remedy = "The run asks again, as long as docs/judges.md says."
    if failure.error_code == "LLM_PROVIDER_TIMEOUT":
        remedy = (
            f"The study's calls have as long, {asked.access.timeout_seconds:g} s each. If the judge needs longer, set"
            " timeout_seconds in ENG5_MODELS_FILE; see docs/judges.md."
        )
    findings.warn(f"{asked.who} gave no answer to a test question: {failure.message}", remedy=remedy + _proxy(asked))


def _refuse_address(asked: _Asked, why: str) -> NoReturn:
    variable, url = asked.place.base_url, without_password(asked.access.url)
    if not asked.access.own_server:
        raise ConfigurationError(
            f"{asked.who} cannot be asked for {asked.model.id}: {why}.",
            remedy="Check the model's name; the key may not be allowed to use it.",
        )
    if asked.trial.elsewhere is not None:
        raise ConfigurationError(
            f"There is no such API at {url}: {why}.",
            remedy=f"Set {variable} to {without_password(asked.trial.elsewhere)}.",
        )
    ending = "" if urlsplit(url).path.rstrip("/").endswith("/v1") else " It mostly ends with /v1."
    raise ConfigurationError(
        f"There is no such API at {url}, or no model {asked.model.id}: {why}.",
        remedy=f"Check {variable}, which is the address before /chat/completions.{ending}",
    )


def _proxy(asked: _Asked) -> str:
    """That requests to this address go through a proxy, which may not know it."""
    parts = urlsplit(asked.access.url)
    host, proxy = parts.hostname or "", getproxies().get(parts.scheme)
    if not proxy or not host or is_loopback(asked.access.url) or proxy_bypass(host):
        return ""
    variable = f"{parts.scheme.upper()}_PROXY"
    return f" Requests to it go through the proxy of {variable}; NO_PROXY={host} leaves it out."


def _context_of(model: Model, listed: Sequence[ListedModel]) -> int | None:
    return next((each.context for each in listed if each.id == model.id), None)


def _judge_length(
    spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes], context: int | None, findings: Findings, who: str
) -> None:
    """Whether the longest pair fits into the model's context.

    Raises:
        ConfigurationError: it does not, however few tokens its characters are.
    """
    if context is None:
        return
    tokens = longest_pair_tokens(prompt_size(spec, inputs, lengths=lengths_of(texts)), language=spec.study.language)
    if tokens.low > context:
        raise ConfigurationError(
            f"The longest pair has at least {tokens.low:.0f} tokens, and the context of {who} has {context}.",
            remedy="Start the server with a longer context, shorten the texts, or choose another model.",
        )
    if tokens.high > context:
        findings.warn(
            f"the longest pair has up to {tokens.high:.0f} tokens, and the context of {who} has {context}",
            remedy="If pairs fail with LLM_CONTENT_TOO_LONG, start the server with a longer context.",
        )
