"""`import eng5_runner as eng5`: what a program can do without the command line."""

from __future__ import annotations

import csv
import doctest
import inspect
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import eng5_runner as eng5
from eng5_runner.app.session import Interruption
from eng5_runner.run.ports import WorkLeft
from tests.support.huleedu_run import write_run
from tests.support.runner import artefact, clean_environment, newest, run, wait_for

ROOT = Path(__file__).parents[2]
FUNCTIONS = (
    *("plan", "execute", "resume", "open_run", "verify", "compare", "fit"),
    *("list_runs", "export", "export_public", "import_run"),
)


def test_the_import_loads_nothing_else_and_every_public_name_is_there() -> None:
    code = (
        "import sys, eng5_runner as eng5; early = sorted(m for m in sys.modules if m.startswith('eng5_runner'));"
        "public = [callable(getattr(eng5, name)) for name in eng5.__all__]; print(*early, len(public), all(public))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [
        "eng5_runner",
        "eng5_runner.errors",
        str(len(eng5.__all__)),
        "True",
    ]
    assert set(eng5.__all__) <= set(dir(eng5))


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'plane'"):
        eng5.plane  # noqa: B018


def test_the_command_line_verifies_what_the_library_ran(made: SimpleNamespace) -> None:
    ran = run("verify", made.run.path, cwd=made.folder)
    assert ran.code == 0, ran.err
    assert newest(made.folder) == made.run.path.resolve()
    assert eng5.verify(made.run).comparisons == 160


def test_emit_gets_the_work_ahead_and_then_every_event(made: SimpleNamespace) -> None:
    names = [type(update).__name__ for update in made.updates]
    assert made.updates[0] == WorkLeft(texts=17, comparisons=160)
    assert names.index("RunStarted") < names.index("RequestPublished") < names.index("RunClosed")
    assert names.count("EssayUploaded") == 17


def test_logging_of_the_program_is_left_as_it_was(made: SimpleNamespace) -> None:
    assert made.level_left == logging.CRITICAL
    assert not [handler for handler in logging.getLogger().handlers if "structlog" in type(handler).__name__.lower()]
    lines = [json.loads(line) for line in (made.run.path / "run.log.jsonl").read_text().splitlines()]
    assert {line["batch_id"] for line in lines} == {"small"}
    assert {"run_started", "preflight_passed", "request_published", "run_closed"} <= {line["event"] for line in lines}


def test_a_run_in_a_few_lines(made: SimpleNamespace) -> None:
    first, *_, last = lines = repr(made.run).splitlines()
    assert first == f"Run {made.run.id} (small), execute, complete"
    assert last.strip() == str(made.run.path)
    assert "16 essays (8 anchors), 160 comparisons, 0 failed, 0.0000 USD" in repr(made.run)
    assert f"{made.run.reliability:.2f}" in repr(made.run)
    assert len(lines) <= 6


def test_rows_are_those_of_the_tables(made: SimpleNamespace) -> None:
    for name, rows in (("essays", made.run.essays), ("comparisons", made.run.comparisons)):
        with (made.run.path / "tables" / f"{name}.csv").open() as file:
            table = list(csv.DictReader(file))
        assert len(table) == len(rows)
        for line, row in zip(table, rows, strict=True):
            shared = [column for column in line if hasattr(row, column) and column != "extrapolated"]
            assert len(shared) >= 10
            for column in shared:
                value = getattr(row, column)
                expected = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                assert line[column] == expected, column


def test_anchors_have_their_own_grade_and_the_one_by_the_others(made: SimpleNamespace) -> None:
    with (made.run.path / "tables" / "anchors.csv").open() as file:
        table = {line["id"]: line for line in csv.DictReader(file)}
    assert {anchor.anchor_id for anchor in made.run.anchors} == table.keys()
    for anchor in made.run.anchors:
        line = table[anchor.anchor_id]
        assert (anchor.grade, anchor.projected_grade or "", anchor.refused or "") == (
            line["grade"], line["projected_grade"], line["refused"],
        )  # fmt: skip
    assert [anchor.theta for anchor in made.run.anchors] == sorted((a.theta for a in made.run.anchors), reverse=True)


def test_a_run_as_data_frames(made: SimpleNamespace) -> None:
    essays = made.run.essays.to_pandas()
    assert essays.shape == (16, len(made.run.essays.columns))
    assert abs(essays.theta.sum()) < 1e-4
    comparisons = made.run.comparisons.to_polars()
    assert comparisons["started_at"].is_sorted()
    assert comparisons["winner_id"].is_in(essays.essay_id.tolist()).all()
    assert made.run.failed.to_pandas().shape[0] == 0


