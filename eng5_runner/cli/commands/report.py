"""report: a run's report, from its ledger."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.effects.run_lock import held
from eng5_runner.reports.html_report import REPORT_NAME
from eng5_runner.run.hydrate import hydrate, write


def report_of(run_directory: Path, *, out: Path | None, json_lines: bool) -> int:
    """Write the report: to a file of its own, or with all other outputs into the run's directory.

    Raises:
        RunnerError: the run cannot be read, or the file not be written.
    """
    if out is None:
        require_ledger(run_directory)
        with held(run_directory):
            write(run_directory, hydrate(run_directory))
    else:
        write_atomically(out, hydrate(run_directory).files[REPORT_NAME])
    where = out or run_directory / REPORT_NAME
    if json_lines:
        write_json({"event": "Report", "run_directory": str(run_directory), "report": str(where)})
    else:
        people().print(f"the report: {where.resolve().as_uri()}", markup=False)
    return 0
