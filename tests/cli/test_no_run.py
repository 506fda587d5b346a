"""A path that is not the directory of a run: what it is instead, and a way on that leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runner import run


def test_without_any_run_status_says_how_to_start_one(tmp_path: Path) -> None:
    told = run("status", cwd=tmp_path)
    assert told.code == 66
    assert told.err.splitlines()[0] == "There is no run runs/latest."
    assert "eng5-runner --mode execute --assets FOLDER" in told.err and "such as runs/latest" not in told.err
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("20200101-gone")
    told = run("status", cwd=tmp_path)
    assert told.code == 66 and "runs/latest leads to 20200101-gone, which is not there any more" in told.err


@pytest.mark.parametrize("command", ["verify", "status", "resume"])
def test_a_file_in_the_place_of_a_run_is_missing_input(command: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("page")
    told = run(command, tmp_path / "report.html", cwd=tmp_path)
    assert told.code == 66 and f"{tmp_path / 'report.html'} is a file." in told.err
    assert "Name the directory of the run." in told.err
    (tmp_path / "ledger.jsonl").touch()
    assert f"perhaps {tmp_path}" in run(command, tmp_path / "report.html", cwd=tmp_path).err


def test_a_folder_of_runs_names_its_newest(tmp_path: Path) -> None:
    for name in ("20260101-a", "20270101-b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "ledger.jsonl").touch()
    (tmp_path / "runs" / "latest").symlink_to("20270101-b")
    told = run("verify", "runs", cwd=tmp_path)
    assert told.code == 66 and told.err.splitlines()[0] == "runs holds runs and is none."
    assert "Name one of them, such as runs/20270101-b." in told.err


@pytest.mark.parametrize("command", [("sweep", "."), ("--mode", "plan", "--config", ".")])
def test_a_folder_in_the_place_of_a_toml_file_is_named_in_words(command: tuple[str, ...], tmp_path: Path) -> None:
    told = run(*command, cwd=tmp_path)
    assert told.code == 78 and told.err.splitlines()[0].endswith("cannot be read: Is a directory.")
