"""A run's result as a person reads it at the end, from the artefact alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.canonical import Json
from eng5_runner.reports.anchor_markdown import ANCHOR_REPORT_NAME
from eng5_runner.results.reading import Object, number, rows, table_of
from eng5_runner.results.service_words import agreement, disagreements


def show_summary(console: Console, artefact: Object, *, run_directory: Path) -> None:
    """Students, anchors, costs, what went wrong, where it is and how to verify it."""
    essays = rows(artefact["bt_summary"])
    if essays:
        if not all(row["is_anchor"] for row in essays):
            console.print(_students(essays, {str(g["essay_id"]): g for g in rows(artefact["grade_projections"])}))
        console.print(_anchors(essays, _left_out(artefact)))
        _reliability(console, artefact)
    _service(console, artefact["comparison_with_service"])
    _judges(console, artefact)
    if rows(table_of(artefact["costs"])["token_counts"]):
        console.print(_costs(table_of(artefact["costs"])))
    replayed = table_of(table_of(artefact["costs"]).get("replayed"))
    if replayed:
        told = f"{replayed['comparisons']} judgements were replayed from earlier runs"
        console.print(f"{told}, where they cost {number(replayed['saved_usd']):.4f} USD")
    _status(console, table_of(artefact["runner_status"]))
    console.print(f"run directory: {escape(str(run_directory))}")
    if table_of(artefact["metadata"])["runner_mode"] == "anchor-align":
        console.print(f"report:        {escape(str(run_directory / ANCHOR_REPORT_NAME))}")
    console.print(f"to verify it:  eng5-runner verify {escape(str(run_directory))}")


def _left_out(artefact: Object) -> dict[str, str]:
    """Anchor id → the grade that the other anchors give it."""
    found = rows(table_of(artefact["anchor_alignment"]).get("left_out"))
    return {str(row["anchor_id"]): str(row.get("projected_grade", "refused")) for row in found}


def _theta(row: Object) -> str:
    return f"{number(row['theta']):+.2f} ± {number(row['standard_error']):.2f}"


def _students(essays: Iterable[Object], grades: Mapping[str, Object]) -> Table:
    columns = ("rank", "student", "θ ± SE", "judged", "grade", "P(grade)", "P(±1 step)", "claim", "")
    table = Table(*columns, title="Students", box=SIMPLE)
    for row in essays:
        if row["is_anchor"]:
            continue
        grade = grades.get(str(row["essay_id"]))
        told = ("–", "", "", "", "") if grade is None else _grade_cells(grade)
        table.add_row(str(row["rank"]), escape(str(row["essay_id"])), _theta(row), str(row["comparison_count"]), *told)
    return table


def _grade_cells(grade: Object) -> tuple[str, ...]:
    probability = number(table_of(grade["probabilities"]).get(str(grade["grade"]), 0.0))
    outside = "beyond the anchors" if grade["extrapolated"] else ""
    figures = (f"{probability:.2f}", f"{number(grade['within_one_step']):.2f}")
    return str(grade["grade"]), *figures, str(grade["confidence"]), outside


def _anchors(essays: Iterable[Object], left_out: Mapping[str, str]) -> Table:
    table = Table("rank", "anchor", "θ ± SE", "judged", "known", "by the others", title="Anchors", box=SIMPLE)
    for row in essays:
        if row["is_anchor"]:
            name = str(row["essay_id"])
            cells = (str(row["comparison_count"]), str(row["anchor_grade"]), left_out.get(name, "–"))
            table.add_row(str(row["rank"]), escape(name), _theta(row), *cells)
    return table


def _reliability(console: Console, artefact: Object) -> None:
    reliability = table_of(table_of(artefact["bt_model"]).get("reliability"))
    interval = reliability.get("interval_90")
    if isinstance(interval, Sequence):
        low, high = (number(end) for end in interval)
        told = f"{number(reliability['empirical_bayes']):.2f} (90% interval {low:.2f} to {high:.2f})"
        console.print(f"reliability of the judge's order: {told}; it says nothing of agreement with teachers")
    alignment = table_of(artefact["anchor_alignment"])
    tau = alignment.get("kendall_tau_b")
    if isinstance(tau, int | float):
        ends = table_of(alignment["intervals_90"])["kendall_tau_b"]
        told = f"Kendall tau-b {tau:.2f}"
        if isinstance(ends, Sequence):
            told += f" (90% interval {number(ends[0]):.2f} to {number(ends[1]):.2f})"
        console.print(f"agreement with the anchors' known grades: {told} over {alignment['anchors']} anchors")
    if table_of(artefact["metadata"])["runner_mode"] == "anchor-align":
        _targets(console, alignment)
        return
    grades = table_of(artefact["grade_model"])
    if grades.get("available") is False:
        console.print(f"no grades are projected: {escape(str(grades['reason']))}")


def _targets(console: Console, alignment: Object) -> None:
    """A run of the anchors alone against what the field works with."""
    found, targets = table_of(alignment["inversions"]), table_of(alignment["targets"])
    for told, key in (
        ("tau-b of at least .90", "kendall_tau_b"),
        (f"at most one inversion ({number(found['inverted']):g} of {found['pairs']} pairs)", "inversions"),
        (f"no anchor without a win ({len(rows(alignment['without_win']))})", "without_win"),
    ):
        met = table_of(targets[key])["met"]
        console.print(f"target {told}: {'met' if met else 'missed'}", style="" if met else "yellow")


def _service(console: Console, compared: Json) -> None:
    """Whether the service's figures are ours."""
    agrees = agreement(compared)
    if agrees is not None:
        console.print(agrees, markup=False)
    for disagreement in disagreements(compared):
        console.print(disagreement, style="yellow", markup=False)


def _judges(console: Console, artefact: Object) -> None:
    for judge in rows(table_of(artefact["metadata"])["judges"]):
        console.print(f"judge: {escape(str(judge['provider']))} {escape(str(judge['model']))} – {judge['kind']}")


def _costs(costs: Object) -> Table:
    table = Table(
        "provider", "model", "comparisons", "prompt tokens", "completion tokens", "USD", title="Cost", box=SIMPLE
    )
    for row in rows(costs["token_counts"]):
        counts = (str(row[key]) for key in ("comparisons", "prompt_tokens", "completion_tokens"))
        table.add_row(escape(str(row["provider"])), escape(str(row["model"])), *counts, f"{number(row['usd']):.4f}")
    return table


def _status(console: Console, status: Object) -> None:
    counts = table_of(status["comparisons"])
    rejected = rows(status["rejected"])
    console.print(
        f"{status['outcome']}: {counts['judged']} comparisons judged, {counts['failed']} failed, "
        f"{status['duplicates']} duplicates, {len(rejected)} rejected, {status['offsets_lost']} lost"
    )
    for reason in status["reasons"] if isinstance(status["reasons"], Sequence) else ():
        console.print(f"  {escape(str(reason))}", style="yellow")
