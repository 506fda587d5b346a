"""The judge on the page: its card, and how good the measurement is that its judgements give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eng5_runner.reports.figures import ABSENT, number
from eng5_runner.reports.html import Child, element, table
from eng5_runner.reports.human_scale import human_scale_lines
from eng5_runner.reports.judge_card import MODELS_HEADING, CardRow, confidence_row, judge_card, model_lines, model_rows
from eng5_runner.reports.page.figure import figure
from eng5_runner.reports.page.first_screen import SIGNS
from eng5_runner.reports.plots.design import course, coverage
from eng5_runner.reports.reliability import dependence_of, own_order, with_teachers
from eng5_runner.reports.soft import soft_lines
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.human_scale import Disagreement

_DISAGREEMENTS = 30


def card(artefact: Artefact) -> Iterator[Child]:
    """Each figure of the judge, what would be expected of it, and what that means."""
    quality = artefact.judge_quality
    if quality is None:
        return
    rows = list(judge_card(quality, unpriced=artefact.costs.unpriced))
    confidence = confidence_row(artefact)
    if confidence is not None:
        rows.insert(-1, confidence)
    yield element("h2", "The judge", id="judge")
    yield table(
        ("figure", "found", "expected", "what it means"),
        [_row(row) for row in rows],
        caption="With 90% intervals. Expected: what a judge would show who goes by the fitted scale and nothing else.",
        class_="judge",
    )
    models = [*model_rows(quality)]
    if models:
        yield table(
            MODELS_HEADING,
            models,
            caption="Each model's fit to the scale that all models made together; 1 is expected of infit and outfit.",
            figures=7,
        )
    lines = [element("li", line) for line in model_lines(quality)]
    if lines:
        yield element("ul", *lines)


def _row(row: CardRow) -> tuple[Child, ...]:
    sign = element("strong", SIGNS[row.level] if row.level != "none" else "–", class_=row.level, aria_hidden="true")
    return row.name, _found(row.found), row.expected, element("span", sign, f" {row.says}")


def _found(text: str) -> Child:
    """With an option of the command line that is named at the end in one piece."""
    before, use, option = text.rpartition(" use ")
    return element("span", before, use, element("code", option)) if option.startswith("--") else text


def people(artefact: Artefact) -> Iterator[Child]:
    """People's judgements beside the model's, and where the two disagree most."""
    human = artefact.human_scale
    if human is None:
        return
    yield element("h2", "What people say", id="people")
    yield element("ul", *(element("li", line) for line in human_scale_lines(human)))
    if human.disagreements:
        files = artefact.inputs.file_names
        yield table(
            ("person", "chose", "the model places higher", "by logits"),
            [_disagreement(one, files) for one in human.disagreements[:_DISAGREEMENTS]],
            caption="Human choices that go against the model's order, the largest difference first; "
            "tables/disagreements.csv has all.",
            figures=1,
        )


def _disagreement(one: Disagreement, files: Mapping[str, str]) -> tuple[Child, ...]:
    winner, loser = (files.get(essay, essay) for essay in (one.winner, one.loser))
    return one.judge or ABSENT, winner, loser, number(one.difference)


def measurement(artefact: Artefact) -> Iterator[Child]:
    """The fit, which pairs it rests on, and how precise it was at each stage."""
    model = artefact.bt_model
    if model is None:
        return
    effect, alignment = model.position_effect, artefact.anchor_alignment
    advantage = ABSENT
    if effect is not None:
        advantage = f"{number(effect.estimate, sign=True)} ± {number(effect.standard_error)} logits"
    tau = None if alignment is None else alignment.kendall_tau_b
    soft = tuple(soft_lines(model.soft_judgements))
    lines = (
        ("method", model.method),
        ("reliability of the judge's own order", own_order(artefact)),
        ("agreement with the teachers' grades", with_teachers(artefact)),
        ("order of the anchors against their grades", ABSENT if tau is None else f"Kendall τ-b {number(tau)}"),
        (
            "spread σ of the positions",
            f"{number(model.prior_sd)} logits, {'estimated' if model.prior_sd_estimated else 'set'}",
        ),
        ("advantage of being shown first", advantage),
        ("judgements that repeat each other", dependence_of(artefact)),
        ("separate groups of essays", str(model.components)),
        *((("what counts besides who won", "; ".join(soft)),) if soft else ()),
    )
    yield element("h2", "How good the measurement is", id="measurement")
    pictures = (coverage(artefact), course(artefact))
    yield element("div", *(figure(picture) for picture in pictures if picture is not None), class_="side")
    yield table(("what", "found"), lines, caption="The fit of all comparisons together.")
    yield element(
        "p",
        "Reliability says how well the same judge would find the same order again. It says nothing of whether teachers "
        "would agree; for that see the anchors above.",
        class_="note",
    )
