"""plan, dry-run, execute and anchor-align: one way through, which goes as far as the mode says."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import typer
from rich.console import Console

from eng5_runner.app.assemble import executes_remotely
from eng5_runner.app.plan import PlannedRun, log_plan, plan_run, read_study, save_plan
from eng5_runner.app.settings import Resolved, Settings
from eng5_runner.app.studies.pilot_command import pilot_command
from eng5_runner.cli.agreement import agrees
from eng5_runner.cli.console import people
from eng5_runner.cli.output import write_json
from eng5_runner.core.spec import Mode
from eng5_runner.inventory.read import Assets
from eng5_runner.planning.candidates import ServiceModels
from eng5_runner.reports.terminal.plan import findings_table, pilot_in_words, plan_facts, price_in_words, show_plan


def run(resolved: Resolved) -> int:
    """Plan, and go on as far as the mode says.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what stood in the way.
    """
    settings, console = resolved.settings, people()
    assets = read_and_show(settings, console)
    planned = plan_run(resolved, assets, service=_service_models(settings), are_shown=True)
    for warning in planned.warnings:
        if settings.json_lines:
            write_json({"event": "Warning", "about": "judge", "message": warning})
        else:
            console.print(warning, style="yellow", markup=False)
    if settings.mode.anchors_only and settings.assignment_id is not None and not settings.json_lines:
        console.print("the assignment is left out: anchors are compared as a guest run", style="yellow")
    directory = save_plan(planned)
    if settings.json_lines:
        facts = {"event": "Plan", "run_directory": str(directory), "notes": list(assets.notes)}
        write_json(facts | plan_facts(planned.plan))
    else:
        show_plan(console, planned.plan, inputs=planned.inputs, spec=planned.spec)
    if settings.mode is Mode.PLAN:
        for line in () if settings.json_lines else pilot_in_words(planned.plan, pilot_command(planned, sys.argv[1:])):
            console.print(line, markup=False)
        log_plan(planned, directory)
        return 0
    _confirm(planned, settings=settings)
    # Loaded only now: a plan needs neither statistics nor Kafka nor HTTP.
    from eng5_runner.cli.session import execute

    return execute(planned, directory, console=console)


def read_and_show(settings: Settings, console: Console) -> Assets:
    """Read the assets folder, with a bar where there is a terminal, and show findings and notes.

    Raises:
        InputsMissing: there is no such folder.
    """
    progress, on_progress = None, None
    if console.is_terminal:
        from eng5_runner.reports.terminal.session import inventory_progress

        progress, on_progress = inventory_progress(console)
    with progress or nullcontext():
        assets = read_study(settings, on_progress=on_progress)
    if settings.json_lines:
        for finding in assets.findings:
            write_json({"event": "Finding"} | finding.model_dump())
        return assets
    if assets.findings:
        console.print(findings_table(assets.findings))
    for note in assets.notes:
        console.print(f"note: {note}", style="dim", markup=False)
    return assets


def _service_models(settings: Settings) -> ServiceModels | None:
    """What a given LLM provider service says of its models."""
    if not executes_remotely(settings):
        return None
    # Loaded only where there is a service to ask: a plan needs no HTTP.
    from eng5_runner.app.look_ahead import models_of_service

    return models_of_service(settings)


def _confirm(planned: PlannedRun, *, settings: Settings) -> None:
    """Before money may be spent the person agrees: at the terminal, by `--yes`, or by a cost limit.

    Raises:
        UsageError: nobody can be asked, and nothing says that the money may be spent.
        typer.Exit: the person does not agree.
    """
    if settings.yes or not planned.spec.send or planned.plan.costs_nothing:
        return
    question = f"Send this request: {price_in_words(planned.plan)}?"
    if not agrees(question, is_limited=settings.max_cost is not None):
        raise typer.Exit(0)
