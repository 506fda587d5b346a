"""What the judgements say: positions with standard errors, reliability, grades with probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eng5_runner.canonical import Json
from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.rounding import ends, figure, rounded
from eng5_runner.measure.grading.grades import Projection, Refusal, StudentGrade, project
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from eng5_runner.measure.quality.split_half import split_half
from eng5_runner.results.alignment import anchor_alignment
from eng5_runner.results.fitted_study import JudgedStudy
from eng5_runner.results.judge_quality import judge_quality
from eng5_runner.results.judgements import Judgement
from eng5_runner.results.service_comparison import RunnerEstimate

# The draws behind the intervals are seeded by this, so that they are part of no run's chance.
SEED = 1
# Each draw is a fit, whose cost grows with the essays: 200 up to 100 essays, fewer where each says more by itself.
MOST_DRAWS = 200
FEWEST_DRAWS = 40
DRAWS_TIMES_ESSAYS = 20_000
MOST_SPLITS = 50
FEWEST_SPLITS = 20
SPLITS_TIMES_ESSAYS = 10_000
SPLIT_UP_TO = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The parts of the artefact that are computed from the judgements; `own` are the figures to set others against."""

    bt_summary: tuple[Json, ...] = ()
    bt_model: dict[str, Json] | None = None
    grade_projections: tuple[Json, ...] = ()
    grade_model: dict[str, Json]
    anchor_alignment: dict[str, Json] | None = None
    judge_quality: dict[str, Json] | None = None
    own: Mapping[str, RunnerEstimate]


def estimate(
    inputs: Inputs, judged: Sequence[Judgement], *, failed: Sequence[Judgement] = (), adaptive: bool = False
) -> Estimates:
    """Fit the judgements; without any, nothing is claimed.

    Args:
        inputs: of the run.
        judged: the comparisons with a winner.
        failed: those without.
        adaptive: whether pairs were chosen by earlier outcomes, under which some figures mean nothing.
    """
    if not judged:
        return Estimates(grade_model={"available": False, "reason": "there are no judgements"}, own={})
    study = JudgedStudy.of(inputs, judged=judged, failed=failed)
    projection = project(study.fitted, anchors=study.grades, scale=study.measured_scale)
    by_pair = errors_by_pair(study.fitted, study.asked)
    return Estimates(
        bt_summary=_bt_summary(study, projection, by_pair=by_pair),
        bt_model=_bt_model(study, by_pair=by_pair, adaptive=adaptive),
        grade_projections=_grade_projections(projection, inputs=inputs, scale=study.scale),
        grade_model=_grade_model(projection, study.scale),
        anchor_alignment=anchor_alignment(study),
        judge_quality=judge_quality(study),
        own=_own(study, projection),
    )


def _own(study: JudgedStudy, projection: Projection | Refusal) -> dict[str, RunnerEstimate]:
    graded = {} if isinstance(projection, Refusal) else {one.item: one for one in projection.students}
    outcomes, errors = study.scale.outcomes, study.fitted.standard_errors
    return {
        item: RunnerEstimate(
            theta=float(study.fitted.theta[index]),
            standard_error=float(errors[index]),
            grade=outcomes[graded[item].median] if item in graded else None,
            probabilities=dict(zip(outcomes, graded[item].probabilities, strict=True)) if item in graded else {},
        )
        for index, item in enumerate(study.fitted.items)
    }


def _bt_summary(
    study: JudgedStudy, projection: Projection | Refusal, *, by_pair: NDArray[np.float64] | None
) -> tuple[Json, ...]:
    fitted, surprise = study.fitted, misfit(study.fitted)
    counts = Counter(name for one in study.judged for name in (one.first, one.second))
    wins = Counter(one.winner for one in study.judged)
    projected = {} if isinstance(projection, Refusal) else {s.item: s for s in projection.students}
    theta = [rounded(value) for value in fitted.theta]
    errors = [rounded(value) for value in fitted.standard_errors]
    # Around the posterior mean: in simulation these hold the true position as often as they say (docs/validation.md).
    low, high = fitted.intervals(level=0.9)
    order = sorted(range(len(fitted.items)), key=lambda index: (-theta[index], fitted.items[index]))
    entries: list[Json] = []
    for rank, index in enumerate(order, start=1):
        item = fitted.items[index]
        entry: dict[str, Json] = {
            "essay_id": item,
            "theta": theta[index],
            "standard_error": errors[index],
            "interval_90": ends((float(low[index]), float(high[index]))),
            "rank": rank,
            "comparison_count": counts[item],
            "wins": wins[item],
            "is_anchor": item in study.grades,
        }
        optional: dict[str, Json] = {
            "standard_error_by_pair": None if by_pair is None else rounded(by_pair[index]),
            "infit": figure(surprise.infit[index]),
            "outfit": figure(surprise.outfit[index]),
            "flag": fitted.flags[index],
            "anchor_grade": study.scale.grades[study.grades[item]] if item in study.grades else None,
            "grade_projection": study.scale.outcomes[projected[item].median] if item in projected else None,
        }
        entries.append(entry | {key: value for key, value in optional.items() if value is not None})
    return tuple(entries)


