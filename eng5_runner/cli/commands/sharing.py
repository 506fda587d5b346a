"""import, export --public: runs that come from elsewhere, and copies for others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eng5_runner.app.collection.import_run import import_run
from eng5_runner.app.collection.public import export_public
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import UsageError, command
from eng5_runner.reports.terminal.summary import show_summary


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
