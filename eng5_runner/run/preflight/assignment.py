"""Preflight checks of the assignment: its instructions, grade scale, rubric, prompt and anchors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from eng5_runner.contracts.services import AnchorListing, Instructions
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.effects.cj_admin import same_text
from eng5_runner.errors import ConfigurationError, ServiceUnavailable
from eng5_runner.phrases import counted
from eng5_runner.run.ports import AssignmentRegistry, ContentStore, Findings
from eng5_runner.run.preflight.anchors import anchor_rows, anchor_warnings, recognise, register_missing, respaced


async def ask_assignment(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], cj: AssignmentRegistry, content: ContentStore | None
) -> Findings:
    """Check that the assignment has the scale, rubric and anchors that the run expects.

    Raises:
        ConfigurationError: it does not.
        ServiceUnavailable: the CJ service does not answer.
        NotAllowed: it does not accept the token.
        RunnerError: anchors were to be registered, and are not stored.
    """
    findings = Findings()
    if spec.study.assignment_id is None:
        findings.checks.append("guest run: anchors are sent as essays, grades are projected by the runner")
        return findings
    assignment = str(spec.study.assignment_id)
    instructions = await cj.instructions(assignment)
    if instructions is None:
        raise ConfigurationError(
            f"The CJ service has no instructions for the assignment {assignment}.",
            remedy="Check --assignment-id, or leave it out for a guest run.",
        )
    _check_scale(spec, instructions)
    _check_rubric(spec, instructions)
    read = partial(recognise, inputs=inputs, texts=texts, content=content, are_private=spec.pseudonyms is not None)
    recognised = await read(await _listing(cj, assignment))
    replace = spec.study.replace_anchors
    if spec.study.register_anchors or replace:
        findings.checks.append(
            await register_missing(
                recognised, assignment=assignment, inputs=inputs, texts=texts, registry=cj, replace=replace
            )
        )
        recognised = await read(await _listing(cj, assignment))
    findings.rows += anchor_rows(recognised)
    for warning, remedy in anchor_warnings(recognised, inputs):
        findings.warn(warning, remedy=remedy)
    findings.checks += respaced(recognised)
    findings.checks.append(
        f"assignment {assignment} is known with {counted(len(findings.rows), 'anchor')}, all among ours"
    )
    stored = await _prompt_on_record(instructions, assignment=assignment, cj=cj, content=content)
    _compare_prompts(findings, stored=stored, inputs=inputs)
    if inputs.grade_scale == "eng5_np_national_9_step" and not await cj.supported_options():
        # The field's service, which supports no option of ours, fails there after its completion.
        findings.expects_result = False
        findings.warn(
            "the present CJ service sends no result for the national scale",
            remedy="Nothing to do: the run does not wait for it, and the runner computes the estimates itself.",
        )
    return findings


async def _listing(cj: AssignmentRegistry, assignment: str) -> AnchorListing:
    return await cj.anchors(assignment) or AnchorListing(assignment_id=assignment, anchors=())


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


def _compare_prompts(findings: Findings, *, stored: str | None, inputs: Inputs) -> None:
    """Warn if the service has another students' task than ours, which the request carries."""
    if stored is None:
        findings.warn(
            "the assignment's student prompt could not be read and compared; the request carries ours",
            remedy="Upload it (`eng5-runner admin prompts upload`) to have it compared.",
        )
    elif not same_text(stored, inputs.prompt.text):
        findings.warn(
            f"the assignment's student prompt differs from {inputs.prompt.file.source_path}; the request carries ours",
            remedy="Read it with `eng5-runner admin prompts get`, and upload ours if ours is right.",
        )


async def _prompt_on_record(
    instructions: Instructions, *, assignment: str, cj: AssignmentRegistry, content: ContentStore | None
) -> str | None:
    """The stored task: by the storage id in the instructions, or else from the service's own answer."""
    if instructions.student_prompt_storage_id and content is not None:
        text = await content.download(instructions.student_prompt_storage_id)
        if text is not None:
            return text.decode(errors="replace")
    try:
        prompt = await cj.prompt(assignment)
    except ServiceUnavailable:  # the present service answers 500 for what it does not have
        return None
    return None if prompt is None else prompt.prompt_text
