"""A run on a broker as it is followed from outside: how far it got, and whether it is complete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from eng5_runner.contracts.topics import Topic
from tests.support.kafka.cluster import Broker
from tests.support.kafka.records import values_in
from tests.support.prefork import Process
from tests.support.runner import Ran, artefact, ledger_types, newest, run

BUDGET = 96
EXECUTE = ("--mode", "execute", "--seed", 3, "--max-comparisons", BUDGET, "--yes")


def ledger(folder: Path, kind: str) -> list[dict[str, object]]:
    """The events of one kind in the newest run, whole lines only."""
    lines = (newest(folder) / "ledger.jsonl").read_text().splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith('"}\n')]
    return [event for event in events if event["type"] == kind]


def requests_of(folder: Path, broker: Broker) -> int:
    """How often the newest run's request is in the topic."""
    event_id = ledger(folder, "RequestPrepared")[0]["event_id"].encode()
    return sum(event_id in value for value in values_in(broker.bootstrap, Topic.REQUEST))


def reached(folder: Path, process: Process, kind: str, count: int = 1) -> Callable[[], bool]:
    """Whether the run in the folder has got so far, or has ended."""
    latest = folder / "runs" / "latest"
    return lambda: (
        process.poll() is not None or (latest.exists() and ledger_types(latest.resolve()).count(kind) >= count)
    )


def assert_complete(ran: Ran, folder: Path, broker: Broker, *, comparisons: int = BUDGET) -> None:
    """Every comparison once, one request, and the files prove it."""
    assert ran.code == 0, ran.err
    made = artefact(newest(folder))
    assert len(made["llm_comparisons"]) == comparisons
    accepted = [event["key"] for event in ledger(folder, "CallbackAccepted")]
    assert len(accepted) == len(set(accepted)), "a callback counted twice"
    assert requests_of(folder, broker) == 1
    assert run("verify", newest(folder), cwd=folder).code == 0
