"""report and compare, as a person and a program use them."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

from tests.support.runner import newest, run


def test_a_run_has_a_report_that_is_written_again_alike_and_proved(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "dry-run", "--assets", study, cwd=tmp_path).code == 0
    directory = next((tmp_path / "runs").glob("[0-9]*"))
    page = (directory / "report.html").read_bytes()
    assert page.startswith(b"<!doctype html>") and b"not-sent, 1 session" in page
    elsewhere = run("report", directory, "--out", tmp_path / "page.html", "--json", cwd=tmp_path)
    assert elsewhere.lines == [
        {"event": "Report", "run_directory": str(directory), "report": str(tmp_path / "page.html")}
    ]
    assert (tmp_path / "page.html").read_bytes() == page
    (directory / "report.html").write_bytes(page.replace(b"not-sent", b"complete"))
    spoilt = run("verify", directory, cwd=tmp_path)
    assert spoilt.code == 5 and "report.html" in spoilt.err
    again = run("report", directory, cwd=tmp_path)
    assert again.code == 0 and (directory / "report.html").as_uri() in again.err
    assert run("verify", directory, cwd=tmp_path).code == 0


def test_two_runs_are_set_side_by_side(study: Path, tmp_path: Path) -> None:
    directories = []
    for comparisons in (32, 48):
        ran = run(
            *("--mode", "execute", "--assets", study, "--seed", 4, "--max-comparisons", comparisons), cwd=tmp_path
        )
        assert ran.code == 0, ran.err
        directories.append(newest(tmp_path))
    told = run("compare", *directories, cwd=tmp_path)
    assert told.code == 0, told.err
    for words in ("16 essays in both", "32 judged", "48 judged", "Spearman", "grades: the same", "experts' grades"):
        assert words in told.err
    (found,) = run("compare", *directories, "--json", cwd=tmp_path).lines
    assert found["event"] == "Comparison" and found["essays"]["shared"] == 16
    low, high = found["positions"]["spearman"]["interval_90"]
    assert low <= found["positions"]["spearman"]["estimate"] <= high
    third = tmp_path / "third"
    shutil.copytree(directories[0], third)
    three = run("compare", *directories, third, "--out", "page.html", "--json", cwd=tmp_path)
    overview, *pairs = three.lines
    assert overview["event"] == "RunsCompared"
    assert [(row["comparisons"], Path(row["directory"]).name) for row in overview["runs"]] == [
        (32, directories[0].name), (48, directories[1].name), (32, "third"),
    ]  # fmt: skip
    assert [(Path(line["a"]).name, Path(line["b"]).name) for line in pairs] == [
        (directories[0].name, directories[1].name), (directories[0].name, "third"), (directories[1].name, "third"),
    ]  # fmt: skip
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == page.count("<h2") - 1 == 3
    assert page.index("All runs") < page.index("The runs."), "the table of all stands before the pairs"
    assert page.count("<circle") == 3 * 8 and page.count("<rect") == 3 * 8, "students and anchors"
    for words in ("90% interval", "USD a unit of τ-b", "have the same verdict"):
        assert words in page
    assert "default-src 'none'" in page and "<script" not in page
    assert run("compare", third, cwd=tmp_path).code == 2
    _pictures_are_files(directories[0], tmp_path)
    _texts_are_shown_outside_the_run_only(directories[0], study, folder=tmp_path)


def _pictures_are_files(directory: Path, folder: Path) -> None:
    (drawn,) = run("report", directory, "--figures", "figures/new", "--json", cwd=folder).lines
    names = {Path(file).name for file in drawn["files"]}
    assert {"positions.svg", "positions.png", "agreement.svg", "coverage.png", "course.svg"} <= names
    assert {path.name for path in (folder / "figures" / "new").iterdir()} == names
    both = run("report", directory, "--figures", "figures", "--with-texts", cwd=folder)
    assert both.code == 2 and "pictures only" in both.err


def _texts_are_shown_outside_the_run_only(directory: Path, study: Path, *, folder: Path) -> None:
    sentence = (study / "student_essays" / "essay_01.txt").read_text().strip().splitlines()[-1][:40]
    assert sentence not in (directory / "report.html").read_text()
    asked = ("report", directory, "--with-texts")
    for out in ((), ("--out", directory / "texts.html")):
        assert run(*asked, *out, cwd=folder).code == 2
    shown = run(*asked, "--out", "texts.html", cwd=folder)
    assert shown.code == 0 and "not for sharing" in shown.err
    page = (folder / "texts.html").read_text()
    assert sentence in html.unescape(page) and "Not for sharing." in page
    (study / "student_essays" / "essay_01.txt").write_text("Another text than the one that was judged.\n" * 9)
    changed = run(*asked, "--out", "texts.html", cwd=folder)
    assert changed.code == 65 and "essay_01" in changed.err
    assert run("verify", directory, cwd=folder).code == 0


def test_runs_that_took_the_task_for_the_rubric_are_told_from_those_that_did_not(study: Path, tmp_path: Path) -> None:
    """As earlier versions did with the field's own names, here by the settings; and a run without a rubric."""
    task, rubric = study / "eng5_np_vt_2017_essay_instruction.md", study / "llm_prompt_cj_assessment_eng5.md"
    (study / "prompt.md").rename(task)
    (study / "instructions.md").rename(rubric)

    def executed() -> Path:
        ran = run("--mode", "execute", "--assets", study, "--seed", 4, "--max-comparisons", 32, cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0
        return newest(tmp_path)

    (study / "eng5.toml").write_text(f'[assets]\ninstructions = "{task.name}"\nprompt = "{rubric.name}"\n')
    swapped = executed()
    (study / "eng5.toml").unlink()
    right = executed()
    request = json.loads(next((right / "requests").glob("*.json")).read_text())["data"]
    assert request["llm_config_overrides"]["judge_rubric_override"] == rubric.read_text().strip()
    rubric.unlink()
    planned = run("--mode", "plan", "--assets", study, cwd=tmp_path)
    assert planned.code == 0 and "own criteria apply" in " ".join(planned.err.split())
    without = executed()
    request = json.loads(next((without / "requests").glob("*.json")).read_text())["data"]
    assert request["llm_config_overrides"] is None

    told = " ".join(run("compare", swapped, right, cwd=tmp_path).err.split())
    assert f"{task.name} is the judge's instructions in A and the students' task in B" in told
    assert f"{rubric.name} is the students' task in A and the judge's instructions in B" in told
    assert "were not asked the same" in told
    (found,) = run("compare", swapped, without, "--json", cwd=tmp_path).lines
    assert [text["file"] for text in found["swapped_texts"]] == [task.name]
    assert "swapped roles" not in run("compare", right, without, cwd=tmp_path).err


def test_what_cannot_be_compared_is_named(study: Path, tmp_path: Path) -> None:
    missing = run("compare", study, study, cwd=tmp_path)
    assert missing.code == 66 and f"{study} is not the directory of a run" in missing.err
