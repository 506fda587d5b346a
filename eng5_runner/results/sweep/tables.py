"""The leaderboard as a table for data frames and spreadsheets: one row for each judge with a design."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from eng5_runner.results.sweep.figures import SweptFigure
from eng5_runner.results.sweep.leaderboard import Leaderboard, LeaderboardRow
from eng5_runner.results.tables import Cell, Kind, RunTable

_MEASURED: Mapping[str, Callable[[LeaderboardRow], SweptFigure]] = MappingProxyType({
    "tau_b": lambda row: row.tau_b,
    "grade_error": lambda row: row.grade_error,
    "first_shown_logits": lambda row: row.first_shown,
    "length_logits": lambda row: row.length,
    "swap_agreement": lambda row: row.swap,
})  # fmt: skip


def leaderboard_table(board: Leaderboard) -> RunTable:
    """The table: ranks, which equals share, and for each measured figure its value and the ends of its 90% interval.

    `usd` is empty where the price of a call is not known. `p_below_best` is the corrected p-value of the difference to
    the first row.
    """
    columns: dict[str, Kind] = {
        "rank": "whole", "judge": "text", "design": "text", "model": "text", "runs": "whole", "complete": "whole",
        "judged": "whole", "failed": "whole",
    }  # fmt: skip
    for name in _MEASURED:
        columns |= {name: "number", f"{name}_low": "number", f"{name}_high": "number"}
    columns |= {
        "reliability": "number", "usd": "number", "usd_a_judgement": "number", "seconds_an_answer": "number",
        "seconds": "number", "p_below_best": "number",
    }  # fmt: skip
    below = {each.lower: each.p_corrected for each in board.against_best}
    ranked = zip(board.ranks, board.rows, strict=True)
    rows = [_cells(rank, row, p_below_best=below.get(row.name)) for rank, row in ranked]
    return RunTable(name="leaderboard", columns=columns, rows=rows)


def _cells(rank: int, row: LeaderboardRow, *, p_below_best: float | None) -> tuple[Cell, ...]:
    measured: list[Cell] = []
    usd = None if row.unpriced else row.usd
    for figure in _MEASURED.values():
        value = figure(row)
        measured += [value.value, *(value.interval_90 or (None, None))]
    return (
        *(rank, row.judge, row.design, row.model, row.runs, row.complete, row.judged, row.failed),
        *measured,
        *(row.reliability, usd, row.usd_a_judgement, row.seconds_an_answer, row.seconds, p_below_best),
    )
