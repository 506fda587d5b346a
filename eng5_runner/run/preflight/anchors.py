"""Preflight's questions about an assignment's anchors: are the service's ours, and does it have all of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord
from eng5_runner.core.events import AnchorRow
from eng5_runner.core.inputs import Anchor, Inputs
from eng5_runner.effects.cj_admin.read_back import AnchorToRegister, Registration, register_anchors
from eng5_runner.errors import ConfigurationError, InputsInvalid, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.run.ports import AnchorRegistry, ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A row of the service, and which of our anchors it is; `doubt` says why only its label tells, or nothing."""

    row: AnchorOnRecord
    anchor: Anchor
    doubt: str

    @property
    def is_as_ours(self) -> bool:
        """Whether text and grade are ours."""
        return not self.doubt and self.row.grade == self.anchor.grade


async def recognise(listing: AnchorListing, *, inputs: Inputs, content: ContentStore | None) -> list[Recognised]:
    """Which of our anchors each of the service's rows is: by text, else by label.

    Raises:
        ConfigurationError: a row is none of ours.
        ServiceUnavailable: the Content Service does not answer.
    """
    by_text = {anchor.text_sha256: anchor for anchor in inputs.anchors}
    by_label = {anchor.label.casefold(): anchor for anchor in inputs.anchors}
    found = []
    for row in listing.anchors:
        text = None if content is None else await content.download(row.text_storage_id)
        anchor = None if text is None else by_text.get(sha256_hex(text))
        doubt = ""
        if anchor is None:
            anchor = by_label.get(row.anchor_label.casefold())
            doubt = "its text could not be fetched" if text is None else "its text differs"
        if anchor is None:
            raise _stranger(row)
        found.append(Recognised(row=row, anchor=anchor, doubt=doubt))
    return found


def _stranger(row: AnchorOnRecord) -> ConfigurationError:
    return ConfigurationError(
        f"The CJ service has an anchor {row.anchor_label} (row {row.id}) that is not among the local ones.",
        remedy="Add it to the assets folder: without it the results cannot be read.",
    )


def anchor_rows(recognised: Sequence[Recognised]) -> list[AnchorRow]:
    """The rows with our ids.

    Raises:
        ConfigurationError: there are none, or one carries another grade.
    """
    for one in recognised:
        if one.row.grade != one.anchor.grade:
            told = f"has the grade {one.row.grade} in the CJ service and {one.anchor.grade} here"
            raise ConfigurationError(
                f"The anchor {one.row.anchor_label} {told}.",
                remedy="Correct the anchor table, or register the anchors anew (--register-anchors).",
            )
    if not recognised:
        raise ConfigurationError(
            "The assignment has no anchors in the CJ service.", remedy="Register them first (--register-anchors)."
        )
    return [AnchorRow(row_id=one.row.id, anchor_id=one.anchor.anchor_id) for one in recognised]


def anchor_warnings(recognised: Sequence[Recognised], inputs: Inputs) -> Iterator[tuple[str, str]]:
    """What is well enough to go on, each with what to do about it."""
    for one in recognised:
        if one.doubt:
            yield (
                f"the service's anchor {one.row.anchor_label} is known by its label only: {one.doubt}",
                "Compare it with ours (`eng5-runner admin anchors list`), or register ours (--register-anchors).",
            )
    there = {one.anchor.anchor_id for one in recognised}
    if lacking := [anchor.label for anchor in inputs.anchors if anchor.anchor_id not in there]:
        yield (
            f"the service lacks {len(lacking)} of our anchors: {', '.join(lacking[:10])}",
            "Register them (--register-anchors), or go on with those that it has.",
        )


async def register_lacking(
    recognised: Sequence[Recognised],
    *,
    assignment: str,
    inputs: Inputs,
    texts: Mapping[str, bytes],
    registry: AnchorRegistry,
) -> str:
    """Register every anchor that is not on record as it is here, and read it back.

    Args:
        recognised: the rows that there are.
        assignment: whose anchors they are.
        inputs: of the run.
        texts: sha256 → UTF-8 bytes.
        registry: where to.

    Returns:
        What was done.

    Raises:
        RunnerError: one was refused, or is not on record afterwards; see `raise_findings`.
    """
    right = {one.anchor.anchor_id for one in recognised if one.is_as_ours}
    # What is there under another label is corrected under that label: a new one would be a second row.
    labels = {one.anchor.anchor_id: one.row.anchor_label for one in recognised}
    wanted = [
        AnchorToRegister(
            label=labels.get(anchor.anchor_id, anchor.label), grade=anchor.grade, text=_text(anchor, texts)
        )
        for anchor in inputs.anchors
        if anchor.anchor_id not in right
    ]
    if not wanted:
        return f"all {len(inputs.anchors)} anchors are registered already"
    registration = await register_anchors(registry, assignment, anchors=wanted)
    raise_findings(registration, sent=len(wanted))
    rows = ", ".join(f"{row.anchor_label} ({row.grade}) is row {row.id}" for row in registration.rows)
    return f"{len(wanted)} anchors were registered and read back: {rows}"


def _text(anchor: Anchor, texts: Mapping[str, bytes]) -> str:
    text = texts.get(anchor.text_sha256)
    if text is None:
        raise InputsInvalid(
            f"The text of the anchor {anchor.label} is no longer in the assets folder.",
            remedy="Restore the assets as they were when the run began, or start a new run.",
        )
    return text.decode()


def raise_findings(registration: Registration, *, sent: int) -> None:
    """Raise an error for the worst of what was found, if anything was.

    Args:
        registration: what became of the anchors.
        sent: how many there were.
    """
    kinds: Sequence[tuple[str, type[RunnerError], str]] = (
        ("not_stored", ServiceUnavailable, "are not on record although the service said so"),
        ("refused", InputsInvalid, "were refused"),
        ("unreadable", ServiceUnavailable, "were sent and cannot be read back"),
        ("not_allowed", NotAllowed, "were sent and may not be read back"),
    )
    for kind, error, told in kinds:
        of_kind = [finding for finding in registration.findings if finding.kind == kind]
        if of_kind:
            raise error(f"{len(of_kind)} of {sent} anchors {told}: {of_kind[0].message}", remedy=of_kind[0].remedy)
