"""compare: runs of the same essays, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from eng5_runner.app.inspect import compare, open_run
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import UsageError
from eng5_runner.reports.terminal.compare import show_comparison, show_overview
from eng5_runner.results.run_summary import summary_of


def compare_runs(directories: Sequence[Path], *, out: Path | None, json_lines: bool) -> int:
    """Compare every two of the runs by their artefacts; of three and more first all in one table.

    Args:
        directories: of the runs, at least two.
        out: a file for a page; None for none.
        json_lines: whether to write a JSON line for each pair, and one before them for three and more runs.

    Raises:
        UsageError: there is one run only.
        InputsMissing: a run has no artefact.
        InputsInvalid: an artefact is damaged, or two runs have no essay in common.
        DiskError: the page cannot be written.
    """
    if len(directories) < 2:  # noqa: PLR2004 - a pair
        raise UsageError("compare needs two runs or more.", remedy="Name the directory of another run, too.")
    runs = {directory: open_run(directory) for directory in directories}
    pairs = [(a, b, compare(runs[a], runs[b])) for a, b in combinations(directories, 2)]
    summaries = [summary_of(run.artefact, directory=str(path)) for path, run in runs.items()] if len(pairs) > 1 else []
    if summaries and json_lines:
        write_json({"event": "RunsCompared", "runs": list(map(asdict, summaries))})
    elif summaries:
        show_overview(people(), summaries)
    for a, b, compared in pairs:
        if json_lines:
            write_json({"event": "Comparison", "a": str(a), "b": str(b)} | compared.model_dump(mode="json"))
        else:
            show_comparison(people(), compared)
    if out is not None:
        from eng5_runner.reports.html_compare import comparison_page

        write_atomically(out, comparison_page([compared for _, _, compared in pairs], runs=summaries))
        if not json_lines:
            people().print(f"the page: {out.resolve().as_uri()}", markup=False)
    return 0
