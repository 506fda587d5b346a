"""sweep: judges, designs and seeds over one assets folder, and their leaderboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from eng5_runner.app.sweeps.file import read_sweep_file
from eng5_runner.app.sweeps.plan import PlannedSweep, plan_sweep
from eng5_runner.app.sweeps.sweep import CSV_NAME, PAGE_NAME, Sweep, run_sweep
from eng5_runner.cli.agreement import agrees
from eng5_runner.cli.commands.run import read_and_show
from eng5_runner.cli.exit_codes import BUDGET, COMPLETE, PARTIAL
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.events import CallbackAccepted, RunClosed, RunResumed, RunStarted, event_facts
from eng5_runner.errors import RunnerError, command
from eng5_runner.planning.sweep import PlannedCell
from eng5_runner.reports.terminal.leaderboard import show_leaderboard
from eng5_runner.reports.terminal.sweep import cell_facts, show_sweep_plan, sweep_facts, sweep_in_words
from eng5_runner.results.artefact.part import to_json
from eng5_runner.run.ports import FOR_PEOPLE_ONLY, Lag, Notice, Update, WorkLeft


def sweep_of(file: Path, *, only_plan: bool, max_cost: float | None, yes: bool, json_lines: bool) -> int:
    """Plan a sweep, ask, run it, and show its leaderboard.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what stood in the way of the whole sweep.
    """
    console = people()
    planned = plan_sweep(
        read_sweep_file(file),
        read=lambda settings: read_and_show(replace(settings, json_lines=json_lines), console),
        environment=os.environ,
        max_cost=max_cost,
    )
    if json_lines:
        for warning in planned.warnings:
            write_json({"event": "Warning", "about": "judge", "message": warning})
        for facts in (*map(cell_facts, planned.cells), sweep_facts(planned)):
            write_json(facts)
    else:
        show_sweep_plan(console, planned)
    if only_plan:
        return 0
    free = yes or not planned.left or planned.costs_nothing
    if not free and not agrees(f"{sweep_in_words(planned)}. Run them?", is_limited=planned.max_cost is not None):
        return 0
    narrator = _Narrator(console, planned, json_lines=json_lines)
    with narrator.live():
        done = run_sweep(planned, emit=narrator.emit, owns_process=True)
    return _show_end(console, done, file=file, json_lines=json_lines)


class _Narrator:
    """Shows the updates of several runs as they happen."""

    def __init__(self, console: Console, planned: PlannedSweep, *, json_lines: bool) -> None:
        self._console, self._json = console, json_lines
        self._total = sum(cell.comparisons_left for cell in planned.cells)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show a bar while the context lasts, if there is a terminal to show it on."""
        if self._json or not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("comparisons"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as self._progress:
            self._task = self._progress.add_task("", total=self._total)
            yield

    def emit(self, planned: PlannedCell, update: Update | RunnerError) -> None:
        """Show one event, notice or error of a run."""
        if self._json:
            _as_json(planned, update)
            return
        name = planned.cell.name
        match update:
            case RunnerError():
                self._say(f"{name}: {update.message} {update.remedy}", style="red")
            case RunStarted():
                self._say(f"{name}: begins")
            case RunResumed():
                self._say(f"{name}: goes on where its last session ended")
            case CallbackAccepted(kind="comparison", is_left_out=False) if self._progress and self._task is not None:
                self._progress.advance(self._task)
            case RunClosed():
                reasons = f": {'; '.join(update.reasons)}" if update.reasons else ""
                self._say(f"{name}: {update.outcome}{reasons}")
            case Notice(kind="trouble" | "overspent" | "remark"):
                self._say(f"{name}: {update.text}", style="yellow")
            case _:
                return

    def _say(self, text: str, *, style: str | None = None) -> None:
        self._console.print(escape(text), style=style)


def _as_json(planned: PlannedCell, update: Update | RunnerError) -> None:
    cell = {"judge": planned.cell.judge, "design": planned.cell.design, "seed": planned.cell.seed}
    match update:
        case RunnerError():
            write_json({"event": "RunFailed", **cell, "message": update.message, "remedy": update.remedy})
        case Lag() | WorkLeft():
            return
        case Notice():
            if update.kind not in FOR_PEOPLE_ONLY:
                write_json({"event": "Notice", **cell, "kind": update.kind, "text": update.text})
        case _:
            facts = event_facts(update)
            write_json({"event": facts.pop("type"), **cell} | facts)


def _show_end(console: Console, done: Sweep, *, file: Path, json_lines: bool) -> int:
    code = _exit_code(done)
    if json_lines:
        board = to_json(done.leaderboard)
        write_json({"event": "Leaderboard", "folder": str(done.path), "exit": code, "leaderboard": board})
        return code
    show_leaderboard(console, done.leaderboard)
    console.print(f"the page: {(done.path / PAGE_NAME).resolve().as_uri()}", markup=False)
    console.print(f"as a table: {done.path / CSV_NAME}", markup=False)
    if not done.complete:
        console.print(f"to go on:      {command('sweep', file)}", style="bold", markup=False)
    return code


def _exit_code(done: Sweep) -> int:
    """By the table in the README: of an interruption, of the first error, else of the runs' outcomes."""
    if done.signal_number is not None:
        return 128 + done.signal_number
    for error in done.errors.values():
        return error.exit_code
    if done.complete:
        return COMPLETE
    return BUDGET if "budget" in done.outcomes.values() else PARTIAL
