"""preflight: check everything that `execute` needs, and show it in one table."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from eng5_runner.cli.output import write_json
from eng5_runner.cli.parameters import Flags
from eng5_runner.core.choices import Mode

if TYPE_CHECKING:
    from rich.console import Console

    from eng5_runner.run.ports import Update
    from eng5_runner.run.preflight.stage import CheckResult


def preflight(_: typer.Context, flags: Flags) -> int:
    """Check everything that execute needs, and send nothing.

    With --mode anchor-align, it checks what that mode needs.
    """
    from eng5_runner.app.plan import usable_inputs
    from eng5_runner.app.preflight import check_all
    from eng5_runner.app.settings import resolve
    from eng5_runner.cli.console import people
    from eng5_runner.cli.run import read_and_show
    from eng5_runner.run.ports import Notice

    settings, console = resolve(flags, environment=os.environ).settings, people()
    if not settings.mode.executes:
        settings = replace(settings, mode=Mode.EXECUTE)
    assets = read_and_show(settings, console)
    inputs = usable_inputs(assets, are_shown=True)

    def emit(update: Update) -> None:
        if isinstance(update, Notice):
            console.print(update.text)

    results = check_all(settings, inputs, texts=assets.texts, emit=emit)
    if settings.json_lines:
        for result in results:
            write_json({"event": "Check"} | _facts(result))
    else:
        _show(console, results)
    return next((result.error.exit_code for result in results if result.error is not None), 0)


def _facts(result: CheckResult) -> dict[str, object]:
    error = None if result.error is None else {"message": result.error.message, "remedy": result.error.remedy}
    warnings = [{"message": text, "remedy": result.remedies.get(text, "")} for text in result.warnings]
    return {"about": result.about, "facts": result.facts, "warnings": warnings, "error": error}


def _show(console: Console, results: list[CheckResult]) -> None:
    from rich.markup import escape

    from eng5_runner.reports.terminal.table import plain_table

    table = plain_table("", "about", "found", "remedy", title="Preflight")
    for result in results:
        for fact in result.facts:
            table.add_row("ok", result.about, escape(fact), "", style="green")
        for text in result.warnings:
            remedy = escape(result.remedies.get(text, ""))
            table.add_row("warning", result.about, escape(text), remedy, style="yellow")
        if result.error is not None:
            error = result.error
            table.add_row("no", result.about, escape(error.message), escape(error.remedy), style="red")
    console.print(table)
