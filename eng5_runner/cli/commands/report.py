"""report: a run's report or its pictures, from its ledger."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.outputs.report import write_figures, write_report
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import UsageError


def report_of(
    run_directory: Path, *, out: Path | None, figures: Path | None, with_texts: bool, json_lines: bool
) -> int:
    """Write the report: to a file of its own, or with all other outputs into the run's directory. Or its pictures.

    Raises:
        RunnerError: the run cannot be read, or a file cannot be written.
    """
    if figures is not None:
        if out is not None or with_texts:
            raise UsageError("--figures writes pictures only.", remedy="Call it without --out and --with-texts.")
        files = write_figures(run_directory, figures)
        if json_lines:
            write_json(
                {"event": "Figures", "run_directory": str(run_directory), "files": [str(file) for file in files]}
            )
        else:
            people().print(
                f"{len(files)} files in {figures.resolve()}: {', '.join(f.name for f in files)}", markup=False
            )
        return 0
    report = write_report(run_directory, out=out, with_texts=with_texts)
    if json_lines:
        write_json({"event": "Report", "run_directory": str(run_directory), "report": str(report)})
    else:
        people().print(f"the report: {report.resolve().as_uri()}", markup=False)
        if with_texts:
            people().print("It holds the essays' texts and is not for sharing.", markup=False)
    return 0
