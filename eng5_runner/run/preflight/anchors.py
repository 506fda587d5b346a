"""Preflight checks of an assignment's anchors: are the service's anchors ours, and does it have all of ours?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord
from eng5_runner.core.events import AnchorRow
from eng5_runner.core.inputs import Anchor, Inputs
from eng5_runner.errors import ConfigurationError, InputsInvalid
from eng5_runner.phrases import counted
from eng5_runner.run.anchor_registration import AnchorToRegister, raise_findings, register_anchors
from eng5_runner.run.ports import AnchorRegistry, ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """One of the service's anchors, and which of ours it is.

    Attributes:
        row: as the service has it.
        anchor: ours.
        label: to show: the service's, or ours where its may be a file's own name that is private.
        doubt: why it is recognised by its label only; "" if its text is ours, white space apart.
        respaced: whether its text differs from ours in white space only.
    """

    row: AnchorOnRecord
    anchor: Anchor
    label: str
    doubt: str
    respaced: bool = False

    @property
    def is_as_ours(self) -> bool:
        """Whether text and grade are ours, white space apart."""
        return not self.doubt and self.row.grade == self.anchor.grade


async def recognise(
    listing: AnchorListing,
    *,
    inputs: Inputs,
    texts: Mapping[str, bytes],
    content: ContentStore | None,
    are_private: bool = False,
) -> list[Recognised]:
    """Find for each of the service's anchors which of ours it is: by its text, or else by its label.

    Other tools extract the same file with other white space: a last line end, a line for each run of a docx.

    Args:
        listing: the service's anchors.
        inputs: of the run.
        texts: sha256 → UTF-8 bytes; anchors that are not among them are compared byte for byte.
        content: where the service's texts are; None if the run has no Content Service.
        are_private: whether an error must not show the service's label, which may be a file's own name.

    Raises:
        ConfigurationError: an anchor is not one of ours.
        ServiceUnavailable: the Content Service does not answer.
    """
    by_text = {anchor.text_sha256: anchor for anchor in inputs.anchors}
    by_letters = {
        _letters(texts[anchor.text_sha256]): anchor for anchor in inputs.anchors if anchor.text_sha256 in texts
    }
    by_label = {anchor.label.casefold(): anchor for anchor in inputs.anchors}
    recognised = []
    for row in listing.anchors:
        text = None if content is None else await content.download(row.text_storage_id)
        anchor = None if text is None else by_text.get(sha256_hex(text))
        doubt, respaced = "", False
        if anchor is None and text is not None:
            anchor = by_letters.get(_letters(text))
            respaced = anchor is not None
        if anchor is None:
            anchor = by_label.get(row.anchor_label.casefold())
            doubt = "the text could not be fetched" if text is None else "the text differs"
        if anchor is None:
            stranger = "" if are_private else f" {row.anchor_label}"
            raise ConfigurationError(
                f"The CJ service has an anchor{stranger} (row {row.id}) that is not among the local ones.",
                remedy="Add it to the assets folder; without it the results cannot be interpreted.",
            )
        label = anchor.label if are_private else row.anchor_label
        recognised.append(Recognised(row=row, anchor=anchor, label=label, doubt=doubt, respaced=respaced))
    return recognised


def _letters(text: bytes) -> str:
    return "".join(text.decode(errors="replace").split())


def check_grades(recognised: Sequence[Recognised]) -> None:
    """Check that the service's anchors have the grades that they have here.

    Raises:
        ConfigurationError: one has another grade.
    """
    for pair in recognised:
        if pair.row.grade != pair.anchor.grade:
            grades = f"the grade {pair.row.grade} in the CJ service and {pair.anchor.grade} here"
            raise ConfigurationError(
                f"The anchor {pair.label} has {grades}.",
                remedy="Correct the anchor table, or replace the service's anchor by ours (--replace-anchors).",
            )


def anchor_rows(recognised: Sequence[Recognised]) -> list[AnchorRow]:
    """The service's anchors with our ids.

    Raises:
        ConfigurationError: there are none, or one has another grade.
    """
    check_grades(recognised)
    if not recognised:
        raise ConfigurationError(
            "The assignment has no anchors in the CJ service.", remedy="Register them first (--register-anchors)."
        )
    return [AnchorRow(row_id=pair.row.id, anchor_id=pair.anchor.anchor_id) for pair in recognised]


def anchor_warnings(recognised: Sequence[Recognised], inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Differences that do not stop the run, each kind once, with what to do about it."""
    for doubt in sorted({pair.doubt for pair in recognised if pair.doubt}):
        labels = [pair.label for pair in recognised if pair.doubt == doubt]
        yield (
            f"anchors of the service recognised by their label only, because {doubt}: {', '.join(labels)}",
            "Compare them with ours (`eng5-runner admin anchors list`), or replace them by ours (--replace-anchors).",
        )
    registered = {pair.anchor.anchor_id for pair in recognised}
    if missing := [anchor.label for anchor in inputs.anchors if anchor.anchor_id not in registered]:
        yield (
            f"the service lacks {len(missing)} of our anchors: {', '.join(missing[:10])}",
            "Register them (--register-anchors), or continue with those that it has.",
        )


