"""The report of a run as one page: a pure projection of its artefact. Same ledger, same bytes.

It needs no network, no script and no colour: every figure of the picture stands in a table too. What the judge, a file
or a person wrote stays text, whatever it holds.

    Path("page.html").write_bytes(report(artefact))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from eng5_runner.core.credibility import OBJECTIONS
from eng5_runner.reports.chart import caterpillar
from eng5_runner.reports.figures import ABSENT, number, requests_made, sentence, tally, usd
from eng5_runner.reports.html import Child, element, page, table
from eng5_runner.reports.reliability import grade_warnings, own_order, with_teachers
from eng5_runner.reports.words import grades_by_others, tested_projection, warnings_of_the_judge
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradeProjection, GradesAvailable
from eng5_runner.results.artefact.study import DocumentRecord, EssayFile

REPORT_NAME = "report.html"
_SHORT_HASH = 16


def report(artefact: Artefact) -> bytes:
    """The page."""
    sections = (_head, _summary, _positions, _students, _anchors, _fit, _costs, _failures, _inputs, _provenance)
    return page(
        *(part for section in sections for part in section(artefact)),
        title=f"{artefact.metadata.batch_label}: comparative judgement",
        style=_STYLE,
    )


def _head(artefact: Artefact) -> Iterator[Child]:
    metadata, status, doubts = artefact.metadata, artefact.runner_status, list(warnings_of_the_judge(artefact))
    yield element("h1", f"Comparative judgement: {metadata.batch_label}")
    yield element(
        "p",
        f"Run {metadata.batch_uuid}, {metadata.runner_mode}, "
        f"begun {_moment(metadata.started_at)}, last event {_moment(metadata.generated_at)} (UTC).",
    )
    yield element(
        "p",
        element("strong", f"Outcome: {status.outcome}."),
        *(f" {reason}." for reason in status.reasons),
        class_="good" if status.outcome == "complete" and not doubts else "warn",
    )
    for headline, reason in doubts:
        yield element("p", element("strong", headline), f" {sentence(reason)}", class_="warn")
    if any(judge.is_baseline for judge in metadata.judges):
        warning = (
            "The judge is an offline baseline that counts properties of the texts. It is no language model: positions "
            "and grades here mean nothing."
        )
        yield element("p", warning, class_="warn")
    for judge in metadata.judges:
        if judge.changed is not None:
            text = f"The judge changed: {judge.changed}. Comparisons of different versions may not be alike."
            yield element("p", text, class_="warn")


def _summary(artefact: Artefact) -> Iterator[Child]:
    grades = artefact.grade_model
    alignment = artefact.anchor_alignment
    tau = None if alignment is None else alignment.kendall_tau_b
    judges = ", ".join(f"{judge.provider} {judge.model}" for judge in artefact.metadata.judges)
    facts = (
        ("essays", f"{len(artefact.inputs.students)} students, {len(artefact.inputs.anchors)} anchors"),
        ("judge", judges or "none was asked"),
        ("comparisons", tally(artefact.runner_status.comparisons)),
        *requests_made(artefact.runner_status),
        ("reliability of the judge's own order", own_order(artefact)),
        ("agreement with the teachers' grades", with_teachers(artefact)),
        ("order of the anchors against their grades", ABSENT if tau is None else f"Kendall τ-b {number(tau)}"),
        (
            "grades",
            f"{len(artefact.grade_projections)} projected"
            if isinstance(grades, GradesAvailable)
            else f"none: {grades.reason}",
        ),
        ("cost", f"{usd(artefact.costs.total_usd)} USD"),
    )
    yield element(
        "dl", *(part for name, fact in facts for part in (element("dt", name), element("dd", fact))), class_="facts"
    )


def _centres(artefact: Artefact) -> dict[str, float]:
    """Grade → where it lies in logits, lowest first; the file keeps its keys in the alphabet's order."""
    if not isinstance(artefact.grade_model, GradesAvailable):
        return {}
    centres = {grade: centre.theta for grade, centre in artefact.grade_model.centres.items()}
    return dict(sorted(centres.items(), key=lambda item: item[1]))


