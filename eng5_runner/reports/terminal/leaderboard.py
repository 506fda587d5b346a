"""A sweep as a person reads it in a terminal: what it would do and cost, and the leaderboard."""

from __future__ import annotations

from rich.console import Console

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import ABSENT, number, percent, span, spent
from eng5_runner.reports.html_leaderboard import MEANINGS, per_thousand, starred
from eng5_runner.reports.terminal.table import show_named
from eng5_runner.results.sweep.leaderboard import Leaderboard, LeaderboardRow

_HEADS = ("", "judge", "τ-b", "90%", "p", "error", "first", "longer", "swap", "USD/1000", "s")
_P = "p: of the difference to the first judge, corrected for all differences; real is at most 0.1."


def show_leaderboard(console: Console, board: Leaderboard) -> None:
    """The judges in their order, what the figures mean, and the verdict."""
    below = {each.lower: each.p_corrected for each in board.against_best}
    rows = [(str(rank), *_cells(row, p=below.get(row.name))) for rank, row in zip(board.ranks, board.rows, strict=True)]
    if rows:
        show_named(console, _HEADS, rows=rows, title="Judges")
        meanings = f"{MEANINGS.replace('Grade error', 'Error')} {_P}"
        console.print(meanings, style="dim", markup=False, soft_wrap=False)
    console.print(board.verdict, style="bold", markup=False)
    complete = sum(row.complete for row in board.rows)
    money = spent(board.usd, unpriced=board.unpriced or 0)
    console.print(f"{complete} of {counted(board.expected_runs, 'run')} are complete; spent: {money}")


def _cells(row: LeaderboardRow, *, p: float | None) -> tuple[str, ...]:
    return (
        row.name,
        number(row.tau_b.value),
        span(row.tau_b.interval_90),
        ABSENT if p is None else number(p, 3),
        number(row.grade_error.value),
        starred(row.first_shown),
        starred(row.length),
        percent(row.swap.value),
        per_thousand(row),
        number(row.seconds_an_answer, 1),
    )