def _bt_model(study: JudgedStudy, *, by_pair: NDArray[np.float64] | None, adaptive: bool) -> dict[str, Json]:
    fitted = study.fitted
    effect_se = fitted.position_effect_se
    return {
        "method": "Bradley-Terry, maximum a posteriori with a normal prior and a first-position effect",
        "prior_sd": rounded(fitted.prior_sd),
        "prior_sd_estimated": fitted.prior_sd_estimated,
        "log_likelihood": rounded(fitted.log_likelihood),
        "converged": fitted.converged,
        "components": fitted.components,
        "position_effect": None
        if effect_se is None
        else {"estimate": rounded(fitted.position_effect), "standard_error": rounded(effect_se)},
        "se_ratio_by_pair": None
        if by_pair is None
        else rounded(float(np.mean(by_pair)) / float(np.mean(fitted.standard_errors))),
        "reliability": _reliability(study, adaptive=adaptive),
    }


def _reliability(study: JudgedStudy, *, adaptive: bool) -> dict[str, Json]:
    """The empirical-Bayes reliability is the headline; the others stand beside it for other studies' sake."""
    fitted, n = study.fitted, len(study.fitted.items)
    draws = max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWS_TIMES_ESSAYS // n))
    low, high = reliability_interval(fitted, fitted.comparisons, seed=SEED, draws=draws)
    told: dict[str, Json] = {
        "empirical_bayes": rounded(empirical_bayes(fitted)),
        "interval_90": ends((low, high)),
        "bootstrap_draws": draws,
        "separation": figure(separation(fitted)),
        "separation_inflated": adaptive,
    }
    splits = max(FEWEST_SPLITS, min(MOST_SPLITS, SPLITS_TIMES_ESSAYS // n))
    halves = None if adaptive or n > SPLIT_UP_TO else split_half(fitted, seed=SEED, splits=splits)
    if halves is None:
        return told | {"split_half": None}
    return told | {
        "split_half": {
            "correlation": rounded(halves.correlation),
            "spearman_brown": rounded(halves.reliability),
            "spread_90": ends(halves.interval),
            "splits": splits,
        }
    }


def _probabilities(student: StudentGrade, scale: GradeScale) -> dict[str, Json]:
    return {grade: rounded(p) for grade, p in zip(scale.outcomes, student.probabilities, strict=True)}


def _grade_projections(projection: Projection | Refusal, *, inputs: Inputs, scale: GradeScale) -> tuple[Json, ...]:
    if isinstance(projection, Refusal):
        return ()
    return tuple(
        {
            "essay_id": student.item,
            "grade_scale": inputs.grade_scale,
            "grade": scale.outcomes[student.median],
            "most_probable_grade": scale.outcomes[student.mode],
            "probabilities": _probabilities(student, scale),
            "within_one_step": rounded(student.within_one),
            "confidence": student.label,
            "extrapolated": student.extrapolated,
            "linked_to_anchors": student.connected,
        }
        for student in projection.students
    )


def _grade_model(projection: Projection | Refusal, scale: GradeScale) -> dict[str, Json]:
    if isinstance(projection, Refusal):
        return {"available": False, "reason": projection.reason}
    return {
        "available": True,
        "method": "hierarchical linear-trend Gaussian model of the anchors; the grade is the median",
        "within_grade_sd": rounded(projection.spread),
        "centres": {
            grade: {"theta": rounded(centre), "standard_deviation": rounded(sd)}
            for grade, centre, sd in zip(scale.outcomes, projection.centres, projection.centre_ses, strict=True)
        },
        "inversion_probabilities": [rounded(p) for p in projection.inversions],
    }
