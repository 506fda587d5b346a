"""runs, export, import: what a person does with several runs, with runs from elsewhere, and with copies for others."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError, command


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of the runs.", metavar="[FOLDER]")] = Path("runs"),
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Such as judge~gpt or 'cost_usd<5'; all that are given hold.", metavar="TEST"),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="Column; with a minus, the largest first.", metavar="COLUMN")
    ] = "-started_at",
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    json: JsonOption = False,
) -> int:
    """List runs with judge, outcome, reliability, agreement and cost."""
    from eng5_runner.app.collection.runs import list_runs, runs_csv
    from eng5_runner.cli.console import people
    from eng5_runner.core.harmless import harmless
    from eng5_runner.reports.terminal.runs import show_listed

    listed = list_runs(folder, where=where or (), sort=sort)
    if csv:
        made = runs_csv(listed)
        sys.stdout.buffer.write(harmless(made.decode()).encode() if sys.stdout.isatty() else made)
        sys.stdout.flush()
    elif json:
        for run in listed:
            write_json({"event": "Run"} | asdict(run))
    else:
        show_listed(people(), listed)
    return 0


def export(
    runs: Annotated[list[Path], typer.Argument(help="Directories of runs.", metavar="RUN...", show_default=False)],
    form: Annotated[
        Literal["csv", "json", "parquet", "xlsx"], typer.Option("--format", help="Form of the files.")
    ] = "csv",
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.", metavar="FOLDER")] = Path("export"),
    public: Annotated[
        Path | None,
        typer.Option("--public", help="Write a copy of one run to share, without names and texts.", metavar="FOLDER"),
    ] = None,
    with_reasons: Annotated[
        bool, typer.Option("--with-reasons", help="With --public: keep the judge's reasons, which can quote an essay.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", help="With --public: URL of the copy's licence.", metavar="URL")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Write the tables of runs for data frames, or a copy to share."""
    from eng5_runner.app.collection.export import export as export_tables
    from eng5_runner.app.collection.public import export_public

    if public is None:
        files = [str(file) for file in export_tables(runs, form=form, out=out)]
        if json:
            write_json({"event": "Exported", "runs": list(map(str, runs)), "files": files})
        else:
            say(f"written: {', '.join(files)}")
        return 0
    if len(runs) != 1:
        raise UsageError("--public is for one run at a time.", remedy="Name one run, and a folder for each.")
    origin = export_public(runs[0], out=public, with_reasons=with_reasons, licence=licence).artefact.metadata.origin
    missing = origin.missing if origin else ()
    if json:
        write_json({"event": "ExportedPublic", "run": str(runs[0]), "folder": str(public), "missing": missing})
        return 0
    say(f"written: {public}, which verifies on its own: {command('verify', public)}")
    say("Not in the copy:")
    for what in missing:
        say(f"  {what}")
    say("The task and the judge's instructions are in it whole. Read them before you publish.")
    return 0


def import_study(
    source: Annotated[
        Path, typer.Argument(help="Folder, artefact or events of the run.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new run directory.", metavar="FOLDER")],
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", help="Grades of the anchors: CSV id,grade, or the service's list.", metavar="FILE"),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make a run directory of a study that HuleEdu's runner made."""
    from eng5_runner.app.collection.import_run import import_run
    from eng5_runner.cli.console import people
    from eng5_runner.reports.terminal.summary import show_summary

    run = import_run(source, out=out, anchors=anchors)
    origin = run.artefact.metadata.origin
    if json:
        facts = {"source": str(source), "run_directory": str(out), "missing": origin.missing if origin else ()}
        write_json({"event": "Imported", **facts})
    else:
        show_summary(people(), run.artefact, run_directory=out)
    return 0
