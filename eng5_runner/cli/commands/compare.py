"""compare: runs of the same essays, side by side."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of two runs or more.", metavar="A B...", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a page with pictures to this file, too.", metavar="FILE")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Compare two or more runs of the same essays."""
    from eng5_runner.app import inspect
    from eng5_runner.cli.console import people
    from eng5_runner.effects.outputs import write_atomically
    from eng5_runner.reports.terminal.compare import show_comparison, show_overview
    from eng5_runner.results.run_summary import summary_of

    if len(runs) < 2:  # noqa: PLR2004 - a pair
        raise UsageError("compare needs two runs or more.", remedy="Name the directory of another run, too.")
    opened = {directory: inspect.open_run(directory) for directory in runs}
    pairs = [(a, b, inspect.compare(opened[a], opened[b])) for a, b in combinations(runs, 2)]
    # Of three runs and more all stand in one table first.
    summaries = [summary_of(run.artefact, directory=str(path)) for path, run in opened.items() if len(pairs) > 1]
    if summaries and json:
        write_json({"event": "RunsCompared", "runs": list(map(asdict, summaries))})
    elif summaries:
        show_overview(people(), summaries)
    for a, b, compared in pairs:
        if json:
            write_json({"event": "Comparison", "a": str(a), "b": str(b)} | compared.model_dump(mode="json"))
        else:
            show_comparison(people(), compared)
    if out is not None:
        from eng5_runner.reports.html_compare import comparison_page

        write_atomically(out, comparison_page([compared for _, _, compared in pairs], runs=summaries))
        if not json:
            say(f"the page: {out.resolve().as_uri()}")
    return 0