def _positions(artefact: Artefact) -> Iterator[Child]:
    if not artefact.bt_summary:
        return
    yield element("h2", "Positions")
    projected, dashed = "", ""
    if _centres(artefact):
        projected, dashed = " with the grade projected", "Dashed lines show where each grade lies by the anchors. "
    caption = (
        f"Each essay's position θ with its 90% interval around the posterior mean, best first. Circles are students"
        f"{projected}, squares anchors with their known grade, at the right. {dashed}"
        "The order of two essays is uncertain where their intervals overlap much."
    )
    yield element("figure", _picture(artefact), element("figcaption", caption))


def _picture(artefact: Artefact) -> Element:
    return caterpillar(artefact.bt_summary, _centres(artefact), files=artefact.inputs.file_names)


def _students(artefact: Artefact) -> Iterator[Child]:
    students = [entry for entry in artefact.bt_summary if not entry.is_anchor]
    if not students:
        return
    projections = {projection.essay_id: projection for projection in artefact.grade_projections}
    names = list(_centres(artefact))
    graded = ("grade", "P(grade)", "P(±1)", "claim", *names)
    heads = ("student", "file", "rank", "θ", "SE", "judged", *(graded if projections else ()))
    files = artefact.inputs.file_names
    yield element("h2", "Students")
    if not projections:
        rows = [(entry.essay_id, files.get(entry.essay_id, ABSENT), *_measured(entry)) for entry in students]
        yield table(heads, rows, caption="No grades are projected.", figures=len(heads) - 2)
        return
    for warning in grade_warnings(artefact):
        yield element("p", warning, class_="warn")
    yield table(
        heads,
        [
            _student(entry, projections.get(entry.essay_id), file=files.get(entry.essay_id, ABSENT), names=names)
            for entry in students
        ],
        caption=(
            "P(grade) and P(±1): how probable the grade is, and it or a neighbour. Right: the probability of each "
            "grade, in %."
        ),
        class_="grades",
        figures=len(heads) - 2,
    )
    yield element(
        "p",
        "The grade is the median of its probabilities. HIGH: P(±1) ≥ .90 and P(grade) ≥ .50; MID: P(±1) ≥ .75; LOW "
        "otherwise, and always where an essay lies beyond the anchors (marked *) or was judged fewer than eight "
        "times. † marks one that won or lost every comparison, or was compared with few others.",
        class_="note",
    )


def _student(entry: BTEntry, projection: GradeProjection | None, *, file: str, names: Sequence[str]) -> list[Child]:
    cells: list[Child] = [entry.essay_id, file, *_measured(entry)]
    if projection is None:
        return [*cells, ABSENT, "", "", "", *("" for _ in names)]
    grade, chances = projection.grade, projection.probabilities
    marks = ("*" if projection.extrapolated else "") + ("†" if entry.flag else "")
    return [
        *cells,
        element("strong", grade),
        number(chances.get(grade)),
        number(projection.within_one_step),
        f"{projection.confidence}{marks}",
        *(_shaded(chances.get(name), own=name == grade) for name in names),
    ]


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
    shade = min(round(chance * 10), 9)
    return element("td", f"{chance * 100:.0f}", class_=f"n p{shade}{' own' if own else ''}")


def _anchors(artefact: Artefact) -> Iterator[Child]:
    anchors = [entry for entry in artefact.bt_summary if entry.is_anchor]
    if not anchors:
        return
    alignment = artefact.anchor_alignment
    by_others = grades_by_others(alignment)
    files = artefact.inputs.file_names
    yield element("h2", "Anchors")
    yield table(
        ("anchor", "file", "rank", "θ", "SE", "judged", "known grade", "by the others"),
        [
            (
                entry.essay_id,
                files.get(entry.essay_id, ABSENT),
                *_measured(entry),
                entry.anchor_grade or ABSENT,
                by_others.get(entry.essay_id, ABSENT),
            )
            for entry in anchors
        ],
        caption="Known grades, and the grade that each anchor gets from all the others: an honest test of the "
        "projection.",
        figures=6,
    )
    if alignment is not None:
        yield from (element("p", text) for text in tested_projection(alignment))


