"""Two runs side by side: how far positions, grades and verdicts agree, and what each run cost.

    compared = compare_artefacts(a, b)
    compared.positions.spearman.estimate    0.93
    compared.anchors.verdict                "cannot tell"

Essays are the same where their texts are (SHA-256), whatever they are called. Intervals are of 90%, by bootstrap of the
essays (or anchors) with a fixed seed; of fewer than six there is none. A figure that a run states itself is not
estimated a second time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eng5_runner.contracts.flaws import NO_HASH
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.rounding import ends_if_any, rounded
from eng5_runner.measure.quality.alignment import adjacent_agreement, bias, exact_agreement
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.measure.quality.resampling import (
    Measure,
    bootstrap_interval,
    kendall_tau_b_of_each,
    of_one,
    pearson_of_each,
    spearman_of_each,
    weighted_kappa_of_each,
)
from eng5_runner.results.anchors.alignment import measured
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, GradesAvailable, TeacherAgreement
from eng5_runner.results.artefact.part import Count, Interval90, Nullable, Part
from eng5_runner.results.artefact.study import Comparison, JudgeIdentity
from eng5_runner.results.paired_verdicts import PairedVerdicts, grade_places, paired_verdicts
from eng5_runner.results.run_cost import RunCost, cost_of
from eng5_runner.results.text_roles import SwappedText, swapped_texts

SEED = 1
DRAWS = 1000
_FEWEST = 3
_HALF = 0.5


class RunInComparison(Part):
    """What identifies one of the two runs."""

    batch_label: str
    """The name that people gave the run."""
    batch_uuid: str
    """The run's id."""
    runner_version: str
    """Version of eng5-runner that began the run."""
    grade_scale: str
    """Key of the scale."""
    seed: Nullable[int]
    """Of the pairing; None where none was given."""
    inputs_sha256: str
    """Digest of all inputs."""
    judges: tuple[JudgeIdentity, ...]
    """The models that judged."""
    outcome: str
    """How the run ended."""
    reliability: Nullable[float]
    """Of its order, 0 to 1; None where nothing was judged, and where it is not defined."""
    agreement_with_teachers: TeacherAgreement | None = None
    """What its anchors say of the agreement; absent where they say nothing."""
    prompts: str
    """Digest of its prompts."""


class EssayCounts(Part):
    """Essays of both runs and of one of them."""

    shared: Count
    """In both."""
    only_in_a: Count
    """Only in the first run."""
    only_in_b: Count
    """Only in the second run."""


class Agreement(Part):
    """A measure of agreement."""

    estimate: Nullable[float]
    """None where it is undefined."""
    interval_90: Nullable[Interval90]
    """None with fewer than six essays."""


class RankMove(Part):
    """An essay's rank in both runs."""

    essay_a: str
    """Its id in the first run."""
    essay_b: str
    """Its id in the second run."""
    file_a: str
    """The name of its file in the first run."""
    file_b: str
    """The name of its file in the second run."""
    rank_a: int
    """1 for the best of the first run."""
    rank_b: int
    """1 for the best of the second run."""
    theta_a: float
    """Position in logits in the first run."""
    theta_b: float
    """Position in logits in the second run."""
    is_anchor: bool
    """Whether it is an anchor of the first run."""


class PositionAgreement(Part):
    """How far the positions agree."""

    essays: Count
    """Essays in both."""
    pearson: Agreement
    """Pearson's r."""
    pearson_disattenuated: Nullable[float]
    """What two judges would agree if each were asked without end: r over the root of both reliabilities, at most 1.

    None where a reliability is absent or 0, and where the same judge was asked the same, so that errors are not
    independent."""
    spearman: Agreement
    """Spearman's ρ."""
    kendall_tau_b: Agreement
    """Kendall's τ-b."""
    moves: tuple[RankMove, ...]
    """Every shared essay, the largest move first."""


class GradeAgreement(Part):
    """How far the students' grades agree."""

    students: Count
    """Students with a grade in both."""
    exact: float
    """Share with the same grade."""
    within_one: float
    """Share at most one grade apart."""
    quadratic_weighted_kappa: Agreement
    """Cohen's κ with squared weights."""
    b_higher_by_steps: float
    """Mean grade of the second run minus that of the first, in steps."""


class Flip(Part):
    """A pair of which the runs prefer different essays."""

    essays: tuple[str, str]
    """The pair, under the ids of the first run."""
    files: tuple[str, str]
    """The names of their files in the first run."""
    why_a: Nullable[str]
    """A reason that the first run's judge gave; None where it gave none."""
    why_b: Nullable[str]
    """A reason that the second run's judge gave; None where it gave none."""
    a_prefers: str
    """The essay that won more often in the first run."""


