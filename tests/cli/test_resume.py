"""What resume finds: outputs of an earlier end, a run in other hands, a run that never began, inputs that changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eng5_runner.effects.run_lock import held
from tests.support.runner import artefact, newest, run
from tests.support.small_study import build_study


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small complete run, which nobody alters."""
    folder = tmp_path_factory.mktemp("complete")
    study = build_study(folder / "study")
    assert run("--mode", "execute", "--assets", study, "--seed", 3, "--max-comparisons", 16, cwd=folder).code == 0
    return newest(folder)


@pytest.fixture
def copied(complete: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may alter."""
    return Path(shutil.copytree(complete, tmp_path / "run", ignore=shutil.ignore_patterns("stack", "run.lock")))


def files(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def lines(directory: Path, event: str) -> Iterator[int]:
    """Where the ledger has these events."""
    for number, line in enumerate((directory / "ledger.jsonl").read_bytes().splitlines()):
        if json.loads(line)["type"] == event:
            yield number


def cut(directory: Path, *, after: int) -> None:
    """Leave the ledger's lines up to this one, and no manifest, as a kill there would."""
    ledger = directory / "ledger.jsonl"
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[: after + 1]))
    for path in directory.glob("manifest*"):
        path.unlink()


@pytest.mark.parametrize("command", ["resume", "status", "hydrate", "report", "verify"])
@pytest.mark.parametrize("left_out", [0, 5, -1])
def test_a_ledger_that_lacks_a_line_of_the_manifests_is_refused(
    left_out: int, command: str, copied: Path, tmp_path: Path
) -> None:
    written = (copied / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    written.pop(left_out)
    (copied / "ledger.jsonl").write_bytes(b"".join(written))
    before = files(copied)
    refused = run(command, copied, cwd=tmp_path)
    assert refused.code == (5 if command == "verify" else 65)
    assert "does not begin with the ledger that manifest.json lists" in refused.err
    found = files(copied)
    found.pop("run.lock", None)
    assert found == before
    for path in copied.glob("manifest*"):
        path.unlink()
    if left_out == -1:  # the event that the run ended
        assert run("hydrate", copied, cwd=tmp_path).code == 0


def test_a_torn_tail_is_moved_away_before_a_manifest_lists_the_ledger(copied: Path, tmp_path: Path) -> None:
    cut(copied, after=next(lines(copied, "CallbackAccepted")))
    with (copied / "ledger.jsonl").open("ab") as ledger:
        ledger.write(b'{"type":"Callb')
    assert run("hydrate", copied, cwd=tmp_path).code == 0
    assert list(copied.glob("ledger.torn.*"))
    assert run("verify", copied, cwd=tmp_path).code == 0
    assert run("status", copied, cwd=tmp_path).code == 0


def test_a_kill_between_the_last_event_and_the_outputs_leaves_nothing_of_the_session_before(
    copied: Path, tmp_path: Path
) -> None:
    wanted, ledger = files(copied), (copied / "ledger.jsonl").read_bytes()
    cut(copied, after=next(lines(copied, "CallbackAccepted")))
    assert run("hydrate", copied, cwd=tmp_path).code == 0
    assert artefact(copied)["runner_status"]["outcome"] != "complete"
    (copied / "ledger.jsonl").write_bytes(ledger)
    resumed = run("resume", copied, cwd=tmp_path)
    assert resumed.code == 0 and "complete" in resumed.err
    assert run("verify", copied, cwd=tmp_path).code == 0
    found = files(copied)
    found.pop("run.lock")
    assert found == wanted


def test_a_kill_between_the_outputs_and_the_manifest_is_mended(copied: Path, tmp_path: Path) -> None:
    stale = files(copied)["manifest.json"].replace(b'"bytes":', b'"bytes":1', 1)
    (copied / "manifest.json").write_bytes(stale)
    assert run("resume", copied, cwd=tmp_path).code == 0
    assert run("verify", copied, cwd=tmp_path).code == 0


@pytest.mark.parametrize("command", ["resume", "hydrate", "report", "verify"])
def test_a_run_in_other_hands_is_left_as_it_is(command: str, copied: Path, tmp_path: Path) -> None:
    cut(copied, after=next(lines(copied, "CallbackAccepted")))
    with held(copied):
        before = files(copied)
        refused = run(command, copied, cwd=tmp_path)
        assert refused.code == 75 and "is being worked on" in refused.err
        assert files(copied) == before


def test_a_run_that_is_complete_and_has_no_outputs_yet_says_how_to_write_them(copied: Path, tmp_path: Path) -> None:
    """As after a kill or a signal while the outputs were computed, in the first session or in a later one."""
    whole = (copied / "ledger.jsonl").read_bytes()
    cut(copied, after=next(lines(copied, "CallbackAccepted")))
    assert run("hydrate", copied, cwd=tmp_path).code == 0
    (copied / "ledger.jsonl").write_bytes(whole)
    for _ in range(2):
        told = run("status", copied, cwd=tmp_path)
        assert told.code == 0 and f"to go on: eng5-runner hydrate {copied} " in told.err
        assert json.loads(run("status", copied, "--json", cwd=tmp_path).out)["is_written"] is False
        for path in copied.glob("manifest*"):
            path.unlink()
    assert run("hydrate", copied, cwd=tmp_path).code == 0
    assert "to go on" not in run("status", copied, cwd=tmp_path).err


@pytest.mark.parametrize("torn", [b"", b'{"type":"RunStarted","v":1'])
@pytest.mark.parametrize("command", ["resume", "status", "hydrate", "verify"])
def test_a_run_that_never_began_is_told_so(torn: bytes, command: str, copied: Path, tmp_path: Path) -> None:
    for path in copied.glob("manifest*"):
        path.unlink()
    (copied / "ledger.jsonl").write_bytes(torn)
    told = run(command, copied, cwd=tmp_path)
    assert told.code == 66
    assert "nothing was paid" in told.err and "Start a new run" in told.err and "eng5-runner resume" not in told.err


def test_a_session_that_recorded_nothing_offers_no_resume(tmp_path: Path) -> None:
    study = build_study(tmp_path / "study")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("--mode", "execute", "--assets", study, "--metrics-port", port, cwd=tmp_path)
    assert refused.code == 78 and f"The metrics port {port} cannot be used" in refused.err
    assert "resume" not in refused.err


def test_changed_inputs_are_refused_before_anything_is_sent(copied: Path, tmp_path: Path) -> None:
    cut(copied, after=next(lines(copied, "ListeningFrom")) - 1)
    inputs = json.loads((copied / "inputs.json").read_bytes())
    inputs["students"].pop()
    (copied / "inputs.json").write_text(json.dumps(inputs))
    before = (copied / "ledger.jsonl").read_bytes()
    refused = run("resume", copied, cwd=tmp_path)
    assert refused.code == 65 and "inputs.json is not what the run began with" in refused.err
    assert (copied / "ledger.jsonl").read_bytes() == before


def test_a_failure_is_a_json_line_also_where_the_environment_asks_for_json(tmp_path: Path) -> None:
    told = run("resume", tmp_path, cwd=tmp_path, env={"ENG5_JSON": "1"})
    (error,) = told.lines
    assert (error["event"], error["exit"], told.code) == ("Error", 66, 66)
    assert run("resume", tmp_path, cwd=tmp_path, env={"ENG5_JSON": "0"}).out == ""


def teachers(path: Path, essays: list[str], *, judges: tuple[str, ...] = ("ada", "bo")) -> Path:
    """Each teacher judges each pair; the first of the list is the best."""
    pairs = [(a, b) for n, a in enumerate(essays) for b in essays[n + 1 :]]
    lines = [f"{judge},{x},{y},{a}" for judge in judges for a, b in pairs for x, y in ((a, b), (b, a))]
    path.write_text("\n".join(["judge,item_a,item_b,winner", *lines, ""]), encoding="utf-8")
    return path


def test_people_judge_a_run_that_is_complete(copied: Path, tmp_path: Path) -> None:
    """In the ledger once, in the artefact, tables, report and summary, and verified."""
    essays = [row["essay_id"] for row in artefact(copied)["bt_summary"]]
    file = teachers(tmp_path / "teachers.csv", essays[::-1])
    shown = run("hydrate", copied, "--human-judgements", file, cwd=tmp_path)
    assert shown.code == 0, shown.err
    assert "judgements of 2 people and 16 of models: the scale is the humans'" in " ".join(shown.err.split())
    assert run("hydrate", copied, "--human-judgements", file, cwd=tmp_path).code == 0
    assert len([*lines(copied, "HumanJudgementsAdded")]) == 1, "the same file again adds nothing"
    human = artefact(copied)["human_scale"]
    assert human["agreement"]["share"] < 0.5 < human["agreement_among_people"]["share"]
    assert [place["essay_id"] for place in human["positions"]] == essays[::-1]
    worst = human["disagreements"][0]
    assert {worst["winner"], worst["loser"]} == {essays[0], essays[-1]}
    tables = files(copied)
    assert len(tables["tables/human_scale.csv"].splitlines()) == 1 + len(essays)
    assert b"What people say" in tables["report.html"]
    assert run("verify", copied, cwd=tmp_path).code == 0
    other = teachers(tmp_path / "teachers.csv", essays[:2])
    assert run("hydrate", copied, "--human-judgements", other, cwd=tmp_path).code == 0
    assert artefact(copied)["human_scale"]["judgements"] == 4, "a file of the same name takes the place of the first"
    assert "undefined" in artefact(copied)["human_scale"], "and four judgements are no scale"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("ada,nobody,{0},{0}", "names 'nobody', which is no essay of this run"),
        ("gpt-9,{1},{0},{0}", "is a model"),
        ("ada,essay_01,essay_02,a\nada,essay_01.txt,essay_02,b", "in two ways: 'essay_01' and 'essay_01.txt'"),
    ],
)
def test_a_file_that_does_not_fit_the_run_leaves_it_as_it_was(
    rows: str, says: str, copied: Path, tmp_path: Path
) -> None:
    essays = [row["essay_id"] for row in artefact(copied)["bt_summary"]]
    file = tmp_path / "teachers.csv"
    file.write_text("judge,item_a,item_b,winner\n" + rows.format(*essays) + "\n", encoding="utf-8")
    before = files(copied)
    ran = run("hydrate", copied, "--human-judgements", file, cwd=tmp_path)
    assert ran.code == 65 and says in ran.err
    assert files(copied)["ledger.jsonl"] == before["ledger.jsonl"]


