"""The report of a run of the anchors alone, as Markdown: a pure projection of the artefact. Same ledger, same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eng5_runner.canonical import Json
from eng5_runner.reports.anchor_judge import judge_card
from eng5_runner.reports.markdown import Object, between, block, inline, items_of, number, object_of, table

ANCHOR_REPORT_NAME = "anchor_alignment.md"


def anchor_report(artefact: Object) -> bytes:
    """The report of a run's artefact."""
    alignment = object_of(artefact["anchor_alignment"])
    lines = [*_head(artefact)]
    if alignment:
        lines += [*_targets(alignment), *_anchors(artefact), *_agreement(alignment)]
        lines += [*_inversions(artefact, alignment), *_without_win(alignment)]
        lines += judge_card(object_of(artefact["judge_quality"]))
    else:
        lines += ["Nothing was judged, so nothing is claimed.", ""]
    lines += [*_service(artefact), *_prompts(artefact)]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def _head(artefact: Object) -> Iterator[str]:
    metadata, status = object_of(artefact["metadata"]), object_of(artefact["runner_status"])
    counts = object_of(status["comparisons"])
    yield from (f"# Anchor alignment: {inline(metadata['batch_label'])}", "")
    judges = [
        f"{inline(one['provider'])} {inline(one['model'])} ({one['kind']})" for one in items_of(metadata["judges"])
    ]
    settings = object_of(object_of(artefact["judge_request"])["settings"])
    asked = ", ".join(f"{name.removesuffix('_override')} {inline(value)}" for name, value in sorted(settings.items()))
    anchors = items_of(object_of(artefact["inputs"])["anchors"])
    facts: Sequence[tuple[str, object]] = (
        ("judge", "; ".join(judges) or "none"),
        ("asked for", asked or "the services' defaults"),
        ("anchors", f"{len(anchors)} on the scale {inline(metadata['grade_scale'])}"),
        ("comparisons", f"{counts['judged']} judged, {counts['failed']} failed"),
        ("outcome", inline(status["outcome"])),
        ("run", f"{metadata['batch_uuid']}, {metadata['generated_at']}"),
    )
    yield from table(("", ""), [(name, str(value)) for name, value in facts])
    reasons = list(items_or_texts(status["reasons"]))
    yield from (*(f"- {inline(reason)}" for reason in reasons), *([""] if reasons else []))


