"""Files of text that a person names (`--system-prompt`, `--rubric`, `--file`) are read as essays are."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from eng5_runner.app.assemble import build_spec
from eng5_runner.app.settings import settings_from
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.text_file import read_text
from tests.inputs import documents as doc
from tests.support.run.runs import make_inputs

INPUTS, _ = make_inputs()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("judge.md", "\ufeffYou judge.\r\n".encode()),
        ("judge.prompt", b"You judge."),
        ("judge.txt", "You judge.".encode("utf-16")),
        ("judge.DOCX", doc.docx(doc.paragraph(doc.run("You judge.")))),
        ("judge.pdf", doc.pdf("You judge.")),
    ],
    ids=["a mark", "another ending", "UTF-16", "docx", "PDF"],
)
def test_any_format_gives_its_text(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert read_text(path, name="--rubric") == "You judge."
    settings = settings_from(system_prompt=path, rubric=path).settings
    judge = build_spec(settings, INPUTS, run_id=UUID(int=1), label="ours").judge
    assert judge is not None
    assert (judge.system_prompt_override, judge.judge_rubric_override) == ("You judge.", "You judge.")


def test_the_stated_encoding_of_the_study_holds(tmp_path: Path) -> None:
    path = tmp_path / "judge.txt"
    path.write_bytes("Döm rätt.".encode("cp1252"))
    settings = settings_from(rubric=path, encoding="cp1252").settings
    judge = build_spec(settings, INPUTS, run_id=UUID(int=1), label="ours").judge
    assert judge is not None and judge.judge_rubric_override == "Döm rätt."
    with pytest.raises(InputsInvalid) as refused:
        build_spec(settings_from(rubric=path).settings, INPUTS, run_id=UUID(int=1), label="ours")
    assert f"--rubric {path}" in refused.value.message and "cp1252" in refused.value.remedy


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"\xef\xbb\xbf\n", doc.docx(doc.paragraph())],
    ids=["nothing", "spaces", "a mark", "docx"],
)
def test_an_empty_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ("judge.docx" if content.startswith(b"PK") else "judge.txt")
    path.write_bytes(content)
    with pytest.raises(InputsInvalid, match="has no text"):
        read_text(path, name="--rubric")


def test_a_file_that_is_not_there_is_missing_and_a_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputsMissing, match="--rubric nowhere does not exist"):
        read_text(tmp_path / "nowhere.md", name="--rubric nowhere")
    with pytest.raises(InputsInvalid, match="a folder"):
        read_text(tmp_path, name="--rubric")
