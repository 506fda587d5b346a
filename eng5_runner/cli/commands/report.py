"""report: a run's report, from its ledger."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.inspect import write_report
from eng5_runner.cli.narrate import people, write_json


def report_of(run_directory: Path, *, out: Path | None, json_lines: bool) -> int:
    """Write the report: to a file of its own, or with all other outputs into the run's directory.

    Raises:
        RunnerError: the run cannot be read, or the file cannot be written.
    """
    report = write_report(run_directory, out=out)
    if json_lines:
        write_json({"event": "Report", "run_directory": str(run_directory), "report": str(report)})
    else:
        people().print(f"the report: {report.resolve().as_uri()}", markup=False)
    return 0
