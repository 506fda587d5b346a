"""Preflight: whatever would make the services fall silent later is asked now.

The CJ service says nothing at all when the provider is unknown, when texts are missing or when it was not listening
yet, so a run finds out beforehand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import RunnerError
from eng5_runner.run.ports import (
    AssignmentRegistry,
    Broker,
    Check,
    Clock,
    ContentStore,
    Findings,
    Models,
    Notice,
    Ports,
    Update,
)
from eng5_runner.run.preflight.assignment import ask_assignment
from eng5_runner.run.preflight.clock import compare_clocks
from eng5_runner.run.preflight.judge import ask_judge
from eng5_runner.run.preflight.study_options import ask_honours, goes_beyond

_NEEDS = MappingProxyType({
    "judge": frozenset(("LLM provider",)),
    "design and budget": frozenset(("CJ service",)),
    "assignment": frozenset(("CJ service", "Content Service", "login")),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One question and its answer.

    Attributes:
        about: what was asked, in two or three words.
        facts: what is well.
        warnings: what is well enough to go on.
        remedies: what to do about a warning, by its text.
        error: what stands in the way, with its remedy.
    """

    about: str
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remedies: Mapping[str, str] = field(default_factory=dict)
    error: RunnerError | None = None


# The CJ service's monitor looks every five minutes for what goes on.
SILENT_SECONDS = 300.0


async def preflight(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports
) -> AsyncIterator[Sequence[Update]]:
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
        found.remedies |= answer.remedies
        found.rows += answer.rows
        found.comparison_at_most_usd = found.comparison_at_most_usd or answer.comparison_at_most_usd
    yield [_passed(found, ports.clock)]


async def examine(spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports) -> list[CheckResult]:
    """Ask all the same questions, whatever the answers; but nothing of a service that is not there."""
    examined: list[CheckResult] = []
    for about, ask in _questions(spec, inputs=inputs, texts=texts, ports=ports):
        broken = {one.about for one in examined if one.error is not None}
        if broken & _NEEDS.get(about, frozenset()):
            continue
        try:
            answer = await ask()
        except RunnerError as error:
            examined.append(CheckResult(about=about, error=error))
        else:
            facts, warnings = tuple(answer.checks), tuple(answer.warnings)
            examined.append(CheckResult(about=about, facts=facts, warnings=warnings, remedies=answer.remedies))
    return examined


def _questions(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports
) -> Iterator[tuple[str, Check]]:
    content, broker, models, cj = ports.content, ports.broker, ports.models, ports.cj
    yield from ports.here
    if content is not None and spec.uploads:
        yield "Content Service", partial(_ask_content, content, clock=ports.clock)
    if broker is not None:
        yield "Kafka topics", partial(_ask_broker, broker)
    if models is not None:
        yield "LLM provider", partial(_ask_llm_provider, models, clock=ports.clock)
        yield "judge", partial(ask_judge, spec, models=models)
    elif broker is not None:
        yield "judge", _ask_nobody_about_models
    if cj is not None:
        yield "CJ service", partial(_ask_cj, spec, cj=cj, clock=ports.clock)
        if goes_beyond(spec):
            yield "design and budget", partial(ask_honours, spec, inputs=inputs, cj=cj, models=models)
        yield "assignment", partial(ask_assignment, spec, inputs=inputs, texts=texts, cj=cj, content=content)


def _passed(found: Findings, clock: Clock) -> PreflightPassed:
    return PreflightPassed(
        at=clock.now(),
        checks=tuple(found.checks),
        warnings=tuple(_with_remedy(told, found.remedies) for told in found.warnings),
        anchor_rows=tuple(found.rows),
        comparison_at_most_usd=found.comparison_at_most_usd,
    )


def _with_remedy(told: str, remedies: Mapping[str, str]) -> str:
    return f"{told}. {remedies[told]}" if told in remedies else told


async def _ask_content(content: ContentStore, *, clock: Clock) -> Findings:
    found = Findings(checks=["the Content Service is up"])
    compare_clocks(found, name="Content Service", alive=await content.check_health(), clock=clock, has_token=False)
    return found


async def _ask_broker(broker: Broker) -> Findings:
    topology = await broker.topology(tuple(Topic))
    partitions = ", ".join(f"{topic} {count}" for topic, count in topology.partitions.items())
    told = f"Kafka cluster {topology.cluster_id} has all {len(topology.partitions)} topics; partitions: {partitions}"
    return Findings(checks=[told])


async def _ask_llm_provider(models: Models, *, clock: Clock) -> Findings:
    alive = await models.check_health()
    found = Findings()
    if alive.health is None:
        told = "the LLM provider service answers 503 on its health check"
        found.warn(told, remedy="With a mock judge it does so though it works; otherwise see its log.")
    else:
        found.checks.append("the LLM provider service is up")
    compare_clocks(found, name="LLM provider service", alive=alive, clock=clock, has_token=False)
    return found


async def _ask_nobody_about_models() -> Findings:
    found = Findings()
    told = "provider and model were not checked, and the CJ service is silent about an unknown one"
    found.warn(told, remedy="Give --llm-provider-service-url.")
    return found


async def _ask_cj(spec: RunSpec, *, cj: AssignmentRegistry, clock: Clock) -> Findings:
    found = Findings(checks=["the CJ service is up"])
    has_token = spec.study.assignment_id is not None
    compare_clocks(found, name="CJ service", alive=await cj.check_health(), clock=clock, has_token=has_token)
    if spec.timeouts.await_completion and spec.target.stack == "remote" and spec.timeouts.idle <= SILENT_SECONDS:
        told = f"the CJ service may be silent for {SILENT_SECONDS:.0f} s between waves"
        gives_up = f"and --idle-timeout gives up after {spec.timeouts.idle:.0f} s"
        found.warn(f"{told}, {gives_up}", remedy=f"Give more than {SILENT_SECONDS:.0f}.")
    return found
