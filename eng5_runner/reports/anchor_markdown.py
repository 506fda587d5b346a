"""The report of a run of the anchors alone, as Markdown: a pure projection of the artefact. Same ledger, same bytes.

anchor_report(artefact).decode().splitlines()[0]    # Anchor alignment: my label
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eng5_runner.reports.figures import ABSENT, between, number, requests_made, sentence, tally
from eng5_runner.reports.inverted_pairs import inverted_pairs
from eng5_runner.reports.judge_card import MODELS_HEADING, judge_card, model_lines, model_rows
from eng5_runner.reports.markdown import block, inline, table
from eng5_runner.reports.reliability import dependence_of, grade_warnings, own_order, with_teachers
from eng5_runner.reports.soft import soft_lines
from eng5_runner.reports.targets import MISSED, RULE, target_rows
from eng5_runner.reports.words import (
    REFUSED,
    flagged_essays,
    grades_by_others,
    same_texts,
    tested_projection,
    warnings_of_the_judge,
)
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import (
    AnchorAlignment,
    AnchorInversions,
    InvertedAnchorPair,
    JudgeQuality,
    WinlessAnchor,
)
from eng5_runner.results.artefact.measurement import BTEntry
from eng5_runner.results.artefact.study import Comparison

ANCHOR_REPORT_NAME = "anchor_alignment.md"
_THREE_OR_MORE = 3


def anchor_report(artefact: Artefact) -> bytes:
    """The report of a run's artefact."""
    alignment = artefact.anchor_alignment
    lines = [*_head(artefact)]
    if alignment is None:
        lines += ["Nothing was judged, so nothing is claimed.", ""]
    else:
        lines += [*_targets(artefact), *_anchors(artefact, alignment), *_agreement(alignment)]
        if alignment.inversions is not None:
            lines += _inversions(artefact, alignment.inversions)
        if alignment.without_win is not None:
            lines += _without_win(alignment.without_win, artefact.inputs.file_names)
        if artefact.judge_quality is not None:
            lines += _judge_card(artefact.judge_quality, unpriced=artefact.costs.unpriced)
    lines += [*_service(artefact), *_prompts(artefact)]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def _head(artefact: Artefact) -> Iterator[str]:
    metadata, status = artefact.metadata, artefact.runner_status
    yield from (f"# Anchor alignment: {inline(metadata.batch_label)}", "")
    judges = [f"{inline(judge.provider)} {inline(judge.model)} ({judge.kind})" for judge in metadata.judges]
    settings = artefact.judge_request.settings if artefact.judge_request else {}
    asked = ", ".join(f"{name.removesuffix('_override')} {inline(value)}" for name, value in sorted(settings.items()))
    facts = (
        ("judge", "; ".join(judges) or "none"),
        ("asked for", asked or "the services' defaults"),
        ("anchors", f"{len(artefact.inputs.anchors)} on the scale {inline(metadata.grade_scale)}"),
        ("comparisons", tally(status.comparisons)),
        *requests_made(status),
        ("outcome", inline(status.outcome)),
        ("run", f"{metadata.batch_uuid}, {metadata.generated_at}"),
    )
    yield from table(("", ""), facts)
    remarks = [*status.reasons, *(judge.changed for judge in metadata.judges if judge.changed is not None)]
    yield from (f"- {inline(remark)}" for remark in remarks)
    if remarks:
        yield ""
    for headline, reason in warnings_of_the_judge(artefact):
        yield from (f"**{headline}** {sentence(reason)}", "")
    for text in (*flagged_essays(artefact), *same_texts(artefact)):
        yield from (inline(text), "")


def _targets(artefact: Artefact) -> Iterator[str]:
    rows = list(target_rows(artefact))
    if not rows:
        return
    yield from ("## Against the field's targets", "")
    if any(row.fair for row in rows):
        yield from (RULE, "")
    shown = [(row.name, row.found, row.fair, row.perfect, row.usual, _strong(row.verdict)) for row in rows]
    yield from table(("", "found", "judges of r = .9", "judges of r = 1", "the field's usual target", ""), shown)
    inverted = None if artefact.anchor_alignment is None else artefact.anchor_alignment.inversions
    if inverted is not None:
        yield from (f"A judge of this scale inverts {number(inverted.expected, 1)} of the pairs by chance.", "")