def test_a_run_can_begin_with_peoples_judgements_and_grades(complete: Path, tmp_path: Path) -> None:
    essays = [row["essay_id"] for row in artefact(complete)["bt_summary"]]
    study = build_study(tmp_path / "study")
    file = teachers(tmp_path / "teachers.csv", essays)
    known = tmp_path / "known.csv"
    known.write_text("file,grade\nessay_01.txt,D+\nessay_02,F\n", encoding="utf-8")
    options = ("--max-comparisons", 16, "--human-judgements", file, "--check-grades", known)
    ran = run("--mode", "execute", "--assets", study, *options, cwd=tmp_path)
    assert ran.code == 0 and "teachers' grades of 2 students from known.csv, for checking only" in ran.err
    begun = newest(tmp_path)
    assert [*lines(begun, "HumanJudgementsAdded"), *lines(begun, "CheckGradesAdded")] == [1, 2]
    assert artefact(begun)["human_scale"]["people"] == 2


def test_each_pipe_that_people_give_is_read_whole_and_known_by_what_it_held(copied: Path, tmp_path: Path) -> None:
    """As with `--human-judgements <(…)`: the shell calls each of them `/dev/fd/63`, and none can be read twice."""
    given = tmp_path / "63"
    for winner, count in (("a", 1), ("b", 2), ("b", 2)):
        given.unlink(missing_ok=True)
        os.mkfifo(given)
        table = f"judge,item_a,item_b,winner\nann,essay_01,essay_02,{winner}\n"
        with ThreadPoolExecutor() as pool:
            pool.submit(given.write_text, table)
            assert run("hydrate", copied, "--human-judgements", given, cwd=tmp_path).code == 0
        assert len(list(lines(copied, "HumanJudgementsAdded"))) == count
