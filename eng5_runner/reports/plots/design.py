"""The design: which essays were compared with which, and how reliability and cost grew with the comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, spent
from eng5_runner.reports.html import element
from eng5_runner.reports.plots.drawing import (
    Axis,
    Picture,
    Point,
    band,
    circle,
    curve,
    group,
    line,
    picture,
    text,
)
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.course import CoursePoint, course_of

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 460.0, 400.0, 52.0, 52.0, 18.0, 46.0
# Of essays, or of neighbours in the order where there are more.
_MOST_BINS = 60
_SHADES = 5
_GOOD_ENOUGH, _GOOD = 0.7, 0.8


def coverage(artefact: Artefact) -> Picture | None:
    """How densely each part of the order was compared with each other part; None where nothing was judged."""
    essays, judged = len(artefact.bt_summary), len(artefact.llm_comparisons)
    if not essays or not judged:
        return None
    bins = min(_MOST_BINS, essays)
    first, second = (np.array(side, dtype=np.int64) for side in (artefact.columns.first, artefact.columns.second))
    sizes = np.bincount(np.arange(essays) * bins // essays).tolist()
    bin_of_first, bin_of_second = first * bins // essays, second * bins // essays
    cells, counts = np.unique(
        np.minimum(bin_of_first, bin_of_second) * bins + np.maximum(bin_of_first, bin_of_second), return_counts=True
    )
    dense = {
        (low, high): count / (sizes[low] * sizes[high] if low != high else max(sizes[low] * (sizes[low] - 1) / 2, 1))
        for (low, high), count in zip((divmod(cell, bins) for cell in cells.tolist()), counts.tolist(), strict=True)
    }
    most = max(dense.values())
    left, top, side = _LEFT, _TOP, _HEIGHT - _TOP - _BOTTOM
    cell = side / bins
    shades: list[list[str]] = [[] for _ in range(_SHADES)]
    for (low, high), share in sorted(dense.items()):
        shade = min(int(share / most * _SHADES), _SHADES - 1)
        for x, y in {(low, high), (high, low)} if low != high else ((low, high),):
            shades[shade].append(f"M{left + x * cell:.1f} {top + y * cell:.1f}h{cell:.1f}v{cell:.1f}h-{cell:.1f}z")
    pairs = np.unique(np.minimum(first, second) * essays + np.maximum(first, second)).size
    fewest, largest = (f(entry.comparison_count for entry in artefact.bt_summary) for f in (min, max))
    ends = ((0.0, "1"), (side / 2, str(essays // 2)), (side, str(essays)))
    parts = [
        element("rect", x=f"{left:g}", y=f"{top:g}", width=f"{side:g}", height=f"{side:g}", class_="ground"),
        *(
            element("path", d="".join(paths), class_="cell", fill_opacity=f"{(shade + 1) / _SHADES:.2f}")
            for shade, paths in enumerate(shades)
            if paths
        ),
        *(text(label, (left + at, top + side + 17), class_="soft") for at, label in ends),
        *(text(label, (left - 8, top + at + 4), anchor="end", class_="soft") for at, label in ends),
        text(
            "rank of one essay against rank of the other; darker is more often",
            (_WIDTH / 2, _HEIGHT - 8),
            class_="soft",
        ),
    ]
    return picture(
        *parts,
        name="coverage",
        title="Which essays were compared with which, by rank",
        description=f"{counted(judged, 'judgement')} of {pairs} of "
        f"{counted(essays * (essays - 1) // 2, 'possible pair')}; each essay "
        f"was judged {counted(largest, 'time') if fewest == largest else f'{fewest} to {largest} times'}.",
        size=(_WIDTH, _HEIGHT),
    )


def course(artefact: Artefact) -> Picture | None:
    """Reliability and cost after each part of the judgements; None where nothing was judged, or far too much."""
    points = course_of(artefact) if artefact.bt_summary else ()
    if not points:
        return None
    last, unpriced = points[-1], artefact.costs.unpriced
    across = Axis(0, last.judgements, _LEFT, _WIDTH - _RIGHT)
    up = Axis(0.0, 1.0, _HEIGHT - _BOTTOM, _TOP)
    dearest = max(last.usd, 1e-9)
    money = Axis(0.0, dearest, _HEIGHT - _BOTTOM, _TOP)
    known = [(across(point.judgements), up(point.reliability)) for point in points if point.reliability is not None]
    costs = [(across(0), money(0.0)), *((across(point.judgements), money(point.usd)) for point in points)]
    parts = [
        *_frame(last, across=across, up=up),
        *(
            (
                group(
                    band(costs, [(costs[0][0], money(0.0)), (costs[-1][0], money(0.0))]), curve(costs), class_="cost"
                ),
                text(f"{last.usd:.3g} $", (_WIDTH - _RIGHT + 6, money(last.usd) + 4), anchor="start", class_="soft"),
            )
            if last.usd and not unpriced
            else ()
        ),
        *_reliability(artefact, known, up=up),
    ]
    return picture(
        *parts,
        name="course",
        title="Reliability (line with points, at the left) and cost (at the right) over the judgements",
        description=f"After {counted(last.judgements, 'judgement')} the reliability is "
        f"{'not defined' if last.reliability is None else number(last.reliability)} and the cost "
        f"{spent(last.usd, unpriced=unpriced)}. {_when_reached(points)}",
        size=(_WIDTH, _HEIGHT),
    )


def _frame(last: CoursePoint, *, across: Axis, up: Axis) -> Iterator[Element]:
    for tick in range(0, 11, 2):
        y = up(tick / 10)
        mark = text(f"{tick / 10:.1f}", (_LEFT - 8, y + 4), anchor="end")
        yield group(line((_LEFT, y), (_WIDTH - _RIGHT, y)), mark, class_="grid soft")
    yield group(line((_LEFT, up(_GOOD_ENOUGH)), (_WIDTH - _RIGHT, up(_GOOD_ENOUGH))), class_="grade")
    yield text("0.7", (_LEFT + 4, up(_GOOD_ENOUGH) - 4), anchor="start", class_="soft")
    for share in (0.0, 0.5, 1.0):
        judgements = round(last.judgements * share)
        yield text(str(judgements), (across(judgements), _HEIGHT - _BOTTOM + 17), class_="soft")
    yield text("judgements", (_WIDTH / 2, _HEIGHT - 8), class_="soft")


def _reliability(artefact: Artefact, known: Sequence[Point], *, up: Axis) -> Iterator[Element]:
    if not known:
        return
    model = artefact.bt_model
    ends = None if model is None else model.reliability.interval_90
    error = () if ends is None else (line((known[-1][0], up(ends[0])), (known[-1][0], up(ends[1]))),)
    yield curve(known)
    yield group(*error, *(circle(point, 3.5) for point in known), class_="student")


def _when_reached(points: Sequence[CoursePoint]) -> str:
    for wanted in (_GOOD, _GOOD_ENOUGH):
        reached = next((p.judgements for p in points if p.reliability is not None and p.reliability >= wanted), None)
        if reached is not None:
            return f"{wanted} was reached by about {counted(reached, 'judgement')}."
    return f"{_GOOD_ENOUGH} was not reached."