def _fit(artefact: Artefact) -> Iterator[Child]:
    model = artefact.bt_model
    if model is None:
        return
    effect = model.position_effect
    advantage = ABSENT
    if effect is not None:
        advantage = f"{number(effect.estimate, sign=True)} ± {number(effect.standard_error)} logits"
    lines = (
        ("method", model.method),
        ("reliability of the judge's own order", own_order(artefact)),
        ("agreement with the teachers' grades", with_teachers(artefact)),
        (
            "spread σ of the positions",
            f"{number(model.prior_sd)} logits, {'estimated' if model.prior_sd_estimated else 'set'}",
        ),
        ("advantage of being shown first", advantage),
        ("separate groups of essays", str(model.components)),
    )
    yield element("h2", "How good the measurement is")
    yield table(("what", "found"), lines, caption="The fit of all comparisons together.")
    yield element(
        "p",
        "Reliability says how well the same judge would find the same order again. It says nothing of whether teachers "
        "would agree; for that see the anchors above.",
        class_="note",
    )


def _costs(artefact: Artefact) -> Iterator[Child]:
    """Tokens and money of each judge."""
    costs = artefact.costs
    if not costs.token_counts:
        return
    lines = [
        (
            f"{row.provider} {row.model}",
            *(f"{count:,}" for count in (row.comparisons, row.prompt_tokens, row.completion_tokens)),
            usd(row.usd),
        )
        for row in costs.token_counts
    ]
    yield element("h2", "Cost")
    yield table(
        ("judge", "comparisons", "tokens read", "tokens written", "USD"),
        lines,
        caption=f"In all {usd(costs.total_usd)} USD, failed comparisons included.",
        figures=4,
    )
    if costs.replayed is not None:
        saved = f"{usd(costs.replayed.saved_usd)} USD"
        yield element("p", f"{costs.replayed.comparisons} judgements were replayed, where they had cost {saved}.")


def _failures(artefact: Artefact) -> Iterator[Child]:
    """What did not come, or not as it should."""
    status = artefact.runner_status
    codes = Counter(row.failure_code for row in artefact.failed_comparisons)
    reasons = Counter(message.reason for message in status.rejected)
    doubtful = Counter(message.objection for message in status.doubtful or ())
    flaws = Counter(message.flaws for message in status.flawed or ())
    lines = [(f"comparison failed: {code}", str(count)) for code, count in sorted(codes.items())]
    lines += [(f"message rejected: {reason}", str(count)) for reason, count in sorted(reasons.items())]
    lines += [(OBJECTIONS[kind], str(count)) for kind, count in sorted(doubtful.items())]
    lines += [(f"comparison accepted with a flaw: {flaw}", str(count)) for flaw, count in sorted(flaws.items())]
    others = (
        ("messages that came twice", status.duplicates),
        ("contradicting messages", status.conflicts),
        ("messages lost", status.offsets_lost),
    )
    lines += [(name, str(count)) for name, count in others if count]
    yield element("h2", "What went wrong")
    if lines:
        yield table(("what", "times"), lines, caption="Each kind with its number.", figures=1)
    else:
        yield element("p", "Nothing: no comparison failed, no message was rejected, doubled or lost.")


def _inputs(artefact: Artefact) -> Iterator[Child]:
    """Files with their checksums."""
    given = artefact.inputs
    files: list[tuple[str, DocumentRecord | EssayFile]] = [
        *((("instructions", given.instructions),) if given.instructions.source_path else ()),
        ("students' task", given.prompt_reference),
        *((anchor.anchor_id, anchor) for anchor in given.anchors),
        *((student.essay_id, student) for student in given.students),
    ]
    yield element("h2", "What was compared")
    yield table(
        ("id", "file", "words", "SHA-256"),
        [(name, file.source_path, str(file.word_count), file.checksum[:_SHORT_HASH]) for name, file in files],
        caption="Files with the beginning of their SHA-256; the whole ones are in the artefact.",
        class_="files",
    )


