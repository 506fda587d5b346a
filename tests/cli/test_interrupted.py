"""Pulling the plug: a run that is killed or interrupted anywhere goes on and ends as if nothing had been."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from eng5_runner.effects.run_lock import LOCK_NAME
from tests.support.runner import artefact, judgements, ledger_types, newest, run, start, wait_for
from tests.support.small_study import build_study

BUDGET = 160
EXECUTE = ("--mode", "execute", "--seed", 3, "--max-comparisons", BUDGET)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, str]]:
    """The judgements of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert run(*EXECUTE, "--assets", build_study(folder / "study"), cwd=folder).code == 0
    return judgements(newest(folder))


def _reached(folder: Path, event: str, count: int) -> bool:
    runs = folder / "runs"
    latest = runs / "latest"
    return latest.exists() and ledger_types(latest.resolve()).count(event) >= count


def _times(run_directory: Path) -> set[str]:
    """When comparisons came, by whole lines of the ledger."""
    lines = (run_directory / "ledger.jsonl").read_text().splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return {event["at"] for event in events if event["type"] == "CallbackAccepted"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "count"),
    [
        ("RunStarted", 1),
        ("PreflightPassed", 1),
        ("EssayUploaded", 3),
        ("ListeningFrom", 1),
        ("RequestPrepared", 1),
        ("RequestPublished", 1),
        ("CallbackAccepted", 1),
        ("CallbackAccepted", 60),
        ("CallbackAccepted", 158),
        ("RunClosed", 1),
    ],
)
def test_killed_after_any_event_it_resumes_to_the_same_judgements(
    event: str, count: int, study: Path, tmp_path: Path, unbroken: set[tuple[str, str, str]]
) -> None:
    process = start(*EXECUTE, "--assets", study, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, event, count) or process.poll() is not None, what=f"{count} {event}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    directory = newest(tmp_path)
    resumed = run("resume", directory, cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert judgements(directory) == unbroken
    made = artefact(directory)
    assert len(made["llm_comparisons"]) == BUDGET, "none is there twice"
    requests = {path.read_bytes() for path in (directory / "requests").iterdir()}
    assert len(requests) == 1, "the request that went out again is the same to the byte"
    assert run("verify", directory, cwd=tmp_path).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_in_order_and_names_the_resume_command(
    number: signal.Signals, code: int, study: Path, tmp_path: Path
) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 4000, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 20), what="the first comparisons")
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    directory = newest(tmp_path)
    said = (tmp_path / "err").read_text()
    assert f"eng5-runner resume {directory.parent.name}/" in said or "eng5-runner resume" in said
    assert "Traceback" not in said
    made = artefact(directory)
    assert made["runner_status"]["outcome"] == "interrupted"
    assert made["runner_status"]["partial_data"] is True
    assert run("verify", directory, cwd=tmp_path).code == 0


def test_the_stack_ends_with_a_killed_runner(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 4000, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 1), what="the first comparison")
    process.kill()
    process.wait()
    stack = str(newest(tmp_path) / "stack")

    def gone() -> bool:
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return not any("stack up" in line and stack in line for line in listing.splitlines())

    wait_for(gone, what="the stack to end")


def test_a_second_process_on_one_run_is_refused_and_harms_nothing(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 400, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 1), what="the first comparison")
    second = run("resume", newest(tmp_path), cwd=tmp_path)
    assert second.code == 75, second.err
    assert str(process.pid) in second.err
    assert process.wait(timeout=60) == 0


def test_changed_assets_stop_a_resume_that_still_needs_them(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "RunStarted", 1), what="the start")  # its preflight takes a while
    process.kill()
    process.wait()
    assert "EssayUploaded" not in ledger_types(newest(tmp_path))
    changed = study / "student_essays" / "essay_01.txt"
    changed.write_text(changed.read_text() + "\nOne more sentence that was not there.\n")
    resumed = run("resume", newest(tmp_path), cwd=tmp_path)
    assert resumed.code == 65
    assert "essay_01.txt" in resumed.err
    pipe, link, folder = (study / "student_essays" / f"essay_{number:02}.txt" for number in (2, 4, 5))
    for essay in (pipe, link, folder):
        essay.unlink()
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere")
    folder.mkdir()
    resumed = run("resume", newest(tmp_path), cwd=tmp_path)
    said = " ".join(resumed.err.split())
    assert resumed.code == 65
    assert "student_essays/essay_02.txt (This is not a file but a folder, a pipe" in said
    assert "student_essays/essay_04.txt (" in said
    for anchor in (study / "anchor_essays").iterdir():
        anchor.unlink()
        anchor.symlink_to(tmp_path / "nowhere")
    resumed = run("resume", newest(tmp_path), cwd=tmp_path)
    assert " and 6 more. Restore them" in " ".join(resumed.err.split())


