"""What is said to be durable is on the disk before it is said: the system calls and their order.

A kill of the process shows none of it, for what was written stays in the machine's memory; only a power cut would.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.effects.traced import Call, traced

PROGRAM = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from eng5_runner.core.events import RunClosed
from eng5_runner.effects.ledger import Ledger
from eng5_runner.effects.outputs import create_run_directory, write_atomically
from eng5_runner.effects.upload_cache import UploadCache

folder = Path(sys.argv[1])
event = RunClosed(at=datetime(2027, 3, 2, tzinfo=UTC), outcome="complete")

def say(word):
    os.write(1, word.encode())

say("start")
run = create_run_directory(folder / "runs", "run")
say("run directory")
write_atomically(run / "artefact.json", b"x")
say("file")
with Ledger(run) as ledger:
    say("new ledger")
    asyncio.run(ledger.append([event]))
    say("event")
with (run / "ledger.jsonl").open("ab") as file:
    file.write(b'{"torn')
say("torn")
with Ledger(run):
    say("cut")
cache = UploadCache(folder / "cache", service_url="http://c")
asyncio.run(cache.remember({"a" * 64: "b" * 32}))
say("first upload")
asyncio.run(cache.remember({"c" * 64: "d" * 32}))
say("next upload")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traced").resolve()


@pytest.fixture(scope="module")
def calls(folder: Path) -> dict[str, list[Call]]:
    """What was asked of the kernel, by the word that was said after it."""
    return traced(PROGRAM, folder, folder=folder)


def test_a_file_is_on_the_disk_before_its_name_is_and_both_before_the_writer_returns(
    calls: dict[str, list[Call]], folder: Path
) -> None:
    run = folder / "runs" / "run"
    partial = run / ".artefact.json.partial"
    assert calls["file"] == [
        Call("write", partial),
        Call("fsync", partial),
        Call("rename", partial),
        Call("fsync", run),
    ]


def test_a_run_directory_has_a_durable_name(calls: dict[str, list[Call]], folder: Path) -> None:
    assert calls["run directory"] == [Call("fsync", folder / "runs")]


def test_a_new_ledger_has_a_durable_name(calls: dict[str, list[Call]], folder: Path) -> None:
    assert calls["new ledger"] == [Call("fsync", folder / "runs" / "run")]


def test_an_event_is_on_the_disk_before_it_counts(calls: dict[str, list[Call]], folder: Path) -> None:
    ledger = folder / "runs" / "run" / "ledger.jsonl"
    assert calls["event"] == [Call("write", ledger), Call("fdatasync", ledger)]


def test_a_torn_tail_is_cut_off_on_the_disk_before_anything_follows(calls: dict[str, list[Call]], folder: Path) -> None:
    """Else a power cut could bring it back in front of events that count."""
    ledger = folder / "runs" / "run" / "ledger.jsonl"
    about = [call.name for call in calls["cut"] if call.path == ledger]
    assert about == ["ftruncate", "fsync"]
    assert calls["cut"][-1] == Call("fsync", ledger.parent)


def test_an_upload_is_on_the_disk_before_it_is_remembered(calls: dict[str, list[Call]], folder: Path) -> None:
    (cache,) = (folder / "cache").glob("*.uploads")
    assert calls["next upload"] == [Call("write", cache), Call("fdatasync", cache)]


def test_a_new_cache_has_a_durable_name_too(calls: dict[str, list[Call]], folder: Path) -> None:
    (cache,) = (folder / "cache").glob("*.uploads")
    assert calls["first upload"] == [Call("write", cache), Call("fdatasync", cache), Call("fsync", cache.parent)]
