"""admin instructions, prompts, rubrics, anchors, scales: what the CJ service keeps for assignments."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import typer
from rich.markup import escape

from eng5_runner.app.administration import (
    Addresses,
    administration,
    anchors_to_register,
    check_one_of,
    check_scale,
    nothing_stored,
    text_body,
)
from eng5_runner.app.loop import run_loop
from eng5_runner.cli.admin_output import telling_retries, write_record
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.administration import ANCHORS, INSTRUCTIONS, PROMPT, RUBRIC, AdminText
from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.contracts.services import AnchorOnRecord, Instructions
from eng5_runner.core.inputs import Finding, shown
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.errors import UsageError
from eng5_runner.reports.terminal.administration import (
    ANCHOR_COLUMNS,
    INSTRUCTIONS_COLUMNS,
    SCALE_COLUMNS,
    anchor_row,
    instructions_row,
    scale_row,
    show_listing,
    show_record,
)
from eng5_runner.run.anchor_registration import Registration, lacking, raise_findings, register_anchors

T = TypeVar("T")

_TEXTS: Mapping[str, AdminText[Any]] = MappingProxyType({text.name: text for text in (PROMPT, RUBRIC)})


def list_instructions(addresses: Addresses, *, grade_scale: str | None, json_lines: bool) -> int:
    """List all stored instructions."""
    if grade_scale is not None:
        check_scale(grade_scale)
    listed = _ask(addresses, lambda client: client.all_instructions(grade_scale=grade_scale))
    if json_lines:
        for item in listed:
            write_record("Instructions", item)
        return 0
    _list(INSTRUCTIONS_COLUMNS, map(instructions_row, listed))
    return 0


def get_instructions(
    addresses: Addresses, *, assignment_id: str | None, course_id: str | None, json_lines: bool
) -> int:
    """Print the instructions of an assignment or a course."""
    check_one_of(assignment_id, course_id)

    def get(client: CJAdminClient) -> Awaitable[Instructions | None]:
        if course_id is not None:
            return client.course_instructions(course_id)
        return client.instructions(assignment_id or "")

    return _show(INSTRUCTIONS, _ask(addresses, get), of=assignment_id or course_id, json_lines=json_lines)


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
    check_one_of(assignment_id, course_id)
    check_scale(grade_scale)
    values = {"assignment_id": assignment_id, "course_id": course_id, "grade_scale": grade_scale}
    body = text_body(INSTRUCTIONS, file, context_origin=context_origin, **values)
    return _put(addresses, INSTRUCTIONS, body=body, json_lines=json_lines)


def delete_instructions(addresses: Addresses, *, assignment_id: str, yes: bool, json_lines: bool) -> int:
    """Delete an assignment's instructions, and check that they are gone."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("There is no terminal to ask on.", remedy="Give --yes to delete without a question.")
        typer.confirm(f"Delete the instructions of {shown(assignment_id)}?", err=True, abort=True)
    if not _ask(addresses, lambda client: client.delete_instructions(assignment_id)):
        raise nothing_stored("instructions", assignment_id)
    if json_lines:
        write_json({"event": "InstructionsDeleted", "assignment_id": assignment_id})
    else:
        people().print(escape(f"the instructions of {shown(assignment_id)} are deleted"))
    return 0


def upload(addresses: Addresses, name: str, *, file: Path, assignment_id: str, json_lines: bool) -> int:
    """Write the prompt or the rubric of an assignment, and read it back."""
    body = text_body(_TEXTS[name], file, assignment_id=assignment_id)
    return _put(addresses, _TEXTS[name], body=body, json_lines=json_lines)


def get(addresses: Addresses, name: str, *, assignment_id: str, json_lines: bool) -> int:
    """Print the prompt or the rubric of an assignment."""
    record = _ask(addresses, lambda client: client.get(_TEXTS[name], assignment_id))
    return _show(_TEXTS[name], record, of=assignment_id, json_lines=json_lines)