class VerdictAgreement(Part):
    """Pairs that both judged, in whatever order and however often: does the majority prefer the same essay?"""

    shared_pairs: Count
    """Pairs that both judged."""
    same_prompts: Count
    """Comparisons of the second run that asked the very text of one of the first."""
    decided_by_both: Count
    """Shared pairs without an even score in either."""
    agreement: Nullable[float]
    """Share of decided pairs with the same verdict; None where there is none."""
    interval_90: Nullable[Interval90]
    """Of `agreement`, by Wilson's method."""
    flips: tuple[Flip, ...]
    """Pairs with different verdicts."""
    of_anchors: Nullable[PairedVerdicts]
    """Which run decides pairs of anchors more often as the experts did; None without such pairs."""


class AnchorOrders(Part):
    """Which run orders the shared anchors more as the experts did."""

    anchors: Count
    """Anchors in both."""
    tau_b_a: Agreement
    """Kendall's τ-b of the first run with the grades."""
    tau_b_b: Agreement
    """Kendall's τ-b of the second run with the grades."""
    b_minus_a: Agreement
    """Their difference."""
    verdict: str
    """In words."""


class RunsCompared(Part):
    """Two runs side by side; a block is None where there is too little in common."""

    runs: tuple[RunInComparison, RunInComparison]
    """Both runs."""
    swapped_texts: tuple[SwappedText, ...]
    """Texts with another role in the other run, so that the judges were not asked the same. Earlier versions swapped
    the roles of the field's two files."""
    essays: EssayCounts
    """What they have in common."""
    positions: Nullable[PositionAgreement]
    """None with fewer than three shared essays."""
    grades: Nullable[GradeAgreement]
    """None where the scales differ or no student has a grade in both."""
    verdicts: VerdictAgreement
    """Pair by pair."""
    anchors: Nullable[AnchorOrders]
    """None with fewer than three shared anchors."""
    costs: tuple[RunCost, RunCost]
    """What each took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """An essay of both runs, under its ids there."""

    a: str
    b: str


def compare_artefacts(a: Artefact, b: Artefact) -> RunsCompared:
    """All figures, each None where it is not defined."""
    pairs = _same_essays(a, b)
    anchors = _anchors(a, b, pairs=pairs)
    return RunsCompared(
        runs=(_run(a), _run(b)),
        swapped_texts=tuple(swapped_texts(a.inputs, b.inputs)),
        essays=EssayCounts(shared=len(pairs), only_in_a=_essays(a) - len(pairs), only_in_b=_essays(b) - len(pairs)),
        positions=_positions(a, b, pairs=pairs),
        grades=_grades(a, b, pairs=pairs),
        verdicts=_verdicts(a, b, pairs=pairs),
        anchors=anchors,
        costs=(
            cost_of(a, tau_b=anchors.tau_b_a.estimate if anchors else None),
            cost_of(b, tau_b=anchors.tau_b_b.estimate if anchors else None),
        ),
    )


def _run(artefact: Artefact) -> RunInComparison:
    metadata, model = artefact.metadata, artefact.grade_model
    return RunInComparison(
        batch_label=metadata.batch_label,
        batch_uuid=metadata.batch_uuid,
        runner_version=metadata.runner_version,
        grade_scale=metadata.grade_scale,
        seed=metadata.seed,
        inputs_sha256=metadata.inputs_sha256,
        judges=metadata.judges,
        outcome=artefact.runner_status.outcome,
        reliability=_reliability(artefact),
        agreement_with_teachers=model.agreement_with_teachers if isinstance(model, GradesAvailable) else None,
        prompts=artefact.prompt_hashes.digest,
    )


def _reliability(artefact: Artefact) -> float | None:
    return None if artefact.bt_model is None else artefact.bt_model.reliability.empirical_bayes


def _same_essays(a: Artefact, b: Artefact) -> list[_Pair]:
    """By their texts; of several essays with one text, those with the same id first."""
    in_b, found = b.inputs.by_text, []
    for text_sha256, names in a.inputs.by_text.items():
        others = in_b.get(text_sha256, [])
        same = [name for name in names if name in others]
        found += [_Pair(a=name, b=name) for name in same]
        left = ([name for name in side if name not in same] for side in (names, others))
        found += [_Pair(a=one, b=other) for one, other in zip(*left, strict=False)]
    return found


def _essays(run: Artefact) -> int:
    return len(run.inputs.anchors) + len(run.inputs.students)


def _by_essay(artefact: Artefact) -> dict[str, BTEntry]:
    return {entry.essay_id: entry for entry in artefact.bt_summary}


def _positions(a: Artefact, b: Artefact, *, pairs: Sequence[_Pair]) -> PositionAgreement | None:
    in_a, in_b = _by_essay(a), _by_essay(b)
    both = [(in_a[pair.a], in_b[pair.b]) for pair in pairs if pair.a in in_a and pair.b in in_b]
    if len(both) < _FEWEST:
        return None
    sides = ([one.theta for one, _ in both], [other.theta for _, other in both])
    files_a, files_b = a.inputs.file_names, b.inputs.file_names
    moves = sorted(both, key=lambda entries: -abs(entries[0].rank - entries[1].rank))
    return PositionAgreement(
        essays=len(both),
        pearson=_with_interval(pearson_of_each, sides),
        pearson_disattenuated=_disattenuated(a, b, r=of_one(pearson_of_each, sides)),
        spearman=_with_interval(spearman_of_each, sides),
        kendall_tau_b=_with_interval(kendall_tau_b_of_each, sides),
        moves=tuple(
            RankMove(
                essay_a=one.essay_id,
                essay_b=other.essay_id,
                file_a=files_a.get(one.essay_id, one.essay_id),
                file_b=files_b.get(other.essay_id, other.essay_id),
                rank_a=one.rank,
                rank_b=other.rank,
                theta_a=one.theta,
                theta_b=other.theta,
                is_anchor=one.is_anchor,
            )
            for one, other in moves
        ),
    )


def _disattenuated(a: Artefact, b: Artefact, *, r: float | None) -> float | None:
    """At most 1, which the estimate can pass; only where the errors are independent.

    The same judge errs alike when it is asked the same.
    """
    reliabilities = (_reliability(a), _reliability(b))
    if not r or not reliabilities[0] or not reliabilities[1] or (_same_prompts(a, b) and _judges(a) & _judges(b)):
        return None
    return rounded(min(r / math.sqrt(reliabilities[0] * reliabilities[1]), 1.0))


def _same_prompts(a: Artefact, b: Artefact) -> int:
    """How many comparisons of B asked the very text that one of A asked."""
    asked = {row.prompt_hash for row in a.llm_comparisons} - {NO_HASH}
    return sum(row.prompt_hash in asked for row in b.llm_comparisons)


def _judges(artefact: Artefact) -> set[tuple[str, str]]:
    return {(row.provider, row.model) for row in artefact.llm_comparisons}


def _grades(a: Artefact, b: Artefact, *, pairs: Sequence[_Pair]) -> GradeAgreement | None:
    if a.metadata.grade_scale != b.metadata.grade_scale:
        return None
    in_a, in_b = ({grade.essay_id: grade.grade for grade in run.grade_projections} for run in (a, b))
    both = [(in_a[pair.a], in_b[pair.b]) for pair in pairs if pair.a in in_a and pair.b in in_b]
    if not both:
        return None
    outcomes = GRADE_SCALES[a.metadata.grade_scale].outcomes
    sides = ([outcomes.index(grade) for grade, _ in both], [outcomes.index(grade) for _, grade in both])
    return GradeAgreement(
        students=len(both),
        exact=rounded(exact_agreement(*sides)),
        within_one=rounded(adjacent_agreement(*sides)),
        quadratic_weighted_kappa=_with_interval(weighted_kappa_of_each, sides),
        b_higher_by_steps=rounded(bias(*sides)),
    )


def _verdicts(a: Artefact, b: Artefact, *, pairs: Sequence[_Pair]) -> VerdictAgreement:
    in_a = _wins(a.llm_comparisons, {pair.a: pair.a for pair in pairs})
    in_b = _wins(b.llm_comparisons, {pair.b: pair.a for pair in pairs})
    shared = sorted(in_a.keys() & in_b.keys())
    decided = [pair for pair in shared if _HALF not in (in_a[pair].share, in_b[pair].share)]
    flips = [pair for pair in decided if (in_a[pair].share > _HALF) != (in_b[pair].share > _HALF)]
    agree = len(decided) - len(flips)
    files = a.inputs.file_names
    return VerdictAgreement(
        shared_pairs=len(shared),
        same_prompts=_same_prompts(a, b),
        decided_by_both=len(decided),
        agreement=rounded(agree / len(decided)) if decided else None,
        interval_90=ends_if_any(wilson(agree, len(decided)) if decided else None),
        flips=tuple(
            Flip(
                essays=pair,
                files=(files.get(pair[0], pair[0]), files.get(pair[1], pair[1])),
                why_a=in_a[pair].why,
                why_b=in_b[pair].why,
                a_prefers=pair[0] if in_a[pair].share > _HALF else pair[1],
            )
            for pair in flips
        ),
        of_anchors=paired_verdicts({pair: (in_a[pair].share, in_b[pair].share) for pair in shared}, grade_places(a)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Majority:
    """How often the first of a pair's ids won, and a reason that was given."""

    share: float
    why: str | None


