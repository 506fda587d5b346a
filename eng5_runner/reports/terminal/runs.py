"""The runs of a folder, one in a row.

show_listed(console, list_runs(Path("runs")))
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import ABSENT, UNKNOWN, count, number, usd, words
from eng5_runner.reports.terminal.table import plain_table
from eng5_runner.results.run_summary import RunSummary

_TO_THE_MINUTE = 16


def show_listed(console: Console, runs: Sequence[RunSummary]) -> None:
    """Show when each run began, its judge and outcome, and its figures."""
    table = plain_table("run", "begun (UTC)", "judge", "essays", "judged", "outcome", "reliab.", "r", "τ-b", "USD")
    for run in runs:
        when = (run.started_at or "")[:_TO_THE_MINUTE].replace("T", " ")
        counts, figures = (run.essays, run.comparisons), (run.reliability, run.agreement, run.tau_b)
        cells = (run.label, when, words(run.judge), *map(count, counts), run.outcome, *map(number, figures))
        absent = ABSENT if run.comparisons is None else UNKNOWN
        table.add_row(*map(escape, cells), usd(run.cost_usd, absent=absent))
    console.print(table)
    console.print(
        f"{counted(len(runs), 'run')}. Reliab.: of the judge's own order; r: agreement with the teachers' grades; "
        "τ-b: of the anchors' order with their grades."
    )
