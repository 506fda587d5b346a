"""`runs` and `export`: several runs as one table."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from tests.support.runner import DEMO, Ran, run

RUNS = Path(__file__).parents[1] / "guard" / "runs"
OLD = ("0.1.0-recorded", "0.1.0-execute", "0.1.0-resumed", "0.1.0-anchor-align")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of an earlier version, one that has not ended, a plan, and what is no run."""
    for name in OLD:
        shutil.copytree(RUNS / name, tmp_path / "runs" / name)
    shutil.copytree(RUNS / OLD[0], tmp_path / "runs" / "going")
    (tmp_path / "runs" / "going" / "assessment_run.execute.json").unlink()
    (tmp_path / "runs" / "planned").mkdir()
    shutil.copy(RUNS / OLD[0] / "config.resolved.toml", tmp_path / "runs" / "planned")
    (tmp_path / "runs" / "latest").symlink_to(OLD[0])
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path


def listed(folder: Path, *options: object) -> list[dict[str, object]]:
    ran = run("runs", *options, "--json", cwd=folder)
    assert ran.code == 0, ran.err
    return ran.lines


def test_runs_lists_each_run_once_newest_first(folder: Path) -> None:
    rows = listed(folder)
    assert [Path(str(row["directory"])).name for row in rows][-1] == "planned", "without a time, last"
    assert {Path(str(row["directory"])).name for row in rows} == {*OLD, "going", "planned"}
    times = [row["started_at"] for row in rows[:-1]]
    assert times == sorted(times, reverse=True)
    outcomes = {Path(str(row["directory"])).name: row["outcome"] for row in rows}
    assert (outcomes["going"], outcomes["planned"], outcomes[OLD[1]]) == ("open", "planned", "complete")


def test_what_runs_says_of_a_run_is_what_its_artefact_states(folder: Path) -> None:
    """Although the list of comparisons is not read."""
    (row,) = listed(folder, "--where", "mode=execute", "--where", "directory~0.1.0-execute")
    artefact = json.loads((RUNS / OLD[1] / "assessment_run.execute.json").read_text())
    assert row["comparisons"] == len(artefact["llm_comparisons"]) == 176
    assert row["reliability"] == artefact["bt_model"]["reliability"]["empirical_bayes"]
    assert row["tau_b"] == artefact["anchor_alignment"]["kendall_tau_b"]
    assert row["essays"] == len(artefact["inputs"]["students"]) + len(artefact["inputs"]["anchors"])
    assert (row["label"], row["run_id"]) == ("demo", artefact["metadata"]["batch_uuid"])


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("comparisons>=112", {OLD[1], OLD[2]}),
        ("comparisons<112", {OLD[0], OLD[3]}),
        ("comparisons!=84", {OLD[0], OLD[1], OLD[2]}),
        ("outcome=OPEN", {"going"}),
        ("outcome>=open", {"going", "planned"}),
        ("judge~baseline", {OLD[1], OLD[2], OLD[3]}),
    ],
)
def test_a_condition_keeps_the_runs_that_meet_it(folder: Path, condition: str, names: set[str]) -> None:
    assert {Path(str(row["directory"])).name for row in listed(folder, "--where", condition)} == names


def test_runs_sorts_by_any_column_and_writes_csv(folder: Path) -> None:
    ran = run("runs", "--sort", "comparisons", "--csv", cwd=folder)
    table = list(csv.DictReader(io.StringIO(ran.out)))
    counts = [int(row["comparisons"]) for row in table if row["comparisons"]]
    assert counts == sorted(counts) and len(counts) == 4 and len(table) == 6
    assert "176" in run("runs", cwd=folder).err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sort", "colour"), "no column colour"),
        (("--where", "colour=red"), "no column colour"),
        (("--where", "outcome"), "no condition"),
        (("--where", "cost_usd<cheap"), "no number"),
    ],
)
def test_what_runs_cannot_do_is_said(folder: Path, options: tuple[str, ...], said: str) -> None:
    ran = run("runs", *options, cwd=folder)
    assert ran.code == 2 and said in ran.err


