"""The report of a run as one page: a pure projection of its artefact. Same ledger, same bytes.

It needs no network, no script and no colour: every figure of a picture stands in a table too.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from eng5_runner.reports.chart import caterpillar
from eng5_runner.reports.html import Child, element, page, table
from eng5_runner.reports.html_record import costs, failures, inputs, judge, provenance, reliability_in_words
from eng5_runner.reports.html_style import STYLE
from eng5_runner.results.reading import Object, number, rows, table_of, words

REPORT_NAME = "report.html"
_BASELINE = "not a language model"


def report(artefact: Object) -> bytes:
    """The page."""
    label = str(table_of(artefact["metadata"]).get("batch_label", ""))
    sections = (_head, _summary, _positions, _students, _anchors, judge, costs, failures, inputs, provenance)
    return page(
        *(part for section in sections for part in section(artefact)),
        title=f"{label}: comparative judgement",
        style=STYLE,
    )


def _head(artefact: Object) -> Iterator[Child]:
    metadata, status = table_of(artefact["metadata"]), table_of(artefact["runner_status"])
    outcome = str(status.get("outcome"))
    yield element("h1", f"Comparative judgement: {metadata.get('batch_label')}")
    yield element(
        "p",
        f"Run {metadata.get('batch_uuid')}, {metadata.get('runner_mode')}, "
        f"begun {_moment(metadata.get('started_at'))}, last event {_moment(metadata.get('generated_at'))} (UTC).",
    )
    reasons = words(status.get("reasons"))
    good = outcome == "complete"
    yield element(
        "p",
        element("strong", f"Outcome: {outcome}."),
        *(f" {reason}." for reason in reasons),
        class_="good" if good else "warn",
    )
    if any(_BASELINE in str(judge["kind"]) for judge in rows(metadata.get("judges"))):
        told = (
            "The judge is an offline baseline that counts properties of the texts. It is no language model: positions "
            "and grades here mean nothing."
        )
        yield element("p", told, class_="warn")


def _summary(artefact: Object) -> Iterator[Child]:
    status, grades = table_of(artefact["runner_status"]), table_of(artefact["grade_model"])
    counts, given = table_of(status.get("comparisons")), table_of(artefact["inputs"])
    reliability = reliability_in_words(artefact)
    tau = table_of(artefact["anchor_alignment"]).get("kendall_tau_b")
    judges = ", ".join(f"{one['provider']} {one['model']}" for one in rows(table_of(artefact["metadata"])["judges"]))
    facts = [
        ("essays", f"{len(rows(given.get('students')))} students, {len(rows(given.get('anchors')))} anchors"),
        ("judge", judges or "none was asked"),
        ("comparisons", f"{counts.get('judged')} judged, {counts.get('failed')} failed"),
        ("reliability", reliability or "–"),
        ("order of the anchors against their grades", "–" if tau is None else f"Kendall τ-b {number(tau):.2f}"),
        (
            "grades",
            f"{len(rows(artefact['grade_projections']))} projected"
            if grades.get("available")
            else f"none: {grades.get('reason')}",
        ),
        ("cost", f"{number(table_of(artefact['costs']).get('total_usd')):.4f} USD"),
    ]
    yield element(
        "dl", *(part for name, told in facts for part in (element("dt", name), element("dd", told))), class_="facts"
    )


def _positions(artefact: Object) -> Iterator[Child]:
    essays = rows(artefact["bt_summary"])
    if not essays:
        return
    centres = {
        g: number(table_of(c)["theta"]) for g, c in table_of(table_of(artefact["grade_model"]).get("centres")).items()
    }
    yield element("h2", "Positions")
    caption = (
        "Each essay's position with its 90% interval (θ ± 1.645 standard errors), best first. Circles are students "
        "with the grade projected, squares anchors with their known grade, at the right. Dashed lines show where each "
        "grade lies by the anchors. Two essays whose intervals overlap much are not told apart."
    )
    yield element("figure", caterpillar(essays, centres), element("figcaption", caption))


def _students(artefact: Object) -> Iterator[Child]:
    essays = [one for one in rows(artefact["bt_summary"]) if one.get("is_anchor") is not True]
    if not essays:
        return
    grades = {str(one["essay_id"]): one for one in rows(artefact["grade_projections"])}
    names = _outcomes(artefact)
    yield element("h2", "Students")
    heads = ("student", "rank", "θ", "SE", "judged", "grade", "P(grade)", "P(±1)", "claim", *names)
    lines = [_student(one, grades.get(str(one["essay_id"])), names=names) for one in essays]
    yield table(
        heads,
        lines,
        caption=(
            "P(grade) and P(±1): how probable the grade is, and it or a neighbour. Right: the probability of each "
            "grade, in %."
        ),
        class_="grades",
        figures=len(heads) - 1,
    )
    yield element(
        "p",
        "The grade is the median of its probabilities. HIGH: P(±1) ≥ .90 and P(grade) ≥ .50; MID: P(±1) ≥ .75; LOW "
        "otherwise, and always where an essay lies beyond the anchors (marked *) or was judged fewer than eight "
        "times. † marks one that won or lost every comparison, or was compared with few others.",
        class_="note",
    )


def _outcomes(artefact: Object) -> list[str]:
    """The grades, lowest first, as the centres lie; the artefact keeps its keys in the alphabet's order."""
    centres = table_of(table_of(artefact["grade_model"]).get("centres"))
    return sorted(centres, key=lambda grade: number(table_of(centres[grade])["theta"]))


