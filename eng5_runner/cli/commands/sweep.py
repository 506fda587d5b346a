"""sweep: judges, designs and seeds over one assets folder, and their leaderboard."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.exit_codes import BUDGET, COMPLETE, PARTIAL
from eng5_runner.cli.output import say, write_json
from eng5_runner.cli.parameters import YesOption, option_of
from eng5_runner.errors import RunnerError, command

if TYPE_CHECKING:
    from eng5_runner.app.sweeps.sweep import Sweep
    from eng5_runner.planning.sweep import PlannedCell
    from eng5_runner.reports.terminal.sweep import SweepView
    from eng5_runner.run.ports import Update


def sweep(
    file: Annotated[
        Path, typer.Argument(help="TOML file with judges, designs and seeds.", metavar="FILE", show_default=False)
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Show what it would do and cost, and stop.")] = False,
    max_cost: Annotated[
        float | None,
        option_of("max_cost", help_text="Most USD of all runs together, in place of the file's.", variable=False),
    ] = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> int:
    """Run several judges, and rank them by agreement."""
    from eng5_runner.app.sweeps.file import read_sweep_file
    from eng5_runner.app.sweeps.plan import plan_sweep
    from eng5_runner.app.sweeps.sweep import run_sweep
    from eng5_runner.cli.agreement import agrees
    from eng5_runner.cli.console import people
    from eng5_runner.cli.run import read_and_show
    from eng5_runner.reports.terminal.sweep import SweepView, cell_facts, show_sweep_plan, sweep_facts, sweep_in_words

    console = people()
    planned = plan_sweep(
        read_sweep_file(file),
        read=lambda settings: read_and_show(replace(settings, json_lines=json), console),
        environment=os.environ,
        max_cost=max_cost,
    )
    if json:
        for warning in planned.warnings:
            write_json({"event": "Warning", "about": "judge", "message": warning})
        for facts in (*map(cell_facts, planned.cells), sweep_facts(planned)):
            write_json(facts)
    else:
        show_sweep_plan(console, planned)
    if plan:
        return 0
    free = yes or not planned.left or planned.costs_nothing
    if not free and not agrees(f"{sweep_in_words(planned)}. Run them?", is_limited=planned.max_cost is not None):
        return 0
    view = SweepView(console, planned)
    with nullcontext() if json else view.live():
        emit = _emit_json if json else partial(_emit, view)
        done = run_sweep(planned, emit=emit, owns_process=True)
    return _show_end(done, file=file, json_lines=json)


def _emit(view: SweepView, planned: PlannedCell, update: Update | RunnerError) -> None:
    from eng5_runner.run.ports import Lag, Notice, WorkLeft

    match update:
        case RunnerError():
            view.say(planned, f"{update.message} {update.remedy}", style="red")
        case Notice(kind="trouble" | "overspent" | "remark"):
            view.say(planned, update.text, style="yellow")
        case Notice() | Lag() | WorkLeft():
            return
        case _:
            view.show(planned, update)


def _emit_json(planned: PlannedCell, update: Update | RunnerError) -> None:
    from eng5_runner.run.ports import update_facts

    if isinstance(update, RunnerError):
        facts: dict[str, object] = {"event": "RunFailed", "message": update.message, "remedy": update.remedy}
    else:
        facts = update_facts(update)
    if facts:
        cell = {"judge": planned.cell.judge, "design": planned.cell.design, "seed": planned.cell.seed}
        write_json({"event": facts.pop("event"), **cell} | facts)


def _show_end(done: Sweep, *, file: Path, json_lines: bool) -> int:
    from eng5_runner.app.sweeps.sweep import CSV_NAME, PAGE_NAME
    from eng5_runner.cli.console import people
    from eng5_runner.reports.terminal.leaderboard import show_leaderboard
    from eng5_runner.results.artefact.part import to_json

    code = _exit_code(done)
    if json_lines:
        board = to_json(done.leaderboard)
        write_json({"event": "Leaderboard", "folder": str(done.path), "exit": code, "leaderboard": board})
        return code
    console = people()
    show_leaderboard(console, done.leaderboard)
    say(f"the page: {(done.path / PAGE_NAME).resolve().as_uri()}")
    say(f"as a table: {done.path / CSV_NAME}")
    if not done.complete:
        say(f"to go on:      {command('sweep', file)}", style="bold")
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
