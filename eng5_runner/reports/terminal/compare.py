"""Two runs side by side as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import ABSENT, UNKNOWN, count, number, span, usd, words
from eng5_runner.reports.terminal.table import plain_table
from eng5_runner.results.compare import Agreement, RunInComparison, RunsCompared
from eng5_runner.results.paired_verdicts import PairedVerdicts
from eng5_runner.results.run_summary import RunSummary

_SHOWN = 5
_Line = tuple[str, str, str]


def show_comparison(console: Console, compared: RunsCompared) -> None:
    """What the runs have in common, each measure of agreement, and where they differ most."""
    essays = compared.essays
    console.print(
        f"{counted(essays.shared, 'essay')} in both, {essays.only_in_a} only in A, {essays.only_in_b} only in B; "
        "A is the first run, B the second"
    )
    console.print(_runs(compared))
    for text in _swapped(compared):
        console.print(text, style="yellow")
    table = plain_table("A against B", "found", "90% interval")
    for line in agreement_lines(compared):
        table.add_row(*line)
    console.print(table)
    for text in (*_same_prompts(compared), *_moves(compared), *_flips(compared)):
        console.print(text)
    if compared.verdicts.of_anchors is not None:
        console.print(f"{in_words(compared.verdicts.of_anchors)}", style="bold")
    if compared.anchors is not None:
        console.print(f"order of the anchors against the experts' grades: {compared.anchors.verdict}", style="bold")


OVERVIEW = ("run", "judge", "essays", "judged", "outcome", "reliability", "r with teachers", "τ-b", "USD", "USD a τ-b")
"""Headings of the table of all runs."""


def overview_lines(runs: Iterable[RunSummary]) -> Iterator[tuple[str, ...]]:
    """A line for each run, in their order: what it is, how well it agrees with the experts, and what that cost."""
    for run in runs:
        cost, tau = run.cost_usd, run.tau_b
        each = None if cost is None or not tau or tau < 0 else cost / tau
        absent = ABSENT if run.comparisons is None else UNKNOWN
        figures = map(number, (run.reliability, run.agreement, tau))
        yield (
            *(run.label, words(run.judge), count(run.essays), count(run.comparisons), run.outcome, *figures),
            *(usd(cost, absent=absent), usd(each)),
        )


def show_overview(console: Console, runs: Iterable[RunSummary]) -> None:
    """All runs as one table."""
    table = plain_table(*OVERVIEW)
    for line in overview_lines(runs):
        table.add_row(*map(escape, line))
    console.print(table)


def agreement_lines(compared: RunsCompared) -> Iterator[_Line]:
    """Each measure of agreement with its interval."""
    yield from (*_positions(compared), *_grades(compared), *_verdicts(compared), *_anchors(compared))


def _runs(compared: RunsCompared) -> Table:
    table = plain_table("", "A", "B")
    for name, cells in run_lines(compared):
        table.add_row(name, *map(escape, cells))
    return table


def run_lines(compared: RunsCompared) -> Iterator[tuple[str, list[str]]]:
    """What identifies each run and what it took, the first run's and the second's."""
    runs, costs = compared.runs, compared.costs
    yield from (
        ("run", [run.batch_label for run in runs]),
        ("judge", [_judges(run) for run in runs]),
        ("outcome", [run.outcome for run in runs]),
        ("comparisons", [f"{cost.judged} judged, {cost.failed} failed" for cost in costs]),
        ("reliability of the judge's own order", [number(run.reliability) for run in runs]),
        ("agreement with the teachers' grades", [_with_teachers(run) for run in runs]),
        ("USD", [usd(cost.usd, absent=UNKNOWN) for cost in costs]),
        ("USD a comparison", [number(cost.usd_per_comparison, 6) for cost in costs]),
        ("USD a unit of τ-b", [number(cost.usd_per_agreement, 6) for cost in costs]),
        ("tokens read, written", [f"{cost.prompt_tokens}, {cost.completion_tokens}" for cost in costs]),
    )
    if any(cost.cached_tokens for cost in costs):
        yield "of these read from the provider's cache", [str(cost.cached_tokens or 0) for cost in costs]


def _with_teachers(run: RunInComparison) -> str:
    agreement = run.agreement_with_teachers
    return ABSENT if agreement is None else f"r = {number(agreement.correlation)} ({span(agreement.interval_90)})"


def _swapped(compared: RunsCompared) -> Iterator[str]:
    for text in compared.swapped_texts:
        yield escape(f"{text.file} is {text.role_a} in A and {text.role_b} in B")
    if compared.swapped_texts:
        yield "the judges of A and B were not asked the same: the texts have swapped roles"


def _judges(run: RunInComparison) -> str:
    return ", ".join(f"{judge.provider} {judge.model}" for judge in run.judges) or ABSENT


def _line(name: str, agreement: Agreement) -> _Line:
    return name, number(agreement.estimate), span(agreement.interval_90)


def _positions(compared: RunsCompared) -> Iterator[_Line]:
    positions = compared.positions
    if positions is not None:
        yield _line("θ: Pearson's r", positions.pearson)
        if positions.pearson_disattenuated is not None:
            yield "θ: r, were both reliable", number(positions.pearson_disattenuated), ABSENT
        yield _line("θ: Spearman's ρ", positions.spearman)
        yield _line("θ: Kendall's τ-b", positions.kendall_tau_b)


def _grades(compared: RunsCompared) -> Iterator[_Line]:
    grades = compared.grades
    if grades is not None:
        yield f"grades: the same, of {grades.students}", number(grades.exact), ABSENT
        yield "grades: within one step", number(grades.within_one), ABSENT
        yield _line("grades: weighted κ", grades.quadratic_weighted_kappa)
        yield "grades: B higher by, steps", number(grades.b_higher_by_steps, sign=True), ABSENT


def _verdicts(compared: RunsCompared) -> Iterator[_Line]:
    verdicts = compared.verdicts
    name = f"verdicts: the same, of {counted(verdicts.decided_by_both, 'pair')}"
    yield name, number(verdicts.agreement), span(verdicts.interval_90)


def _anchors(compared: RunsCompared) -> Iterator[_Line]:
    anchors = compared.anchors
    if anchors is not None:
        yield _line(f"anchors: τ-b of A, of {anchors.anchors}", anchors.tau_b_a)
        yield _line("anchors: τ-b of B", anchors.tau_b_b)
        yield _line("anchors: B less A", anchors.b_minus_a)


def _same_prompts(compared: RunsCompared) -> Iterator[str]:
    same = compared.verdicts.same_prompts
    if same:
        yield (
            f"{counted(same, 'comparison')} of B asked the same prompt as one of A: by the same judge that is no "
            "new evidence"
        )


def in_words(paired: PairedVerdicts) -> str:
    """What the pairs of anchors that both runs judged tell of them."""
    p = "" if paired.p_value is None else f", McNemar's exact p = {paired.p_value:.3f}"
    counts = f"right in both {paired.both_right}, in A alone {paired.only_a_right}, in B alone {paired.only_b_right}"
    return f"pairs of anchors judged in both runs: {paired.pairs}, {counts}{p}: {paired.verdict}"


def _moves(compared: RunsCompared) -> Iterator[str]:
    moved = [move for move in compared.positions.moves if move.rank_a != move.rank_b] if compared.positions else []
    if moved:
        largest = ", ".join(f"{move.file_a} {move.rank_a} → {move.rank_b}" for move in moved[:_SHOWN])
        yield escape(f"largest moves in rank: {largest}")


def _flips(compared: RunsCompared) -> Iterator[str]:
    flips = compared.verdicts.flips
    for flip in flips[:_SHOWN]:
        preferred = dict(zip(flip.essays, flip.files, strict=True))[flip.a_prefers]
        yield escape(f"flip: {' and '.join(flip.files)}: A prefers {preferred}")
        yield escape(f"  A: {flip.why_a or 'no reason given'}")
        yield escape(f"  B: {flip.why_b or 'no reason given'}")
    if len(flips) > _SHOWN:
        yield f"and {counted(len(flips) - _SHOWN, 'more flip')}: --json has them all"
