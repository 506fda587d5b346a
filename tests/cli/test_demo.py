"""`demo` and `init`: what a person has who installed a wheel and nothing else."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from eng5_runner.stack.faults import OBEYED
from tests.support.runner import DEMO, artefact, newest, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel that is built here installs."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.slow
def test_the_demo_with_defects_runs_from_a_wheel_in_an_empty_folder_and_names_each_defect(
    wheel: Path, tmp_path: Path
) -> None:
    ran = run("demo", "--defects", "--json", cwd=tmp_path, env={"PYTHONPATH": str(wheel), "PYTHONSAFEPATH": "1"})

    assert ran.code == 3, ran.err
    directory = newest(tmp_path)
    page, found = (directory / "report.html").read_text(), artefact(directory)
    assert found["judge_quality"]["position_effect"]["interval_90"][0] > 0.5
    assert found["runner_status"]["duplicates"] == 10 and "messages that came twice" in page
    assert found["runner_status"]["comparisons"]["missing"] == 4 and "callbacks were lost on their way" in page
    named = [line["file"] for line in ran.lines if line["event"] == "Finding"]
    assert "student_essays/essay_09.txt" in named
    assert found["bt_summary"][0]["essay_id"] == "essay_09", "the judge obeyed it"
    (defects,) = (line["defects"] for line in ran.lines if line["event"] == "Defects")
    assert len(defects) == 5
    assert any("anchor-cplus2 beats" in defect["shown"] for defect in defects) and "anchor-cplus2" in page
    assert [line["event"] for line in ran.lines if line["event"] == "Verified"]


def test_the_study_of_the_demo_is_the_examples_one(wheel: Path) -> None:
    ours = {path.relative_to(DEMO): path.read_bytes() for path in DEMO.rglob("*") if path.is_file()}
    shipped = wheel / "eng5_runner" / "_demo"
    assert {path.relative_to(shipped): path.read_bytes() for path in shipped.rglob("*") if path.is_file()} == ours
    assert not any(OBEYED.encode() in data for data in ours.values())


def test_a_starter_study_says_what_is_missing_and_is_accepted_when_it_is_filled_in(tmp_path: Path) -> None:
    written = run("init", "study", "--json", cwd=tmp_path)
    (event,) = written.lines
    assert {"README.md", "prompt.md", "student_essays/", "settings.toml", "eng5.toml"} <= set(event["files"])

    empty = run("--assets", "study", "--json", cwd=tmp_path)
    assert empty.code == 65
    found = {line["file"]: line["severity"] for line in empty.lines if line["event"] == "Finding"}
    assert found == dict.fromkeys(("anchor_essays/", "instructions.md", "prompt.md", "student_essays/"), "error")

    for name in ("prompt.md", "instructions.md", "anchors.csv"):
        shutil.copy(DEMO / name, tmp_path / "study" / name)
    for name in ("anchor_essays", "student_essays"):
        shutil.copytree(DEMO / name, tmp_path / "study" / name, dirs_exist_ok=True)
    filled = run("--config", "settings.toml", "--strict", "--json", cwd=tmp_path / "study")
    assert filled.code == 0, filled.err


def test_the_starter_study_with_every_comment_taken_away_still_reads(tmp_path: Path) -> None:
    """The commented lines are settings that exist."""
    run("init", "study", cwd=tmp_path)
    settings = tmp_path / "study" / "settings.toml"
    lines = [line.removeprefix("# ") for line in settings.read_text().splitlines() if line.startswith("# ")]
    given = [line.replace("…", "gpt-6-luna") for line in lines if " = " in line]
    settings.write_text("\n".join(given))
    assert len(given) >= 6
    ran = run("--config", settings, "--assets", DEMO, cwd=tmp_path, env={"OPENAI_API_KEY": "k"})
    assert ran.code == 0, ran.err


def test_a_starter_study_is_written_into_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.txt").write_text("mine")
    ran = run("init", "study", cwd=tmp_path)
    assert ran.code == 2 and "not an empty folder" in ran.err
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["mine.txt"]
