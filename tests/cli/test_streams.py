"""Standard streams as other systems have them: narrow encodings, closed ones, and few columns."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.runner import DEMO, run

LONG = "2026-05-12_NP_Engelska5_delC_{}_NA25A.pdf"
PUPILS = ("Anna_Andersson", "Bo_Berg", "Cia_Ceder")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """With three files that cannot be read and whose long names begin alike."""
    folder = tmp_path / "study"
    shutil.copytree(DEMO, folder)
    for pupil in PUPILS:
        (folder / "student_essays" / LONG.format(pupil)).write_bytes(b"%PDF-1.4 damaged")
    return folder


@pytest.mark.parametrize("columns", [None, "60", "80", "110"])
def test_a_finding_has_the_whole_name_of_its_file(columns: str | None, study: Path, tmp_path: Path) -> None:
    env = {} if columns is None else {"COLUMNS": columns, "FORCE_COLOR": "1", "TERM": "dumb"}
    planned = run("--mode", "plan", "--assets", study, cwd=tmp_path, env=env)
    assert planned.code == 65
    # The file's column: what is under it, line by line, makes the whole names.
    lines = [line for line in planned.err.splitlines() if line.strip()]
    start = next(line.index("file") for line in lines if "what" in line and "remedy" in line)
    end = next(line.index("what") for line in lines if "what" in line and "remedy" in line)
    column = "".join(line[start:end].strip() for line in lines)
    for pupil in PUPILS:
        assert LONG.format(pupil) in column


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_json_lines_can_be_written_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(DEMO, study)
    for name in ("\U0001f600 one", "\U0001f600 two"):
        shutil.copy(DEMO / "student_essays/essay_01.txt", study / f"student_essays/{name}.txt")
    planned = run(
        *("--mode", "plan", "--assets", study, "--json"),
        cwd=tmp_path,
        env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        before=("env",),
    )
    assert planned.code == 0, planned.err
    (finding,) = [line for line in map(json.loads, planned.out.splitlines()) if line.get("kind") == "identical_text"]
    assert "\U0001f600 one.txt" in finding["message"]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_nothing_but_what_is_said(closed: str, tmp_path: Path) -> None:
    shell = ("sh", "-c", f'"$0" "$@" {closed}')
    ran = run("--mode", "dry-run", "--assets", DEMO, cwd=tmp_path, before=shell)
    assert ran.code == 0, ran.err
    assert run("verify", "runs/latest", cwd=tmp_path).code == 0
    refused = run("--mode", "plan", "--assets", "nowhere", cwd=tmp_path, before=shell)
    assert refused.code == 66