def _strong(verdict: str) -> str:
    return f"**{verdict}**" if verdict == MISSED else verdict


def _anchors(artefact: Artefact, alignment: AnchorAlignment) -> Iterator[str]:
    by_others = grades_by_others(alignment)
    files = artefact.inputs.file_names
    yield from (
        "## Anchors",
        "",
        "θ in logits, ± its standard error, with the interval that holds the true position; the best first.",
        "",
    )
    yield from table(
        (
            "rank",
            "anchor",
            "file",
            "θ ± SE",
            "90% interval",
            "known grade",
            "by the others",
            "won",
            "lost",
            "infit",
            "",
        ),
        [
            _anchor(entry, by_others.get(entry.essay_id, REFUSED), file=files.get(entry.essay_id))
            for entry in artefact.bt_summary
        ],
    )
    for text in tested_projection(alignment):
        yield from (inline(text), "")
    model = artefact.bt_model
    if model is not None:
        yield (
            f"Reliability of this order: {own_order(artefact)}. "
            "It says how repeatable the judge's order is, not how right."
        )
        yield ""
        yield f"Agreement with the teachers' grades: {inline(with_teachers(artefact))}."
        yield from ("", f"{inline(dependence_of(artefact))}.")
        for line in soft_lines(model.soft_judgements):
            yield from ("", f"{inline(line)}.")
        for warning in grade_warnings(artefact):
            yield from ("", f"{inline(warning)}.")
        if model.se_ratio_by_pair is not None:
            yield (
                "Pairs were judged more than once: clustered by pair the standard errors "
                f"are {number(model.se_ratio_by_pair)} times as large (`standard_error_by_pair` in the artefact). "
                "Well above 1 the judgements of one pair depend on each other by more than the fit allows for, and "
                "those errors are the ones to quote."
            )
    yield ""


def _anchor(entry: BTEntry, by_others: str, *, file: str | None) -> tuple[str, ...]:
    place = f"{number(entry.theta, sign=True)} ± {number(entry.standard_error)} | {between(entry.interval_90)}"
    return (
        *(str(entry.rank), inline(entry.essay_id), inline(file), place, inline(entry.anchor_grade), inline(by_others)),
        *(str(entry.wins), str(entry.comparison_count - entry.wins), number(entry.infit), inline(entry.flag or "")),
    )


def _agreement(alignment: AnchorAlignment) -> Iterator[str]:
    intervals = alignment.intervals_90
    if intervals is None:
        return
    measures = (
        ("Kendall τ-b of θ and grade", alignment.kendall_tau_b, intervals.kendall_tau_b),
        ("Spearman ρ of θ and grade", alignment.spearman, intervals.spearman),
        ("quadratic weighted κ", alignment.left_out_qwk, intervals.left_out_qwk),
        ("exact agreement", alignment.left_out_exact, intervals.left_out_exact),
        ("agreement within one step", alignment.left_out_within_one, intervals.left_out_within_one),
        ("bias in steps (positive: the judge is generous)", alignment.left_out_bias, intervals.left_out_bias),
        (
            "mean absolute error in steps",
            alignment.left_out_mean_absolute_error,
            intervals.left_out_mean_absolute_error,
        ),
    )
    yield from ("## Agreement with the experts", "")
    yield from table(
        ("", "found", "90% interval"),
        [(name, number(value), between(interval) or ABSENT) for name, value, interval in measures],
    )
    yield "From κ on: of the grade that the other anchors give each anchor, never one that it had a part in itself."
    if all(interval is None for _, _, interval in measures):
        yield "Intervals need six anchors; with fewer they would pretend to know something."
    else:
        yield (
            f"Intervals are from {alignment.bootstrap_draws} bootstrap draws of the anchors; those of θ move the "
            "positions by their error as well."
        )
    claims = alignment.left_out_claims
    if claims is not None:
        yield (
            f"The probabilities: Brier {number(claims.brier)}, ranked probability score "
            f"{number(claims.ranked_probability_score, 3)}; within one step was claimed to "
            f"{number(claims.claimed_within_one)} and held to {number(alignment.left_out_within_one)}."
        )
    yield ""