def _provenance(artefact: Artefact) -> Iterator[Child]:
    """Versions, digests, and how to prove them."""
    metadata, validation, hashes = artefact.metadata, artefact.validation, artefact.prompt_hashes
    environment = validation.cli_environment
    lines = [
        ("eng5-runner", f"{metadata.runner_version}, commit {metadata.git_sha}"),
        ("Python, system", f"{environment.python}, {environment.os}"),
        ("digest of the inputs", metadata.inputs_sha256),
        ("grade scale", metadata.grade_scale),
        ("course, language", f"{metadata.course_code}, {metadata.language}"),
        ("assignment", f"{metadata.assignment_id} ({metadata.assignment_id_origin})"),
        ("correlation id", metadata.correlation_id),
        ("seed, comparisons asked for", f"{_given(metadata.seed)}, {_given(metadata.max_comparisons)}"),
        ("prompts", f"{hashes.distinct} different ones, {hashes.asked_more_than_once} asked more than once"),
        ("digest of the prompts", hashes.digest),
        *((f"template {template.name}", template.sha256) for template in hashes.templates or ()),
        *(("system prompt", sha256) for sha256 in hashes.system_prompts or ()),
        ("checksum of the artefact", validation.artefact_checksum),
    ]
    yield element("h2", "How it was made")
    yield table(("what", "value"), lines, caption="What it takes to make it again.", class_="files")
    yield element("h2", "How to prove it")
    yield element(
        "p",
        "With this program: every output, this page too, is computed again from the ledger and compared byte for byte.",
    )
    yield element("pre", element("code", "eng5-runner verify RUN"))
    yield element("p", "Without it, in the run's folder:")
    yield element("pre", element("code", "sha256sum -c manifest.sha256"))


def _moment(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _given(value: int | None) -> str:
    return "not given" if value is None else str(value)


_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --student: #0b5cad; --anchor: #9a4a00; }
body { margin: 0; background: #fff; color: var(--ink); }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.note, figcaption, caption { color: var(--soft); font-size: .87rem; }
.good, .warn { border-left: 4px solid #1a7f37; background: #f0f8f2; padding: .5rem .8rem; }
.warn { border-color: #9a6700; background: #fff8e5; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 1rem 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; font-weight: 600; }
figure { margin: .5rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; min-width: 50%; }
caption { text-align: left; padding: .2rem 0 .5rem; }
th, td { text-align: left; padding: .18rem .6rem .18rem 0; border-bottom: 1px solid #eaeef2; vertical-align: top; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; } .n { text-align: right; }
.grades td, .grades th { padding-left: .3rem; padding-right: .3rem; } .grades th:first-child { padding-left: 0; }
.grades .own { outline: 1.5px solid var(--ink); outline-offset: -2px; font-weight: 700; }
.files td { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8rem; overflow-wrap: anywhere; }
.p1 { background: #e8f1fa; } .p2 { background: #d3e5f6; } .p3 { background: #bdd8f1; } .p4 { background: #a7cbec; }
.p5 { background: #92bee7; } .p6 { background: #7db1e2; } .p7 { background: #68a4dd; } .p8 { background: #5397d8; }
.p9 { background: #3e8ad3; }
pre { background: #f6f8fa; padding: .5rem .8rem; overflow-x: auto; }
.caterpillar { width: 100%; height: auto; font-size: 11.5px; }
.caterpillar text { fill: var(--ink); }
.caterpillar line { stroke: var(--soft); stroke-width: 1; }
.caterpillar .grade line { stroke: #b4bdc6; stroke-dasharray: 3 3; } .caterpillar .grade text { fill: var(--soft); }
.caterpillar .student line { stroke: var(--student); stroke-width: 1.6; }
.caterpillar .student circle { fill: var(--student); }
.caterpillar .anchor line { stroke: var(--anchor); stroke-width: 1.6; }
.caterpillar .anchor rect { fill: #fff; stroke: var(--anchor); stroke-width: 2; }
.caterpillar .anchor text { fill: var(--anchor); font-weight: 600; }
@media print {
  body { font-size: 10pt; } main { max-width: none; padding: 0; } .wide { overflow: visible; }
  h2, caption, thead { break-after: avoid; } tr, figure, pre { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