def items_or_texts(value: Json) -> Iterator[str]:
    """The texts of an array."""
    yield from (str(one) for one in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _targets(alignment: Object) -> Iterator[str]:
    targets, intervals = object_of(alignment["targets"]), object_of(alignment["intervals_90"])
    inverted, winless = object_of(alignment["inversions"]), items_of(alignment["without_win"])
    yield from ("## Against the field's targets", "")
    tau = f"{number(alignment['kendall_tau_b'])} {between(intervals['kendall_tau_b'])}"
    expected = f"{number(inverted['expected'], 1)} expected of a judge of this scale"
    turned = f"{number(inverted['inverted'], 1)} of {inverted['pairs']} pairs ({expected})"
    yield from table(
        ("", "found", "target", ""),
        [
            ("Kendall τ-b", tau.strip(), "at least 0.90", _met(targets["kendall_tau_b"])),
            ("inversions", turned, "at most 1", _met(targets["inversions"])),
            ("anchors without a win", str(len(winless)), "none", _met(targets["without_win"])),
        ],
    )


def _met(target: Json) -> str:
    met = object_of(target)["met"]
    return "undefined" if met is None else "met" if met else "**missed**"


def _anchors(artefact: Object) -> Iterator[str]:
    left_out = {one["anchor_id"]: one for one in items_of(object_of(artefact["anchor_alignment"])["left_out"])}
    yield from (
        "## Anchors",
        "",
        "θ in logits, ± its standard error, with the interval that holds the true position; the best first.",
        "",
    )
    rows = []
    for one in items_of(artefact["bt_summary"]):
        lost = int(str(one["comparison_count"])) - int(str(one["wins"]))
        others = left_out.get(one["essay_id"], {})
        place = (
            f"{number(one['theta'], 2, sign=True)} ± {number(one['standard_error'])} | {between(one['interval_90'])}"
        )
        told = inline(others.get("projected_grade", "refused"))
        grade = inline(one["anchor_grade"])
        rows.append(
            (
                *(str(one["rank"]), inline(one["essay_id"]), place, grade, told, str(one["wins"]), str(lost)),
                *(number(one.get("infit")), inline(one.get("flag", ""))),
            )
        )
    yield from table(
        ("rank", "anchor", "θ ± SE", "90% interval", "known grade", "by the others", "won", "lost", "infit", ""), rows
    )
    model = object_of(artefact["bt_model"])
    reliability = object_of(model["reliability"])
    yield (
        f"Reliability of this order: {number(reliability['empirical_bayes'])} {between(reliability['interval_90'])}. "
        "It says how repeatable the judge's order is, not how right."
    )
    if model["se_ratio_by_pair"] is not None:
        yield (
            "Pairs were judged more than once: clustered by pair the standard errors "
            f"are {number(model['se_ratio_by_pair'])} times as large (`standard_error_by_pair` in the artefact). "
            "Well above 1 the judgements of one pair depend on each other, and those errors are the ones to quote."
        )
    yield ""


_MEASURES = (
    ("Kendall τ-b of θ and grade", "kendall_tau_b"),
    ("Spearman ρ of θ and grade", "spearman"),
    ("quadratic weighted κ", "left_out_qwk"),
    ("exact agreement", "left_out_exact"),
    ("agreement within one step", "left_out_within_one"),
    ("bias in steps (positive: the judge is generous)", "left_out_bias"),
    ("mean absolute error in steps", "left_out_mean_absolute_error"),
)


def _agreement(alignment: Object) -> Iterator[str]:
    intervals = object_of(alignment["intervals_90"])
    yield from ("## Agreement with the experts", "")
    yield from table(
        ("", "found", "90% interval"),
        [(name, number(alignment[key]), between(intervals[key]) or "–") for name, key in _MEASURES],
    )
    yield "From κ on: of the grade that the other anchors give each anchor, never one that it had a part in itself."
    if all(intervals[key] is None for _, key in _MEASURES):
        yield "Intervals need six anchors; with fewer they would pretend to know something."
    else:
        yield (
            f"Intervals are from {alignment['bootstrap_draws']} bootstrap draws of the anchors; those of θ move the "
            "positions by their error as well."
        )
    claims = object_of(alignment["left_out_claims"])
    if claims:
        yield (
            f"The probabilities: Brier {number(claims['brier'])}, ranked probability score "
            f"{number(claims['ranked_probability_score'], 3)}; within one step was claimed to "
            f"{number(claims['claimed_within_one'])} and held to {number(alignment['left_out_within_one'])}."
        )
    yield ""


def _inversions(artefact: Object, alignment: Object) -> Iterator[str]:
    whole = object_of(alignment["inversions"])
    distances = items_of(whole["by_distance"])
    yield from (
        "## Inversions",
        "",
        "Pairs of which the anchor with the lower grade won most; an even score is a half.",
        "",
    )
    rows = [
        (
            f"{one['steps']}{' or more' * (one['steps'] == 3)}",  # noqa: PLR2004 - the last class is open
            *(str(one["pairs"]), number(one["inverted"], 1), between(one["interval_90"]), number(one["expected"], 1)),
        )
        for one in distances
    ]
    total = (str(whole["pairs"]), number(whole["inverted"], 1), between(whole["interval_90"]))
    rows.append(("all", *total, number(whole["expected"], 1)))
    yield from table(("steps apart", "pairs judged", "inverted", "share, 90% interval", "expected by θ"), rows)
    calls = {one["sequence"]: one for one in items_of(artefact["llm_comparisons"])}
    for pair in (pair for one in distances for pair in items_of(one["inverted_pairs"])):
        yield from _pair(pair, [calls[n] for n in pair["comparisons"]] if isinstance(pair["comparisons"], list) else [])


def _pair(pair: Object, calls: Sequence[Object]) -> Iterator[str]:
    lost, asked = pair["lost_by_higher"], pair["questions"]
    even = isinstance(lost, int | float) and isinstance(asked, int | float) and lost == asked - lost
    yield (
        f"### {inline(pair['lower'])} ({inline(pair['lower_grade'])}) {'even with' if even else 'over'} "
        f"{inline(pair['higher'])} ({inline(pair['higher_grade'])})"
    )
    yield ""
    for one in calls:
        confidence = f", confidence {number(one['confidence'], 1)}" if "confidence" in one else ""
        said = inline(one.get("justification") or "no justification")
        yield f"- {inline(one['essay_a_id'])} shown first, **{inline(one['winner_id'])}** won{confidence}: {said}"
    yield ""


def _without_win(alignment: Object) -> Iterator[str]:
    found = items_of(alignment["without_win"])
    yield from ("## Anchors without a win", "")
    if not found:
        yield from ("None.", "")
        return
    yield from table(
        ("anchor", "known grade", "judgements", "probability of none at its θ"),
        [
            (
                *(inline(one["anchor_id"]), inline(one["grade"]), number(one["judgements"], 0)),
                number(one["expected_probability"], 3),
            )
            for one in found
        ],
    )


def _service(artefact: Object) -> Iterator[str]:
    compared = object_of(artefact["comparison_with_service"])
    if not compared:
        return
    yield from ("## The service's figures", "")
    findings = list(items_or_texts(compared["findings"]))
    if not findings:
        yield "They agree with those above within their precision."
    yield from (f"- {inline(finding)}" for finding in findings)
    yield ""


def _prompts(artefact: Object) -> Iterator[str]:
    asked, hashes = object_of(artefact["judge_request"]), object_of(artefact["prompt_hashes"])
    yield from ("## Prompts", "")
    yield (
        f"{hashes['distinct']} distinct prompts were sent; each comparison's `prompt_hash` (tables/comparisons.csv) is "
        f"of the whole text as it was sent, and the SHA-256 of all of them together is `{hashes['digest']}`."
    )
    yield ""
    for title, key in (("System prompt", "system_prompt"), ("Rubric", "rubric"), ("Task", "task")):
        told = object_of(asked[key])
        yield from (f"### {title}", "")
        if told:
            yield from (f"{inline(told['origin'])}; SHA-256 `{told['sha256']}`", "", *block(str(told["content"])), "")
        else:
            yield from ("The services' own, which a runner does not see.", "")
