"""The positions of all essays: a line each, θ with its 90% interval; beyond 60 essays an overview, and columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar
from xml.etree.ElementTree import Element

from eng5_runner.reports.html import element
from eng5_runner.reports.plots.drawing import (
    Axis,
    Picture,
    band,
    circle,
    curve,
    group,
    line,
    picture,
    square,
    svg,
    text,
    thinned,
    whole_steps,
)
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradesAvailable

T = TypeVar("T")

MOST_IN_ONE = 60
"""More essays than this are shown in columns."""
_MOST_IN_A_COLUMN = 60
_COLUMNS = 3
# Of a curve; and of anchors that are drawn.
_MOST_POINTS, MOST_ANCHORS = 1_000, 400
_NINETY = 1.645
# About the width of a grade's name, and of a letter of an id.
_NAME, _LETTER = 18.0, 6.6
_AXIS = "position θ in logits: one logit more wins 73 of 100 comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """Widths and heights of a column of essays."""

    width: float
    left: float
    right: float
    row: float
    letters: int
    axis: str
    ticks: int
    top: float = 34.0
    bottom: float = 40.0


# At the left of the wide one is room for the longest id.
_WIDE = _Form(width=900.0, left=262.0, right=52.0, row=17.0, letters=40, axis=_AXIS, ticks=12)
_NARROW = _Form(width=340.0, left=132.0, right=34.0, row=15.0, letters=18, axis="θ in logits", ticks=6)


@dataclass(frozen=True, kw_only=True)
class EssaysDrawn:
    """The essays of a run as they are drawn.

    Attributes:
        entries: of the artefact's `bt_summary`, best first.
        centres: grade → where it lies in logits, lowest first; empty where there are no grades.
        files: essay id → name of its file.
    """

    entries: Sequence[BTEntry]
    centres: Mapping[str, float]
    files: Mapping[str, str]

    def picture(self) -> Picture:
        """All essays in one picture: a line each, or the curve of all where they are many."""
        if len(self.entries) > MOST_IN_ONE:
            return self._overview()
        title = f"Positions of {len(self.entries)} essays with 90% intervals, best first"
        description = "The tables have the same figures."
        drawing = self._column(self.entries, form=_WIDE, title=f"{title}. {description}")
        return Picture(name="positions", title=title, description=description, drawing=drawing)

    def columns(self, *, most: int | None = None) -> list[Element]:
        """Each essay with its label, in narrow columns of at most 60: for phones, and for many essays.

        Args:
            most: of the essays, the highest; None for all.
        """
        entries = self.entries[:most]
        return [
            self._column(part, form=_NARROW, title=f"Ranks {part[0].rank} to {part[-1].rank}, best first")
            for part in _parts(entries, _rows(len(entries)))
        ]

    def panels(self) -> Iterator[Picture]:
        """The columns, three side by side, as pictures for files; none where one picture shows all."""
        if len(self.entries) <= MOST_IN_ONE:
            return
        for number, columns in enumerate(_parts(self.columns(), _COLUMNS), start=1):
            widths = [_size(column)[0] for column in columns]
            for place, column in enumerate(columns):
                width, height = _size(column)
                column.attrib |= {"x": f"{sum(widths[:place]):g}", "width": f"{width:g}", "height": f"{height:g}"}
            size = (_NARROW.width * _COLUMNS, max(_size(column)[1] for column in columns))
            yield picture(
                *columns,
                name=f"positions-{number}",
                title=f"Positions with 90% intervals, part {number}",
                description="The tables have the same figures.",
                size=size,
            )

    def _column(self, part: Sequence[BTEntry], *, form: _Form, title: str) -> Element:
        longest = self._longest
        row = form.row + 8.0 if longest > form.letters else form.row
        form = replace(form, left=min(form.left, longest * _LETTER + 20.0))
        bottom = form.top + row * len(part)
        scale = self._scale(form.left, form.width - form.right)
        return svg(
            *self._grades(scale, form=form, bottom=bottom),
            *_axis(scale, form=form, bottom=bottom),
            *(
                self._essay(entry, scale=scale, form=form, y=form.top + row * (index + 0.5))
                for index, entry in enumerate(part)
            ),
            title=title,
            size=(form.width, bottom + form.bottom),
        )

    @cached_property
    def _longest(self) -> int:
        return max(len(entry.essay_id) for entry in self.entries)

    @cached_property
    def _ends(self) -> tuple[int, int]:
        ends = [end for entry in self.entries for end in interval(entry)]
        low = math.floor(min(ends))
        return low, max(math.ceil(max(ends)), low + 1)

    def _scale(self, start: float, end: float) -> Axis:
        return Axis(*self._ends, start, end)

    def _essay(self, entry: BTEntry, *, scale: Axis, form: _Form, y: float) -> Element:
        grade = entry.anchor_grade if entry.is_anchor else entry.grade_projection
        low, high = map(scale, interval(entry))
        at = (scale(entry.theta), y)
        figures = f"θ {entry.theta:+.2f} ± {entry.standard_error:.2f}" + ("" if grade is None else f", {grade}")
        label = _lines(entry.essay_id, form.letters)
        return group(
            element("title", f"{entry.essay_id} ({self.files.get(entry.essay_id, 'no file')}): {figures}"),
            line((low, y), (high, y)),
            square(at, 4.0) if entry.is_anchor else circle(at, 4.0),
            *(
                text(part, (form.left - 8, y + 4 + 11 * (number - (len(label) - 1) / 2)), anchor="end")
                for number, part in enumerate(label)
            ),
            text(grade or "", (form.width - form.right + 10, y + 4), anchor="start"),
            class_="anchor" if entry.is_anchor else "student",
        )

    def _grades(self, scale: Axis, *, form: _Form, bottom: float) -> Iterator[Element]:
        """Where each grade lies; a name is moved up where it would cover the one before, or left out."""
        taken = [-math.inf, -math.inf]
        for grade, theta in self.centres.items():
            if scale.low <= theta <= scale.high:
                x = scale(theta)
                level = next((level for level, last in enumerate(taken) if x - last >= _NAME), None)
                names = () if level is None else (text(grade, (x, form.top - 6 - 13 * level)),)
                if level is not None:
                    taken[level] = x
                yield group(line((x, form.top), (x, bottom)), *names, class_="grade")

    def _overview(self) -> Picture:
        """Rank from left to right, θ upwards: the curve of all essays with its band of intervals."""
        width, height, left, right, top, bottom = 900.0, 380.0, 46.0, 44.0, 14.0, 40.0
        across = Axis(1, len(self.entries), left, width - right)
        reach = self._scale(0, 1)
        up = Axis(reach.low, reach.high, height - bottom, top)
        ranked = list(enumerate(self.entries, start=1))
        places = [(across(number), entry) for number, entry in thinned(ranked, _MOST_POINTS)]
        anchors = [(across(number), entry) for number, entry in ranked if entry.is_anchor]
        parts = [
            *(
                group(
                    line((left, up(theta)), (width - right, up(theta))),
                    text(grade, (width - right + 6, up(theta) + 4), anchor="start"),
                    class_="grade",
                )
                for grade, theta in self.centres.items()
                if up.low <= theta <= up.high
            ),
            *(
                group(
                    line((left - 5, up(tick)), (left, up(tick))),
                    text(_tick(tick), (left - 9, up(tick) + 4), anchor="end"),
                    class_="axis",
                )
                for tick in whole_steps(up.low, up.high, most=10)
            ),
            band(
                [(x, up(interval(entry)[1])) for x, entry in places],
                [(x, up(interval(entry)[0])) for x, entry in places],
            ),
            curve([(x, up(entry.theta)) for x, entry in places]),
            *(
                group(
                    element("title", f"{entry.essay_id}: {entry.anchor_grade}, θ {entry.theta:+.2f}"),
                    square((x, up(entry.theta)), 3.5),
                    class_="anchor",
                )
                for x, entry in thinned(anchors, MOST_ANCHORS)
            ),
            *(
                group(text(str(rank), (across(rank), height - bottom + 18)), class_="soft")
                for rank in sorted({1, *(round(len(self.entries) * share) for share in (0.25, 0.5, 0.75, 1.0))})
            ),
            text(
                "rank, best first; squares are anchors; at the left θ in logits", (width / 2, height - 6), class_="soft"
            ),
        ]
        return picture(
            *parts,
            name="positions",
            title=f"Positions of {len(self.entries)} essays with 90% intervals, by rank",
            description="The tables have the same figures.",
            size=(width, height),
        )


def positions_of(artefact: Artefact) -> EssaysDrawn:
    """The essays as they are drawn."""
    return EssaysDrawn(entries=artefact.bt_summary, centres=grade_centres(artefact), files=artefact.inputs.file_names)


def grade_centres(artefact: Artefact) -> dict[str, float]:
    """Grade → where it lies in logits, lowest first; the file keeps its keys in the alphabet's order."""
    if not isinstance(artefact.grade_model, GradesAvailable):
        return {}
    centres = {grade: centre.theta for grade, centre in artefact.grade_model.centres.items()}
    return dict(sorted(centres.items(), key=lambda item: item[1]))