def test_a_run_that_is_complete_is_not_resumed(made: SimpleNamespace) -> None:
    updates: list[object] = []
    assert eng5.resume(made.run, emit=updates.append).outcome == "complete"
    assert updates == []


def test_a_run_compared_with_itself_agrees(made: SimpleNamespace) -> None:
    assert eng5.compare(made.run, made.run.path).verdicts.agreement == 1.0


def test_a_dry_run_opens_too(made: SimpleNamespace, tmp_path: Path) -> None:
    dry = eng5.execute(assets=made.study, mode="dry-run", output_dir=tmp_path)
    assert (dry.mode, dry.outcome, dry.reliability, len(dry.essays)) == ("dry-run", "not-sent", None, 0)
    assert "judge: none" in repr(dry)


def test_a_plan_writes_nothing(made: SimpleNamespace, tmp_path: Path) -> None:
    planned = eng5.plan(assets=made.study, comparisons_per_essay=10, output_dir=tmp_path / "runs")
    assert planned.plan.comparisons == 80
    assert repr(planned).startswith("PlannedRun study: 8 students, 8 anchors\n  80 comparisons for 0 USD")
    assert not (tmp_path / "runs").exists()


def test_a_notebook_completes_the_settings() -> None:
    execute, plan = (set(inspect.signature(function).parameters) for function in (eng5.execute, eng5.plan))
    assert {"mode", "config", "emit", "assets", "max_cost", "llm_provider"} <= execute
    assert execute - plan == {"mode", "emit"}


def test_a_settings_file_goes_below_the_keywords(made: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("max-comparisons = 90\nseed = 4\n")
    planned = eng5.plan(assets=made.study, max_comparisons=100, config=tmp_path / "s.toml")
    assert (planned.plan.comparisons, planned.spec.budget.seed) == (100, 4)


def test_findings_are_in_the_error_where_nobody_has_shown_them(tmp_path: Path) -> None:
    (tmp_path / "student_essays").mkdir()
    with pytest.raises(eng5.InputsMissing) as error:
        eng5.plan(assets=tmp_path)
    assert error.value.message.startswith("The assets have ")
    assert "student_essays" in error.value.message


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_comparison": 3}, "Did you mean max_comparisons?"),
        ({"max_comparisons": 10, "design": "adaptiv"}, "adaptive"),
        ({"max_comparisons": 0}, "max_comparisons"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(eng5.UsageError) as error:
        eng5.plan(**settings)
    assert told in error.value.message + error.value.remedy


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(eng5.InputsMissing, match="not the directory of a run"):
        eng5.open_run(tmp_path)
    (tmp_path / "assessment_run.execute.json").write_text('{"half": ')
    with pytest.raises(eng5.InputsInvalid, match="not an artefact"):
        eng5.open_run(tmp_path)


def test_an_interrupted_script_gets_its_interruption_and_the_run_is_closed(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    code = (
        "import sys, eng5_runner as eng5\n"
        "try: eng5.execute(assets=sys.argv[1], max_comparisons=4000)\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, made.study], cwd=tmp_path, env=clean_environment(tmp_path))
    log = tmp_path / "runs" / "latest" / "ledger.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("CallbackAccepted") > 20, what="the first comparisons")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 7
    status = artefact(newest(tmp_path))["runner_status"]
    assert status["outcome"] == "interrupted"
    assert eng5.verify(tmp_path / "runs" / "latest").outcome == "interrupted"
    assert json.loads((newest(tmp_path) / "ledger.jsonl").read_text().splitlines()[-1])["type"] == "RunClosed"


def test_an_interruption_that_comes_before_the_session_has_begun_counts() -> None:
    interruption = Interruption()
    interruption.from_outside()
    assert interruption.stop.is_set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_each_function_works(
    name: str, made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    globs = {"demo": made.run.path, "folder": tmp_path, "foreign": write_run(tmp_path / "huleedu")}
    tests = doctest.DocTestFinder(recurse=False).find(getattr(eng5, name), name, globs=globs)
    assert sum(bool(test.examples) for test in tests) == 1
    report: list[str] = []
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", ["0.1.0-recorded", "0.1.0-execute", "0.1.0-resumed", "0.1.0-anchor-align"])
def test_a_run_of_an_earlier_version_opens(name: str) -> None:
    opened = eng5.open_run(ROOT / "tests" / "guard" / "runs" / name)
    assert opened.outcome == "complete"
    assert len(opened.essays) >= len(opened.anchors) >= 2
    assert len(opened.comparisons) == len(opened.comparisons.to_pandas()) > 0
    assert str(len(opened.comparisons)) in repr(opened)
