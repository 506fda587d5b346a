"""The judges of a sweep on one page: who agrees most with the experts, how sure that is, biases, cost and time.

It reads the leaderboard and nothing else, and works offline and without scripts, as a run's report does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import (
    ABSENT,
    UNKNOWN,
    count,
    in_time,
    number,
    percent,
    sentence,
    span,
    spent,
    usd,
    words,
)
from eng5_runner.reports.html import Child, element, page, table
from eng5_runner.reports.page.script import SCRIPT
from eng5_runner.reports.page.style import STYLE
from eng5_runner.reports.plots.drawing import Axis, circle, group, line, svg, text
from eng5_runner.results.sweep.figures import SweptFigure
from eng5_runner.results.sweep.leaderboard import JudgeDifference, Leaderboard, LeaderboardRow

THOUSAND = 1000
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _FOOT = 420.0, 14.0, 14.0, 10.0, 40.0, 34.0
_STEP = 0.5  # between lines of the plot
REPORT_NAME = "report.html"


def leaderboard_page(board: Leaderboard) -> bytes:
    """The page."""
    return page(
        element("h1", f"Judges compared: {board.name}"),
        _verdict(board),
        _facts(board),
        *_ranking(board),
        *_differences(board),
        *_runs(board),
        title=f"{board.name}: leaderboard",
        style=STYLE,
        script=SCRIPT,
    )


def _verdict(board: Leaderboard) -> Element:
    complete = sum(row.complete for row in board.rows)
    missing = board.expected_runs - complete
    sure = all(each.real for each in board.against_best) and not missing
    level = ("good" if sure else "fair") if board.differences else "none"
    sign = element("span", {"good": "✓", "fair": "!", "none": "?"}[level], class_="sign", aria_hidden="true")
    told = (
        "All runs are complete."
        if not missing
        else f"{missing} of {counted(board.expected_runs, 'run')} are not complete: the order may change."
    )
    return element(
        "section",
        element("h2", sign, element("span", board.verdict)),
        element("p", told),
        class_=f"verdict {level}",
        aria_label="verdict",
    )


def _facts(board: Leaderboard) -> Element:
    limit = "" if board.limit_usd is None else f" of at most {board.limit_usd:g}"
    facts = (
        (
            "compared",
            counted(board.anchors, "anchor")
            + (f", {counted(board.students, 'student')}" if board.students else " alone"),
        ),
        ("runs", f"{sum(row.complete for row in board.rows)} of {board.expected_runs} complete"),
        ("spent", f"{spent(board.usd, unpriced=board.unpriced or 0)}{limit}"),
        ("comparisons", f"{sum(row.judged for row in board.rows)}, {sum(row.failed for row in board.rows)} failed"),
    )
    return element("dl", *(part for name, fact in facts for part in _fact(name, fact)), class_="facts")


def _fact(name: str, fact: str) -> tuple[Element, Element]:
    return element("dt", name), element("dd", fact)


def _ranking(board: Leaderboard) -> Iterator[Child]:
    yield element("h2", "Agreement with the experts", id="agreement")
    placed = [row for row in board.rows if row.tau_b.value is not None]
    if placed:
        yield element("div", _plot(placed), class_="side")
    heads = (
        "judge",
        "τ-b",
        "90% interval",
        "grade error",
        "first shown",
        "longer",
        "swap",
        "reliability",
        "USD/1000",
        "s",
    )
    lines: list[tuple[Child, ...]] = [(_named(row), *_figures(row)) for row in board.rows]
    yield table(
        heads,
        lines,
        caption="Means over the runs of each judge; a dash is not measured or not defined.",
        class_="sortable",
        figures=len(heads) - 1,
    )
    yield element("p", MEANINGS, class_="note")


MEANINGS = (
    "τ-b: Kendall's, of the anchors' order with their grades; 1 is perfect. Grade error: mean distance in steps of "
    "each anchor's grade by the other anchors to the experts' grade. First shown: advantage of the essay that is shown "
    "first; longer: of twice as many words at the same grade. Both are in logits; 0 is expected, and a star marks what "
    "chance does not explain (90%). Swap: pairs with the same winner in the other order, which a design with "
    'swap = "audit" or "all" measures. USD/1000: price of a thousand judgements of which none is repeated from an '
    "earlier run. s: median time of an answer in seconds."
)


def _named(row: LeaderboardRow) -> Element:
    runs = counted(row.runs, "run")
    return element("td", row.name, element("small", f"{words(row.model)}; {runs}"), class_="name")


def _figures(row: LeaderboardRow) -> tuple[str, ...]:
    return (
        number(row.tau_b.value),
        span(row.tau_b.interval_90),
        number(row.grade_error.value),
        starred(row.first_shown),
        starred(row.length),
        percent(row.swap.value),
        number(row.reliability),
        per_thousand(row),
        number(row.seconds_an_answer, 1),
    )


def starred(bias: SweptFigure) -> str:
    """A bias in logits, with a star where 0 is not in its interval."""
    interval = bias.interval_90
    surely = interval is not None and not interval[0] <= 0.0 <= interval[1]
    return number(bias.value, sign=True) + ("*" if surely else "")


def per_thousand(row: LeaderboardRow) -> str:
    """USD of a thousand judgements."""
    if row.usd_a_judgement is None:
        return UNKNOWN if row.unpriced else ABSENT
    return f"{row.usd_a_judgement * THOUSAND:.2f}"


def _plot(rows: Sequence[LeaderboardRow]) -> Element:
    """Each judge's τ-b with its interval, the best at the top."""
    ends = [end for row in rows for end in (row.tau_b.value or 0.0, *(row.tau_b.interval_90 or ()))]
    low, height = min(0.0, math.floor(min(ends) / _STEP) * _STEP), _TOP + _ROW * len(rows) + _FOOT
    across = Axis(low, 1.0, _LEFT, _WIDTH - _RIGHT)
    ticks = [low + _STEP * step for step in range(round((1.0 - low) / _STEP) + 1)]
    bottom = height - _FOOT
    drawing = svg(
        group(
            *(line((across(tick), _TOP), (across(tick), bottom)) for tick in ticks),
            *(text(f"{tick:.1f}", (across(tick), bottom + 18), anchor=_anchor(tick, low)) for tick in ticks),
            class_="grid soft",
        ),
        *(_judge(row, across=across, at=_TOP + _ROW * place) for place, row in enumerate(rows)),
        title=f"Kendall's τ-b of {len(rows)} judges with 90% intervals; the table below has the figures",
        size=(_WIDTH, height),
    )
    note = "Kendall's τ-b of the anchors' order with the experts' grades, and its 90% interval."
    return element("figure", drawing, element("figcaption", note))


