"""Values of the assets folder: what makes two inputs the same, what a finding means, what a name may show."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest

from eng5_runner.core.inputs import EssayFlag, Finding, Inputs, SourceFile, shown
from tests.support.run.runs import make_inputs

INPUTS, _ = make_inputs()


def test_the_notes_are_no_part_of_the_digest() -> None:
    """A stray file changes the notes, and a run must still accept its inputs; so do flags of a newer version."""
    assert INPUTS.model_copy(update={"notes": ("1 junk file was skipped",)}).digest() == INPUTS.digest()
    flags = (EssayFlag(essay_id="birk", kinds=("hidden_text",)),)
    assert INPUTS.model_copy(update={"flags": flags}).digest() == INPUTS.digest()


@pytest.mark.parametrize("field", sorted(Inputs.model_fields.keys() - {"notes", "anchor_table", "flags"}))
def test_everything_else_is_part_of_the_digest(field: str) -> None:
    value = getattr(INPUTS, field)
    other = value[:-1] if isinstance(value, tuple) else value + "x" if isinstance(value, str) else None
    if other is None:
        other = value.model_copy(update={"text": value.text + "."})
    assert INPUTS.model_copy(update={field: other}).digest() != INPUTS.digest()


def test_inputs_are_read_back_as_they_were_saved() -> None:
    assert Inputs.model_validate_json(INPUTS.model_dump_json()) == INPUTS


def test_a_file_has_the_same_path_on_every_machine() -> None:
    name = "Åsa.txt"
    files = [
        SourceFile.of(b"x", source_path=f"essays/{unicodedata.normalize(form, name)}", encoding=None, file_format="txt")
        for form in ("NFC", "NFD")
    ]
    assert files[0] == files[1]
    assert (files[0].file_name, files[0].size) == (name, 1)
    assert files[0].sha256 == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(("kind", "missing"), [("no_students", True), ("missing_file", True), ("short_anchor", False)])
def test_a_finding_says_whether_something_is_missing(kind: str, missing: bool) -> None:
    finding = Finding(severity="error", kind=kind, file="f", message="m", remedy="r")
    assert finding.is_missing is missing


def test_a_name_cannot_control_a_terminal_or_break_an_encoding() -> None:
    assert shown("a\nb\x1b[2Jc\u202e\udcff") == r"a\nb\x1b[2Jc\u202e\udcff"
    assert shown("Åsa’s essay.txt") == "Åsa’s essay.txt"
