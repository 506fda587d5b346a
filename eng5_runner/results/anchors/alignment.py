"""How the judge's order of the anchors agrees with the experts' grades: each figure with its interval.

Positions are compared with grades as they are; projected grades are those that the other anchors give, so that no
anchor is scored by a model it helped to make. Intervals are by bootstrap of the anchors, and each draw moves the
positions by their error as well; below six anchors there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eng5_runner.core.rounding import ends, ends_if_any, figure, rounded
from eng5_runner.measure.grading.anchor_errors import ByGrade, anchor_errors
from eng5_runner.measure.grading.grades import (
    LeftOut,
    Projection,
    Refusal,
    StudentGrade,
    leave_one_anchor_out,
    linked_anchors,
)
from eng5_runner.measure.model.dependence import Dependence, weighed
from eng5_runner.measure.quality.claims import brier, calibration, log_loss, ranked_probability_score
from eng5_runner.measure.quality.inversions import Inversions, inversions, wilson, without_win
from eng5_runner.measure.quality.resampling import (
    Errors,
    Measure,
    adjacent_agreement_of_each,
    bias_of_each,
    bootstrap_intervals,
    exact_agreement_of_each,
    kendall_tau_b_of_each,
    mean_absolute_error_of_each,
    of_one,
    spearman_of_each,
    weighted_kappa_of_each,
)
from eng5_runner.results.anchors.targets import alignment_targets
from eng5_runner.results.artefact.judge import (
    AlignmentIntervals,
    AnchorAlignment,
    AnchorInversions,
    ClaimedWithinOne,
    InversionsByDistance,
    InvertedAnchorPair,
    LeftOutAnchor,
    LeftOutClaims,
    WinlessAnchor,
)
from eng5_runner.results.fitted_study import JudgedStudy, Judgements

# The draws have a fixed seed, so that the same judgements always have the same intervals.
SEED = 1
DRAWS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure with its 90% interval, both rounded; None where it is undefined."""

    value: float | None
    interval: tuple[float, float] | None


def measured(
    measures: Sequence[Measure],
    sides: tuple[Sequence[float], Sequence[float]],
    *,
    covariance: NDArray[np.float64] | Errors | None = None,
) -> list[Measured]:
    """Measures of agreement with their bootstrap intervals; the same sides always have the same.

    Args:
        measures: such as `kendall_tau_b_of_each`.
        sides: what they are taken of, one number an essay.
        covariance: of the first side's errors, where that is estimated positions; see `bootstrap_intervals`.
    """
    values = [figure(of_one(measure, sides)) if sides[0] else None for measure in measures]
    defined = [measure for measure, value in zip(measures, values, strict=True) if value is not None]
    if not defined:  # the positions are all equal; those of a draw need not be
        return [Measured(value=None, interval=None) for _ in measures]
    intervals = iter(bootstrap_intervals(defined, sides, seed=SEED, covariance=covariance, draws=DRAWS))
    return [Measured(value=value, interval=None if value is None else ends_if_any(next(intervals))) for value in values]


def anchor_alignment(study: JudgedStudy, *, projection: Projection | Refusal) -> AnchorAlignment:
    """The block of the artefact.

    Args:
        study: the judgements and their fit.
        projection: its grades; where they are refused, some anchors may still be projected from the others.
    """
    left_out = _by_the_others(study, projection)
    questions = weighed([study.asked], Dependence())  # a repeat asks nothing new, the other order does
    by_distance = inversions(study.fitted, anchors=study.grades, questions=questions)
    winless = without_win(study.fitted, anchors=study.grades, questions=questions)
    # A decisive judge never lets the lowest grade win.
    unexpected = [anchor for anchor in winless if anchor.grade > min(study.grades.values())]
    inverted = sum(row.inverted for row in by_distance)
    judged = sum(row.judged for row in by_distance)
    linked = linked_anchors(study.fitted, anchors=study.grades)
    tau, spearman = _correlations(study, [kendall_tau_b_of_each, spearman_of_each], anchors=linked)
    exact = _share(left_out, exact_agreement_of_each)
    within_one = _share(left_out, adjacent_agreement_of_each)
    kappa, bias, distance = _agreements(left_out, [weighted_kappa_of_each, bias_of_each, mean_absolute_error_of_each])
    return AnchorAlignment(
        anchors=len(study.grades),
        unlinked=len(study.grades) - len(linked) or None,
        kendall_tau_b=tau.value,
        spearman=spearman.value,
        left_out_exact=exact.value,
        left_out_within_one=within_one.value,
        left_out_qwk=kappa.value,
        left_out_bias=bias.value,
        left_out_mean_absolute_error=distance.value,
        intervals_90=AlignmentIntervals(
            kendall_tau_b=tau.interval,
            spearman=spearman.interval,
            left_out_exact=exact.interval,
            left_out_within_one=within_one.interval,
            left_out_qwk=kappa.interval,
            left_out_bias=bias.interval,
            left_out_mean_absolute_error=distance.interval,
        ),
        bootstrap_draws=DRAWS,
        left_out_claims=_claims(left_out),
        left_out=tuple(_left_out(anchor, study) for anchor in left_out),
        inversions=AnchorInversions(
            pairs=judged,
            inverted=rounded(inverted),
            expected=rounded(sum(row.expected for row in by_distance)),
            interval_90=ends(wilson(inverted, judged)) if judged else None,
            by_distance=_by_distance(by_distance, study),
        ),
        without_win=tuple(
            WinlessAnchor(
                anchor_id=anchor.item,
                grade=study.scale.grades[anchor.grade],
                judgements=rounded(anchor.judgements),
                expected_probability=rounded(anchor.expected),
            )
            for anchor in winless
        ),
        targets=alignment_targets(study, tau=tau.value, inverted=inverted, unexpected=len(unexpected), ordered=linked),
    )


