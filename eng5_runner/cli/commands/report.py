"""report: a run's report or its pictures, from its ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption, RunArgument
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError
from eng5_runner.phrases import counted


def report(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write it to this file and leave the run's directory as it is.", metavar="FILE"),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Write the report's pictures as SVG and PNG into this folder.", metavar="DIR"),
    ] = None,
    with_texts: Annotated[
        bool,
        typer.Option("--with-texts", help="Show the essays' texts, too; not for sharing. Needs --out."),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Write a run's report, one self-contained page, or its pictures."""
    from eng5_runner.app.outputs.report import write_figures, write_report

    if figures is not None:
        if out is not None or with_texts:
            raise UsageError("--figures writes pictures only.", remedy="Call it without --out and --with-texts.")
        files = write_figures(run, figures)
        if json:
            write_json({"event": "Figures", "run_directory": str(run), "files": list(map(str, files))})
        else:
            names = ", ".join(file.name for file in files)
            say(f"{counted(len(files), 'file')} in {figures.resolve()}: {names}")
        return 0
    written = write_report(run, out=out, with_texts=with_texts)
    if json:
        write_json({"event": "Report", "run_directory": str(run), "report": str(written)})
        return 0
    say(f"the report: {written.resolve().as_uri()}")
    if with_texts:
        say("It holds the essays' texts and is not for sharing.")
    return 0
