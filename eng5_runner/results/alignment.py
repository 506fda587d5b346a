"""How the judge's order of the anchors agrees with the experts' grades: each figure with its interval.

Positions are set against grades as they are; projected grades are those that the other anchors give, so that no anchor
is scored by a model it helped to make. Intervals draw the anchors anew (bootstrap), with each draw moving the positions
by their error as well; below six anchors there are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eng5_runner.canonical import Json
from eng5_runner.core.rounding import ends, figure, rounded
from eng5_runner.measure.grading.grades import LeftOut, Refusal, StudentGrade, leave_one_anchor_out
from eng5_runner.measure.quality.alignment import kendall_tau_b, spearman
from eng5_runner.measure.quality.claims import brier, calibration, log_loss, ranked_probability_score
from eng5_runner.measure.quality.inversions import Inversions, InvertedPair, inversions, wilson, without_win
from eng5_runner.measure.quality.resampling import (
    Measure,
    adjacent_agreement_of_each,
    bias_of_each,
    bootstrap_interval,
    exact_agreement_of_each,
    kendall_tau_b_of_each,
    mean_absolute_error_of_each,
    of_one,
    spearman_of_each,
    weighted_kappa_of_each,
)
from eng5_runner.results.fitted_study import JudgedStudy

# Seeds of the draws, so that they are part of no run's chance.
SEED = 1
DRAWS = 2_000
# What the field works with before a judge is trusted with students' essays.
TAU_AT_LEAST = 0.90
INVERSIONS_AT_MOST = 1.0
WITHOUT_WIN_AT_MOST = 0


def anchor_alignment(study: JudgedStudy) -> dict[str, Json]:
    """The block of the artefact."""
    left_out = leave_one_anchor_out(study.fitted, anchors=study.grades, scale=study.measured_scale)
    by_distance = inversions(study.fitted, anchors=study.grades)
    winless = without_win(study.fitted, anchors=study.grades)
    correlations, agreement = dict(_correlations(study)), dict(_agreement(left_out))
    inverted = sum(one.inverted for one in by_distance)
    tau = correlations["kendall_tau_b"][0]
    return {
        "anchors": len(study.grades),
        **{name: value for name, (value, _) in (correlations | agreement).items()},
        "intervals_90": {name: interval for name, (_, interval) in (correlations | agreement).items()},
        "bootstrap_draws": DRAWS,
        "left_out_claims": _claims(left_out),
        "left_out": [_left_out(one, study) for one in left_out],
        "inversions": {
            "pairs": sum(one.judged for one in by_distance),
            "inverted": rounded(inverted),
            "expected": rounded(sum(one.expected for one in by_distance)),
            "interval_90": _share_interval(by_distance),
            "by_distance": [_distance(one, study) for one in by_distance],
        },
        "without_win": [
            {
                "anchor_id": one.item,
                "grade": study.scale.grades[one.grade],
                "judgements": rounded(one.judgements),
                "expected_probability": rounded(one.expected),
            }
            for one in winless
        ],
        "targets": {
            "kendall_tau_b": {"at_least": TAU_AT_LEAST, "met": None if tau is None else tau >= TAU_AT_LEAST},
            "inversions": {"at_most": INVERSIONS_AT_MOST, "met": inverted <= INVERSIONS_AT_MOST},
            "without_win": {"at_most": WITHOUT_WIN_AT_MOST, "met": len(winless) <= WITHOUT_WIN_AT_MOST},
        },
    }


_Figure = tuple[float | None, Json]


def _correlations(study: JudgedStudy) -> Iterator[tuple[str, _Figure]]:
    items = list(study.fitted.items)
    places = [place for place, item in enumerate(items) if item in study.grades]
    theta = [float(study.fitted.theta[place]) for place in places]
    grades = [float(study.grades[items[place]]) for place in places]
    covariance = study.fitted.covariance_among(places) if places else None
    for name, measure, of_each in (
        ("kendall_tau_b", kendall_tau_b, kendall_tau_b_of_each),
        ("spearman", spearman, spearman_of_each),
    ):
        interval = bootstrap_interval(of_each, (theta, grades), seed=SEED, covariance=covariance, draws=DRAWS)
        yield name, (figure(measure(theta, grades)), ends(interval))


def _agreement(left_out: Sequence[LeftOut]) -> Iterator[tuple[str, _Figure]]:
    """Of the grades that the other anchors give; undefined where none of them could."""
    graded = _graded(left_out)
    expert, projected = [e for e, _ in graded], [grade.median for _, grade in graded]
    measures: Mapping[str, Measure] = {
        "left_out_exact": exact_agreement_of_each,
        "left_out_within_one": adjacent_agreement_of_each,
        "left_out_qwk": weighted_kappa_of_each,
        "left_out_bias": bias_of_each,
        "left_out_mean_absolute_error": mean_absolute_error_of_each,
    }
    for name, measure in measures.items():
        value = figure(of_one(measure, (expert, projected))) if graded else None
        yield name, (value, ends(bootstrap_interval(measure, (expert, projected), seed=SEED, draws=DRAWS)))


def _graded(left_out: Sequence[LeftOut]) -> list[tuple[int, StudentGrade]]:
    return [(one.expert, one.projected) for one in left_out if isinstance(one.projected, StudentGrade)]


def _claims(left_out: Sequence[LeftOut]) -> Json:
    """How good the probabilities were, and what was claimed of them against what held."""
    graded = _graded(left_out)
    if not graded:
        return None
    claimed, came = [grade.probabilities for _, grade in graded], [expert for expert, _ in graded]
    loss = log_loss(claimed, came)
    return {
        "anchors": len(graded),
        "brier": rounded(brier(claimed, came)),
        "ranked_probability_score": rounded(ranked_probability_score(claimed, came)),
        "log_loss": figure(loss),
        "claimed_within_one": rounded(sum(grade.within_one for _, grade in graded) / len(graded)),
        "within_one": [
            {"claimed": rounded(one.claimed), "held": rounded(one.held), "anchors": one.cases}
            for one in calibration(
                [grade.within_one for _, grade in graded], [abs(grade.median - came) <= 1 for came, grade in graded]
            )
        ],
    }


def _left_out(one: LeftOut, study: JudgedStudy) -> Json:
    outcomes = study.scale.outcomes
    told: dict[str, Json] = {"anchor_id": one.item, "grade": outcomes[one.expert]}
    if isinstance(one.projected, Refusal):
        return told | {"refused": one.projected.reason}
    shares = zip(outcomes, one.projected.probabilities, strict=True)
    return told | {
        "projected_grade": outcomes[one.projected.median],
        "probabilities": {grade: rounded(p) for grade, p in shares},
    }


def _share_interval(by_distance: Sequence[Inversions]) -> Json:
    judged = sum(one.judged for one in by_distance)
    return ends(wilson(sum(one.inverted for one in by_distance), judged)) if judged else None


def _distance(one: Inversions, study: JudgedStudy) -> Json:
    return {
        "steps": one.distance,
        "pairs": one.judged,
        "inverted": rounded(one.inverted),
        "interval_90": ends(one.interval),
        "expected": rounded(one.expected),
        "inverted_pairs": [_pair(pair, study) for pair in one.pairs],
    }


def _pair(pair: InvertedPair, study: JudgedStudy) -> Json:
    """An inverted pair; `comparisons` are the sequence numbers of all its judgements, in either order."""
    both = {pair.higher, pair.lower}
    found = [number for number, one in enumerate(study.judged, start=1) if {one.first, one.second} == both]
    grades = study.scale.grades
    return {
        "higher": pair.higher,
        "higher_grade": grades[study.grades[pair.higher]],
        "lower": pair.lower,
        "lower_grade": grades[study.grades[pair.lower]],
        "questions": rounded(pair.judgements),
        "lost_by_higher": rounded(pair.lost),
        "comparisons": found,
    }
