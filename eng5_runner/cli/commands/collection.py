"""runs, export: what a person does with several runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from eng5_runner.app.collection.export import Format
from eng5_runner.app.collection.export import export as export_tables
from eng5_runner.app.collection.runs import list_runs, runs_csv
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.harmless import harmless
from eng5_runner.reports.terminal.runs import show_listed


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
        show_listed(people(), runs)
    return 0


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
