"""Preflight's questions about the assignment: its instructions, grade scale, rubric and anchors."""

from __future__ import annotations

from dataclasses import dataclass, field

from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord, Instructions
from eng5_runner.core.canonical import sha256_hex
from eng5_runner.core.events import AnchorRow
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError
from eng5_runner.run.ports import CJService, ContentStore


@dataclass(slots=True)
class Findings:
    """What one question found."""

    checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[AnchorRow] = field(default_factory=list)


async def ask_assignment(spec: RunSpec, *, inputs: Inputs, cj: CJService, content: ContentStore | None) -> Findings:
    """Whether the assignment's scale, rubric and anchors are what the run counts on.

    Raises:
        ConfigurationError: they are not.
        ServiceUnavailable: the CJ service does not say.
        NotAllowed: it does not let us look.
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
    listing = await cj.anchors(assignment)
    found.rows.extend(await _match_anchors(listing, inputs=inputs, content=content, found=found))
    found.checks.append(f"assignment {assignment} is known with {len(found.rows)} anchors, all among ours")
    if inputs.grade_scale == "eng5_np_national_9_step":
        found.warnings.append("on the national scale the present CJ service sends no result; estimates will be ours")
    _check_rubric(spec, instructions)
    return found


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
    listing: AnchorListing, *, inputs: Inputs, content: ContentStore | None, found: Findings
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
