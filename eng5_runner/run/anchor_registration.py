"""Register anchors at the CJ service and read them back, because its answer alone proves nothing.

    registration = await register_anchors(client, "a1", anchors=[AnchorToRegister(label="C+1", grade="C+", text=…)])
    registration.rows        # stored as they were sent
    registration.findings    # one for each of the others
    raise_findings(registration, sent=1)

The same label replaces an anchor's grade and text. `lacking` keeps those apart that the service has already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.services import AnchorBody, AnchorListing, AnchorOnRecord, AnchorRegistered
from eng5_runner.effects.cj_admin import CHECK_LOG, AnchorRefused
from eng5_runner.errors import ConfigurationError, InputsInvalid, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.phrases import counted
from eng5_runner.run.ports import AnchorRegistry

_Kind = Literal["refused", "not_stored", "not_allowed", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorToRegister:
    """An anchor as the service should store it; `label` is its key within the assignment."""

    label: str
    grade: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFinding:
    """Why an anchor is not stored as it was sent, or may not be.

    Attributes:
        label: of the anchor.
        kind: `refused`: the service refuses it. `not_stored`: the service accepted it and did not store it.
            `not_allowed`: reading it back needs a token. `unreadable`: reading it back failed.
        message: what is wrong, in one sentence.
        remedy: what to do about it.
    """

    label: str
    kind: _Kind
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What became of anchors that were sent.

    Attributes:
        rows: those that are stored as they were sent, in the given order.
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
        RunnerError: see `CJAdminClient`; anchors sent before are stored, and sending them again does no harm.
    """
    bodies = [_body(assignment_id, anchor) for anchor in anchors]
    sent: list[tuple[AnchorBody, AnchorRegistered]] = []
    findings: list[AnchorFinding] = []
    for body in bodies:
        try:
            sent.append((body, await client.register_anchor(body)))
        except AnchorRefused as refusal:
            findings.append(_refused(body, refusal))
    rows: list[AnchorOnRecord] = []
    try:
        listing = await client.anchors(assignment_id) if sent else None
    except (NotAllowed, ServiceUnavailable, ConfigurationError) as error:
        findings += [_not_read_back(body, error) for body, _ in sent]
    else:
        for body, registered in sent:
            stored = _compare(listing, body, registered=registered)
            if isinstance(stored, AnchorFinding):
                findings.append(stored)
            else:
                rows.append(stored)
    return Registration(rows=tuple(rows), findings=tuple(findings))


async def lacking(
    client: AnchorRegistry, assignment_id: str, *, anchors: Sequence[AnchorToRegister]
) -> tuple[list[AnchorToRegister], list[AnchorOnRecord]]:
    """Divide anchors by whether the assignment has one with the same label.

    Returns:
        The anchors that it lacks, and its rows of the others. Their texts are not compared.

    Raises:
        InputsInvalid: a text is too short.
        ConfigurationError: it has one with another grade.
        RunnerError: its anchors cannot be listed; see `CJAdminClient`.
    """
    for anchor in anchors:
        _body(assignment_id, anchor)
    listing = await client.anchors(assignment_id)
    rows = {row.anchor_label: row for row in listing.anchors} if listing else {}
    kept = []
    for anchor in anchors:
        row = rows.get(anchor.label)
        if row is None:
            continue
        if row.grade != anchor.grade:
            raise ConfigurationError(
                f"The CJ service has the anchor {anchor.label} with the grade {row.grade}, not {anchor.grade}.",
                remedy="Correct the grade, or replace the service's anchor (--replace-anchors). Nothing was sent.",
            )
        kept.append(row)
    return [anchor for anchor in anchors if anchor.label not in rows], kept


def raise_findings(registration: Registration, *, sent: int) -> None:
    """Raise an error for the worst kind of finding, if there is one.

    Args:
        registration: what became of the anchors.
        sent: how many there were.
    """
    kinds: Sequence[tuple[_Kind, type[RunnerError], str]] = (
        ("not_stored", ServiceUnavailable, "are not stored although the service said so"),
        ("refused", InputsInvalid, "were refused"),
        ("unreadable", ServiceUnavailable, "were sent and cannot be read back"),
        ("not_allowed", NotAllowed, "were sent and may not be read back"),
    )
    for kind, error, what in kinds:
        of_kind = [finding for finding in registration.findings if finding.kind == kind]
        if of_kind:
            raise error(
                f"{len(of_kind)} of {counted(sent, 'anchor')} {what}: {of_kind[0].message}", remedy=of_kind[0].remedy
            )


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


def _compare(
    listing: AnchorListing | None, body: AnchorBody, *, registered: AnchorRegistered
) -> AnchorOnRecord | AnchorFinding:
    """The row of an anchor that was just sent, or what is wrong with it."""
    label = body.anchor_label
    rows = () if listing is None else listing.anchors
    row = next((row for row in rows if row.anchor_label == label), None)
    if row is None:
        difference = "it does not have it"
    elif row.grade != body.grade:
        difference = f"it has it with the grade {row.grade}"
    elif row.text_storage_id != registered.storage_id:
        difference = "it has it with another text"
    else:
        return row
    message = f"The CJ service said that the anchor {label} is registered; {difference}."
    return AnchorFinding(label=label, kind="not_stored", message=message, remedy=CHECK_LOG)


def _refused(body: AnchorBody, refusal: AnchorRefused) -> AnchorFinding:
    return AnchorFinding(
        label=body.anchor_label,
        kind="refused",
        message=f"The CJ service refuses the anchor {body.anchor_label} ({body.grade}): {refusal.reason}.",
        remedy="Check --assignment-id, and that the grade is on the assignment's scale.",
    )


def _not_read_back(body: AnchorBody, error: NotAllowed | ServiceUnavailable | ConfigurationError) -> AnchorFinding:
    return AnchorFinding(
        label=body.anchor_label,
        kind="not_allowed" if isinstance(error, NotAllowed) else "unreadable",
        message=f"The anchor {body.anchor_label} was sent; whether it is stored could not be checked: {error.message}",
        remedy=error.remedy,
    )