def exported(folder: Path, form: str) -> Ran:
    return run("export", "runs/0.1.0-execute", "runs/0.1.0-recorded", "--format", form, "--json", cwd=folder)


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "xlsx"])
def test_export_stacks_the_tables_of_several_runs(folder: Path, form: str) -> None:
    ran = exported(folder, form)
    assert ran.code == 0, ran.err
    (told,) = ran.lines
    assert sorted(told["files"]) == sorted(
        map(str, (path.relative_to(folder) for path in (folder / "export").iterdir()))
    )
    essays = read(folder / "export", form)
    assert [row["id"] for row in essays if row["is_anchor"]] != []
    runs = {row["run_id"] for row in essays}
    assert len(runs) == 2
    wanted = [row["essay_id"] for name in (OLD[1], OLD[0]) for row in artefact(name)["bt_summary"]]
    assert [row["id"] for row in essays] == wanted
    assert [row["theta"] for row in essays][:3] == [row["theta"] for row in artefact(OLD[1])["bt_summary"]][:3]


def artefact(name: str) -> dict[str, list[dict[str, object]]]:
    return json.loads((RUNS / name / "assessment_run.execute.json").read_text())


def read(out: Path, form: str) -> list[dict[str, object]]:
    if form == "xlsx":
        heading, *rows = openpyxl.load_workbook(out / "tables.xlsx")["essays"].iter_rows(values_only=True)
        return [dict(zip(map(str, heading), row, strict=True)) for row in rows]
    if form == "json":
        return json.loads((out / "essays.json").read_text())
    frame = pl.read_parquet(out / "essays.parquet") if form == "parquet" else pl.read_csv(out / "essays.csv")
    assert frame.schema["theta"] == pl.Float64 and frame.schema["rank"] == pl.Int64
    return frame.to_dicts()


def test_an_artefact_that_was_changed_counts_nowhere(folder: Path) -> None:
    """Each command that reads artefacts compares it with what the manifest lists; hydrate writes it again."""
    path = folder / "runs" / "0.1.0-execute" / "assessment_run.execute.json"
    path.write_text(path.read_text().replace('"rank": 1,', '"rank": 2,'))
    for command in (
        ("compare", path.parent, "runs/0.1.0-recorded"),
        ("export", path.parent),
        ("--mode", "plan", "--assets", DEMO, "--pilot", path.parent),
    ):
        ran = run(*command, cwd=folder)
        assert ran.code == 65 and "is not the artefact that manifest.json lists" in ran.err, (command, ran.err)
    outcomes = {Path(str(row["directory"])).name: row["outcome"] for row in listed(folder)}
    assert (outcomes["0.1.0-execute"], outcomes["0.1.0-resumed"]) == ("changed", "complete")
    assert run("hydrate", path.parent, cwd=folder).code == 0
    assert run("compare", path.parent, "runs/0.1.0-resumed", cwd=folder).code == 0


def test_a_formula_is_a_text_in_the_workbook_and_in_parquet(folder: Path) -> None:
    path = folder / "runs" / "0.1.0-execute" / "assessment_run.execute.json"
    path.write_text(path.read_text().replace("essay_01.txt", "=cmd|x.txt"))
    (path.parent / "manifest.json").unlink()
    exported(folder, "xlsx")
    cells = list(openpyxl.load_workbook(folder / "export" / "tables.xlsx")["essays"].iter_rows())
    (cell,) = (cell for row in cells for cell in row if cell.value == "=cmd|x.txt")
    assert cell.data_type == "s"


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_a_missing_library_is_named_with_its_extra(folder: Path, form: str) -> None:
    (folder / "lacking").mkdir()
    for name in ("polars", "xlsxwriter"):
        (folder / "lacking" / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})")
    ran = run("export", "runs/0.1.0-execute", "--format", form, cwd=folder, env={"PYTHONPATH": str(folder / "lacking")})
    assert ran.code == 78
    assert "the extra `export`" in ran.err and "Traceback" not in ran.err
    assert not (folder / "export").exists()


def test_a_run_that_is_given_twice_is_refused(folder: Path) -> None:
    ran = run("export", "runs/latest", "runs/0.1.0-recorded", cwd=folder)
    assert ran.code == 2 and "given twice" in ran.err
