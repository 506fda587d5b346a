"""Teachers' grades of a few students: recorded, checked against the projected grades, and used for nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import eng5_runner as eng5
from eng5_runner.app.inspect import hydrate_run
from eng5_runner.app.judge.people import PeoplesFiles, add_from_people
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.results.artefact import Artefact
from eng5_runner.run.run_directory import saved_run
from tests.support.runner import run

EXECUTED = Path(__file__).parents[1] / "guard" / "runs" / "0.1.0-execute"
OUTCOMES = GRADE_SCALES["eng5_np_legacy_9_step"].outcomes
STUDENTS = 10


def table(path: Path, *rows: str, head: str = "essay_id,grade") -> Path:
    path.write_text("".join(f"{row}\n" for row in (head, *rows)), encoding="utf-8")
    return path


def grades_below(artefact: Artefact, path: Path, *, steps: int) -> Path:
    """Teachers' grades of students, so many steps below the projected ones; every other student by the file's name.

    With 0 steps they are one above or one below in turn, as teachers differ.
    """
    files = artefact.inputs.file_names
    chosen = [row for row in artefact.grade_projections if OUTCOMES.index(row.grade) >= steps][:STUDENTS]
    below = [steps or (-1) ** place for place in range(len(chosen))]
    lower = {
        row.essay_id: OUTCOMES[min(max(OUTCOMES.index(row.grade) - step, 0), len(OUTCOMES) - 1)]
        for row, step in zip(chosen, below, strict=True)
    }
    names = (files[essay] if place % 2 else essay for place, essay in enumerate(lower))
    return table(path, *(f"{name},{grade}" for name, grade in zip(names, lower.values(), strict=True)))


def test_a_shift_is_seen_and_said_and_no_estimate_uses_the_grades(tmp_path: Path) -> None:
    whole = Path(shutil.copytree(EXECUTED, tmp_path / "run"))
    plain = hydrate_run(whole).artefact
    file = grades_below(plain, tmp_path / "known.csv", steps=2)
    shown = run("hydrate", whole, "--check-grades", file, cwd=tmp_path)
    said = " ".join(shown.err.split())
    assert shown.code == 0 and f"of {STUDENTS} students whose teachers' grade is known" in said
    assert "the grades are shifted" in said and "the projected grades are probably too high, by" in said
    checked = eng5.open_run(whole).artefact
    check = checked.grade_check
    assert check is not None and check.is_shifted and check.interval_90 is not None and check.interval_90[0] > 0.5
    assert check.shift == pytest.approx(sum(row.steps_above for row in check.students) / STUDENTS, abs=1e-5)
    same = dict.fromkeys(("grade_check", "metadata", "runner_status", "validation", "llm_comparisons"))
    assert checked.model_copy(update=same) == plain.model_copy(update=same)
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "Students with a known grade" in page and "grades are probably too high" in page
    assert len((whole / "tables" / "check_grades.csv").read_text().splitlines()) == STUDENTS + 1
    assert run("verify", whole, cwd=tmp_path).code == 0
    ledger = (whole / "ledger.jsonl").read_bytes()
    again = run("hydrate", whole, "--check-grades", file, "--json", cwd=tmp_path)
    assert again.lines[0]["grade_check"]["shift"] == check.shift
    assert (whole / "ledger.jsonl").read_bytes() == ledger, "the same file again adds nothing"
    like = add_from_people(
        whole, PeoplesFiles(check_grades=grades_below(plain, tmp_path / "other.csv", steps=0))
    ).artefact.grade_check
    assert like is not None and not like.is_shifted and like.file_name == "other.csv", "it takes the first one's place"
    public = eng5.export_public(whole, out=tmp_path / "copy")
    assert public.artefact.grade_check is not None and public.artefact.grade_check.shift == like.shift
    assert b"other.csv" not in b"".join(path.read_bytes() for path in public.path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("nobody,B",), "row 2, column essay_id: 'nobody' is no student of this run"),
        (("{id},B", "{file},B"), "row 3, column essay_id: '{file}' stands in an earlier row"),
        (("{id},G",), "row 2, column grade: 'G' is not a grade that a student can have on eng5_np_legacy_9_step"),
        (("{anchor},F+",), "has the anchor {anchor}"),
        ((), "has no grades"),
    ],
)
def test_a_file_that_does_not_fit_the_run_is_refused(rows: tuple[str, ...], says: str, tmp_path: Path) -> None:
    inputs = saved_run(EXECUTED).inputs
    student = inputs.students[0]
    names = {"id": student.essay_id, "file": student.file.file_name, "anchor": inputs.anchors[0].anchor_id}
    file = table(tmp_path / "known.csv", *(row.format(**names) for row in rows))
    with pytest.raises(InputsInvalid) as refused:
        PeoplesFiles(check_grades=file).events(inputs, key_table=None)
    assert says.format(**names) in refused.value.message
    with pytest.raises(InputsMissing):
        PeoplesFiles(check_grades=tmp_path / "none.csv").events(inputs, key_table=None)


def test_the_grade_below_the_lowest_is_a_students_and_real_names_mean_pseudonyms(tmp_path: Path) -> None:
    inputs = saved_run(EXECUTED).inputs
    student = inputs.students[0]
    shown = Path(student.file.file_name).stem
    key = table(tmp_path / "key.csv", f"Anna Ek.txt,{shown}", head="file_name,pseudonym")
    for name in ("Anna Ek", "Anna Ek.txt", student.essay_id):
        file = table(tmp_path / "known.csv", f"{name},F", head="student,grade")
        (event,) = PeoplesFiles(check_grades=file).events(inputs, key_table=key)
        assert json.loads(event.model_dump_json())["grades"] == [{"essay_id": student.essay_id, "grade": "F"}]
    file = table(tmp_path / "known.csv", "Bo Berg,F", head="student,grade")
    with pytest.raises(InputsInvalid) as refused:
        PeoplesFiles(check_grades=file).events(inputs, key_table=key)
    assert "this name is no student of this run" in refused.value.message and "Bo" not in str(refused.value)
    judged = table(
        tmp_path / "judged.csv", f"t,Anna Ek,{inputs.students[1].essay_id},a", head="judge,item_a,item_b,winner"
    )
    (event,) = PeoplesFiles(judgements=judged).events(inputs, key_table=key)
    assert student.essay_id in event.model_dump_json()
