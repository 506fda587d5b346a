"""status: where a run stands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from eng5_runner.app.status import describe_status
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.reports.terminal.status import next_steps, status_sentences
from eng5_runner.run.run_directory import saved_run


def show_status(run_directory: Path, *, json_lines: bool) -> int:
    """Show where a run stands; works while another process is at work on it."""
    saved = saved_run(run_directory)
    status = describe_status(saved, run_directory)
    if json_lines:
        write_json({"event": "Status", "run_directory": str(run_directory)} | asdict(status))
        return 0
    console = people()
    for line in status_sentences(status):
        console.print(line, markup=False)
    if not status.is_running:
        for line in next_steps(saved.state, run_directory):
            console.print(f"to go on: {line}", style="bold", markup=False)
    return 0