def _outputs(directory: Path) -> dict[Path, bytes]:
    """All files but the services' own records and the lock, which names its last holder."""
    files = (path for path in directory.rglob("*") if path.is_file() and "stack" not in path.parts)
    return {path: path.read_bytes() for path in files if path.name != LOCK_NAME}


def test_resuming_a_complete_run_changes_nothing(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "execute", "--assets", study, "--max-comparisons", 16, cwd=tmp_path).code == 0
    directory = newest(tmp_path)
    before = _outputs(directory)
    assert run("resume", directory, cwd=tmp_path).code == 0
    assert _outputs(directory) == before


def test_status_tells_where_an_open_run_stands(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 4000, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 10), what="the first comparisons")
    # Those that are read together have one time, which gives no rate.
    wait_for(lambda: len(_times(newest(tmp_path))) > 1, what="comparisons at another time")
    told = run("status", newest(tmp_path), "--json", cwd=tmp_path)
    in_words = run("status", newest(tmp_path), cwd=tmp_path)
    process.kill()
    process.wait()
    after = run("status", newest(tmp_path), cwd=tmp_path)
    assert told.code == 0, told.err
    facts = json.loads(told.out)
    assert facts["stage"] == "gathering" and facts["comparisons_judged"] >= 10 and facts["next"] == "gather"
    assert facts["is_running"] and facts["comparisons_asked"] == 4000 and facts["seconds_left"] > 0
    running = in_words.err.splitlines()[1]
    assert re.fullmatch(
        r"running, waiting for comparisons: \d+ of 4000 comparisons judged, .+ a (second|minute), about .+ left.*",
        running,
    )
    assert "to go on" not in in_words.err and "None" not in in_words.err
    assert after.err.splitlines()[1].startswith("stopped without an end, nothing works on it: ")
    assert f"to go on: eng5-runner resume {newest(tmp_path)}" in after.err


def test_a_run_whose_folder_is_deleted_ends_at_once(study: Path, tmp_path: Path) -> None:
    """It would pay for thousands of comparisons, and all of them would be lost."""
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 20_000, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 10), what="the first comparisons")
    shutil.rmtree(newest(tmp_path))
    assert process.wait(60) == 74
    said = (tmp_path / "err").read_text()
    assert "ledger.jsonl was deleted while the run was under way" in said
    assert "Start a new run" in said and "eng5-runner resume" not in said and "The ledger keeps" not in said
    left = [path.name for path in (tmp_path / "runs").glob("*/*") if path.name != "stack"]
    assert left == [], "nothing that looks like a run"


def test_a_run_whose_folder_is_moved_is_recorded_whole_in_its_new_place(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 600, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 10), what="the first comparisons")
    moved = newest(tmp_path).rename(tmp_path / "elsewhere")
    assert process.wait(60) == 74
    said = (tmp_path / "err").read_text()
    assert "was moved or deleted while the run was under way" in said and "Start a run" not in said
    assert run("resume", moved, cwd=tmp_path).code == 0
    assert len(artefact(moved)["llm_comparisons"]) == 600
    assert run("verify", moved, cwd=tmp_path).code == 0


def test_interrupted_while_it_writes_its_outputs_it_says_how_to_write_them(study: Path, tmp_path: Path) -> None:
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 600, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 10), what="the first comparisons")
    inputs = newest(tmp_path) / "inputs.json"
    kept = inputs.rename(tmp_path / "kept")
    os.mkfifo(inputs)  # who reads it waits
    with inputs.open("w"):  # now the outputs are computed
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    kept.replace(inputs)
    said = (tmp_path / "err").read_text()
    assert f"to write the outputs: eng5-runner hydrate runs/{newest(tmp_path).name}" in said and "Traceback" not in said
    assert run("hydrate", newest(tmp_path), cwd=tmp_path).code == 0
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def test_services_that_were_killed_are_said_to_be(study: Path, tmp_path: Path) -> None:
    """As by a machine that has no memory left."""
    process = start("--mode", "execute", "--assets", study, "--max-comparisons", 20_000, cwd=tmp_path)
    wait_for(lambda: _reached(tmp_path, "CallbackAccepted", 10), what="the first comparisons")
    folder = str(newest(tmp_path).relative_to(tmp_path) / "stack").encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder in (entry / "cmdline").read_bytes() and int(entry.name) != process.pid:
                os.kill(int(entry.name), signal.SIGKILL)
    assert process.wait(60) == 69
    assert "a signal ended it (SIGKILL)" in (tmp_path / "err").read_text()
