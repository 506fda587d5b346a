"""runs, export: what a person does with several runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from eng5_runner.app.collection.export import Format
from eng5_runner.app.collection.export import export as export_tables
from eng5_runner.app.collection.import_run import import_run
from eng5_runner.app.collection.public import export_public
from eng5_runner.app.collection.runs import list_runs, runs_csv
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.harmless import harmless
from eng5_runner.errors import UsageError, command
from eng5_runner.reports.figures import count, number, usd, words
from eng5_runner.reports.terminal_summary import show_summary
from eng5_runner.reports.terminal_table import plain_table
from eng5_runner.results.run_summary import RunSummary

_TO_THE_MINUTE = 16


def show_runs(folder: Path, *, where: Sequence[str], sort: str, as_csv: bool, json_lines: bool) -> int:
    """Show the runs of a folder.

    Raises:
        InputsMissing: there is no such folder.
        UsageError: a condition or the column to sort by cannot be used.
    """
    runs = list_runs(folder, where=where, sort=sort)
    if as_csv:
        made = runs_csv(runs)
        sys.stdout.buffer.write(harmless(made.decode()).encode() if sys.stdout.isatty() else made)
        sys.stdout.flush()
    elif json_lines:
        for run in runs:
            write_json({"event": "Run"} | asdict(run))
    else:
        _show(runs)
    return 0


def _show(runs: Sequence[RunSummary]) -> None:
    console = people()
    table = plain_table("run", "begun (UTC)", "judge", "essays", "judged", "outcome", "reliab.", "r", "τ-b", "USD")
    for run in runs:
        when = (run.started_at or "")[:_TO_THE_MINUTE].replace("T", " ")
        counts, figures = (run.essays, run.comparisons), (run.reliability, run.agreement, run.tau_b)
        cells = (run.label, when, words(run.judge), *map(count, counts), run.outcome, *map(number, figures))
        table.add_row(*map(escape, cells), usd(run.cost_usd))
    console.print(table)
    console.print(
        f"{len(runs)} runs. reliab.: of the judge's own order; r: agreement with the teachers' grades; "
        "τ-b: of the anchors' order with their grades."
    )


def export(runs: Sequence[Path], *, form: Format, out: Path, json_lines: bool) -> int:
    """Write the tables of runs, stacked.

    Raises:
        RunnerError: a run cannot be read, a library is missing, or the folder cannot be written.
    """
    files = export_tables(runs, form=form, out=out)
    if json_lines:
        write_json({"event": "Exported", "runs": list(map(str, runs)), "files": list(map(str, files))})
    else:
        people().print(f"written: {', '.join(map(str, files))}", markup=False)
    return 0


def import_study(source: Path, *, out: Path, anchors: Path | None, json_lines: bool) -> int:
    """Make a run directory of another runner's study.

    Raises:
        RunnerError: the study cannot be read, or the folder cannot be written.
    """
    run = import_run(source, out=out, anchors=anchors)
    origin = run.artefact.metadata.origin
    if json_lines:
        facts = {"source": str(source), "run_directory": str(out), "missing": origin.missing if origin else ()}
        write_json({"event": "Imported", **facts})
    else:
        show_summary(people(), run.artefact, run_directory=out)
    return 0


def export_copy(
    runs: Sequence[Path], *, public: Path, with_reasons: bool, licence: str | None, json_lines: bool
) -> int:
    """Write a public copy of one run.

    Raises:
        UsageError: several runs are given, or the folder has files.
        RunnerError: the run cannot be read, or the folder cannot be written.
    """
    if len(runs) != 1:
        raise UsageError("--public is for one run at a time.", remedy="Name one run, and a folder for each.")
    copy = export_public(runs[0], out=public, with_reasons=with_reasons, licence=licence)
    origin = copy.artefact.metadata.origin
    missing = origin.missing if origin else ()
    if json_lines:
        write_json({"event": "ExportedPublic", "run": str(runs[0]), "folder": str(public), "missing": missing})
        return 0
    console = people()
    console.print(f"written: {public}, which verifies on its own: {command('verify', public)}", markup=False)
    console.print("Not in the copy:")
    for what in missing:
        console.print(f"  {what}", markup=False)
    console.print("The task and the judge's instructions are in it whole. Read them before you publish.")
    return 0
