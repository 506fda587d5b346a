"""Preflight: whatever would make the services fall silent later is asked now.

The CJ service says nothing at all when the provider is unknown, when texts are missing or when it was not listening
yet, so a run finds out beforehand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TypeAlias

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError, RunnerError
from eng5_runner.run.ports import Broker, CJService, Clock, ContentStore, Models, Notice, Ports, Told
from eng5_runner.run.preflight_assignment import Findings, ask_assignment
from eng5_runner.run.preflight_honours import ask_honours


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One question and its answer.

    Attributes:
        about: what was asked, in two or three words.
        facts: what is well.
        warnings: what is well enough to go on.
        error: what stands in the way, with its remedy.
    """

    about: str
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: RunnerError | None = None


# The CJ service's monitor looks every five minutes for what goes on.
SILENT_SECONDS = 300.0

Question: TypeAlias = Callable[[], Awaitable[Findings]]


async def preflight(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports
) -> AsyncIterator[Sequence[Told]]:
    """Yield PreflightPassed, or raise the first thing that stands in the way.

    Raises:
        ServiceUnavailable: a service is not there.
        NotAllowed: a service does not let us.
        ConfigurationError: a topic, assignment, anchor or model is missing.
    """
    yield [Notice(kind="stage", text="asking the services")]
    found = Findings()
    for _, ask in _questions(spec, inputs=inputs, texts=texts, ports=ports):
        answer = await ask()
        found.checks += answer.checks
        found.warnings += answer.warnings
        found.rows += answer.rows
        found.comparison_at_most_usd = found.comparison_at_most_usd or answer.comparison_at_most_usd
    yield [_passed(found, ports.clock)]


async def examine(spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports) -> list[Examined]:
    """Ask all the same questions, whatever the answers."""
    examined = []
    for about, ask in _questions(spec, inputs=inputs, texts=texts, ports=ports):
        try:
            answer = await ask()
        except RunnerError as error:
            examined.append(Examined(about=about, error=error))
        else:
            examined.append(Examined(about=about, facts=tuple(answer.checks), warnings=tuple(answer.warnings)))
    return examined


def _questions(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports
) -> Iterator[tuple[str, Question]]:
    content, broker, models, cj = ports.content, ports.broker, ports.models, ports.cj
    if content is not None and spec.uploads:
        yield "Content Service", partial(_ask_content, content)
    if broker is not None:
        yield "Kafka topics", partial(_ask_broker, broker)
    if models is not None:
        yield "judge", partial(_ask_models, spec, models)
    elif broker is not None:
        yield "judge", _ask_nobody_about_models
    if cj is not None:
        yield "CJ service", partial(_ask_cj, spec, cj)
        yield "design and budget", partial(ask_honours, spec, inputs=inputs, cj=cj, models=models)
        yield "assignment", partial(ask_assignment, spec, inputs=inputs, texts=texts, cj=cj, content=content)


def _passed(found: Findings, clock: Clock) -> PreflightPassed:
    return PreflightPassed(
        at=clock.now(),
        checks=tuple(found.checks),
        warnings=tuple(found.warnings),
        anchor_rows=tuple(found.rows),
        comparison_at_most_usd=found.comparison_at_most_usd,
    )


async def _ask_content(content: ContentStore) -> Findings:
    await content.check_health()
    return Findings(checks=["the Content Service is up"])


async def _ask_broker(broker: Broker) -> Findings:
    topology = await broker.topology(tuple(Topic))
    return Findings(checks=[f"Kafka cluster {topology.cluster_id} has all {len(topology.partitions)} topics"])


async def _ask_models(spec: RunSpec, models: Models) -> Findings:
    return Findings(checks=[await _check_model(spec, models)])


async def _ask_nobody_about_models() -> Findings:
    told = "provider and model were not checked, and the CJ service is silent about an unknown one"
    return Findings(warnings=[f"{told}: give --llm-provider-service-url"])


async def _ask_cj(spec: RunSpec, cj: CJService) -> Findings:
    await cj.check_health()
    found = Findings(checks=["the CJ service is up"])
    if spec.patience.await_completion and spec.target.stack == "remote" and spec.patience.idle <= SILENT_SECONDS:
        told = f"the CJ service may be silent for {SILENT_SECONDS:.0f} s between waves"
        found.warnings.append(f"{told}, and --idle-timeout gives up after {spec.patience.idle:.0f} s")
    return found


async def _check_model(spec: RunSpec, models: Models) -> str:
    """An unknown provider or model ends a batch without a word."""
    manifest = await models.models()
    judge = spec.judge
    if judge is None or judge.provider_override is None:
        return f"the LLM provider service knows {manifest.total_models} models; its default judges"
    provider = judge.provider_override.value
    entries = manifest.providers.get(provider)
    if entries is None:
        raise ConfigurationError(
            f"The LLM provider service does not know the provider {provider}.",
            remedy=f"It knows {', '.join(sorted(manifest.providers)) or 'none'}; choose with --llm-provider.",
        )
    ids = [entry.model_id for entry in entries]
    if judge.model_override is not None and judge.model_override not in ids:
        near = get_close_matches(judge.model_override, ids, n=3) or ids[:5]
        raise ConfigurationError(
            f"The provider {provider} has no model {judge.model_override}.",
            remedy=f"Near: {', '.join(near)}; choose with --llm-model.",
        )
    return f"the provider {provider} and its model are known"
