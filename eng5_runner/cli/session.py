"""dry-run, execute, anchor-align and resume: show a session as it happens, and how it ended.

narrator = Narrator(console=people(), json_lines=False)
with narrator.live():
finished = start_run(planned, directory, watch=Watch(emit=narrator.emit, owns_process=True))
return show_end(finished, narrator)
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from eng5_runner.app.execute import start_run
from eng5_runner.app.plan import PlannedRun
from eng5_runner.app.session import Finished, Watch
from eng5_runner.cli.console import people
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.cli.output import write_json
from eng5_runner.reports.terminal.session import SessionView
from eng5_runner.reports.terminal.status import next_steps
from eng5_runner.reports.terminal.summary import show_summary
from eng5_runner.results.artefact.part import to_json
from eng5_runner.run.ports import Lag, Notice, Update, WorkLeft, update_facts

_STYLES: Mapping[str, str] = MappingProxyType({
    "trouble": "yellow", "overspent": "yellow", "relief": "green", "stage": "dim", "waiting": "dim",
    "repaired": "yellow", "remark": "",
})  # fmt: skip


class Narrator:
    """Shows a session's updates as they happen."""

    def __init__(self, *, console: Console, json_lines: bool) -> None:
        self.json_lines = json_lines
        self._view = SessionView(console)

    def live(self) -> AbstractContextManager[None]:
        """Show bars while the context lasts, if there is a terminal to show them on."""
        return nullcontext() if self.json_lines else self._view.live()

    def emit(self, update: Update) -> None:
        """Show one event or notice; how far reading is behind is for the metrics."""
        if self.json_lines:
            if facts := update_facts(update):
                write_json(facts)
            return
        match update:
            case Lag():
                return
            case WorkLeft():
                self._view.expect(texts=update.texts, comparisons=update.comparisons)
            case Notice():
                self.say(update.text, style=_STYLES[update.kind])
            case _:
                self._view.show(update)

    def say(self, text: str, *, style: str = "") -> None:
        """A line for people."""
        if not self.json_lines:
            self._view.say(text, style=style)


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
