"""fit: positions, reliability and grades from any table of comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.output import say, write_json


def fit(
    table: Annotated[Path, typer.Argument(help="CSV of comparisons.", metavar="TABLE.csv")],
    *,
    prior_sd: Annotated[
        str, typer.Option("--prior-sd", help="Spread of the prior in logits.", metavar="auto|NUMBER")
    ] = "auto",
    position_effect: Annotated[
        bool,
        typer.Option("--position-effect/--no-position-effect", help="Estimate the advantage of being shown first."),
    ] = True,
    keep_repeats: Annotated[
        bool,
        typer.Option("--keep-repeats", help="Count each judgement in full, also if it repeats another."),
    ] = False,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", help="CSV: item (or id, file, essay), grade.", metavar="FILE")
    ] = None,
    check_grades: Annotated[
        Path | None,
        typer.Option("--check-grades", help="The same of some others: teachers' grades, for checking."),
    ] = None,
    grade_scale: Annotated[str | None, typer.Option("--grade-scale", help="Of the anchors.", metavar="SCALE")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the items to this CSV.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Place the items of a table of comparisons on one scale.

    The table has the columns item_a (shown first), item_b and winner (a, b or tie), or candidate_chosen and
    candidate_not_chosen, or other programs' names for them; judge, count, confidence and
    probability_a (that the first is better) are optional.
    """
    from eng5_runner.app.fit import fit as fit_table
    from eng5_runner.cli.console import people
    from eng5_runner.effects.outputs import write_atomically
    from eng5_runner.reports.terminal.fit import show_fit

    result = fit_table(
        table,
        anchors=anchors,
        grade_scale=grade_scale,
        prior_sd=prior_sd,
        position_effect=position_effect,
        keep_repeats=keep_repeats,
        check_grades=check_grades,
    )
    if out is not None:
        write_atomically(out, result.to_csv())
    if json:
        write_json(result.to_json())
        return 0
    show_fit(people(), result)
    if out is not None:
        say(f"written: {out}")
    return 0
