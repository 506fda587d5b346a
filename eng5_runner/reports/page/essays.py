"""The essays on the page: positions as a picture, students with their grades, anchors with their tests."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import PurePath
from xml.etree.ElementTree import Element

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.reports.figures import ABSENT, number
from eng5_runner.reports.html import Child, Head, element, table
from eng5_runner.reports.page.figure import figure
from eng5_runner.reports.plots.anchors import agreement, known_against_projected
from eng5_runner.reports.plots.positions import MOST_IN_ONE, grade_centres, positions_of
from eng5_runner.reports.reliability import grade_warnings, known_grades
from eng5_runner.reports.words import chance_of, grades_by_others, tested_projection
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradeProjection

_SHADES = 9
# With more the columns fill too many screens; a click opens them.
_MOST_OPEN = 120
# A page shows so many; the tables beside it have all.
_MOST_STUDENTS, _MOST_ANCHORS = 1_500, 400


def positions(artefact: Artefact) -> Iterator[Child]:
    """Each essay's position with its interval: in one picture, or an overview and columns."""
    if not artefact.bt_summary:
        return
    drawn = positions_of(artefact)
    projected, dashed = "", ""
    if drawn.centres:
        projected, dashed = " with the grade projected", "Dashed lines show where each grade lies by the anchors. "
    caption = (
        f"Each essay's position θ with its 90% interval around the posterior mean, best first. Circles are students"
        f"{projected}, squares anchors with their known grade, at the right. {dashed}"
        "The order of two essays is uncertain where their intervals overlap much."
    )
    columns = element("div", *drawn.columns(most=_MOST_STUDENTS), class_="columns")
    yield element("h2", "Positions", id="positions")
    if len(drawn.entries) <= MOST_IN_ONE:
        whole = element("div", drawn.picture().drawing, class_="whole")
        yield element("figure", whole, columns, element("figcaption", caption), class_="positions")
        return
    yield figure(drawn.picture())
    details = element(
        "details",
        element("summary", _which(len(drawn.entries))),
        element("figure", columns, element("figcaption", caption)),
    )
    if len(drawn.entries) <= _MOST_OPEN:
        details.set("open", "open")
    yield details


def _which(essays: int) -> str:
    if essays <= _MOST_STUDENTS:
        return f"Each of the {essays} essays with its label"
    return f"The {_MOST_STUDENTS} highest of the {essays} essays with their labels; tables/essays.csv has all"


def students(artefact: Artefact, *, folded: Container[str]) -> Iterator[Child]:
    """A line each: position, grade, and the probability of every grade.

    Args:
        artefact: of the run.
        folded: the essays whose judgements the page shows.
    """
    entries = [entry for entry in artefact.bt_summary if not entry.is_anchor]
    if not entries:
        return
    projections = {projection.essay_id: projection for projection in artefact.grade_projections}
    names = list(grade_centres(artefact)) if projections else []
    graded = (Head("grade", keys="filter"), Head("claim", keys="filter"), "P(grade)", "P(±1)", "at least")
    heads = ("student", "rank", *(graded if projections else ()), "θ", "SE", "judged", *names)
    yield element("h2", "Students", id="students")
    for warning in grade_warnings(artefact):
        yield element("p", warning, class_="warn")
    caption = "No grades are projected."
    if projections:
        caption = (
            "P(grade) and P(±1): how probable the grade is, and it or a neighbour; at least: the lower end of P(±1). "
            "Right: the probability of each grade, in %."
        )
    yield table(
        heads,
        [
            _student(
                entry,
                projections.get(entry.essay_id),
                name=_name(entry, artefact.inputs.file_names, folded=folded),
                artefact=artefact,
                names=names,
            )
            for entry in entries[:_MOST_STUDENTS]
        ],
        caption=caption,
        class_="grades sortable",
        figures=len(heads) - 1,
        search="students",
    )
    yield from _rest(len(entries), most=_MOST_STUDENTS, of="students")
    if projections:
        yield element(
            "p",
            "The grade is the median of its probabilities. Far from the middle of the class P(±1) is lowered, because "
            "judges that look good by luck give such grades too often; P(grade) is shown as no higher than P(±1). At "
            "least: in all but 5% of what the anchors leave possible, P(±1) is no lower. HIGH: that is .90 or more, "
            "and P(grade) ≥ .50; MID: it is .75 or more; LOW otherwise, and always where an essay lies beyond the "
            "anchors (marked *) or was judged fewer than eight times. No label is more than .10 above what the anchors "
            "hold when the others grade them. † marks one that won or lost every comparison, or was compared with few "
            "others.",
            class_="note",
        )


