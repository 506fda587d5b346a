"""status, verify, hydrate: where a run stands, its outputs and its ledger."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption, RunArgument
from eng5_runner.cli.output import say, write_json
from eng5_runner.phrases import counted


def status(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", metavar="[RUN]")] = Path("runs/latest"),
    json: JsonOption = False,
) -> int:
    """Show how far a run has come."""
    from eng5_runner.app.status import describe_status
    from eng5_runner.reports.terminal.status import next_steps, status_sentences
    from eng5_runner.run.run_directory import saved_run

    saved = saved_run(run)  # also while another process is at work on it
    described = describe_status(saved, run)
    if json:
        write_json({"event": "Status", "run_directory": str(run)} | asdict(described))
        return 0
    for line in status_sentences(described):
        say(line)
    for line in () if described.is_running else next_steps(saved.state, run, is_written=described.is_written):
        say(f"to go on: {line}", style="bold")
    return 0


def hydrate(
    run: RunArgument,
    human_judgements: Annotated[
        Path | None,
        typer.Option(
            "--human-judgements", help="Add people's judgements of the same essays: a CSV file.", metavar="FILE"
        ),
    ] = None,
    check_grades: Annotated[
        Path | None,
        typer.Option(
            "--check-grades",
            help="Add teachers' grades of a few students, for checking: a CSV file (id, file or essay; grade).",
            metavar="FILE",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Write a run's outputs again from its ledger."""
    from eng5_runner.app.inspect import hydrate_run
    from eng5_runner.app.judge.people import PeoplesFiles, add_from_people
    from eng5_runner.cli.console import people
    from eng5_runner.reports.terminal.summary import show_summary
    from eng5_runner.results.artefact.part import to_json

    if human_judgements is None and check_grades is None:
        hydrated = hydrate_run(run)
    else:
        hydrated = add_from_people(run, PeoplesFiles(judgements=human_judgements, check_grades=check_grades))
    artefact = hydrated.artefact
    if json:
        parts = {"human_scale": artefact.human_scale, "grade_check": artefact.grade_check}
        facts = {name: to_json(part) for name, part in parts.items() if part is not None}
        write_json({"event": "Hydrated", "files": sorted(hydrated.files)} | facts)
    else:
        show_summary(people(), artefact, run_directory=run)
    return 0


def verify(run: RunArgument, json: JsonOption = False) -> int:
    """Check a run's checksums and recompute all its outputs."""
    from eng5_runner.app import inspect
    from eng5_runner.errors import command

    verified = inspect.verify(run)
    if json:
        facts = {
            "files": verified.files,
            "comparisons": verified.comparisons,
            "outcome": verified.outcome,
            "service_differs": verified.disagreements,
            "older_reports": verified.older_reports,
            "extra_files": verified.extra_files,
            "missing": verified.missing,
        }
        write_json({"event": "Verified", "run_directory": str(run)} | facts)
        return 0
    say(
        f"{run} verifies: {counted(verified.files, 'file')} as listed, all outputs recomputed from the ledger byte "
        f"for byte, {counted(verified.comparisons, 'comparison')}, {verified.outcome}"
    )
    if verified.missing:
        say("Not checked, because the record does not have it:")
        for what in verified.missing:
            say(f"  {what}")
    for report in verified.older_reports:
        say(f"{report} has the words or the estimates of the version that made the run. To write it again:")
        say(f"  {command('hydrate', run)}")
    if verified.extra_files:
        say(f"not part of the run, and not checked: {', '.join(verified.extra_files)}")
    if verified.agreement is not None:
        say(verified.agreement)
    for disagreement in verified.disagreements:
        say(disagreement, style="yellow")
    return 0
