"""A line that is written without the library of the log is as that library writes it."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from eng5_runner.app.logs import logging_to
from eng5_runner.effects.log_file import write_line

IDENTITY = {"batch_id": "may", "mode": "plan"}
FACTS = {"students": 22, "token": "abc", "tokens": 5, "note": "Bearer abcdef", "path": Path("a")}


def test_a_line_is_as_a_session_writes_it(tmp_path: Path) -> None:
    with logging_to(tmp_path / "session", identity=IDENTITY, verbose=False):
        structlog.get_logger().warning("said", **FACTS)
    write_line(tmp_path / "plan", {**FACTS, "event": "said", **IDENTITY}, level="warning")
    session, plan = ((tmp_path / name).read_text() for name in ("session", "plan"))
    assert session.count("\n") == plan.count("\n") == 1 and plan.endswith("\n")
    theirs, ours = json.loads(session), json.loads(plan)
    assert len(theirs.pop("timestamp")) == len(ours.pop("timestamp")) and theirs == ours
    assert (ours["token"], ours["note"], ours["tokens"]) == ("[hidden]", "[hidden]", 5)
    assert (tmp_path / "plan").stat().st_mode & 0o077 == 0


def test_lines_are_appended(tmp_path: Path) -> None:
    for number in range(2):
        write_line(tmp_path / "log", {"event": "said", "number": number}, level="info")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["number"] for line in lines] == [0, 1]
