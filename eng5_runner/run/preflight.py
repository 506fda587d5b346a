"""Preflight: whatever would make the services fall silent later is asked now.

The CJ service says nothing at all when the provider is unknown, when texts are missing or when it was not listening
yet, so a run finds out beforehand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import TypeAlias

from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord, Instructions
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.canonical import sha256_hex
from eng5_runner.core.events import AnchorRow, PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError, RunnerError
from eng5_runner.run.ports import Broker, CJService, Clock, ContentStore, Models, Notice, Ports, Told


@dataclass(slots=True)
class _Findings:
    """What one question found."""

    checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[AnchorRow] = field(default_factory=list)


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


Question: TypeAlias = Callable[[], Awaitable[_Findings]]


async def preflight(spec: RunSpec, *, inputs: Inputs, ports: Ports) -> AsyncIterator[Sequence[Told]]:
    """Yield PreflightPassed, or raise the first thing that stands in the way.

    Raises:
        ServiceUnavailable: a service is not there.
        NotAllowed: a service does not let us.
        ConfigurationError: a topic, assignment, anchor or model is missing.
    """
    yield [Notice(kind="stage", text="asking the services")]
    found = _Findings()
    for _, ask in _questions(spec, inputs=inputs, ports=ports):
        answer = await ask()
        found.checks += answer.checks
        found.warnings += answer.warnings
        found.rows += answer.rows
    yield [_passed(found, ports.clock)]


async def examine(spec: RunSpec, *, inputs: Inputs, ports: Ports) -> list[Examined]:
    """Ask all the same questions, whatever the answers."""
    examined = []
    for about, ask in _questions(spec, inputs=inputs, ports=ports):
        try:
            answer = await ask()
        except RunnerError as error:
            examined.append(Examined(about=about, error=error))
        else:
            examined.append(Examined(about=about, facts=tuple(answer.checks), warnings=tuple(answer.warnings)))
    return examined


def _questions(spec: RunSpec, *, inputs: Inputs, ports: Ports) -> Iterator[tuple[str, Question]]:
    content, broker, models, cj = ports.content, ports.broker, ports.models, ports.cj
    if content is not None and spec.uploads:
        yield "Content Service", partial(_ask_content, content)
    if broker is not None:
        yield "Kafka topics", partial(_ask_broker, broker)
    if models is not None:
        yield "judge", partial(_ask_models, spec, models)
    if cj is not None:
        yield "CJ service", partial(_ask_cj, cj)
        yield "assignment", partial(_ask_assignment, spec, inputs=inputs, cj=cj, content=content)


def _passed(found: _Findings, clock: Clock) -> PreflightPassed:
    return PreflightPassed(
        at=clock.now(),
        checks=tuple(found.checks),
        warnings=tuple(found.warnings),
        anchor_rows=tuple(found.rows),
    )


async def _ask_content(content: ContentStore) -> _Findings:
    await content.check_health()
    return _Findings(checks=["the Content Service is up"])


async def _ask_broker(broker: Broker) -> _Findings:
    topology = await broker.topology(tuple(Topic))
    return _Findings(checks=[f"Kafka cluster {topology.cluster_id} has all {len(topology.partitions)} topics"])


async def _ask_models(spec: RunSpec, models: Models) -> _Findings:
    return _Findings(checks=[await _check_model(spec, models)])


async def _ask_cj(cj: CJService) -> _Findings:
    await cj.check_health()
    return _Findings(checks=["the CJ service is up"])


async def _ask_assignment(spec: RunSpec, *, inputs: Inputs, cj: CJService, content: ContentStore | None) -> _Findings:
    found = _Findings()
    await _check_assignment(spec, inputs=inputs, cj=cj, content=content, found=found)
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


async def _check_assignment(
    spec: RunSpec, *, inputs: Inputs, cj: CJService, content: ContentStore | None, found: _Findings
) -> None:
    if spec.study.assignment_id is None:
        found.checks.append("guest run: anchors are sent as essays, grades are projected by the runner")
        return
    assignment = str(spec.study.assignment_id)
    instructions = await cj.instructions(assignment)
    if instructions is None:
        raise ConfigurationError(
            f"The CJ service has no instructions for the assignment {assignment}.",
            remedy="Check --assignment-id, or leave it out for a guest run.",
        )
    _check_scale(spec, instructions)
    listing = await cj.anchors(assignment)
    found.rows.extend(await _match_anchors(listing, inputs=inputs, content=content, found=found))
    found.checks.append(f"assignment {assignment} is known with {len(found.rows)} anchors, all among ours")
    if inputs.grade_scale == "eng5_np_national_9_step":
        found.warnings.append("on the national scale the present CJ service sends no result; estimates will be ours")
    _check_rubric(spec, instructions)


def _check_scale(spec: RunSpec, instructions: Instructions) -> None:
    for expected in (spec.study.expected_grade_scale, spec.study.grade_scale):
        if expected not in (None, instructions.grade_scale):
            raise ConfigurationError(
                f"The assignment's grade scale is {instructions.grade_scale}, not {expected}.",
                remedy="Choose it with --grade-scale, or another assignment.",
            )


def _check_rubric(spec: RunSpec, instructions: Instructions) -> None:
    has_rubric = spec.judge is not None and spec.judge.judge_rubric_override is not None
    if has_rubric and instructions.context_origin == "canonical_national":
        raise ConfigurationError(
            "The assignment is a canonical national one, whose rubric cannot be replaced.",
            remedy="Leave --rubric out, or use a research assignment.",
        )


async def _match_anchors(
    listing: AnchorListing, *, inputs: Inputs, content: ContentStore | None, found: _Findings
) -> list[AnchorRow]:
    """Which of our anchors each of the service's rows is: by text, else by label.

    Raises:
        ConfigurationError: a row is none of ours, or carries another grade.
    """
    by_text = {anchor.text_sha256: anchor for anchor in inputs.anchors}
    by_label = {anchor.label.casefold(): anchor for anchor in inputs.anchors}
    rows = []
    for row in listing.anchors:
        text = None if content is None else await content.download(row.text_storage_id)
        anchor = None if text is None else by_text.get(sha256_hex(text))
        if anchor is None:
            anchor = by_label.get(row.anchor_label.casefold())
            why = "its text could not be fetched" if text is None else "its text differs"
            found.warnings.append(f"the service's anchor {row.anchor_label} is known by its label only: {why}")
        if anchor is None:
            raise _stranger(row)
        if anchor.grade != row.grade:
            raise ConfigurationError(
                f"The anchor {row.anchor_label} has the grade {row.grade} in the CJ service and {anchor.grade} here.",
                remedy="Correct the anchor table or register the anchors anew.",
            )
        rows.append(AnchorRow(row_id=row.id, anchor_id=anchor.anchor_id))
    if not rows:
        raise ConfigurationError("The assignment has no anchors in the CJ service.", remedy="Register them first.")
    there = {row.anchor_id for row in rows}
    if lacking := [anchor.label for anchor in inputs.anchors if anchor.anchor_id not in there]:
        found.warnings.append(f"the service lacks {len(lacking)} of our anchors: {', '.join(lacking[:10])}")
    return rows


def _stranger(row: AnchorOnRecord) -> ConfigurationError:
    return ConfigurationError(
        f"The CJ service has an anchor {row.anchor_label} (row {row.id}) that is not among the local ones.",
        remedy="Add it to the assets folder: without it the results cannot be read.",
    )
