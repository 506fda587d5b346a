"""Writing to the CJ service's record, and reading back what was written: its answer alone proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorOnRecord,
    AnchorRegistered,
    Instructions,
    InstructionsBody,
    JudgeRubric,
    JudgeRubricBody,
    StudentPrompt,
    StudentPromptBody,
)
from eng5_runner.effects.cj_admin.client import AdministrationClient, AnchorRefused
from eng5_runner.errors import ConfigurationError, InputsInvalid, NotAllowed, ServiceUnavailable
from eng5_runner.run.ports import AnchorRegistry

# A page that brings nothing new ends the list earlier.
_MOST_PAGES = 1000
_CHECK = "Look into the service's log, and try again; nothing that depends on it will work until it is there."


async def all_instructions(client: AdministrationClient, *, grade_scale: str | None = None) -> tuple[Instructions, ...]:
    """All instructions on record, as the service orders them; those on one scale where it is given."""
    found: dict[int, Instructions] = {}
    for number in range(1, _MOST_PAGES + 1):
        page = await client.instructions_page(number, grade_scale=grade_scale)
        new = {item.id: item for item in page.items if item.id not in found}
        found |= new
        if not new or len(found) >= page.total:
            break
    return tuple(found.values())


async def find_instructions(
    client: AdministrationClient, *, assignment_id: str | None, course_id: str | None
) -> Instructions | None:
    """The instructions of an assignment, or else of a course."""
    if assignment_id is not None:
        return await client.instructions(assignment_id)
    return next((item for item in await all_instructions(client) if item.course_id == course_id), None)


async def put_instructions(client: AdministrationClient, body: InstructionsBody) -> Instructions:
    """Write instructions.

    Returns:
        What is on record now.

    Raises:
        ServiceUnavailable: the service accepted them, and they are not on record.
        RunnerError: see `AdministrationClient`.
    """
    await client.put_instructions(body)
    try:
        found = await find_instructions(client, assignment_id=body.assignment_id, course_id=body.course_id)
    except ServiceUnavailable as error:
        raise _unread("the instructions", error) from None
    if found is None or not same_text(found.instructions_text, body.instructions_text):
        raise _not_stored("the instructions", older=found is not None)
    for name in ("grade_scale", "context_origin", "student_prompt_storage_id"):
        stored, sent = getattr(found, name), getattr(body, name)
        if None not in (stored, sent) and stored != sent:
            told = f"The CJ service accepted the instructions and stored them with another {name.replace('_', ' ')}"
            raise ServiceUnavailable(f"{told}, {stored}.", remedy=_CHECK)
    return found


async def delete_instructions(client: AdministrationClient, assignment_id: str) -> bool:
    """Drop an assignment's instructions; gives False where there were none.

    Raises:
        ServiceUnavailable: the service accepted that, and they are still on record.
        RunnerError: see `AdministrationClient`.
    """
    if not await client.delete_instructions(assignment_id):
        return False
    try:
        left = await client.instructions(assignment_id)
    except ServiceUnavailable:  # the present service says 500 for what it does not have
        left = None
    if left is not None:
        raise ServiceUnavailable(
            f"The CJ service said that the instructions of {assignment_id} were deleted; they are still on record.",
            remedy="Look into the service's log, and try again.",
        )
    return True


async def upload_prompt(client: AdministrationClient, body: StudentPromptBody) -> StudentPrompt:
    """Write the students' task of an assignment.

    Returns:
        What is on record now.

    Raises:
        ServiceUnavailable: the service accepted it, and it is not on record.
        RunnerError: see `AdministrationClient`.
    """
    await client.put_prompt(body)
    try:
        found = await client.prompt(body.assignment_id)
    except ServiceUnavailable as error:
        raise _unread("the prompt", error) from None
    if found is None or not same_text(found.prompt_text, body.prompt_text):
        raise _not_stored("the prompt", older=found is not None)
    return found


async def upload_rubric(client: AdministrationClient, body: JudgeRubricBody) -> JudgeRubric:
    """Write the judge's rubric of an assignment.

    Returns:
        What is on record now.

    Raises:
        ServiceUnavailable: the service accepted it, and it is not on record.
        RunnerError: see `AdministrationClient`.
    """
    await client.put_rubric(body)
    try:
        found = await client.rubric(body.assignment_id)
    except ServiceUnavailable as error:
        raise _unread("the rubric", error) from None
    if found is None or not same_text(found.rubric_text, body.rubric_text):
        raise _not_stored("the rubric", older=found is not None)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorToRegister:
    """An anchor as the service is to know it; `label` is its key within the assignment."""

    label: str
    grade: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFinding:
    """One thing that is not as it was asked for.

    Attributes:
        label: of the anchor.
        kind: `refused`, the service does not take it; `not_stored`, it said that it took it and did not;
            `not_allowed`, it does not let us look; `unreadable`, it cannot be looked for.
        message: what is wrong, in one sentence.
        remedy: what to do about it.
    """

    label: str
    kind: Literal["refused", "not_stored", "not_allowed", "unreadable"]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What became of anchors.

    Attributes:
        rows: those that are on record as they were sent, in the order in which they were given.
        findings: one for each of the others.
    """

    rows: tuple[AnchorOnRecord, ...]
    findings: tuple[AnchorFinding, ...]


