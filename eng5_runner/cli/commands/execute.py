"""dry-run and execute: the part of a run that leaves a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import structlog
from rich.console import Console

from eng5_runner.app.environment import versions
from eng5_runner.app.logs import run_log
from eng5_runner.app.loop import run_loop
from eng5_runner.app.metrics import kept, measured
from eng5_runner.app.prepared import Prepared
from eng5_runner.app.session import SessionWork, finish, finish_if_possible, work_on
from eng5_runner.app.settings import Settings
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.cli.narrate import Narrator, people, write_json
from eng5_runner.core.events import RunStarted
from eng5_runner.core.next_step import texts_to_store
from eng5_runner.core.state import RunState
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import RunnerError
from eng5_runner.reports.terminal_summary import show_summary
from eng5_runner.results.artefact.part import to_json
from eng5_runner.run.hydrate import Hydrated
from eng5_runner.run.run_directory import has_begun


def execute(prepared: Prepared, *, settings: Settings, console: Console) -> int:
    """SessionWork on a new run until it is closed, then write its outputs.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what the run could not go on after.
    """
    spec = prepared.spec
    with (
        held(prepared.directory),
        run_log(prepared.directory, spec=spec, verbose=settings.verbose) as log,
    ):
        narrator = Narrator(
            console=console,
            json_lines=settings.json_lines,
            expected=prepared.plan.comparisons,
            uploads=len(texts_to_store(prepared.inputs, with_anchors=spec.study.assignment_id is None)),
        )
        opening = RunStarted(
            at=SystemClock().now(), spec=spec, inputs_sha256=prepared.inputs.digest(), versions=versions()
        )
        work = SessionWork(
            run_directory=prepared.directory,
            opening=opening,
            inputs=prepared.inputs,
            texts=dict(prepared.texts),
        )
        return conclude(work, narrator=narrator, log=log, metrics_port=settings.metrics_port)


def conclude(work: SessionWork, *, narrator: Narrator, log: ExitStack, metrics_port: int | None = None) -> int:
    """Do the session's work, write the outputs, show the summary; whoever calls holds the run's lock.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what the run could not go on after; its message names the resume command.
    """
    try:
        signal_number, hydrated = _worked(work, narrator=narrator, log=log, metrics_port=metrics_port)
    except RunnerError as error:
        if has_begun(work.run_directory):
            error.remedy += f"\nTo go on: eng5-runner resume {work.run_directory}"
        raise
    code = exit_code(hydrated.state) if signal_number is None else 128 + signal_number
    if narrator.json_lines:
        status = to_json(hydrated.artefact.runner_status)
        write_json({"event": "Summary", "run_directory": str(work.run_directory), "exit": code, "status": status})
    else:
        show_summary(people(), hydrated.artefact, run_directory=work.run_directory)
    for line in _way_on(hydrated.state, work.run_directory):
        narrator.say(f"to go on:      {line}", style="bold")
    return code


def _worked(
    work: SessionWork, *, narrator: Narrator, log: ExitStack, metrics_port: int | None
) -> tuple[int | None, Hydrated]:
    """The signal that interrupted the session, if one did, and the outputs, which are written."""
    try:
        with measured(port=metrics_port) as metrics, kept(metrics, work.run_directory):
            signal_number = run_loop(work_on(work, narrator=narrator, metrics=metrics))
    except RunnerError as error:
        structlog.get_logger().error("stopped", cause=error.message)
        finish_if_possible(work.run_directory, log_closed=log.close)
        raise
    return signal_number, finish(work.run_directory, log_closed=log.close)


def _way_on(state: RunState, run_directory: Path) -> Iterator[str]:
    """What a person does next about a run that is not complete."""
    outcome = state.closed.outcome if state.closed else "open"
    if outcome == "failed":
        yield f"mend what the CJ service names, then start a new run; {run_directory} keeps what came"
    elif outcome not in ("complete", "not-sent"):
        yield f"eng5-runner resume {run_directory}" + (" --max-cost USD" if outcome == "budget" else "")
