"""admin instructions, prompts, rubrics, scales: what the CJ service has on record for assignments."""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from rich.markup import escape

from eng5_runner.cli.admin_output import show_listing, show_record, tell_stored, when, write_record
from eng5_runner.cli.admin_session import (
    Addresses,
    ask,
    body_of,
    exactly_one,
    known_scale,
    nothing_on_record,
    text_of,
)
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.contracts.services import Instructions, InstructionsBody, JudgeRubricBody, StudentPromptBody
from eng5_runner.core.inputs import shown
from eng5_runner.effects.cj_admin import read_back as administration
from eng5_runner.errors import UsageError


def list_instructions(addresses: Addresses, *, grade_scale: str | None, json_lines: bool) -> int:
    """List all instructions on record."""
    if grade_scale is not None:
        known_scale(grade_scale)
    found = ask(addresses, lambda client: administration.all_instructions(client, grade_scale=grade_scale))
    if json_lines:
        for item in found:
            write_record("Instructions", item)
        return 0
    columns = ("id", "assignment", "course", "grade scale", "context", "prompt", "created", "begins")
    show_listing(columns, [_instructions_row(item) for item in found])
    return 0


def _instructions_row(item: Instructions) -> tuple[object, ...]:
    begins = " ".join(item.instructions_text.split())[:60]
    prompt = item.student_prompt_storage_id
    about = (item.grade_scale, item.context_origin, prompt, when(item.created_at), begins)
    return (item.id, item.assignment_id, item.course_id, *about)


def get_instructions(
    addresses: Addresses, *, assignment_id: str | None, course_id: str | None, json_lines: bool
) -> int:
    """Print the instructions of an assignment or a course."""
    exactly_one(assignment_id, course_id)
    found = ask(
        addresses,
        lambda client: administration.find_instructions(client, assignment_id=assignment_id, course_id=course_id),
    )
    if found is None:
        raise nothing_on_record("instructions", assignment_id or course_id)
    show_record(found, text=found.instructions_text, event="Instructions", json_lines=json_lines)
    return 0


def put_instructions(
    addresses: Addresses,
    *,
    file: Path,
    assignment_id: str | None,
    course_id: str | None,
    grade_scale: str,
    context_origin: str,
    json_lines: bool,
) -> int:
    """Write the instructions of an assignment or a course, and read them back."""
    exactly_one(assignment_id, course_id)
    known_scale(grade_scale)
    values = {
        "assignment_id": assignment_id,
        "course_id": course_id,
        "instructions_text": text_of(file),
        "grade_scale": grade_scale,
        "context_origin": context_origin,
    }
    body = body_of(InstructionsBody, values, file=file)
    stored = ask(addresses, lambda client: administration.put_instructions(client, body))
    tell_stored("InstructionsStored", stored, json_lines=json_lines, what=f"the instructions (id {stored.id})")
    return 0


def delete_instructions(addresses: Addresses, *, assignment_id: str, yes: bool, json_lines: bool) -> int:
    """Delete an assignment's instructions, and look whether they are gone."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("There is no terminal to ask on.", remedy="Say --yes to delete without being asked.")
        typer.confirm(f"Delete the instructions of {shown(assignment_id)}?", err=True, abort=True)
    if not ask(addresses, lambda client: administration.delete_instructions(client, assignment_id)):
        raise nothing_on_record("instructions", assignment_id)
    if json_lines:
        write_json({"event": "InstructionsDeleted", "assignment_id": assignment_id})
    else:
        people().print(escape(f"the instructions of {shown(assignment_id)} are deleted"))
    return 0


def upload_prompt(addresses: Addresses, *, file: Path, assignment_id: str, json_lines: bool) -> int:
    """Write the students' task of an assignment, and read it back."""
    body = body_of(StudentPromptBody, {"assignment_id": assignment_id, "prompt_text": text_of(file)}, file=file)
    stored = ask(addresses, lambda client: administration.upload_prompt(client, body))
    what = f"the prompt ({stored.student_prompt_storage_id})"
    tell_stored("PromptStored", stored, json_lines=json_lines, what=what)
    return 0


def get_prompt(addresses: Addresses, *, assignment_id: str, json_lines: bool) -> int:
    """Print the students' task of an assignment."""
    found = ask(addresses, lambda client: client.prompt(assignment_id))
    if found is None:
        raise nothing_on_record("prompt", assignment_id)
    show_record(found, text=found.prompt_text, event="Prompt", json_lines=json_lines)
    return 0


def upload_rubric(addresses: Addresses, *, file: Path, assignment_id: str, json_lines: bool) -> int:
    """Write the judge's rubric of an assignment, and read it back."""
    body = body_of(JudgeRubricBody, {"assignment_id": assignment_id, "rubric_text": text_of(file)}, file=file)
    stored = ask(addresses, lambda client: administration.upload_rubric(client, body))
    tell_stored("RubricStored", stored, json_lines=json_lines, what=f"the rubric ({stored.judge_rubric_storage_id})")
    return 0


def get_rubric(addresses: Addresses, *, assignment_id: str, json_lines: bool) -> int:
    """Print the judge's rubric of an assignment."""
    found = ask(addresses, lambda client: client.rubric(assignment_id))
    if found is None:
        raise nothing_on_record("rubric", assignment_id)
    show_record(found, text=found.rubric_text, event="Rubric", json_lines=json_lines)
    return 0


def scales(*, json_lines: bool) -> int:
    """List the grade scales; asks no service."""
    if json_lines:
        for scale in GRADE_SCALES.values():
            facts = {"grades": scale.grades, "below_lowest": scale.below_lowest, "prior": scale.prior}
            write_json({"event": "GradeScale", "grade_scale": scale.scale_id} | facts)
        return 0
    rows = [
        (scale.scale_id, " ".join(scale.grades), scale.below_lowest, " ".join(f"{p:.2f}" for p in scale.prior))
        for scale in GRADE_SCALES.values()
    ]
    show_listing(("grade scale", "grades, lowest first", "below the lowest", "prior"), rows)
    return 0
