"""Preflight's questions about the assignment: its instructions, grade scale, rubric, prompt and anchors."""

from __future__ import annotations

from collections.abc import Mapping

from eng5_runner.contracts.services import AnchorListing, Instructions
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.effects.cj_admin.read_back import same_text
from eng5_runner.errors import ConfigurationError, ServiceUnavailable
from eng5_runner.run.ports import AssignmentRegistry, ContentStore, Findings
from eng5_runner.run.preflight.anchors import anchor_rows, anchor_warnings, recognise, register_lacking


async def ask_assignment(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], cj: AssignmentRegistry, content: ContentStore | None
) -> Findings:
    """Whether the assignment's scale, rubric and anchors are what the run counts on.

    Raises:
        ConfigurationError: they are not.
        ServiceUnavailable: the CJ service does not say.
        NotAllowed: it does not let us look.
        RunnerError: anchors were to be registered, and are not on record.
    """
    found = Findings()
    if spec.study.assignment_id is None:
        found.checks.append("guest run: anchors are sent as essays, grades are projected by the runner")
        return found
    assignment = str(spec.study.assignment_id)
    instructions = await cj.instructions(assignment)
    if instructions is None:
        raise ConfigurationError(
            f"The CJ service has no instructions for the assignment {assignment}.",
            remedy="Check --assignment-id, or leave it out for a guest run.",
        )
    _check_scale(spec, instructions)
    _check_rubric(spec, instructions)
    recognised = await recognise(await _listing(cj, assignment), inputs=inputs, content=content)
    if spec.study.register_anchors:
        found.checks.append(
            await register_lacking(recognised, assignment=assignment, inputs=inputs, texts=texts, registry=cj)
        )
        recognised = await recognise(await _listing(cj, assignment), inputs=inputs, content=content)
    found.rows += anchor_rows(recognised)
    for told, remedy in anchor_warnings(recognised, inputs):
        found.warn(told, remedy=remedy)
    found.checks.append(f"assignment {assignment} is known with {len(found.rows)} anchors, all among ours")
    theirs = await _prompt_on_record(instructions, assignment=assignment, cj=cj, content=content)
    _compare_prompts(found, theirs=theirs, inputs=inputs)
    if inputs.grade_scale == "eng5_np_national_9_step":
        found.warn(
            "on the national scale the present CJ service sends no result",
            remedy="Nothing: the estimates will be the runner's own.",
        )
    return found


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


def _compare_prompts(found: Findings, *, theirs: str | None, inputs: Inputs) -> None:
    """The students' task on record may be another than ours, which goes along with the request."""
    if theirs is None:
        found.warn(
            "the assignment's student prompt could not be read, so it was not compared; ours goes along",
            remedy="Upload it (`eng5-runner admin prompts upload`) to have it compared.",
        )
    elif not same_text(theirs, inputs.prompt.text):
        found.warn(
            f"the assignment's student prompt is another than {inputs.prompt.file.source_path}; ours goes along",
            remedy="Look at theirs with `eng5-runner admin prompts get`, and upload ours if it is the right one.",
        )


async def _prompt_on_record(
    instructions: Instructions, *, assignment: str, cj: AssignmentRegistry, content: ContentStore | None
) -> str | None:
    """By the storage id that the instructions name, else from the service's own answer."""
    if instructions.student_prompt_storage_id and content is not None:
        text = await content.download(instructions.student_prompt_storage_id)
        if text is not None:
            return text.decode(errors="replace")
    try:
        prompt = await cj.prompt(assignment)
    except ServiceUnavailable:  # the present service says 500 for what it does not have
        return None
    return None if prompt is None else prompt.prompt_text
