"""dry-run, execute and anchor-align: show a session and how it ended."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eng5_runner.app.execute import start_run
from eng5_runner.app.plan import PlannedRun
from eng5_runner.app.session import Finished, Watch
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.cli.narrate import Narrator, people, write_json
from eng5_runner.reports.terminal.status import next_steps
from eng5_runner.reports.terminal.summary import show_summary
from eng5_runner.results.artefact.part import to_json


def execute(planned: PlannedRun, directory: Path, *, console: Console) -> int:
    """Start a planned run, narrate it, and show how it ended.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what the run could not continue after.
    """
    settings = planned.settings.settings
    narrator = Narrator(console=console, json_lines=settings.json_lines)
    with narrator.live():
        watch = Watch(
            emit=narrator.emit,
            metrics_port=settings.metrics_port,
            metrics_host=settings.metrics_host,
            owns_process=True,
        )
        finished = start_run(planned, directory, watch=watch)
    return show_end(finished, narrator)


def show_end(finished: Finished, narrator: Narrator) -> int:
    """Show the summary of a session, and what to do next.

    Returns:
        The process's exit code.
    """
    artefact, directory, number = finished.hydrated.artefact, finished.run_directory, finished.signal_number
    code = exit_code(finished.hydrated.state) if number is None else 128 + number
    if narrator.json_lines:
        facts = {"status": to_json(artefact.runner_status), "costs": to_json(artefact.costs)}
        write_json({"event": "Summary", "run_directory": str(directory), "exit": code, **facts})
    else:
        show_summary(people(), artefact, run_directory=directory)
    for line in next_steps(finished.hydrated.state, directory):
        narrator.say(f"to go on:      {line}", style="bold")
    return code