def interval(entry: BTEntry) -> tuple[float, float]:
    """The interval that holds the true position as often as it says; old artefacts have θ and its error only."""
    if entry.interval_90 is not None:
        return entry.interval_90
    return entry.theta - _NINETY * entry.standard_error, entry.theta + _NINETY * entry.standard_error


def _axis(scale: Axis, *, form: _Form, bottom: float) -> Iterator[Element]:
    yield group(line((scale.start, bottom), (scale.end, bottom)), class_="axis")
    for tick in whole_steps(scale.low, scale.high, most=form.ticks):
        x = scale(tick)
        yield group(line((x, bottom), (x, bottom + 5)), text(_tick(tick), (x, bottom + 17)), class_="axis")
    yield text(form.axis, ((scale.start + scale.end) / 2, bottom + 33), class_="soft")


def _tick(tick: int) -> str:
    return f"{tick:+d}" if tick else "0"


def _rows(essays: int) -> int:
    """Of a column, so that the columns are about equally long."""
    columns = max(math.ceil(essays / _MOST_IN_A_COLUMN), 2)
    if columns > _COLUMNS - 1:
        columns = math.ceil(columns / _COLUMNS) * _COLUMNS
    return max(math.ceil(essays / columns), 1)


def _parts(whole: Sequence[T], most: int) -> list[Sequence[T]]:
    return [whole[start : start + most] for start in range(0, len(whole), most)]


def _lines(name: str, letters: int) -> Sequence[str]:
    """A long id in lines of about equal length, broken after a hyphen or an underscore where there is one."""
    if len(name) <= letters:
        return (name,)
    half = max(len(name) - letters, len(name) // 2 - 4)
    cut = max((place + 1 for place in range(half, letters) if name[place] in "-_"), default=letters)
    return (name[:cut], name[cut:])


def _size(drawing: Element) -> tuple[float, float]:
    _, _, width, height = drawing.attrib["viewBox"].split()
    return float(width), float(height)
