"""A .docx of another program, or with something to hide: what its reader sees is read, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.docx.document import docx_text
from eng5_runner.inventory.docx.numbering import formatted
from tests.inputs import documents as doc
from tests.inputs import odd_docx as odd
from tests.inputs.documents import paragraph, run
from tests.inputs.folders import Folder, difference
from tests.support.needs import cannot_be_had

ESSAY = "\n".join(odd.ESSAY)


def read(kind: str) -> DocumentText:
    return docx_text(odd.ODD[kind]())


def messages(document: DocumentText) -> list[str]:
    return [remark.finding("x.docx").message for remark in document.remarks]


def test_automatic_numbers() -> None:
    """Levels, formats, a restart, numbers that a style gives or a paragraph refuses, and bullets."""
    assert read("numbers").text.split("\n") == [
        "1. Cars are loud.",
        "1.a) Very loud.",
        "1.b) And red.",
        "2. Buses are slow.",
        "2.a) So slow.",
        "I:Deep.",
        "5. Again.",
        "6. By its style.",
        "None.",
        "• A point.",
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("upperRoman", "XLIV"),
        ("lowerRoman", "xliv"),
        ("upperLetter", "RR"),
        ("lowerLetter", "rr"),
        ("ordinal", "44th"),
        ("decimalZero", "44"),
        ("none", ""),
        ("chicago", "44"),
    ],
)
def test_forms_of_numbers(form: str, expected: str) -> None:
    assert formatted(44, form) == expected


def test_symbols() -> None:
    """Those of known fonts become characters; others stay visible and are counted."""
    document = read("symbols")
    assert document.text == "He said ″yes☺□α"
    assert [remark.kind for remark in document.remarks] == ["unknown_symbols"]


def test_a_drop_cap_belongs_to_its_word() -> None:
    assert read("drop cap").text == "Once upon a time."


@pytest.mark.parametrize("kind", odd.HIDING)
def test_text_that_nobody_sees_is_left_out_and_named(kind: str) -> None:
    document = read(f"hidden, {kind}")
    assert document.text.rstrip() == ESSAY
    (message,) = messages(document)
    reason = message.removeprefix("It has a hidden passage of 3 words (").removesuffix("), which is left out.")
    assert kind.startswith(reason)


@pytest.mark.parametrize("kind", odd.VISIBLE)
def test_text_that_only_looks_hidden_is_read(kind: str) -> None:
    document = read(f"visible, {kind}")
    assert (document.text.strip(), document.remarks) == ("shown", ())


def test_a_passage_is_counted_once_however_many_runs_it_has() -> None:
    runs = [odd.styled("<w:vanish/>", text) for text in ("choose ", "th", "is")]
    document = docx_text(doc.docx(paragraph(run("a "), *runs, run(" b"), runs[0]), paragraph(runs[0])))
    assert document.text == "a  b"
    assert messages(document) == ["It has 2 hidden passages of 4 words in all (hidden formatting), which is left out."]


def test_a_note_without_a_mark_is_left_out_and_named() -> None:
    document = read("deleted note")
    assert document.text == f"{odd.ESSAY[0]}\nA note."
    assert "3 words (a note without a mark)" in messages(document)[0]


def test_names_of_parts_in_other_case_and_with_backslashes() -> None:
    assert read("other case") == DocumentText(ESSAY)


def test_a_linked_object_is_a_warning() -> None:
    document = read("linked object")
    assert document.text == ESSAY
    assert "oleObject" in messages(document)[0]


@pytest.mark.parametrize("kind", ["web page inside", "archived page inside", "document inside", "text inside"])
def test_a_file_inside_is_read_with_a_warning(kind: str) -> None:
    document = read(kind)
    assert document.text == f"{ESSAY}\nA web & page."
    assert messages(document)[0].endswith("its text is read.")


def test_a_file_inside_that_cannot_be_read_is_named() -> None:
    document = read("rich text inside")
    assert document.text == ESSAY
    assert messages(document) == ["The document has another file inside (a .rtf); its text is not read."]


def test_findings_name_the_file(folder: Folder) -> None:
    folder.put("student_essays/hidden.docx", odd.ODD["hidden, tiny letters"]())
    findings = [(each.severity, each.kind, each.file) for each in folder.read().findings]
    assert ("warning", "hidden_text", "student_essays/hidden.docx") in findings


@pytest.mark.parametrize("kind", ["plain", "numbers", "drop cap", "deleted note"])
def test_the_words_are_those_of_an_independent_reader(kind: str, tmp_path: Path) -> None:
    """At most 1 % of the words differ from pandoc's, its own marks of notes and bullets apart."""
    if shutil.which("pandoc") is None:
        cannot_be_had("pandoc is not installed")
    (tmp_path / "odd.docx").write_bytes(odd.ODD[kind]())
    command = ["pandoc", "--to=plain", "--wrap=none", tmp_path / "odd.docx"]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    other = re.sub(r"\[\d+\] ?", "", other).replace("-   ", "• ")
    ours = read(kind).text
    if kind == "numbers":  # pandoc writes each level's own number only
        ours, other = (re.sub(r"^ *[\w.]+[.):] ?", "", text, flags=re.MULTILINE) for text in (ours, other))
    assert difference(other.split(), ours.split()) <= 0.01
