"""The positions of all essays as a picture: one line each, θ with its 90% interval, grades as dashed lines behind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from eng5_runner.reports.html import element
from eng5_runner.results.artefact.measurement import BTEntry

# At the left is room for the longest id.
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 900.0, 270.0, 60.0, 44.0, 40.0
_ROW, _NARROW_ROW, _MOST_NAMED = 17.0, 5.0, 200
_NINETY = 1.645


def caterpillar(entries: Sequence[BTEntry], centres: Mapping[str, float], *, files: Mapping[str, str]) -> Element:
    """The picture, as SVG; names are left out where there are more than 200 essays.

    Args:
        entries: of the artefact's `bt_summary`, best first.
        centres: grade → where it lies in logits; empty where there are no grades.
        files: essay id → name of its file.
    """
    named = len(entries) <= _MOST_NAMED
    row = _ROW if named else _NARROW_ROW
    height = _TOP + row * len(entries) + _BOTTOM
    scale = _Axis.of(entries)
    title = (
        f"Positions of {len(entries)} essays with 90% intervals, best first; the same figures are in the tables below."
    )
    return element(
        "svg",
        element("title", title),
        *_grades(centres, scale=scale, bottom=height - _BOTTOM),
        *_axis(scale, bottom=height - _BOTTOM),
        *(
            _essay(
                entry, file=files.get(entry.essay_id, "no file"), scale=scale, y=_TOP + row * (index + 0.5), named=named
            )
            for index, entry in enumerate(entries)
        ),
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        role="img",
        class_="caterpillar",
    )


class _Axis:
    """Logits to the picture's units."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, entries: Sequence[BTEntry]) -> _Axis:
        ends = [end for entry in entries for end in _interval(entry)]
        return cls(math.floor(min(ends)), max(math.ceil(max(ends)), math.floor(min(ends)) + 1))

    def x(self, theta: float) -> float:
        share = (theta - self.low) / (self.high - self.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _interval(entry: BTEntry) -> tuple[float, float]:
    """The interval that holds the true position as often as it says; old artefacts have θ and its error only."""
    if entry.interval_90 is not None:
        return entry.interval_90
    return entry.theta - _NINETY * entry.standard_error, entry.theta + _NINETY * entry.standard_error


def _essay(entry: BTEntry, *, file: str, scale: _Axis, y: float, named: bool) -> Element:
    theta, error = entry.theta, entry.standard_error
    grade = entry.anchor_grade if entry.is_anchor else entry.grade_projection
    low, high = map(scale.x, _interval(entry))
    x = scale.x(theta)
    title = f"{entry.essay_id} ({file}): θ {theta:+.2f} ± {error:.2f}" + ("" if grade is None else f", {grade}")
    mark = (
        element("rect", x=f"{x - 4:.1f}", y=f"{y - 4:.1f}", width="8", height="8")
        if entry.is_anchor
        else element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4" if named else "2")
    )
    parts = [element("title", title), _line((low, y), (high, y)), mark]
    if named:
        parts += [
            _text(entry.essay_id, x=_LEFT - 10, y=y + 4, anchor="end"),
            _text(grade or "", x=_WIDTH - _RIGHT + 12, y=y + 4, anchor="start"),
        ]
    return element("g", *parts, class_="anchor" if entry.is_anchor else "student")


def _grades(centres: Mapping[str, float], *, scale: _Axis, bottom: float) -> Iterator[Element]:
    """Where each grade lies; a name is moved up where it would cover the one before."""
    level, last = 0, -math.inf
    for grade, theta in sorted(centres.items(), key=lambda item: item[1]):
        if scale.low <= theta <= scale.high:
            x = scale.x(theta)
            level = 1 - level if x - last < 26.0 else 0  # noqa: PLR2004 - about the width of a name
            last = x
            yield element(
                "g", _line((x, _TOP), (x, bottom)), _text(grade, x=x, y=_TOP - 8 - 14 * level), class_="grade"
            )


def _axis(scale: _Axis, *, bottom: float) -> Iterator[Element]:
    step = max(round((scale.high - scale.low) / 12), 1)
    yield element("g", _line((_LEFT, bottom), (_WIDTH - _RIGHT, bottom)), class_="axis")
    for tick in range(math.ceil(scale.low), math.floor(scale.high) + 1, step):
        x = scale.x(tick)
        yield element(
            "g", _line((x, bottom), (x, bottom + 5)), _text(f"{tick:+d}" if tick else "0", x=x, y=bottom + 18)
        )
    yield _text(
        "position θ in logits: one logit more wins 73 of 100 comparisons",
        x=(_LEFT + _WIDTH - _RIGHT) / 2,
        y=bottom + 34,
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> Element:
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}")


def _text(text: str, *, x: float, y: float, anchor: str = "middle") -> Element:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