def _student(one: Object, grade: Object | None, *, names: list[str]) -> list[Child]:
    cells: list[Child] = [str(one["essay_id"]), *_measured(one)]
    if grade is None:
        return [*cells, "–", "", "", "", *("" for _ in names)]
    chances = table_of(grade["probabilities"])
    beyond = ("*" if grade["extrapolated"] else "") + ("†" if one.get("flag") else "")
    own = number(chances.get(str(grade["grade"])))
    shown = [_shaded(number(chances.get(name)), own=name == grade["grade"]) for name in names]
    return [
        *cells,
        element("strong", str(grade["grade"])),
        f"{own:.2f}",
        f"{number(grade['within_one_step']):.2f}",
        f"{grade['confidence']}{beyond}",
        *shown,
    ]


def _measured(one: Object) -> tuple[str, ...]:
    theta, error = number(one["theta"]), number(one["standard_error"])
    return str(one["rank"]), f"{theta:+.2f}", f"{error:.2f}", str(one["comparison_count"])


def _shaded(chance: float, *, own: bool) -> Element:
    """A cell as dark as the grade is probable, in ten steps."""
    shade = min(round(chance * 10), 9)
    return element("td", f"{chance * 100:.0f}", class_=f"n p{shade}{' own' if own else ''}")


def _anchors(artefact: Object) -> Iterator[Child]:
    anchors = [one for one in rows(artefact["bt_summary"]) if one.get("is_anchor") is True]
    if not anchors:
        return
    alignment = table_of(artefact["anchor_alignment"])
    others = {
        str(one["anchor_id"]): str(one.get("projected_grade", "refused")) for one in rows(alignment.get("left_out"))
    }
    lines = [
        (str(one["essay_id"]), *_measured(one), str(one["anchor_grade"]), others.get(str(one["essay_id"]), "–"))
        for one in anchors
    ]
    yield element("h2", "Anchors")
    caption = "Known grades, and the grade that each anchor gets from all the others: an honest test of the projection."
    yield table(
        ("anchor", "rank", "θ", "SE", "judged", "known grade", "by the others"), lines, caption=caption, figures=6
    )
    exact, near = alignment.get("left_out_exact"), alignment.get("left_out_within_one")
    if exact is not None and near is not None:
        told = (
            f"Of {alignment.get('anchors')} anchors {number(exact):.0%} get their own grade, and {number(near):.0%} it "
            "or a neighbour."
        )
        yield element("p", told)


def _moment(value: object) -> str:
    return str(value)[:16].replace("T", " ")
