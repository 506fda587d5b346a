"""Two or more runs side by side as one page: positions, flips with both reasons, what the anchors tell, and cost.

It reads comparisons of runs and nothing else; every pair of runs has its part, in which A is the first of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, percent, span
from eng5_runner.reports.html import Child, element, page, table
from eng5_runner.reports.page.style import STYLE
from eng5_runner.reports.plots.drawing import Axis, circle, group, line, square, svg, text, whole_steps
from eng5_runner.reports.terminal.compare import OVERVIEW, agreement_lines, in_words, overview_lines, run_lines
from eng5_runner.results.compare import RankMove, RunsCompared
from eng5_runner.results.run_summary import RunSummary

_SIZE, _LEFT, _TOP, _RIGHT, _BOTTOM = 460.0, 52.0, 14.0, 14.0, 46.0
_TICKS = 9


def comparison_page(compared: Sequence[RunsCompared], *, runs: Sequence[RunSummary] = ()) -> bytes:
    """The page of these pairs of runs.

    Args:
        compared: each pair.
        runs: all of them, for a table before the pairs; none where there is one pair.
    """
    labels = list(dict.fromkeys(run.batch_label for pair in compared for run in pair.runs))
    return page(
        element("h1", f"Runs compared: {', '.join(labels)}"),
        *_overview(runs),
        *(part for pair in compared for part in _pair(pair)),
        title=f"Runs compared: {', '.join(labels)}",
        style=STYLE,
    )


def _overview(runs: Sequence[RunSummary]) -> Iterator[Child]:
    if runs:
        yield element("h2", "All runs")
        caption = "r and τ-b: with the teachers' grades of the anchors; USD a τ-b: what a unit of agreement cost."
        yield table(OVERVIEW, list(overview_lines(runs)), caption=caption)


def _pair(compared: RunsCompared) -> Iterator[Child]:
    a, b = compared.runs
    essays = compared.essays
    yield element("h2", f"A: {a.batch_label}; B: {b.batch_label}")
    yield element(
        "p", f"{counted(essays.shared, 'essay')} in both, {essays.only_in_a} only in A, {essays.only_in_b} only in B."
    )
    for swapped in compared.swapped_texts:
        yield element("p", f"{swapped.file} is {swapped.role_a} in A and {swapped.role_b} in B.", class_="warn")
    if compared.verdicts.of_anchors is not None:
        yield element("p", element("strong", in_words(compared.verdicts.of_anchors)))
    if compared.anchors is not None:
        difference = compared.anchors.b_minus_a
        figures = f"{number(difference.estimate, sign=True)}, 90% interval {span(difference.interval_90)}"
        yield element("p", f"Kendall τ-b with the experts' grades, B less A: {figures}: {compared.anchors.verdict}.")
    yield table(("", "A", "B"), [(name, *cells) for name, cells in run_lines(compared)], caption="The runs.")
    caption = "How far they agree; intervals by bootstrap of the shared essays, both runs together."
    yield table(("A against B", "found", "90% interval"), list(agreement_lines(compared)), caption=caption, figures=2)
    if compared.positions is not None:
        yield _scatter(compared.positions.moves, r=compared.positions.pearson.estimate)
    yield from _flips(compared)


def _scatter(moves: Sequence[RankMove], *, r: float | None) -> Child:
    """Each shared essay's position in both runs; on the dashed line they are the same."""
    ends = [theta for move in moves for theta in (move.theta_a, move.theta_b)]
    low, high = min(ends) - 0.3, max(ends) + 0.3
    across, up = Axis(low, high, _LEFT, _SIZE - _RIGHT), Axis(low, high, _SIZE - _BOTTOM, _TOP)
    ticks = [(f"{tick:+d}" if tick else "0", tick) for tick in whole_steps(low, high, most=_TICKS)]
    essays = counted(len(moves), "essay")
    drawing = svg(
        *(
            group(
                line((across(tick), _TOP), (across(tick), _SIZE - _BOTTOM)),
                text(name, (across(tick), _SIZE - _BOTTOM + 17)),
                line((_LEFT, up(tick)), (_SIZE - _RIGHT, up(tick))),
                text(name, (_LEFT - 8, up(tick) + 4), anchor="end"),
                class_="grid soft",
            )
            for name, tick in ticks
        ),
        group(line((across(low), up(low)), (across(high), up(high))), class_="grade"),
        *(
            group(
                element("title", f"{move.file_a}: θ {move.theta_a:+.2f} in A, {move.theta_b:+.2f} in B"),
                square((across(move.theta_a), up(move.theta_b)), 3.5)
                if move.is_anchor
                else circle((across(move.theta_a), up(move.theta_b)), 3.5),
                class_="anchor" if move.is_anchor else "student",
            )
            for move in moves
        ),
        text("θ in A", ((_LEFT + _SIZE - _RIGHT) / 2, _SIZE - 8), class_="soft"),
        text("θ in B", (_LEFT, _TOP - 3), class_="soft"),
        title=f"Positions in A (to the right) and B (upwards) of {essays}; Pearson's r is {number(r)}",
        size=(_SIZE, _SIZE),
    )
    note = f"Positions of {essays} in logits; squares are anchors, and on the dashed line both runs agree."
    return element("figure", drawing, element("figcaption", note))


def _flips(compared: RunsCompared) -> Iterator[Child]:
    verdicts = compared.verdicts
    share = (
        f"{percent(verdicts.agreement)} of {counted(verdicts.decided_by_both, 'pair')} have the same verdict in "
        "both runs."
    )
    yield element("h3", "Pairs with different verdicts")
    if not verdicts.flips:
        yield element("p", share)
        return
    lines = []
    for flip in verdicts.flips:
        names = dict(zip(flip.essays, flip.files, strict=True))
        other = next(name for essay, name in names.items() if essay != flip.a_prefers)
        lines.append((" and ".join(flip.files), names[flip.a_prefers], flip.why_a or "–", other, flip.why_b or "–"))
    yield table(("pair", "A prefers", "because", "B prefers", "because"), lines, caption=share)
