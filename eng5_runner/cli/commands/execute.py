"""dry-run and execute: the part of a run that leaves a ledger."""

from __future__ import annotations

from contextlib import ExitStack

import structlog
from rich.console import Console

from eng5_runner.cli.environment import versions
from eng5_runner.cli.logs import run_log
from eng5_runner.cli.loop import run_loop
from eng5_runner.cli.metrics import kept, measured
from eng5_runner.cli.narrate import Narrator, write_json
from eng5_runner.cli.prepared import Prepared
from eng5_runner.cli.session import Work, finish, finish_if_possible, work_on
from eng5_runner.cli.settings import Settings
from eng5_runner.cli.summary import show_summary
from eng5_runner.core.events import RunStarted
from eng5_runner.core.next_step import exit_code, texts_to_store
from eng5_runner.effects.clock import SystemClock
from eng5_runner.errors import RunnerError


def execute(prepared: Prepared, *, settings: Settings, console: Console) -> int:
    """Work on a new run until it is closed, then write its outputs.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what the run could not go on after.
    """
    spec = prepared.spec
    with run_log(prepared.directory, spec=spec, verbose=settings.verbose) as log:
        narrator = Narrator(
            console=console,
            json_lines=settings.json_lines,
            expected=prepared.plan.comparisons,
            uploads=len(texts_to_store(prepared.inputs, with_anchors=spec.study.assignment_id is None)),
        )
        opening = RunStarted(
            at=SystemClock().now(), spec=spec, inputs_sha256=prepared.inputs.digest(), versions=versions()
        )
        work = Work(
            run_directory=prepared.directory,
            opening=opening,
            inputs=prepared.inputs,
            texts=dict(prepared.texts),
        )
        return conclude(work, narrator=narrator, console=console, log=log, metrics_port=settings.metrics_port)


def conclude(
    work: Work, *, narrator: Narrator, console: Console, log: ExitStack, metrics_port: int | None = None
) -> int:
    """Do the session's work, write the outputs, show the summary.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what the run could not go on after; its message names the resume command.
    """
    try:
        with measured(port=metrics_port) as metrics, kept(metrics, work.run_directory):
            signal_number = run_loop(work_on(work, narrator=narrator, metrics=metrics))
    except RunnerError as error:
        structlog.get_logger().error("stopped", cause=error.message)
        finish_if_possible(work.run_directory, log_closed=log.close)
        error.remedy += f"\nTo go on: eng5-runner resume {work.run_directory}"
        raise
    hydrated = finish(work.run_directory, log_closed=log.close)
    code = exit_code(hydrated.state) if signal_number is None else 128 + signal_number
    if narrator.json_lines:
        status = hydrated.artefact["runner_status"]
        write_json({"event": "Summary", "run_directory": str(work.run_directory), "exit": code, "status": status})
    else:
        show_summary(console, hydrated.artefact, run_directory=work.run_directory)
    closed = hydrated.state.closed
    if closed is None or closed.outcome not in ("complete", "not-sent"):
        more = " --max-cost USD" if closed is not None and closed.outcome == "budget" else ""
        narrator.say(f"to go on:      eng5-runner resume {work.run_directory}{more}", style="bold")
    return code
