"""A run's result as a person reads it at the end, from the artefact alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.core.choices import Mode
from eng5_runner.errors import command
from eng5_runner.phrases import counted
from eng5_runner.reports.anchor_markdown import ANCHOR_REPORT_NAME
from eng5_runner.reports.figures import (
    ABSENT,
    UNKNOWN,
    number,
    requests_made,
    sentence,
    span,
    spent,
    tally,
    usd,
)
from eng5_runner.reports.html_report import REPORT_NAME
from eng5_runner.reports.human_scale import disagreement_lines, human_scale_lines
from eng5_runner.reports.judge_card import facts_of_judge, own_effects_lines
from eng5_runner.reports.reliability import dependence_of, grade_warnings, known_grades, own_order, with_teachers
from eng5_runner.reports.soft import soft_lines
from eng5_runner.reports.targets import MET, target_rows
from eng5_runner.reports.terminal.table import plain_table, show_named
from eng5_runner.reports.words import (
    chance_of,
    flagged_essays,
    grades_by_others,
    same_texts,
    target_missed,
    tested_projection,
    warnings_of_the_judge,
    words_of_origin,
)
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradeProjection, GradesUnavailable
from eng5_runner.results.artefact.study import Costs
from eng5_runner.results.doubts import doubts_about
from eng5_runner.results.run_cost import perhaps_charged

# A folded name of fewer characters a line cannot be read.
_NARROWEST = 12
_ALL_ESSAYS = "tables/essays.csv has all"


def show_summary(console: Console, artefact: Artefact, *, run_directory: Path) -> None:
    """Students, anchors, costs, what went wrong, where the run is and how to verify it."""
    entries = artefact.bt_summary
    if entries:
        if not all(entry.is_anchor for entry in entries):
            _students(console, artefact)
        _anchors(console, artefact)
        _precision(console, artefact)
    for headline, reason in warnings_of_the_judge(artefact):
        console.print(f"{headline} {sentence(reason)}", style="bold yellow", markup=False)
    outvoted = doubts_about(artefact).outvoted
    if outvoted is not None:
        console.print(outvoted, style="yellow", markup=False)
    for text in (*flagged_essays(artefact), *same_texts(artefact)):
        console.print(text, style="yellow", markup=False)
    _people(console, artefact)
    _service(console, artefact)
    _judges(console, artefact)
    _money(console, artefact.costs)
    _status(console, artefact, charged=perhaps_charged(artefact))
    _origin(console, artefact)
    console.print(f"run directory: {escape(str(run_directory))}")
    for label, place in _places(artefact, run_directory=run_directory):
        console.print(escape(f"{label:<14} {place}"))


def _origin(console: Console, artefact: Artefact) -> None:
    origin = words_of_origin(artefact)
    if origin is not None:
        console.print(f"{origin[0]} Not in this record: {'; '.join(origin[1])}.", markup=False)


def _people(console: Console, artefact: Artefact) -> None:
    if artefact.human_scale is not None:
        for text in (*human_scale_lines(artefact.human_scale), *disagreement_lines(artefact.human_scale)):
            console.print(text, markup=False)


def _judges(console: Console, artefact: Artefact) -> None:
    for judge in artefact.metadata.judges:
        forms = f"; asked for {' and '.join(judge.answer_forms)}, as it takes no schema" if judge.answer_forms else ""
        console.print(f"judge: {escape(judge.provider)} {escape(judge.model)} – {judge.kind}{forms}")
        if judge.changed is not None:
            console.print(f"warning: {judge.changed}", style="yellow", markup=False)
    quality = artefact.judge_quality
    if quality is None:
        return
    for figures in quality.judges if len(quality.judges) > 1 else ():
        facts = facts_of_judge(figures, judgements=counted(figures.judgements, "judgement"), judges=len(quality.judges))
        console.print(f"{figures.provider} {figures.model}: {facts}", markup=False)
    for line in own_effects_lines(quality):
        console.print(line, markup=False)


def _places(artefact: Artefact, *, run_directory: Path) -> Iterator[tuple[str, object]]:
    """What a person opens or types next."""
    request = artefact.runner_status.request
    if artefact.metadata.runner_mode is Mode.DRY_RUN and request is not None:
        yield "request:", run_directory / "requests" / f"{request.event_id}.json"
    if artefact.metadata.runner_mode.anchors_only:
        yield "alignment:", run_directory / ANCHOR_REPORT_NAME
    yield "report:", (run_directory / REPORT_NAME).resolve().as_uri()
    yield "to verify it:", command("verify", run_directory)


def _place(entry: BTEntry, files: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Rank, file and position; the id stands under the file's name where it is another."""
    position = f"{number(entry.theta, sign=True)} ± {number(entry.standard_error)}"
    file = files.get(entry.essay_id, entry.essay_id)
    named = file if entry.essay_id in (file, PurePosixPath(file).stem) else f"{file}\n{entry.essay_id}"
    return str(entry.rank), named, position, str(entry.comparison_count)


def _students(console: Console, artefact: Artefact) -> None:
    files = artefact.inputs.file_names
    grades = {projection.essay_id: projection for projection in artefact.grade_projections}
    headings = ("rank", "student", "θ ± SE", "judged", *(("grade", "P", "P(±1)", "claim") if grades else ()))
    rows = [
        (*_place(entry, files), *(_grade_cells(grades.get(entry.essay_id)) if grades else ()))
        for entry in artefact.bt_summary
        if not entry.is_anchor
    ]
    show_named(console, headings, rows=rows, title="Students", whole=_ALL_ESSAYS)
    if grades:
        beyond = any(projection.extrapolated for projection in artefact.grade_projections)
        mark = "; * lies beyond the anchors" if beyond else ""
        console.print(
            f"P: probability of the grade; P(±1): of it or a neighbour, lowered far from the middle of the class{mark}",
            style="dim",
        )


