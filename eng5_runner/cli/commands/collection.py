"""runs, export: what a person does with several runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from eng5_runner.app.collection.export import Format
from eng5_runner.app.collection.export import export as export_tables
from eng5_runner.app.collection.runs import list_runs, runs_csv
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.harmless import harmless
from eng5_runner.reports.figures import count, counted, number, usd, words
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
        f"{counted(len(runs), 'run')}. Reliab.: of the judge's own order; r: agreement with the teachers' grades; "
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
