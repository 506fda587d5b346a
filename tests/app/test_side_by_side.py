"""Runs that are worked on at the same time in one process have a log and metrics of their own, and leave none."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from contextlib import redirect_stderr
from pathlib import Path

import stamina.instrumentation
import structlog

from eng5_runner.app.logs import logging_to
from eng5_runner.app.metrics import measured


async def _run(folder: Path, name: str, turn: asyncio.Barrier) -> None:
    with logging_to(folder / name, identity={"run": name}, verbose=False), measured(port=None):
        await turn.wait()
        structlog.get_logger().info("begins")
        await asyncio.to_thread(logging.getLogger("a.library").warning, "of %s", name)
        if name == "short":
            return
        await turn.wait()
        structlog.get_logger().info("ends")


async def test_each_run_has_its_own_log_also_after_another_has_ended(tmp_path: Path) -> None:
    hooks = stamina.instrumentation.get_on_retry_hooks()
    with logging_to(tmp_path / "sweep", identity={}, verbose=False):
        turn = asyncio.Barrier(2)
        short, long = (asyncio.create_task(_run(tmp_path, name, turn)) for name in ("short", "long"))
        await short
        await turn.wait()
        await long
        structlog.get_logger().info("over")
    assert stamina.instrumentation.get_on_retry_hooks() == hooks

    def lines(name: str) -> list[tuple[str, str | None]]:
        written = map(json.loads, (tmp_path / name).read_text().splitlines())
        return [(line["event"], line.get("run")) for line in written]

    assert lines("short") == [("begins", "short"), ("of short", "short")]
    assert lines("long") == [("begins", "long"), ("of long", "long"), ("ends", "long")]
    assert lines("sweep") == [("over", None)]


def test_after_a_run_the_log_goes_to_the_standard_error_of_that_time(tmp_path: Path) -> None:
    with redirect_stderr(io.StringIO()) as early, logging_to(tmp_path / "log", identity={}, verbose=False):
        pass
    early.close()
    with redirect_stderr(io.StringIO()) as late:
        structlog.get_logger().info("after the run")
    assert "after the run" in late.getvalue()


def test_an_error_after_a_run_shows_no_value_of_a_variable(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log", identity={}, verbose=False):
        pass
    with redirect_stderr(io.StringIO()) as late:
        fail_and_log(essay="My summer was wonderful.")
    assert "ValueError: substring not found" in late.getvalue()
    assert "wonderful" not in late.getvalue()


def fail_and_log(essay: str) -> None:
    """Log an error with a traceback, beside a variable that no log may show."""
    try:
        essay.index("winter")
    except ValueError:
        structlog.get_logger().exception("failed")


async def test_what_outlives_the_log_of_its_run_does_not_fail_when_it_writes(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def write_late() -> None:
        await over.wait()
        structlog.get_logger().info("late")

    with logging_to(tmp_path / "sweep", identity={}, verbose=False):
        with logging_to(tmp_path / "run", identity={}, verbose=False):
            late = asyncio.create_task(write_late())
        over.set()
        await late