def _grade_cells(projection: GradeProjection | None) -> tuple[str, ...]:
    if projection is None:
        return ABSENT, "", "", ""
    return (
        projection.grade,
        number(chance_of(projection)),
        number(projection.within_one_step),
        f"{projection.confidence}{'*' if projection.extrapolated else ''}",
    )


def _anchors(console: Console, artefact: Artefact) -> None:
    by_others = grades_by_others(artefact.anchor_alignment)
    files = artefact.inputs.file_names
    rows = [
        (*_place(entry, files), entry.anchor_grade or ABSENT, by_others.get(entry.essay_id, ABSENT))
        for entry in artefact.bt_summary
        if entry.is_anchor
    ]
    headings = ("rank", "anchor", "θ ± SE", "judged", "known", "by the others")
    show_named(console, headings, rows=rows, title="Anchors", whole=_ALL_ESSAYS)


def _precision(console: Console, artefact: Artefact) -> None:
    if artefact.bt_model is not None:
        console.print(f"reliability of the judge's own order: {own_order(artefact)}")
        console.print(f"agreement with the teachers' grades: {with_teachers(artefact)}")
        console.print(dependence_of(artefact), markup=False)
        for line in soft_lines(artefact.bt_model.soft_judgements):
            console.print(line, markup=False)
        _grade_checks(console, artefact)
    alignment = artefact.anchor_alignment
    if alignment is not None and alignment.kendall_tau_b is not None:
        over = counted(alignment.anchors - (alignment.unlinked or 0), "anchor")
        figure = f"Kendall tau-b {number(alignment.kendall_tau_b)}"
        intervals = alignment.intervals_90
        if intervals is not None and intervals.kendall_tau_b is not None:
            figure += f" (90% interval {span(intervals.kendall_tau_b)})"
        console.print(f"agreement with the anchors' known grades: {figure} over {over}")
    for text in () if alignment is None else tested_projection(alignment):
        console.print(text, markup=False)
    if artefact.metadata.runner_mode.anchors_only:
        for row in target_rows(artefact):
            fair = f"; judges of r = .9 get {row.fair}" if row.fair else ""
            style = "" if row.verdict == MET else "yellow"
            console.print(f"{row.name}: {row.found}{fair}: {row.verdict}", style=style, markup=False)
    elif isinstance(artefact.grade_model, GradesUnavailable):
        console.print(f"no grades are projected: {escape(artefact.grade_model.reason)}")


def _grade_checks(console: Console, artefact: Artefact) -> None:
    for line in known_grades(artefact):
        console.print(line, markup=False)
    for warning in grade_warnings(artefact):
        console.print(warning, style="yellow", markup=False)


def _money(console: Console, costs: Costs) -> None:
    if costs.token_counts:
        console.print(_costs(costs))
    if costs.test_answer is not None or costs.unpriced:
        test_answer = costs.test_answer.usd if costs.test_answer else 0.0
        with_it = f", with {usd(test_answer)} for the test answer beforehand" if test_answer else ""
        console.print(f"in all {spent(costs.total_usd, unpriced=costs.unpriced)}{with_it}")
    if costs.replayed is not None:
        replayed = counted(costs.replayed.comparisons, "judgement was", plural="judgements were")
        console.print(f"{replayed} replayed from earlier runs, which cost {usd(costs.replayed.saved_usd)} USD")


def _service(console: Console, artefact: Artefact) -> None:
    """Whether the service's figures agree with the runner's."""
    compared = artefact.comparison_with_service
    if compared is None:
        return
    if compared.agreement is not None:
        console.print(compared.agreement, markup=False)
    for finding in compared.findings:
        console.print(finding, style="yellow", markup=False)


def _costs(costs: Costs) -> Table:
    cached = ("of these cached",) if costs.cached_tokens else ()
    table = plain_table(
        "provider", "model", "calls", "prompt tokens", *cached, "completion tokens", "USD", title="Cost"
    )
    for row in costs.token_counts:
        from_cache = (row.cached_tokens or 0,) if cached else ()
        counts = (str(count) for count in (row.comparisons, row.prompt_tokens, *from_cache, row.completion_tokens))
        table.add_row(escape(row.provider), escape(row.model), *counts, UNKNOWN if row.unpriced else usd(row.usd))
    return table


def _status(console: Console, artefact: Artefact, *, charged: int) -> None:
    status, missed = artefact.runner_status, target_missed(artefact)
    if charged:
        calls = counted(charged, "call has", plural="calls have")
        console.print(
            f"{calls} no recorded answer and may have been charged: each counts at the most that it can cost",
            style="yellow",
        )
    console.print(
        f"{status.outcome}: {tally(status.comparisons, of='comparison')}, "
        f"{counted(status.duplicates, 'duplicate')}, {len(status.rejected)} rejected, {status.offsets_lost} lost"
    )
    for name, fact in requests_made(status):
        console.print(f"{name}: {fact}")
    if status.flawed:
        one, several = "comparison counts although its message has", "comparisons count although their messages have"
        console.print(f"  {counted(len(status.flawed), one, plural=several)} a flaw", style="yellow")
    for reason in status.reasons:
        console.print(f"  {escape(reason)}", style="yellow")
    if missed is not None:
        console.print(f"  {missed}", style="yellow", markup=False)
