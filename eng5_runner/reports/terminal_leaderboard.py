"""A sweep as a person reads it in a terminal: what it would do and cost, and the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from eng5_runner.reports.figures import number, percent, span, usd
from eng5_runner.reports.html_leaderboard import MEANINGS, per_thousand, starred
from eng5_runner.reports.terminal_table import show_named
from eng5_runner.results.sweep.leaderboard import Leaderboard, LeaderboardRow

_HEADS = ("", "judge", "τ-b", "90%", "error", "first", "longer", "swap", "USD/1000", "s")
_SHOWN = 10


def show_leaderboard(console: Console, board: Leaderboard) -> None:
    """The verdict, the judges in their order, and the differences."""
    rows = [(str(rank), *_cells(row)) for rank, row in enumerate(board.rows, start=1)]
    show_named(console, _HEADS, rows=rows, title="Judges")
    console.print(MEANINGS.replace("Grade error", "Error"), style="dim", markup=False, soft_wrap=False)
    for line in _differences(board):
        console.print(line, markup=False)
    console.print(board.verdict, style="bold", markup=False)
    complete = sum(row.complete for row in board.rows)
    console.print(f"{complete} of {board.expected_runs} runs are complete; {usd(board.usd)} USD were spent")


def _cells(row: LeaderboardRow) -> tuple[str, ...]:
    return (
        row.name,
        number(row.tau_b.value),
        span(row.tau_b.interval_90),
        number(row.grade_error.value),
        starred(row.first_shown),
        starred(row.length),
        percent(row.swap.value),
        per_thousand(row),
        number(row.seconds_an_answer, 1),
    )


def _differences(board: Leaderboard) -> Iterator[str]:
    for each in board.differences[:_SHOWN]:
        told = "real" if each.real else "cannot tell"
        figures = f"{number(each.tau_b.value, sign=True)} τ-b, 90% interval {span(each.tau_b.interval_90)}"
        yield f"{each.higher} against {each.lower}: {told} ({figures}, corrected p {number(each.p_corrected, 3)})"
    if len(board.differences) > _SHOWN:
        yield f"the page has all {len(board.differences)} differences"
