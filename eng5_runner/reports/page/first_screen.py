"""What a reader sees first: what the run is, the verdict with its reasons, three figures, judge and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from xml.etree.ElementTree import Element

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, requests_made, sentence, span, spent, tally
from eng5_runner.reports.html import Child, element
from eng5_runner.reports.verdict import Level, PlainAnswer, verdict_of
from eng5_runner.reports.words import flagged_essays, same_texts, words_of_origin
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import AnchorAlignment
from eng5_runner.results.artefact.measurement import GradesAvailable

SIGNS: Mapping[Level, str] = MappingProxyType({"good": "✓", "fair": "!", "bad": "✕", "none": "?"})
"""A level without its colour."""


def head(artefact: Artefact, *, with_texts: bool) -> Iterator[Child]:
    """The run's name, its warnings, and the whole first screen."""
    metadata = artefact.metadata
    yield element("h1", f"Comparative judgement: {metadata.batch_label}")
    if with_texts:
        yield element(
            "p",
            element("strong", "Not for sharing."),
            " This page holds the essays' texts. Keep it where the essays themselves are kept.",
            class_="warn",
        )
    yield _verdict(artefact)
    origin = words_of_origin(artefact)
    if origin is not None:
        yield element("p", element("strong", origin[0]), f" Not in this record: {'; '.join(origin[1])}.", class_="note")
    yield from _doubts(artefact)
    yield _figures(artefact)
    yield _facts(artefact)


def _verdict(artefact: Artefact) -> Element:
    verdict = verdict_of(artefact)
    return element(
        "section",
        element("h2", _sign(verdict.level), element("span", verdict.headline)),
        element("dl", *(part for answer in verdict.answers for part in _answer(answer)), class_="answers"),
        class_=f"verdict {verdict.level}",
        aria_label="verdict",
    )


def _answer(answer: PlainAnswer) -> Iterator[Element]:
    yield element("dt", answer.question)
    word = element("strong", f"{sentence(answer.word)}.", class_=answer.level)
    yield element("dd", word, f" {answer.reason}")


def _sign(level: Level) -> Element:
    """The colour as a sign, for those who do not see it."""
    return element("span", SIGNS[level], class_="sign", aria_hidden="true")


def _doubts(artefact: Artefact) -> Iterator[Element]:
    """What must not be overlooked."""
    for judge in artefact.metadata.judges:
        if judge.changed is not None:
            text = f"The judge changed: {judge.changed}. Comparisons of different versions may not be alike."
            yield element("p", text, class_="warn")
    for text in (*flagged_essays(artefact), *same_texts(artefact)):
        yield element("p", text, class_="warn")


def _figures(artefact: Artefact) -> Element:
    """Three figures from 0 to 1, each with its interval and a small picture of both."""
    reliability = None if artefact.bt_model is None else artefact.bt_model.reliability
    alignment, grades = artefact.anchor_alignment, artefact.grade_model
    agreement = grades.agreement_with_teachers if isinstance(grades, GradesAvailable) else None
    intervals = None if alignment is None else alignment.intervals_90
    tau = None if alignment is None else alignment.kendall_tau_b
    near = None if alignment is None else alignment.left_out_within_one
    return element(
        "div",
        _card(
            "Reliability of the order",
            None if reliability is None else reliability.empirical_bayes,
            interval=None if reliability is None else reliability.interval_90,
            note="the judge's own order, found again",
        ),
        _card(
            "Agreement with teachers",
            agreement.correlation,
            interval=agreement.interval_90,
            note=f"r with the teachers' grades, among the {agreement.among}",
        )
        if agreement is not None
        else _card(
            "Agreement with the experts",
            tau,
            interval=None if intervals is None else intervals.kendall_tau_b,
            note="Kendall τ-b of the anchors' order",
        ),
        _card(
            "Anchors within one grade",
            near,
            interval=None if intervals is None else intervals.left_out_within_one,
            note=f"when the other anchors grade them{_of_how_many(alignment)}",
        ),
        class_="cards",
    )


def _of_how_many(alignment: AnchorAlignment | None) -> str:
    """Which anchors the share is of, where the others could not grade all."""
    tested = 0 if alignment is None else sum(anchor.refused is None for anchor in alignment.left_out)
    return "" if alignment is None or tested == alignment.anchors else f" ({tested} of {alignment.anchors} could be)"


def _card(name: str, value: float | None, *, interval: tuple[float, float] | None, note: str) -> Element:
    return element(
        "div",
        element("p", name, class_="name"),
        element("p", number(value), class_="value"),
        element("p", "no interval" if interval is None else f"90% interval {span(interval)}"),
        *(() if value is None else (_gauge(value, interval),)),
        element("p", note, class_="note"),
        class_="card",
    )


def _gauge(value: float, interval: tuple[float, float] | None) -> Element:
    """0 to 1 as a line, the interval as a bar, the figure as a dot."""
    low, high = (value, value) if interval is None else interval
    start, end = max(low, 0.0) * 200.0, min(high, 1.0) * 200.0
    return element(
        "svg",
        element("rect", x="0", y="5", width="200", height="2", class_="track"),
        element("rect", x=f"{start:.1f}", y="3", width=f"{max(end - start, 0.0):.1f}", height="6", class_="band"),
        element("circle", cx=f"{max(value, 0.0) * 200.0:.1f}", cy="6", r="4", class_="dot"),
        viewBox="-5 0 210 12",
        class_="plot gauge",
        aria_hidden="true",
    )


def _facts(artefact: Artefact) -> Element:
    metadata, status, inputs = artefact.metadata, artefact.runner_status, artefact.inputs
    grades = artefact.grade_model
    facts = (
        ("judge", ", ".join(f"{judge.provider} {judge.model}" for judge in metadata.judges) or "none was asked"),
        ("cost", spent(artefact.costs.total_usd, unpriced=artefact.costs.unpriced)),
        ("essays", f"{counted(len(inputs.students), 'student')}, {counted(len(inputs.anchors), 'anchor')}"),
        ("comparisons", tally(status.comparisons)),
        *requests_made(status),
        (
            "grades",
            f"{len(artefact.grade_projections)} projected"
            if isinstance(grades, GradesAvailable)
            else f"none: {grades.reason}",
        ),
        ("outcome", f"{status.outcome}, {counted(status.sessions, 'session')}"),
        ("run", f"{metadata.batch_uuid}, {metadata.runner_mode}"),
        ("time", f"{moment(metadata.started_at)} to {moment(metadata.generated_at)} (UTC)"),
    )
    return element(
        "dl", *(part for name, fact in facts for part in (element("dt", name), element("dd", fact))), class_="facts"
    )


def moment(instant: str) -> str:
    """A time to the minute."""
    return instant[:16].replace("T", " ")