async def register_anchors(
    client: AnchorRegistry, assignment_id: str, *, anchors: Sequence[AnchorToRegister]
) -> Registration:
    """Register anchors and read them back.

    Raises:
        InputsInvalid: a text is too short, so nothing was sent.
        RunnerError: see `AdministrationClient`; those before were sent, and sending them again does no harm.
    """
    bodies = [_body(assignment_id, anchor) for anchor in anchors]
    sent: list[tuple[AnchorBody, AnchorRegistered]] = []
    findings: list[AnchorFinding] = []
    for body in bodies:
        try:
            sent.append((body, await client.register_anchor(body)))
        except AnchorRefused as refused:
            findings.append(_refused(body, refused))
    rows: list[AnchorOnRecord] = []
    if sent:
        try:
            listing = await client.anchors(assignment_id)
        except (NotAllowed, ServiceUnavailable, ConfigurationError) as error:
            findings += [_not_read_back(body, error) for body, _ in sent]
        else:
            for body, registered in sent:
                row = _on_record(listing, body)
                finding = _compared(row, body, registered=registered)
                rows += [row] if row is not None and finding is None else []
                findings += [finding] if finding is not None else []
    return Registration(rows=tuple(rows), findings=tuple(findings))


def _body(assignment_id: str, anchor: AnchorToRegister) -> AnchorBody:
    try:
        return AnchorBody(
            assignment_id=assignment_id, grade=anchor.grade, anchor_label=anchor.label, essay_text=anchor.text
        )
    except ValidationError as error:
        raise InputsInvalid(
            f"The anchor {anchor.label} cannot be registered: {describe(error)}.",
            remedy="Correct it; nothing was sent.",
        ) from None


def _on_record(listing: AnchorListing | None, body: AnchorBody) -> AnchorOnRecord | None:
    rows = () if listing is None else listing.anchors
    return next((row for row in rows if row.anchor_label == body.anchor_label), None)


def _compared(row: AnchorOnRecord | None, body: AnchorBody, *, registered: AnchorRegistered) -> AnchorFinding | None:
    """What is wrong with a row that was just written."""
    label = body.anchor_label
    if row is None:
        told = f"The CJ service said that the anchor {label} is registered; it is not on record."
    elif row.grade != body.grade:
        told = f"The CJ service said that the anchor {label} is registered; on record it has the grade {row.grade}."
    elif row.text_storage_id != registered.storage_id:
        told = f"The CJ service said that the anchor {label} is registered; on record it has another text."
    else:
        return None
    return AnchorFinding(label=label, kind="not_stored", message=told, remedy=_CHECK)


def _refused(body: AnchorBody, refused: AnchorRefused) -> AnchorFinding:
    return AnchorFinding(
        label=body.anchor_label,
        kind="refused",
        message=f"The CJ service does not take the anchor {body.anchor_label} ({body.grade}): {refused.reason}.",
        remedy="Check --assignment-id, and that the grade is on the assignment's scale.",
    )


def _not_read_back(body: AnchorBody, error: NotAllowed | ServiceUnavailable | ConfigurationError) -> AnchorFinding:
    return AnchorFinding(
        label=body.anchor_label,
        kind="not_allowed" if isinstance(error, NotAllowed) else "unreadable",
        message=f"The anchor {body.anchor_label} was sent; whether it is on record nobody could see: {error.message}",
        remedy=error.remedy,
    )


def same_text(stored: str, sent: str) -> bool:
    """Whether a text came through; services differ in the white space at its ends and in line ends."""
    return " ".join(stored.split()) == " ".join(sent.split())


def _not_stored(what: str, *, older: bool) -> ServiceUnavailable:
    found = "what is on record is another text" if older else "there is nothing on record"
    return ServiceUnavailable(f"The CJ service accepted {what} and did not store it: {found}.", remedy=_CHECK)


def _unread(what: str, error: ServiceUnavailable) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"The CJ service accepted {what}, and it cannot be read back; most likely it stored nothing. {error.message}",
        remedy=error.remedy,
    )
