"""compare: two runs of the same essays, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.app.artefacts import read_artefact
from eng5_runner.canonical import Json
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import InputsInvalid
from eng5_runner.results.compare import compare_artefacts
from eng5_runner.results.reading import Object, number, rows, table_of

_SHOWN = 5


def compare_runs(a: Path, b: Path, *, json_lines: bool) -> int:
    """Compare two runs by their artefacts.

    Raises:
        InputsMissing: a run has no artefact.
        InputsInvalid: an artefact is damaged, or the two have no essay in common.
    """
    found = compare_artefacts(read_artefact(a), read_artefact(b))
    if not number(table_of(found["essays"]).get("shared")):
        raise InputsInvalid(
            f"{a} and {b} have no essay in common.", remedy="Compare runs of the same texts; names may differ."
        )
    if json_lines:
        write_json({"event": "Comparison", "a": str(a), "b": str(b)} | found)
    else:
        _show(people(), found)
    return 0


def _show(console: Console, found: Object) -> None:
    essays = table_of(found["essays"])
    only = ", ".join(f"{essays[f'only_in_{side}']} only in {side.upper()}" for side in ("a", "b"))
    console.print(f"{essays['shared']} essays in both, {only}; A is the first run, B the second")
    console.print(_runs(found))
    table = Table("A against B", "found", "90% interval", box=SIMPLE)
    for line in (*_positions(found), *_grades(found), *_verdicts(found), *_anchors(found)):
        table.add_row(*line)
    console.print(table)
    for told in (*_same_prompts(found), *_moves(found), *_flips(found)):
        console.print(told)
    verdict = table_of(found["anchors"]).get("verdict")
    if verdict:
        console.print(f"order of the anchors against the experts' grades: {verdict}", style="bold")


def _runs(found: Object) -> Table:
    table = Table("", "A", "B", box=SIMPLE)
    told = [table_of(one) for one in rows(found["runs"])]
    costs = rows(found["costs"])
    for name, cells in (
        ("run", [str(one["batch_label"]) for one in told]),
        ("judge", [_judges(one) for one in told]),
        ("outcome", [str(one["outcome"]) for one in told]),
        ("comparisons", [f"{one['judged']} judged, {one['failed']} failed" for one in costs]),
        ("reliability", [_figure(one["reliability"]) for one in told]),
        ("USD", [f"{number(one['usd']):.4f}" for one in costs]),
        ("USD a comparison", [_figure(one["usd_per_comparison"], digits=6) for one in costs]),
        ("tokens read, written", [f"{one['prompt_tokens']}, {one['completion_tokens']}" for one in costs]),
    ):
        table.add_row(name, *map(escape, cells))
    return table


def _judges(run: Object) -> str:
    return ", ".join(f"{one['provider']} {one['model']}" for one in rows(run["judges"])) or "–"


def _figure(value: Json, *, digits: int = 2) -> str:
    return f"{number(value):.{digits}f}" if isinstance(value, int | float) else "–"


def _measured(name: str, found: Json) -> tuple[str, str, str]:
    measured = table_of(found)
    return name, _figure(measured.get("estimate")), _interval(measured.get("interval_90"))


def _interval(interval: Json) -> str:
    if not isinstance(interval, Sequence) or isinstance(interval, str):
        return "–"
    return " to ".join(_figure(end) for end in interval)


def _positions(found: Object) -> Iterator[tuple[str, str, str]]:
    positions = table_of(found["positions"])
    if positions:
        yield _measured("θ: Pearson's r", positions["pearson"])
        if positions["pearson_disattenuated"] is not None:
            yield "θ: r, were both reliable", _figure(positions["pearson_disattenuated"]), "–"
        yield _measured("θ: Spearman's ρ", positions["spearman"])
        yield _measured("θ: Kendall's τ-b", positions["kendall_tau_b"])


def _grades(found: Object) -> Iterator[tuple[str, str, str]]:
    grades = table_of(found["grades"])
    if grades:
        yield f"grades: the same, of {grades['students']}", _figure(grades["exact"]), "–"
        yield "grades: within one step", _figure(grades["within_one"]), "–"
        yield _measured("grades: weighted κ", grades["quadratic_weighted_kappa"])
        yield "grades: B higher by, steps", f"{number(grades['b_higher_by_steps']):+.2f}", "–"


def _verdicts(found: Object) -> Iterator[tuple[str, str, str]]:
    verdicts = table_of(found["verdicts"])
    told = f"verdicts: the same, of {verdicts['decided_by_both']} pairs"
    yield told, _figure(verdicts["agreement"]), _interval(verdicts["interval_90"])


def _anchors(found: Object) -> Iterator[tuple[str, str, str]]:
    anchors = table_of(found["anchors"])
    if anchors:
        yield _measured(f"anchors: τ-b of A, of {anchors['anchors']}", anchors["tau_b_a"])
        yield _measured("anchors: τ-b of B", anchors["tau_b_b"])
        yield _measured("anchors: B less A", anchors["b_minus_a"])


def _same_prompts(found: Object) -> Iterator[str]:
    same = number(table_of(found["verdicts"])["same_prompts"])
    if same:
        yield f"{same:.0f} comparisons of B asked the very prompt of A's: by the same judge they are no new evidence"


def _moves(found: Object) -> Iterator[str]:
    moved = [one for one in rows(table_of(found["positions"]).get("moves")) if one["rank_a"] != one["rank_b"]]
    if moved:
        told = ", ".join(f"{one['essay_a']} {one['rank_a']} → {one['rank_b']}" for one in moved[:_SHOWN])
        yield escape(f"largest moves in rank: {told}")


def _flips(found: Object) -> Iterator[str]:
    flips = rows(table_of(found["verdicts"])["flips"])
    for one in flips[:_SHOWN]:
        essays = one["essays"] if isinstance(one["essays"], Sequence) else ()
        yield escape(f"flip: {' and '.join(map(str, essays))}: A prefers {one['a_prefers']}")
        yield escape(f"  A: {one['why_a'] or 'no reason given'}")
        yield escape(f"  B: {one['why_b'] or 'no reason given'}")
    if len(flips) > _SHOWN:
        yield f"and {len(flips) - _SHOWN} more flips: --json has them all"
