"""admin anchors: essays of known grade that the CJ service adds to an assignment's batches."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from eng5_runner.cli.admin_output import show_listing, when, write_record
from eng5_runner.cli.admin_session import Addresses, ask, known_scale, nothing_on_record, text_of
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.inputs import shown
from eng5_runner.effects.cj_admin.read_back import AnchorToRegister, Registration, register_anchors
from eng5_runner.errors import InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.read import read_assets
from eng5_runner.run.preflight.anchors import raise_findings


def list_anchors(addresses: Addresses, *, assignment_id: str, json_lines: bool) -> int:
    """List the anchors of an assignment."""
    listing = ask(addresses, lambda client: client.anchors(assignment_id))
    if listing is None:
        raise nothing_on_record("anchors", assignment_id)
    if json_lines:
        for row in listing.anchors:
            write_record("Anchor", row)
        return 0
    rows = [
        (row.id, row.anchor_label, row.grade, row.grade_scale, row.text_storage_id, when(row.created_at))
        for row in listing.anchors
    ]
    show_listing(("id", "label", "grade", "grade scale", "text", "created"), rows)
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
) -> int:
    """Register the anchors of an assets folder, or one from a file, and read them back."""
    if (assets is None) == (file is None):
        raise UsageError("Either a folder or a file is needed.", remedy="Give --assets DIR, or --file with --grade.")
    if file is not None:
        anchors = [_from_file(file, grade=grade, label=label)]
    elif grade is not None or label is not None:
        raise UsageError("--grade and --label belong to --file.", remedy="With --assets, grades come from the folder.")
    else:
        anchors = _from_assets(assets or Path(), grade_scale=grade_scale)
    registration = ask(
        addresses, lambda client: register_anchors(client, assignment_id, anchors=anchors), needs_token=False
    )
    _tell(registration, json_lines=json_lines)
    raise_findings(registration, sent=len(anchors))
    return 0


def _from_file(file: Path, *, grade: str | None, label: str | None) -> AnchorToRegister:
    if grade is None:
        raise UsageError("The anchor's grade is not given.", remedy="Give --grade beside --file.")
    return AnchorToRegister(label=label or file.stem, grade=grade, text=text_of(file))


def _from_assets(folder: Path, *, grade_scale: str) -> list[AnchorToRegister]:
    """The folder's anchors.

    Raises:
        InputsMissing: all that is wrong with the folder is that something is not there.
        InputsInvalid: something in it cannot be used.
    """
    known_scale(grade_scale)
    found = read_assets(folder, grade_scale=grade_scale)
    errors = [finding for finding in found.findings if finding.severity == "error"]
    if found.inputs is None or errors:
        for finding in errors:
            people().print(escape(f"{finding.file}: {finding.message} {finding.remedy}"), style="red")
        kind = InputsMissing if all(finding.is_missing for finding in errors) else InputsInvalid
        raise kind(f"The assets cannot be used: {len(errors)} errors.", remedy="Correct them; nothing was sent.")
    return [
        AnchorToRegister(label=anchor.label, grade=anchor.grade, text=found.texts[anchor.text_sha256].decode())
        for anchor in found.inputs.anchors
    ]


def _tell(registration: Registration, *, json_lines: bool) -> None:
    if json_lines:
        for row in registration.rows:
            write_record("AnchorRegistered", row)
        for finding in registration.findings:
            facts = {"kind": finding.kind, "label": finding.label, "message": finding.message}
            write_json({"event": "AnchorFinding"} | facts | {"remedy": finding.remedy})
        return
    for row in registration.rows:
        people().print(escape(f"{shown(row.anchor_label)}: {shown(row.grade)}, row {row.id}, read back"))
    for finding in registration.findings:
        people().print(escape(shown(finding.message)), style="yellow")