def _by_the_others(study: JudgedStudy, projection: Projection | Refusal) -> Sequence[LeftOut]:
    if isinstance(projection, Refusal):
        return leave_one_anchor_out(study.fitted, anchors=study.grades, scale=study.measured_scale)
    return projection.left_out


def _correlations(study: JudgedStudy, measures: Sequence[Measure], *, anchors: Mapping[str, int]) -> list[Measured]:
    """Of the anchors' positions with their grades."""
    places = {place: anchors[item] for place, item in enumerate(study.fitted.items) if item in anchors}
    theta = [float(study.fitted.theta[place]) for place in places]
    grades = [float(grade) for grade in places.values()]
    if not places:
        return measured(measures, (theta, grades))
    errors = anchor_errors(study.fitted, places)
    return measured(measures, (theta, grades), covariance=errors if isinstance(errors, ByGrade) else errors.covariance)


def _agreements(left_out: Sequence[LeftOut], measures: Sequence[Measure]) -> list[Measured]:
    """Of the experts' grades with those that the other anchors give; undefined where they could give none."""
    graded = _graded(left_out)
    return measured(measures, ([expert for expert, _ in graded], [grade.median for _, grade in graded]))


def _share(left_out: Sequence[LeftOut], measure: Measure) -> Measured:
    """The same for a share of the anchors, with Wilson's interval: a bootstrap of few that all agree has no width."""
    graded = _graded(left_out)
    sides = ([expert for expert, _ in graded], [grade.median for _, grade in graded])
    value = of_one(measure, sides) if graded else None
    if value is None:
        return Measured(value=None, interval=None)
    return Measured(value=rounded(value), interval=ends(wilson(value * len(graded), len(graded))))


def _graded(left_out: Sequence[LeftOut]) -> list[tuple[int, StudentGrade]]:
    return [(anchor.expert, anchor.projected) for anchor in left_out if isinstance(anchor.projected, StudentGrade)]


def _claims(left_out: Sequence[LeftOut]) -> LeftOutClaims | None:
    """How good the probabilities were, and what was claimed of them against what held."""
    graded = _graded(left_out)
    if not graded:
        return None
    claimed, came = [grade.probabilities for _, grade in graded], [expert for expert, _ in graded]
    return LeftOutClaims(
        anchors=len(graded),
        brier=rounded(brier(claimed, came)),
        ranked_probability_score=rounded(ranked_probability_score(claimed, came)),
        log_loss=figure(log_loss(claimed, came)),
        claimed_within_one=rounded(sum(grade.within_one for _, grade in graded) / len(graded)),
        within_one=tuple(
            ClaimedWithinOne(claimed=rounded(group.claimed), held=rounded(group.held), anchors=group.cases)
            for group in calibration(
                [grade.within_one for _, grade in graded],
                [abs(grade.median - expert) <= 1 for expert, grade in graded],
            )
        ),
    )


def _left_out(anchor: LeftOut, study: JudgedStudy) -> LeftOutAnchor:
    outcomes = study.scale.outcomes
    if isinstance(anchor.projected, Refusal):
        return LeftOutAnchor(anchor_id=anchor.item, grade=outcomes[anchor.expert], refused=anchor.projected.reason)
    return LeftOutAnchor(
        anchor_id=anchor.item,
        grade=outcomes[anchor.expert],
        projected_grade=outcomes[anchor.projected.median],
        probabilities=study.probabilities(anchor.projected),
    )


def _by_distance(by_distance: Sequence[Inversions], study: JudgedStudy) -> tuple[InversionsByDistance, ...]:
    wanted = {frozenset((pair.higher, pair.lower)) for row in by_distance for pair in row.pairs}
    numbers = _numbers(study.judged, wanted)
    grade_of = {anchor: study.scale.grades[grade] for anchor, grade in study.grades.items()}
    return tuple(
        InversionsByDistance(
            steps=row.distance,
            pairs=row.judged,
            inverted=rounded(row.inverted),
            interval_90=ends(row.interval),
            expected=rounded(row.expected),
            inverted_pairs=tuple(
                InvertedAnchorPair(
                    higher=pair.higher,
                    higher_grade=grade_of[pair.higher],
                    lower=pair.lower,
                    lower_grade=grade_of[pair.lower],
                    questions=rounded(pair.judgements),
                    lost_by_higher=rounded(pair.lost),
                    comparisons=tuple(numbers[frozenset((pair.higher, pair.lower))]),
                )
                for pair in row.pairs
            ),
        )
        for row in by_distance
    )


def _numbers(judged: Judgements, wanted: set[frozenset[str]]) -> Mapping[frozenset[str], list[int]]:
    """Pair → the numbers of its judgements in either order."""
    found: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    # Few pairs are wanted, of few anchors: all other judgements are left out at once.
    among = np.isin(np.array(judged.items), [*{item for pair in wanted for item in pair}])
    for index in np.flatnonzero(among[judged.first] & among[judged.second]).tolist():
        pair = frozenset((judged.items[judged.first[index]], judged.items[judged.second[index]]))
        if pair in wanted:
            found[pair].append(index + 1)
    return found