def _wins(comparisons: Iterable[Comparison], names: Mapping[str, str]) -> dict[tuple[str, str], _Majority]:
    """For each pair of A's ids, in the alphabet's order."""
    won: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    why: dict[tuple[str, str], str] = {}
    for row in comparisons:
        one, other = names.get(row.essay_a_id), names.get(row.essay_b_id)
        if one is None or other is None:
            continue
        pair = (min(one, other), max(one, other))
        won[pair].append(names[row.winner_id] == pair[0])
        if row.justification:
            why.setdefault(pair, row.justification)
    return {pair: _Majority(share=sum(wins) / len(wins), why=why.get(pair)) for pair, wins in won.items()}


def _anchors(a: Artefact, b: Artefact, *, pairs: Sequence[_Pair]) -> AnchorOrders | None:
    """On the anchors that both have, with the grades of the first run."""
    in_a, in_b = _by_essay(a), _by_essay(b)
    scale = GRADE_SCALES.get(a.metadata.grade_scale)
    both = [
        (in_a[pair.a], in_b[pair.b], grade)
        for pair in pairs
        if pair.a in in_a and pair.b in in_b and (grade := in_a[pair.a].anchor_grade) is not None
    ]
    if scale is None or len(both) < _FEWEST:
        return None
    names = [grade for _, _, grade in both]
    grades = [float(scale.index(grade)) for grade in names]
    entries = ([one for one, _, _ in both], [other for _, other, _ in both])
    thetas = [np.array([entry.theta for entry in side]) for side in entries]

    def difference(drawn: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        taus = [kendall_tau_b_of_each(theta[drawn.astype(np.int64)], known) for theta in thetas]
        return taus[1] - taus[0]

    b_minus_a = _with_interval(difference, ([float(place) for place in range(len(both))], grades))
    return AnchorOrders(
        anchors=len(both),
        tau_b_a=_stated_tau_b(a, entries[0], grades=names) or _tau_b(entries[0], grades),
        tau_b_b=_stated_tau_b(b, entries[1], grades=names) or _tau_b(entries[1], grades),
        b_minus_a=b_minus_a,
        verdict=_better(b_minus_a),
    )


def _stated_tau_b(run: Artefact, entries: Sequence[BTEntry], *, grades: Sequence[str]) -> Agreement | None:
    """As the run states it, if these are all of its anchors, with their grades there."""
    alignment = run.anchor_alignment
    if alignment is None or alignment.intervals_90 is None or alignment.anchors != len(entries):
        return None
    if [entry.anchor_grade for entry in entries] != grades:
        return None
    return Agreement(estimate=alignment.kendall_tau_b, interval_90=alignment.intervals_90.kendall_tau_b)


def _tau_b(entries: Sequence[BTEntry], grades: Sequence[float]) -> Agreement:
    """Of some of a run's anchors, by the same bootstrap as a run's own figure.

    A run's own interval knows how the errors of its positions depend on each other; the artefact holds only each
    standard error, so here they count as independent.
    """
    (tau,) = measured(
        [kendall_tau_b_of_each],
        ([entry.theta for entry in entries], grades),
        covariance=np.square([entry.standard_error for entry in entries]),
    )
    return Agreement(estimate=tau.value, interval_90=tau.interval)


def _better(difference: Agreement) -> str:
    interval = difference.interval_90
    if interval is None or interval[0] <= 0.0 <= interval[1]:
        return "cannot tell"
    return "b agrees more with the experts" if interval[0] > 0.0 else "a agrees more with the experts"


def _with_interval(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> Agreement:
    value = of_one(measure, sides)
    return Agreement(
        estimate=None if value is None else rounded(value),
        interval_90=ends_if_any(bootstrap_interval(measure, sides, seed=SEED, draws=DRAWS)),
    )
