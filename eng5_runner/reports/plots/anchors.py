"""The anchors: the judge's positions against their known grades, and the grade that the others give each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.phrases import counted, listed
from eng5_runner.reports.figures import number
from eng5_runner.reports.html import element
from eng5_runner.reports.plots.drawing import (
    Axis,
    Picture,
    circle,
    group,
    line,
    picture,
    square,
    text,
    thinned,
    whole_steps,
)
from eng5_runner.reports.plots.positions import MOST_ANCHORS, interval
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import AnchorAlignment
from eng5_runner.results.artefact.measurement import BTEntry

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 460.0, 52.0, 14.0, 14.0, 46.0
_HEIGHT = 400.0
_MOST_NAMED = 40


def agreement(artefact: Artefact) -> Picture | None:
    """Each anchor's position against its known grade; None without anchors that were judged."""
    entries = [entry for entry in artefact.bt_summary if entry.is_anchor]
    if not entries:
        return None
    grades = _used(artefact, [entry.anchor_grade or "" for entry in entries])
    ends = [end for entry in entries for end in interval(entry)]
    across = Axis(-0.6, len(grades) - 0.4, _LEFT, _WIDTH - _RIGHT)
    up = Axis(min(ends) - 0.2, max(ends) + 0.2, _HEIGHT - _BOTTOM, _TOP)
    tau = None if artefact.anchor_alignment is None else artefact.anchor_alignment.kendall_tau_b
    parts = [
        *_columns(grades, across, name="known grade"),
        *(
            group(
                line((_LEFT, up(tick)), (_WIDTH - _RIGHT, up(tick))),
                text(f"{tick:+d}" if tick else "0", (_LEFT - 8, up(tick) + 4), anchor="end"),
                class_="grid soft",
            )
            for tick in whole_steps(up.low, up.high, most=9)
        ),
        *_points(thinned(entries, MOST_ANCHORS), grades, across=across, up=up),
        text("θ", (14, _TOP + 10), class_="soft"),
    ]
    return picture(
        *parts,
        name="agreement",
        title="The judge's position of each anchor against its known grade",
        description=f"With agreement the points rise from left to right; Kendall τ-b is "
        f"{'not defined' if tau is None else number(tau)}."
        + (f" {MOST_ANCHORS} of {len(entries)} anchors are drawn." if len(entries) > MOST_ANCHORS else ""),
        size=(_WIDTH, _HEIGHT),
    )


def _points(entries: Sequence[BTEntry], grades: Sequence[str], *, across: Axis, up: Axis) -> Iterator[Element]:
    """Anchors of one grade stand side by side."""
    alike: defaultdict[str, list[BTEntry]] = defaultdict(list)
    for entry in entries:
        alike[entry.anchor_grade or ""].append(entry)
    for grade, group_of_grade in alike.items():
        for place, entry in enumerate(group_of_grade):
            x = across(
                grades.index(grade) + (place - (len(group_of_grade) - 1) / 2) * min(0.7 / len(group_of_grade), 0.24)
            )
            low, high = map(up, interval(entry))
            yield group(
                element("title", f"{entry.essay_id}: {grade}, θ {entry.theta:+.2f} ± {entry.standard_error:.2f}"),
                line((x, low), (x, high)),
                square((x, up(entry.theta)), 3.5),
                class_="anchor",
            )


def known_against_projected(artefact: Artefact) -> Picture | None:
    """The grade that the other anchors give each anchor, against its own; None where none could be tested."""
    alignment = artefact.anchor_alignment
    if alignment is None or not any(anchor.projected_grade for anchor in alignment.left_out):
        return None
    cells = _cells(alignment)
    grades = _used(artefact, [grade for pair in cells for grade in pair])
    across = Axis(-0.5, len(grades) - 0.5, _LEFT, _WIDTH - _RIGHT)
    up = Axis(-0.5, len(grades) - 0.5, _HEIGHT - _BOTTOM, _TOP)
    tested = sum(map(len, cells.values()))
    exact = sum(len(anchors) for (known, given), anchors in cells.items() if known == given)
    near = sum(
        len(anchors) for (known, given), anchors in cells.items() if abs(grades.index(known) - grades.index(given)) <= 1
    )
    parts = [
        *(_within(place, len(grades), across=across, up=up) for place in range(len(grades))),
        *_columns(grades, across, name="known grade"),
        *(
            group(
                line((_LEFT, up(place)), (_WIDTH - _RIGHT, up(place))),
                text(grade, (_LEFT - 8, up(place) + 4), anchor="end"),
                class_="grid soft",
            )
            for place, grade in enumerate(grades)
        ),
        *(
            group(
                element("title", f"{listed(anchors, at_most=_MOST_NAMED)}: known {known}, by the others {given}"),
                circle((across(grades.index(known)), up(grades.index(given))), 11.0),
                text(str(len(anchors)), (across(grades.index(known)), up(grades.index(given)) + 4)),
                class_="anchor",
            )
            for (known, given), anchors in cells.items()
        ),
    ]
    return picture(
        *parts,
        name="anchors",
        title="Known grade of each anchor, and the grade that the other anchors give it (upwards)",
        description=f"Of {counted(tested, 'anchor')} that could be tested, {exact} get their own grade and {near} it "
        "or a neighbour, which is the shaded band.",
        size=(_WIDTH, _HEIGHT),
    )


def _cells(alignment: AnchorAlignment) -> dict[tuple[str, str], list[str]]:
    """Known grade and grade by the others → anchors."""
    cells: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for anchor in alignment.left_out:
        if anchor.projected_grade is not None:
            cells[anchor.grade, anchor.projected_grade].append(anchor.anchor_id)
    return dict(cells)


def _used(artefact: Artefact, grades: Sequence[str]) -> list[str]:
    """The grades of the scale from the lowest that is used to the highest."""
    outcomes = GRADE_SCALES[artefact.metadata.grade_scale].outcomes
    places = sorted(outcomes.index(grade) for grade in set(grades))
    return list(outcomes[places[0] : places[-1] + 1])


def _columns(grades: Sequence[str], across: Axis, *, name: str) -> Iterator[Element]:
    bottom = _HEIGHT - _BOTTOM
    for place, grade in enumerate(grades):
        x = across(place)
        yield group(line((x, _TOP), (x, bottom)), text(grade, (x, bottom + 17)), class_="grid soft")
    yield text(name, ((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8), class_="soft")


def _within(place: int, grades: int, *, across: Axis, up: Axis) -> Element:
    """The band of one grade in which a projection is at most a step off."""
    low, high = max(place - 1.5, -0.5), min(place + 1.5, grades - 0.5)
    return element(
        "rect",
        x=f"{across(place - 0.5):.1f}",
        y=f"{up(high):.1f}",
        width=f"{across(place + 0.5) - across(place - 0.5):.1f}",
        height=f"{up(low) - up(high):.1f}",
        class_="within",
    )
