"""Asks a judge's provider once, with the client that the service uses, before a run sends anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import product

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.judges.credentials import Access
from eng5_runner.judges.manifest import AnswerForm, Model
from eng5_runner.judges.trial import TRIAL_TOKENS, trial_prompt
from eng5_runner.stack.llm.providers.judge import call_of
from eng5_runner.stack.llm.providers.protocol import (
    AttemptFailed,
    Call,
    ListedModel,
    ProviderClient,
    Reply,
    Retry,
    too_slow,
)
from eng5_runner.stack.llm.providers.registry import client_of

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_LIST_SECONDS = 60.0
# Where the API is on most servers, if the address does not lead to it.
_USUAL_PATH = "/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of the trial question; either `reply` or `failure` is there.

    Attributes:
        asked_for_probabilities: whether the first attempt asked for the log-probabilities of the answer's tokens.
        listed: the models in the API's own list; empty if it has none.
        elsewhere: another address at which there is such a list, where this one has none.
    """

    reply: Reply | None = None
    failure: AttemptFailed | None = None
    asked_for_probabilities: bool = False
    listed: tuple[ListedModel, ...] = ()
    elsewhere: str | None = None


async def try_judge(
    model: Model, access: Access, *, overrides: LLMConfigOverrides, wants_probability: bool = False
) -> Trial:
    """Ask the trial question, as the questions of the study will be asked, and for the API's list of models.

    Args:
        model: that judges.
        access: to its provider.
        overrides: the run's settings of the judge.
        wants_probability: whether the study's questions ask for the probability of the answer.
    """
    call = call_of(model, trial_prompt(), overrides=overrides, form=model.answers or AnswerForm.SCHEMA)
    call = replace(call, max_tokens=min(call.max_tokens, TRIAL_TOKENS))
    client = client_of(model.provider, access)
    # As in the study, a server whose form of answers is not known may take a simpler one.
    forms = tuple(AnswerForm) if access.own_server and model.answers is None else (call.form,)
    asks = wants_probability and model.tells_probabilities(call.effort, own_server=access.own_server)
    try:
        for form, probabilities in product(forms, (True, False) if asks else (False,)):
            call = replace(call, form=form, log_probabilities=probabilities)
            asked = await _asked(client, call, seconds=access.timeout_seconds)
            if isinstance(asked, Reply) or not asked.is_rejection:
                break
        if isinstance(asked, AttemptFailed) and asked.status is None:
            return Trial(failure=asked)  # nobody answers there
        listed = await _listed(client, access.url)
        elsewhere = None
        if not listed and model.provider is not Provider.ANTHROPIC and not isinstance(asked, Reply):
            usual = access.url.rstrip("/") + _USUAL_PATH
            elsewhere = usual if await _listed(client, usual) else None
    finally:
        await client.close()
    if isinstance(asked, Reply):
        return Trial(reply=asked, listed=listed, asked_for_probabilities=asks)
    return Trial(failure=asked, listed=listed, elsewhere=elsewhere)


async def _asked(client: ProviderClient, call: Call, *, seconds: float) -> Reply | AttemptFailed:
    """The answer, else the last failure; a provider that is busy for a moment is asked again."""
    clock = asyncio.get_running_loop().time
    for attempt in range(_ATTEMPTS):
        try:
            async with asyncio.timeout(seconds):
                began = clock()
                return replace(await client.ask(call), seconds=clock() - began)
        except TimeoutError:
            return too_slow()
        except AttemptFailed as failed:
            is_last = attempt == _ATTEMPTS - 1
            if is_last or failed.retry is not Retry.HERE or failed.status is None:
                return failed
            await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("the last attempt returns")


async def _listed(client: ProviderClient, url: str) -> tuple[ListedModel, ...]:
    try:
        async with asyncio.timeout(_LIST_SECONDS):
            return await client.models(url)
    except (AttemptFailed, TimeoutError):
        return ()
