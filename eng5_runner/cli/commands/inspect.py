"""hydrate, verify: a run's outputs and its ledger."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app import inspect
from eng5_runner.app.judge.people import PeoplesFiles, add_from_people
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import command
from eng5_runner.reports.terminal.summary import show_summary
from eng5_runner.results.artefact.part import to_json


def hydrate_run(
    run_directory: Path, *, human_judgements: Path | None = None, check_grades: Path | None = None, json_lines: bool
) -> int:
    """Write a run's outputs again from its ledger, with what people say added where a file is given."""
    if human_judgements is None and check_grades is None:
        hydrated = inspect.hydrate_run(run_directory)
    else:
        hydrated = add_from_people(run_directory, PeoplesFiles(judgements=human_judgements, check_grades=check_grades))
    artefact = hydrated.artefact
    if json_lines:
        parts = {"human_scale": artefact.human_scale, "grade_check": artefact.grade_check}
        facts = {name: to_json(part) for name, part in parts.items() if part is not None}
        write_json({"event": "Hydrated", "files": sorted(hydrated.files)} | facts)
    else:
        show_summary(people(), artefact, run_directory=run_directory)
    return 0


def verify_run(run_directory: Path, *, json_lines: bool) -> int:
    """Check that a run's directory proves what it claims."""
    verified = inspect.verify(run_directory)
    if json_lines:
        facts = {
            "files": verified.files,
            "comparisons": verified.comparisons,
            "outcome": verified.outcome,
            "service_differs": verified.disagreements,
            "older_reports": verified.older_reports,
            "extra_files": verified.extra_files,
            "missing": verified.missing,
        }
        write_json({"event": "Verified", "run_directory": str(run_directory)} | facts)
        return 0
    console = people()
    console.print(
        f"{run_directory} verifies: {verified.files} files as listed, all outputs recomputed from the ledger byte "
        f"for byte, {verified.comparisons} comparisons, {verified.outcome}"
    )
    if verified.missing:
        console.print("Not checked, because the record does not have it:")
        for what in verified.missing:
            console.print(f"  {what}", markup=False)
    for report in verified.older_reports:
        console.print(f"{report} has the words or the estimates of the version that made the run. To write it again:")
        console.print(f"  {command('hydrate', run_directory)}", markup=False)
    if verified.extra_files:
        console.print(f"not part of the run, and not checked: {', '.join(verified.extra_files)}", markup=False)
    if verified.agreement is not None:
        console.print(verified.agreement, markup=False)
    for disagreement in verified.disagreements:
        console.print(disagreement, style="yellow", markup=False)
    return 0