def _anchor(tick: float, low: float) -> str:
    return "start" if tick == low else "end" if tick == 1.0 else "middle"


def _judge(row: LeaderboardRow, *, across: Axis, at: float) -> Element:
    value, interval = row.tau_b.value or 0.0, row.tau_b.interval_90
    ends = [] if interval is None else [line((across(interval[0]), at + 28), (across(interval[1]), at + 28))]
    return group(
        element("title", f"{row.name}: τ-b {number(value)}, 90% interval {span(interval)}"),
        text(row.name, (_LEFT, at + 16), anchor="start"),
        *ends,
        circle((across(value), at + 28), 5),
        class_="student",
    )


def _differences(board: Leaderboard) -> Iterator[Child]:
    if not board.differences:
        return
    yield element("h2", "Which differences are real", id="differences")
    yield _difference_table(board.against_best, caption="The first judge against each other one.")
    if len(board.differences) > len(board.against_best):
        everything = _difference_table(board.differences, caption="Every judge against each other one.")
        yield element("details", element("summary", f"All {len(board.differences)} differences"), everything)
    yield element("p", board.method, class_="note")
    yield element(
        "p",
        "Only higher right, only lower right: pairs of anchors, judged by both, that only this one decided as the "
        "experts did.",
        class_="note",
    )


def _difference_table(differences: Sequence[JudgeDifference], *, caption: str) -> Element:
    heads = ("higher", "real", "τ-b more", "90% interval", "p", "p, corrected", "only higher right", "only lower right")
    return table(heads, list(map(_difference, differences)), caption=caption, class_="sortable", figures=6)


def _difference(each: JudgeDifference) -> tuple[Child, ...]:
    real = element("strong", "real", class_="good") if each.real else "cannot tell"
    return (
        element("td", each.higher, element("small", f"above {each.lower}"), class_="name"),
        *(real, number(each.tau_b.value, sign=True), span(each.tau_b.interval_90)),
        *(number(each.p_value, 3), number(each.p_corrected, 3)),
        *(count(each.only_higher_right), count(each.only_lower_right)),
    )


def _runs(board: Leaderboard) -> Iterator[Child]:
    yield element("h2", "Runs", id="runs")
    heads = ("judge", "design", "outcome", "report", "seed", "judged", "failed", "τ-b", "USD", "time")
    lines = [
        (
            *(run.judge, run.design, sentence(run.outcome)),
            element("a", run.directory, href=f"{run.directory}/{REPORT_NAME}"),
            *(str(run.seed), str(run.judged), str(run.failed), number(run.tau_b.value)),
            *(UNKNOWN if run.unpriced else usd(run.usd), in_time(run.seconds)),
        )
        for run in board.runs
    ]
    yield table(
        heads, lines, caption="Each is an ordinary run, with a report of its own.", class_="sortable", figures=6
    )