def _inversions(artefact: Artefact, inversions: AnchorInversions) -> Iterator[str]:
    yield from (
        "## Inversions",
        "",
        "Pairs of which the anchor with the lower grade won most; an even score is a half.",
        "",
    )
    rows = [
        (
            f"{row.steps}{' or more' * (row.steps == _THREE_OR_MORE)}",
            *(str(row.pairs), number(row.inverted, 1), between(row.interval_90), number(row.expected, 1)),
        )
        for row in inversions.by_distance
    ]
    total = (str(inversions.pairs), number(inversions.inverted, 1), between(inversions.interval_90))
    rows.append(("all", *total, number(inversions.expected, 1)))
    yield from table(("steps apart", "pairs judged", "inverted", "share, 90% interval", "expected by θ"), rows)
    shown = inverted_pairs(artefact, inversions)
    for pair, calls in shown.pairs:
        yield from _pair(pair, calls)
    if shown.rest:
        yield from (shown.rest, "")


def _pair(pair: InvertedAnchorPair, calls: Sequence[Comparison]) -> Iterator[str]:
    even = pair.lost_by_higher == pair.questions - pair.lost_by_higher
    yield (
        f"### {inline(pair.lower)} ({inline(pair.lower_grade)}) {'even with' if even else 'over'} "
        f"{inline(pair.higher)} ({inline(pair.higher_grade)})"
    )
    yield ""
    for call in calls:
        confidence = "" if call.confidence is None else f", confidence {number(call.confidence, 1)}"
        reason = inline(call.justification or "no justification")
        yield f"- {inline(call.essay_a_id)} shown first, **{inline(call.winner_id)}** won{confidence}: {reason}"
    yield ""


def _without_win(anchors: Sequence[WinlessAnchor], files: Mapping[str, str]) -> Iterator[str]:
    yield from ("## Anchors without a win", "")
    if not anchors:
        yield from ("None.", "")
        return
    yield from ("A judgement that was repeated counts once here.", "")
    yield from table(
        ("anchor", "file", "known grade", "different judgements", "probability of none at its θ"),
        [
            (
                *(inline(anchor.anchor_id), inline(files.get(anchor.anchor_id)), inline(anchor.grade)),
                *(number(anchor.judgements, 0), number(anchor.expected_probability, 3)),
            )
            for anchor in anchors
        ],
    )


def _judge_card(quality: JudgeQuality, *, unpriced: int) -> Iterator[str]:
    """Each figure with its interval, and what a judge of the fitted model would show."""
    yield from ("## The judge", "")
    yield from table(
        ("", "found", "expected of a judge of this scale"),
        [(inline(row.name), inline(row.found), inline(row.expected)) for row in judge_card(quality, unpriced=unpriced)],
    )
    models = [tuple(map(inline, row)) for row in model_rows(quality)]
    if models:
        yield from table(MODELS_HEADING, models)
    yield from (f"- {inline(line)}" for line in model_lines(quality))


def _service(artefact: Artefact) -> Iterator[str]:
    compared = artefact.comparison_with_service
    if compared is None:
        return
    yield from ("## The service's figures", "")
    if not compared.findings:
        yield "They agree with those above within their precision."
    yield from (f"- {inline(finding)}" for finding in compared.findings)
    yield ""


def _prompts(artefact: Artefact) -> Iterator[str]:
    request, hashes = artefact.judge_request, artefact.prompt_hashes
    yield from ("## Prompts", "")
    yield (
        f"{hashes.distinct} distinct prompts were sent; each comparison's `prompt_hash` (tables/comparisons.csv) is "
        f"of the whole text as it was sent, and the SHA-256 of all of them together is `{hashes.digest}`."
    )
    yield ""
    if request is None:
        return
    for title, prompt in (("System prompt", request.system_prompt), ("Rubric", request.rubric), ("Task", request.task)):
        yield from (f"### {title}", "")
        if prompt is None:
            yield from ("The services' own, which a runner does not see.", "")
        else:
            yield from (f"{inline(prompt.origin)}; SHA-256 `{prompt.sha256}`", "", *block(prompt.content), "")
