"""The report of a run as one page: a pure projection of its artefact. Same ledger, same bytes.

It needs no network and no colour, and its small script only sorts and searches: every figure of the pictures stands in
a table too. What the judge, a file or a person wrote stays text, whatever it holds.

    Path("page.html").write_bytes(report(artefact))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from xml.etree.ElementTree import Element

from eng5_runner.reports.html import Child, element, page
from eng5_runner.reports.page import drill_down, essays, first_screen, judge, record
from eng5_runner.reports.page.script import SCRIPT
from eng5_runner.reports.page.style import STYLE
from eng5_runner.results.artefact import Artefact

REPORT_NAME = "report.html"


def report(artefact: Artefact, *, texts: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The page.

    Args:
        artefact: of the run.
        texts: essay id → its text, for a page that says of itself that it is not for sharing; empty in a run's record.
    """
    body = list(_body(artefact, texts=texts))
    return page(
        *first_screen.head(artefact, with_texts=bool(texts)),
        _contents(body),
        *body,
        title=f"{artefact.metadata.batch_label}: comparative judgement",
        style=STYLE,
        script=SCRIPT,
    )


def _body(artefact: Artefact, *, texts: Mapping[str, str]) -> Iterator[Child]:
    folds = drill_down.Folds.of(artefact)
    yield from essays.positions(artefact)
    yield from essays.students(artefact, folded=folds.by_essay)
    yield from essays.checked(artefact)
    yield from essays.anchors(artefact, folded=folds.by_essay)
    yield from drill_down.inversions(artefact)
    yield from judge.card(artefact)
    yield from judge.measurement(artefact)
    yield from judge.people(artefact)
    yield from drill_down.essay_by_essay(artefact, folds=folds, texts=texts)
    yield from record.methods(artefact)
    yield from record.costs(artefact)
    yield from record.failures(artefact)
    yield from record.files(artefact)
    yield from record.provenance(artefact)


def _contents(body: list[Child]) -> Element:
    """A line of links to the sections."""
    heads = [head for part in body if isinstance(part, Element) for head in part.iter("h2")]
    links = (element("li", element("a", head.text or "", href=f"#{head.get('id')}")) for head in heads)
    return element("nav", element("ul", *links), aria_label="contents")