def respaced(recognised: Sequence[Recognised]) -> Iterator[str]:
    """The anchors that differ in white space only, in one sentence if there are any."""
    if labels := [pair.label for pair in recognised if pair.respaced]:
        yield f"anchors of the service that differ from ours in white space only: {', '.join(labels)}"


async def register_missing(
    recognised: Sequence[Recognised],
    *,
    assignment: str,
    inputs: Inputs,
    texts: Mapping[str, bytes],
    registry: AnchorRegistry,
    replace: bool,
) -> str:
    """Register every anchor that the service lacks, and read it back.

    Args:
        recognised: the anchors that the service has.
        assignment: whose anchors they are.
        inputs: of the run.
        texts: sha256 → UTF-8 bytes.
        registry: the service.
        replace: whether to replace the anchors that differ here in grade or text. Other people may use the same
            assignment, so only a person decides that.

    Returns:
        What was done, in one sentence.

    Raises:
        ConfigurationError: without `replace`, an anchor has another grade; nothing was registered.
        RunnerError: an anchor was refused, or is not stored afterwards; see `raise_findings`.
    """
    if not replace:
        check_grades(recognised)
    kept = {pair.anchor.anchor_id for pair in recognised if pair.is_as_ours or not replace}
    # An anchor that the service has under another label is corrected under that label: ours would add a second row.
    labels = {pair.anchor.anchor_id: pair.row.anchor_label for pair in recognised}
    missing = [
        AnchorToRegister(
            label=labels.get(anchor.anchor_id, anchor.label), grade=anchor.grade, text=_text(anchor, texts)
        )
        for anchor in inputs.anchors
        if anchor.anchor_id not in kept
    ]
    if not missing:
        return f"{counted(len(inputs.anchors), 'anchor is', plural='anchors are')} registered already"
    registration = await register_anchors(registry, assignment, anchors=missing)
    raise_findings(registration, sent=len(missing))
    shown = {pair.row.anchor_label: pair.label for pair in recognised}
    rows = ", ".join(
        f"{shown.get(row.anchor_label, row.anchor_label)} ({row.grade}) is row {row.id}" for row in registration.rows
    )
    return f"{counted(len(missing), 'anchor was', plural='anchors were')} registered and read back: {rows}"


def _text(anchor: Anchor, texts: Mapping[str, bytes]) -> str:
    text = texts.get(anchor.text_sha256)
    if text is None:
        raise InputsInvalid(
            f"The text of the anchor {anchor.label} is no longer in the assets folder.",
            remedy="Restore the assets as they were when the run began, or start a new run.",
        )
    return text.decode()
