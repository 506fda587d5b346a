"""What all pictures are drawn with: scales, lines, texts, and the style that they share with the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from xml.etree.ElementTree import Element

from eng5_runner.reports.html import Child, element

T = TypeVar("T")

Point = tuple[float, float]

# Classes instead of colours: the page has a light and a dark form, a file only the light one.
PLOT_STYLE = """
.plot text { fill: var(--ink); font-family: system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; font-size: 11px; }
.plot .soft text, .plot text.soft { fill: var(--soft); }
.plot .axis line { stroke: var(--soft); stroke-width: 1; }
.plot .grid line { stroke: var(--grid); stroke-width: 1; }
.plot .grade line { stroke: var(--line); stroke-width: 1; stroke-dasharray: 3 3; }
.plot .grade text { fill: var(--soft); }
.plot .student line { stroke: var(--student); stroke-width: 1.6; }
.plot .student circle { fill: var(--student); }
.plot .anchor line { stroke: var(--anchor); stroke-width: 1.6; }
.plot .anchor rect, .plot .anchor circle { fill: var(--paper); stroke: var(--anchor); stroke-width: 2; }
.plot .anchor text { fill: var(--anchor); font-weight: 600; }
.plot .band { fill: var(--student); fill-opacity: .18; }
.plot .curve { fill: none; stroke: var(--student); stroke-width: 2; }
.plot .cost .curve { stroke: var(--anchor); }
.plot .cost .band { fill: var(--anchor); fill-opacity: .1; }
.plot .cell { fill: var(--student); }
.plot .ground { fill: var(--panel); }
.plot .within { fill: var(--good); fill-opacity: .1; }
.plot .track { fill: var(--line); }
.plot .dot { fill: var(--ink); }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of a run.

    Attributes:
        name: of its files, without an ending.
        title: what it shows, in one line.
        description: what a reader without eyes for it has to know.
        drawing: the SVG.
    """

    name: str
    title: str
    description: str
    drawing: Element


@dataclass(frozen=True, slots=True)
class Axis:
    """From figures to places in a picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a figure."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def picture(*parts: Child, name: str, title: str, description: str, size: Point) -> Picture:
    """A whole picture of this width and height."""
    return Picture(
        name=name, title=title, description=description, drawing=svg(*parts, title=f"{title}. {description}", size=size)
    )


def svg(*parts: Child, title: str, size: Point) -> Element:
    """An SVG that says in words what it shows."""
    width, height = size
    return element(
        "svg", element("title", title), *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", class_="plot"
    )


def group(*parts: Child, class_: str) -> Element:
    """Parts with one style."""
    return element("g", *parts, class_=class_)


def line(start: Point, end: Point) -> Element:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}")


def text(words: str, at: Point, *, anchor: str = "middle", class_: str = "") -> Element:
    """A text whose middle, start or end is at this point."""
    x, y = at
    made = element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
    if class_:
        made.set("class", class_)
    return made


def circle(centre: Point, radius: float, *, class_: str = "") -> Element:
    """A circle."""
    x, y = centre
    made = element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:g}")
    if class_:
        made.set("class", class_)
    return made


def square(centre: Point, half: float) -> Element:
    """A square around a point."""
    x, y = centre
    return element("rect", x=f"{x - half:.1f}", y=f"{y - half:.1f}", width=f"{2 * half:g}", height=f"{2 * half:g}")


def curve(points: Sequence[Point]) -> Element:
    """A line through points."""
    return element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_="curve")


def band(upper: Sequence[Point], lower: Sequence[Point]) -> Element:
    """The area between two lines."""
    points = [*upper, *reversed(lower)]
    return element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z", class_="band")


def whole_steps(low: float, high: float, *, most: int) -> Iterator[int]:
    """Round figures from low to high, at most about so many."""
    step = next((step for step in (1, 2, 5, 10, 20, 50) if (high - low) / step <= most), 100)
    first = -int(-low // step) * step
    yield from range(first, int(high // 1) + 1, step)


def thinned(values: Sequence[T], most: int) -> Sequence[T]:
    """So many of them at equal distances, the first and the last among them; all where there are no more.

    >>> thinned(range(9), 3)
    [0, 4, 8]
    """
    last = len(values) - 1
    return values if last < most else [values[place * last // (most - 1)] for place in range(most)]
