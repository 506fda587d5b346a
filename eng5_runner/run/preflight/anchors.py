"""Preflight checks of an assignment's anchors: are the service's anchors ours, and does it have all of ours?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord
from eng5_runner.core.events import AnchorRow
from eng5_runner.core.inputs import Anchor, Inputs
from eng5_runner.errors import ConfigurationError, InputsInvalid
from eng5_runner.run.anchor_registration import AnchorToRegister, raise_findings, register_anchors
from eng5_runner.run.ports import AnchorRegistry, ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """One of the service's anchors, and which of ours it is.

    Attributes:
        row: as the service has it.
        anchor: ours.
        doubt: why it is recognised by its label only; "" if its text is ours.
    """

    row: AnchorOnRecord
    anchor: Anchor
    doubt: str

    @property
    def is_as_ours(self) -> bool:
        """Whether text and grade are ours."""
        return not self.doubt and self.row.grade == self.anchor.grade


async def recognise(listing: AnchorListing, *, inputs: Inputs, content: ContentStore | None) -> list[Recognised]:
    """Find for each of the service's anchors which of ours it is: by its text, or else by its label.

    Raises:
        ConfigurationError: an anchor is not one of ours.
        ServiceUnavailable: the Content Service does not answer.
    """
    by_text = {anchor.text_sha256: anchor for anchor in inputs.anchors}
    by_label = {anchor.label.casefold(): anchor for anchor in inputs.anchors}
    recognised = []
    for row in listing.anchors:
        text = None if content is None else await content.download(row.text_storage_id)
        anchor = None if text is None else by_text.get(sha256_hex(text))
        doubt = ""
        if anchor is None:
            anchor = by_label.get(row.anchor_label.casefold())
            doubt = "its text could not be fetched" if text is None else "its text differs"
        if anchor is None:
            raise ConfigurationError(
                f"The CJ service has an anchor {row.anchor_label} (row {row.id}) that is not among the local ones.",
                remedy="Add it to the assets folder; without it the results cannot be interpreted.",
            )
        recognised.append(Recognised(row=row, anchor=anchor, doubt=doubt))
    return recognised


def anchor_rows(recognised: Sequence[Recognised]) -> list[AnchorRow]:
    """The service's anchors with our ids.

    Raises:
        ConfigurationError: there are none, or one has another grade.
    """
    for pair in recognised:
        if pair.row.grade != pair.anchor.grade:
            grades = f"the grade {pair.row.grade} in the CJ service and {pair.anchor.grade} here"
            raise ConfigurationError(
                f"The anchor {pair.row.anchor_label} has {grades}.",
                remedy="Correct the anchor table, or register the anchors again (--register-anchors).",
            )
    if not recognised:
        raise ConfigurationError(
            "The assignment has no anchors in the CJ service.", remedy="Register them first (--register-anchors)."
        )
    return [AnchorRow(row_id=pair.row.id, anchor_id=pair.anchor.anchor_id) for pair in recognised]


def anchor_warnings(recognised: Sequence[Recognised], inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Differences that do not stop the run, each with what to do about it."""
    for pair in recognised:
        if pair.doubt:
            yield (
                f"the service's anchor {pair.row.anchor_label} is recognised by its label only: {pair.doubt}",
                "Compare it with ours (`eng5-runner admin anchors list`), or register ours (--register-anchors).",
            )
    registered = {pair.anchor.anchor_id for pair in recognised}
    if missing := [anchor.label for anchor in inputs.anchors if anchor.anchor_id not in registered]:
        yield (
            f"the service lacks {len(missing)} of our anchors: {', '.join(missing[:10])}",
            "Register them (--register-anchors), or continue with those that it has.",
        )


async def register_missing(
    recognised: Sequence[Recognised],
    *,
    assignment: str,
    inputs: Inputs,
    texts: Mapping[str, bytes],
    registry: AnchorRegistry,
) -> str:
    """Register every anchor that the service does not have as it is here, and read it back.

    Args:
        recognised: the anchors that the service has.
        assignment: whose anchors they are.
        inputs: of the run.
        texts: sha256 → UTF-8 bytes.
        registry: the service.

    Returns:
        What was done, in one sentence.

    Raises:
        RunnerError: an anchor was refused, or is not stored afterwards; see `raise_findings`.
    """
    right = {pair.anchor.anchor_id for pair in recognised if pair.is_as_ours}
    # An anchor that the service has under another label is corrected under that label: ours would add a second row.
    labels = {pair.anchor.anchor_id: pair.row.anchor_label for pair in recognised}
    missing = [
        AnchorToRegister(
            label=labels.get(anchor.anchor_id, anchor.label), grade=anchor.grade, text=_text(anchor, texts)
        )
        for anchor in inputs.anchors
        if anchor.anchor_id not in right
    ]
    if not missing:
        return f"all {len(inputs.anchors)} anchors are registered already"
    registration = await register_anchors(registry, assignment, anchors=missing)
    raise_findings(registration, sent=len(missing))
    rows = ", ".join(f"{row.anchor_label} ({row.grade}) is row {row.id}" for row in registration.rows)
    return f"{len(missing)} anchors were registered and read back: {rows}"


def _text(anchor: Anchor, texts: Mapping[str, bytes]) -> str:
    text = texts.get(anchor.text_sha256)
    if text is None:
        raise InputsInvalid(
            f"The text of the anchor {anchor.label} is no longer in the assets folder.",
            remedy="Restore the assets as they were when the run began, or start a new run.",
        )
    return text.decode()
