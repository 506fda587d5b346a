"""The stage preflight: run all checks in order."""

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
from eng5_runner.run.preflight.judge import check_judge_known, system_prompt_notes
from eng5_runner.run.preflight.study_options import check_study_options

# A check is skipped if one of these failed.
_NEEDS = MappingProxyType({
    "judge": frozenset(("LLM provider", "keys")),
    "judge's answer": frozenset(("keys",)),
    "design and budget": frozenset(("CJ service",)),
    "assignment": frozenset(("CJ service", "Content Service", "login")),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        about: the subject of the check, in two or three words.
        facts: one sentence for each thing that is as it should be.
        warnings: problems that do not stop a run.
        remedies: what to do about a warning, by its text.
        error: the problem that stops a run, with its remedy.
    """

    about: str
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    remedies: Mapping[str, str] = field(default_factory=dict)
    error: RunnerError | None = None


# The CJ service's monitor starts the next wave of a batch every five minutes.
SILENT_SECONDS = 300.0


async def preflight(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports
) -> AsyncIterator[Sequence[Update]]:
    """Yield PreflightPassed, or raise the first error that stops the run.

    Raises:
        ServiceUnavailable: a service cannot be reached or does not answer.
        NotAllowed: a service refuses us.
        ConfigurationError: a topic, assignment, anchor or model is missing.
    """
    yield [Notice(kind="stage", text="checking the services")]
    total = Findings()
    for _, check in _checks(spec, inputs=inputs, texts=texts, ports=ports):
        findings = await check()
        total.checks += findings.checks
        total.warnings += [_with_remedy(text, findings.remedies) for text in findings.warnings]
        total.rows += findings.rows
        total.expects_result &= findings.expects_result
        if findings.judge_check is not None:
            total.judge_check = findings.judge_check.plus(total.judge_check)
        total.comparison_at_most_usd = total.comparison_at_most_usd or findings.comparison_at_most_usd
        total.call_at_most_usd = total.call_at_most_usd or findings.call_at_most_usd
    yield [
        PreflightPassed(
            at=ports.clock.now(),
            checks=tuple(total.checks),
            warnings=tuple(total.warnings),
            anchor_rows=tuple(total.rows),
            comparison_at_most_usd=total.comparison_at_most_usd,
            call_at_most_usd=total.call_at_most_usd,
            judge_check=total.judge_check,
            expects_result=total.expects_result,
        )
    ]


async def examine(spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports) -> list[CheckResult]:
    """Run all checks, whatever their results; only checks that need a failed service are skipped."""
    results: list[CheckResult] = []
    for about, check in _checks(spec, inputs=inputs, texts=texts, ports=ports):
        failed = {result.about for result in results if result.error is not None}
        if failed & _NEEDS.get(about, frozenset()):
            continue
        try:
            findings = await check()
        except RunnerError as error:
            results.append(CheckResult(about=about, error=error))
        else:
            facts, warnings = tuple(findings.checks), tuple(findings.warnings)
            results.append(CheckResult(about=about, facts=facts, warnings=warnings, remedies=findings.remedies))
    return results


def _checks(spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], ports: Ports) -> Iterator[tuple[str, Check]]:
    content, broker, models, cj = ports.content, ports.broker, ports.models, ports.cj
    yield from ports.local_checks
    if content is not None and spec.uploads:
        yield "Content Service", partial(_check_content, content, clock=ports.clock)
    if broker is not None:
        yield "Kafka topics", partial(_check_broker, broker)
    if models is not None:
        yield "LLM provider", partial(_check_llm_provider, models, clock=ports.clock)
        for one in spec.of_each_judge():
            yield "judge", partial(check_judge_known, one, models=models, clock=ports.clock)
    elif broker is not None:
        yield "judge", partial(_warn_of_unchecked_judge, spec)
    if cj is not None:
        yield "CJ service", partial(_check_cj, spec, cj=cj, clock=ports.clock)
        check = partial(check_study_options, spec, inputs=inputs, texts=texts, cj=cj, models=models)
        yield "design and budget", check
        yield "assignment", partial(ask_assignment, spec, inputs=inputs, texts=texts, cj=cj, content=content)
    yield from ports.last_checks


def _with_remedy(text: str, remedies: Mapping[str, str]) -> str:
    return f"{text}. {remedies[text]}" if text in remedies else text


async def _check_content(content: ContentStore, *, clock: Clock) -> Findings:
    findings = Findings(checks=["the Content Service is up"])
    compare_clocks(findings, name="Content Service", alive=await content.check_health(), clock=clock, has_token=False)
    return findings


async def _check_broker(broker: Broker) -> Findings:
    topology = await broker.topology(tuple(Topic))
    partitions = ", ".join(f"{topic} {count}" for topic, count in topology.partitions.items())
    text = f"Kafka cluster {topology.cluster_id} has all {len(topology.partitions)} topics; partitions: {partitions}"
    return Findings(checks=[text])


async def _check_llm_provider(models: Models, *, clock: Clock) -> Findings:
    alive = await models.check_health()
    findings = Findings()
    if alive.health is None:
        text = "the LLM provider service answers 503 to its health check"
        findings.warn(text, remedy="With a mock judge this is normal. Otherwise see its log.")
    else:
        findings.checks.append("the LLM provider service is up")
    compare_clocks(findings, name="LLM provider service", alive=alive, clock=clock, has_token=False)
    return findings


async def _warn_of_unchecked_judge(spec: RunSpec) -> Findings:
    findings = Findings(checks=list(system_prompt_notes(spec)))
    text = "provider and model were not checked, and the CJ service never answers if it does not know them"
    findings.warn(text, remedy="Give --llm-provider-service-url.")
    return findings


async def _check_cj(spec: RunSpec, *, cj: AssignmentRegistry, clock: Clock) -> Findings:
    findings = Findings(checks=["the CJ service is up"])
    has_token = spec.study.assignment_id is not None
    compare_clocks(findings, name="CJ service", alive=await cj.check_health(), clock=clock, has_token=has_token)
    idle = spec.timeouts.idle
    if spec.timeouts.await_completion and spec.target.stack == "remote" and idle <= SILENT_SECONDS:
        text = (
            f"the CJ service may be silent for {SILENT_SECONDS:.0f} s between waves, and --idle-timeout is {idle:.0f} s"
        )
        findings.warn(text, remedy=f"Set --idle-timeout to more than {SILENT_SECONDS:.0f}.")
    return findings