def list_anchors(addresses: Addresses, *, assignment_id: str, json_lines: bool) -> int:
    """List the anchors of an assignment."""
    listing = _ask(addresses, lambda client: client.anchors(assignment_id))
    if listing is None:
        raise nothing_stored(ANCHORS.name, assignment_id)
    if json_lines:
        for row in listing.anchors:
            write_record("Anchor", row)
        return 0
    _list(ANCHOR_COLUMNS, map(anchor_row, listing.anchors))
    others = (listing.anchor_count_total or 0) - len(listing.anchors)
    if others > 0:
        people().print(f"{others} more are registered on other grade scales and are not used")
    return 0


def register(
    addresses: Addresses,
    *,
    assignment_id: str,
    assets: Path | None,
    grade_scale: str,
    file: Path | None,
    grade: str | None,
    label: str | None,
    json_lines: bool,
    replace: bool = False,
) -> int:
    """Register the anchors of an assets folder, or one from a file, and read them back.

    Without `replace`, anchors whose label the assignment has already are kept as they are.
    """

    def show(finding: Finding) -> None:
        people().print(escape(f"{finding.file}: {finding.message} {finding.remedy}"), style="red")

    anchors = anchors_to_register(
        assets=assets, grade_scale=grade_scale, file=file, grade=grade, label=label, show=show
    )

    async def send(client: CJAdminClient) -> tuple[Registration, list[AnchorOnRecord]]:
        new, kept = (anchors, []) if replace else await lacking(client, assignment_id, anchors=anchors)
        return await register_anchors(client, assignment_id, anchors=new), kept

    registration, kept = _ask(addresses, send, needs_token=False)
    _show_registration(registration, kept=kept, json_lines=json_lines)
    raise_findings(registration, sent=len(anchors) - len(kept))
    return 0


def scales(*, json_lines: bool) -> int:
    """List the grade scales; asks no service."""
    if json_lines:
        for scale in GRADE_SCALES.values():
            facts = {"grades": scale.grades, "below_lowest": scale.below_lowest, "prior": scale.prior}
            write_json({"event": "GradeScale", "grade_scale": scale.scale_id} | facts)
        return 0
    _list(SCALE_COLUMNS, map(scale_row, GRADE_SCALES.values()))
    return 0


def _list(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    if listed := list(rows):
        show_listing(columns, listed)
    else:
        people().print("none")


def _ask(addresses: Addresses, question: Callable[[CJAdminClient], Awaitable[T]], *, needs_token: bool = True) -> T:
    async def asked() -> T:
        with telling_retries():
            async with administration(
                addresses, os.environ, announce=lambda text: people().print(text), needs_token=needs_token
            ) as client:
                return await question(client)

    return run_loop(asked())


def _put(addresses: Addresses, resource: AdminText[Any], *, body: WireModel, json_lines: bool) -> int:
    stored: WireModel = _ask(addresses, lambda client: client.put(resource, body))
    if json_lines:
        write_record(f"{resource.name.capitalize()}Stored", stored)
    else:
        facts = stored.model_dump()
        number = facts[resource.storage_id] if resource.storage_id else f"id {facts['id']}"
        people().print(escape(f"stored, and read back as it was sent: the {resource.name} ({shown(str(number))})"))
    return 0


def _show(resource: AdminText[Any], record: WireModel | None, *, of: str | None, json_lines: bool) -> int:
    if record is None:
        raise nothing_stored(resource.name, of)
    if json_lines:
        write_record(resource.name.capitalize(), record)
    else:
        show_record(people(), record, text=resource.text)
    return 0


def _show_registration(registration: Registration, *, kept: Sequence[AnchorOnRecord], json_lines: bool) -> None:
    if json_lines:
        for row in kept:
            write_record("AnchorKept", row)
        for row in registration.rows:
            write_record("AnchorRegistered", row)
        for finding in registration.findings:
            facts = {"kind": finding.kind, "label": finding.label, "message": finding.message}
            write_json({"event": "AnchorFinding"} | facts | {"remedy": finding.remedy})
        return
    if kept:
        labels = ", ".join(shown(row.anchor_label) for row in kept)
        people().print(escape(f"kept as they are registered (--replace-anchors replaces them): {labels}"))
    for row in registration.rows:
        people().print(escape(f"{shown(row.anchor_label)}: {shown(row.grade)}, row {row.id}, read back"))
    for finding in registration.findings:
        people().print(escape(shown(finding.message)), style="yellow")
