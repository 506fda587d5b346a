"""A run in the words of a paper: the paragraph of its method, and a citation of the program.

print(methods_paragraph(artefact))    # 30 student essays and 14 anchor essays of known grade were compared …
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, percent, span, spent
from eng5_runner.reports.soft import soft_method
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import GradesAvailable

_DESIGNS = MappingProxyType(
    {
        "balanced": "balanced random rounds, in which every essay is judged equally often",
        "adaptive": "a few balanced rounds, then pairs chosen by expected information",
        "boundary": "named pairs, each in both orders",
    }
)
_SWAPS = MappingProxyType(
    {
        "none": "",
        "audit": " One pair in ten was also judged in the other order.",
        "all": " Every pair was also judged in the other order.",
    }
)


def methods_paragraph(artefact: Artefact) -> str:
    """One paragraph of plain text: design, judge, prompts, estimation, reliability, agreement, software."""
    return " ".join(
        [*_what(artefact), *_by_whom(artefact), *_estimated(artefact), *_agreement(artefact), *_with_what(artefact)]
    )


def citation(artefact: Artefact) -> str:
    """The program in the version that made the run, as a reference list has it."""
    metadata = artefact.metadata
    return (
        f"eng5-runner contributors ({metadata.generated_at[:4]}). eng5-runner (version {metadata.runner_version}, "
        f"commit {metadata.git_sha[:12]}) [Computer software]. Run {metadata.batch_uuid}, artefact SHA-256 "
        f"{artefact.validation.artefact_checksum}."
    )


def _what(artefact: Artefact) -> Iterator[str]:
    inputs, counts, stopping = artefact.inputs, artefact.runner_status.comparisons, artefact.stopping
    students = f"{counted(len(inputs.students), 'student essay')} and " if inputs.students else ""
    yield (
        f"{students}{counted(len(inputs.anchors), 'anchor essay')} of known grade (scale "
        f"{artefact.metadata.grade_scale}) were "
        "assessed by comparative judgement."
    )
    if stopping is not None:
        seed = "" if artefact.metadata.seed is None else f" (seed {artefact.metadata.seed})"
        yield f"Pairs were formed in {_DESIGNS[stopping.design]}{seed}.{_SWAPS[stopping.swap]}"
        if stopping.repeats > 1:
            yield f"Each question was asked {stopping.repeats} times; repeats count once in the estimates."
        if stopping.decided is not None:
            left, wanted = stopping.decided, stopping.decided.comparisons_wanted
            yield (
                f"Pairs were left out as soon as they were decided: {left.pairs} of {stopping.named_pairs}. That saved "
                f"{wanted - left.comparisons} of {counted(wanted, 'comparison')}."
            )
    asked = "" if counts.asked is None else f" of {counted(counts.asked, 'comparison')} asked for"
    yield (
        f"{counted(counts.judged, 'judgement was', plural='judgements were')} obtained{asked}; {counts.failed} failed."
    )


def _by_whom(artefact: Artefact) -> Iterator[str]:
    for judge in artefact.metadata.judges:
        versions = ", ".join(sorted({served.model for served in judge.served or () if served.model}))
        kind = "an offline baseline, not a language model" if judge.is_baseline else "a language model"
        yield f"The judge was {judge.model} ({judge.provider}{f', served as {versions}' if versions else ''}), {kind}."
    settings = {} if artefact.judge_request is None else artefact.judge_request.settings
    if settings:
        asked = ", ".join(f"{name.removesuffix('_override')} {value}" for name, value in sorted(settings.items()))
        yield f"Its settings: {asked}."
    if artefact.prompt_hashes.distinct:
        yield (
            f"{artefact.prompt_hashes.distinct} distinct prompts were sent (SHA-256 of all their hashes: "
            f"{artefact.prompt_hashes.digest})."
        )


def _estimated(artefact: Artefact) -> Iterator[str]:
    model = artefact.bt_model
    if model is None:
        return
    yield f"Positions were estimated with {model.method}; intervals are 90%."
    yield from soft_method(model.soft_judgements)
    reliability = model.reliability
    if reliability.empirical_bayes is not None:
        yield (
            f"The reliability of the order is {number(reliability.empirical_bayes)} "
            f"({span(reliability.interval_90)}), by empirical Bayes."
        )


def _agreement(artefact: Artefact) -> Iterator[str]:
    alignment, grades = artefact.anchor_alignment, artefact.grade_model
    if alignment is not None and alignment.kendall_tau_b is not None:
        intervals = alignment.intervals_90
        tau = None if intervals is None else intervals.kendall_tau_b
        yield (
            f"Kendall's τ-b of positions and known grades of the anchors is {number(alignment.kendall_tau_b)}"
            f"{'' if tau is None else f' ({span(tau)})'}."
        )
    if not isinstance(grades, GradesAvailable):
        yield f"No grades were projected: {grades.reason}."
        return
    agreement = grades.agreement_with_teachers
    if agreement is not None:
        yield (
            f"The estimated correlation with the teachers' grades is {number(agreement.correlation)} "
            f"({span(agreement.interval_90)}) among the {agreement.among}."
        )
    if artefact.grade_projections:
        yield f"Grades were projected with a {grades.method}."
    if alignment is not None and alignment.left_out_within_one is not None:
        support = grades.anchor_support
        by_whom = "the other anchors"
        if support is not None and support.parts is not None:
            by_whom = f"the anchors of the other {support.parts - 1} of {support.parts} parts"
        yield (
            f"Graded by {by_whom}, {percent(alignment.left_out_exact)} of the anchors got their own grade and "
            f"{percent(alignment.left_out_within_one)} it or a neighbour."
        )


def _with_what(artefact: Artefact) -> Iterator[str]:
    metadata = artefact.metadata
    if metadata.origin is not None and metadata.origin.kind == "import":
        yield f"The study was run by {metadata.origin.program}, and its record was imported."
    costs = artefact.costs
    price = spent(costs.total_usd, unpriced=costs.unpriced, decimals=2)
    yield (
        f"The analysis was made with eng5-runner {metadata.runner_version} (commit {metadata.git_sha[:12]}); the "
        f"judgements cost {'an unknown sum' if price.startswith('unknown') else price}."
    )