def checked(artefact: Artefact) -> Iterator[Child]:
    """The students whose grade the teachers had given, and how far off the projected grades are."""
    check = artefact.grade_check
    if check is None:
        return
    files = artefact.inputs.file_names
    yield element("h2", "Students with a known grade", id="checked")
    yield element("ul", *(element("li", line) for line in known_grades(artefact)))
    yield table(
        ("student", "by the teachers", "projected", "steps above"),
        [
            (
                *(files.get(student.essay_id, student.essay_id), student.teachers_grade, student.grade),
                number(student.steps_above, sign=True),
            )
            for student in check.students[:_MOST_STUDENTS]
        ],
        caption=f"From {check.file_name}, for checking only: no figure elsewhere uses these grades. Steps above: the "
        "expected projected grade minus the teachers'.",
        figures=1,
    )
    yield from _rest(len(check.students), most=_MOST_STUDENTS, of="students", file="check_grades")


def _student(
    entry: BTEntry, projection: GradeProjection | None, *, name: Element, artefact: Artefact, names: Sequence[str]
) -> list[Child]:
    rank, *measured = _measured(entry)
    if projection is None:
        return [
            name,
            rank,
            *((ABSENT, "", "", "", "") if artefact.grade_projections else ()),
            *measured,
            *("" for _ in names),
        ]
    grade, chances = projection.grade, projection.probabilities
    marks = ("*" if projection.extrapolated else "") + ("†" if entry.flag else "")
    return [
        name,
        rank,
        _graded(grade, artefact),
        f"{projection.confidence}{marks}",
        number(chance_of(projection)),
        number(projection.within_one_step),
        number(projection.within_one_step_at_least),
        *measured,
        *(_shaded(chances.get(name), own=name == grade) for name in names),
    ]


def _rest(rows: int, *, most: int, of: str, file: str = "essays") -> Iterator[Element]:
    """Where the rows are that a table leaves out."""
    if rows > most:
        yield element("p", f"The {most} highest of {rows} {of}; tables/{file}.csv has all.", class_="note")


def _name(entry: BTEntry, files: Mapping[str, str], *, folded: Container[str]) -> Element:
    """The id, which leads to the essay's judgements; the file's name below it where that is not the same."""
    file = files.get(entry.essay_id, ABSENT)
    link: Child = entry.essay_id
    if entry.essay_id in folded:
        link = element("a", entry.essay_id, href=f"#{entry.essay_id}")
    is_same = PurePath(file).stem.casefold() == entry.essay_id.casefold()
    return element("span", link, *(() if is_same else (element("small", file),)), class_="name")


def _graded(grade: str | None, artefact: Artefact) -> Child:
    """A cell that sorts by the scale and not by the alphabet."""
    if grade is None:
        return ABSENT
    outcomes = GRADE_SCALES[artefact.metadata.grade_scale].outcomes
    cell = element("td", element("strong", grade), class_="n")
    if grade in outcomes:
        cell.set("data-order", str(outcomes.index(grade)))
    return cell


def _measured(entry: BTEntry) -> tuple[str, ...]:
    return (
        str(entry.rank),
        number(entry.theta, sign=True),
        number(entry.standard_error),
        str(entry.comparison_count),
    )


def _shaded(chance: float | None, *, own: bool) -> Element:
    """A cell as dark as the grade is probable, in ten steps."""
    if chance is None:
        return element("td", ABSENT, class_="n")
    shade = min(round(chance * 10), _SHADES)
    return element("td", f"{chance * 100:.0f}", class_=f"n p{shade}{' own' if own else ''}")


def anchors(artefact: Artefact, *, folded: Container[str]) -> Iterator[Child]:
    """A line each: position, known grade and the grade by the others; and both as pictures.

    Args:
        artefact: of the run.
        folded: the essays whose judgements the page shows.
    """
    entries = [entry for entry in artefact.bt_summary if entry.is_anchor]
    if not entries:
        return
    alignment, files = artefact.anchor_alignment, artefact.inputs.file_names
    by_others = grades_by_others(alignment)
    yield element("h2", "Anchors", id="anchors")
    pictures = (agreement(artefact), known_against_projected(artefact))
    yield element("div", *(figure(picture) for picture in pictures if picture is not None), class_="side")
    yield table(
        ("anchor", "rank", "θ", "SE", "judged", "won", "known grade", "by the others"),
        [
            (
                _name(entry, files, folded=folded),
                *_measured(entry),
                str(entry.wins),
                _graded(entry.anchor_grade, artefact),
                _graded(by_others.get(entry.essay_id), artefact),
            )
            for entry in entries[:_MOST_ANCHORS]
        ],
        caption="Known grades, and the grade that each anchor gets from all the others: an honest test of the "
        "projection.",
        class_="sortable",
        figures=7,
    )
    yield from _rest(len(entries), most=_MOST_ANCHORS, of="anchors")
    if alignment is not None:
        yield from (element("p", text) for text in tested_projection(alignment))
