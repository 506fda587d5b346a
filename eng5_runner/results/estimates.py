"""What the judgements say: positions with standard errors, reliability, grades with probabilities.

Without any judgement nothing is claimed: the lists are empty, the blocks None, and the grade model says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eng5_runner.core.events import CheckGradesAdded, HumanJudgementsAdded
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.rounding import ends, figure, ranks_of, rounded
from eng5_runner.measure.grading.grades import Projection, Refusal, project
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.reliability import own_order
from eng5_runner.measure.quality.split_half import split_half
from eng5_runner.measure.quality.true_order import POINTS
from eng5_runner.results.anchors.alignment import anchor_alignment
from eng5_runner.results.artefact.human_scale import HumanScale
from eng5_runner.results.artefact.judge import AnchorAlignment, JudgeQuality
from eng5_runner.results.artefact.measurement import (
    AnchorSupport,
    BTEntry,
    BTModel,
    CheckedGrades,
    DoubtfulAnchorGrade,
    GradeCentre,
    GradeModel,
    GradeProjection,
    GradesAvailable,
    GradesUnavailable,
    PositionEffectEstimate,
    Reliability,
    SplitHalfReliability,
    TeacherAgreement,
)
from eng5_runner.results.artefact.study import Comparison, FailedComparison
from eng5_runner.results.fitted_study import JudgedStudy, dependence_facts
from eng5_runner.results.grade_check import checked_grades
from eng5_runner.results.judge_quality import judge_quality
from eng5_runner.results.judges.human_scale import human_scale_of_run
from eng5_runner.results.service_comparison import RunnerEstimate

# The draws behind the intervals have a fixed seed, so that the same judgements always have the same intervals.
SEED = 1
# Each split is two fits, whose cost grows with the essays.
_MOST_SPLITS, _FEWEST_SPLITS, _SPLITS_TIMES_ESSAYS, _SPLIT_UP_TO = 50, 20, 10_000, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The blocks of the artefact that are computed from the judgements.

    Attributes:
        by_essay: the runner's figures before they are rounded, to compare the service's with.
    """

    bt_summary: tuple[BTEntry, ...] = ()
    bt_model: BTModel | None = None
    grade_projections: tuple[GradeProjection, ...] = ()
    grade_model: GradeModel
    anchor_alignment: AnchorAlignment | None = None
    judge_quality: JudgeQuality | None = None
    human_scale: HumanScale | None = None
    grade_check: CheckedGrades | None = None
    by_essay: Mapping[str, RunnerEstimate]


def estimate(
    inputs: Inputs,
    judged: Sequence[Comparison],
    *,
    failed: Sequence[FailedComparison] = (),
    adaptive: bool = False,
    soft: bool = False,
    human: Iterable[HumanJudgementsAdded] = (),
    check_grades: CheckGradesAdded | None = None,
) -> Estimates:
    """Fit the judgements; without any, nothing is claimed.

    Args:
        inputs: of the run.
        judged: the comparisons with a winner.
        failed: those without.
        adaptive: whether pairs were chosen by earlier outcomes, under which some figures mean nothing.
        soft: whether judgements may count for more than who won.
        human: people's judgements of the same essays.
        check_grades: teachers' grades of a few students, which no estimate uses.
    """
    if not judged:
        return Estimates(grade_model=GradesUnavailable(reason="there are no judgements"), by_essay={})
    study = JudgedStudy.of(inputs, judged=judged, failed=failed, soft=soft)
    projection = project(study.fitted, anchors=study.grades, scale=study.measured_scale)
    by_pair = errors_by_pair(study.fitted, study.asked)
    bt_model = _bt_model(study, by_pair=by_pair, adaptive=adaptive)
    return Estimates(
        bt_summary=_bt_summary(study, projection, by_pair=by_pair),
        bt_model=bt_model,
        grade_projections=_grade_projections(projection, study, key=inputs.grade_scale),
        grade_model=_grade_model(projection, study, reliability=bt_model.reliability.empirical_bayes),
        anchor_alignment=anchor_alignment(study, projection=projection),
        judge_quality=judge_quality(study),
        human_scale=human_scale_of_run(study.fitted, human, model_judgements=len(study.judged)),
        grade_check=None
        if check_grades is None
        else checked_grades(projection, check_grades, outcomes=study.scale.outcomes),
        by_essay=_by_essay(study, projection),
    )


def _by_essay(study: JudgedStudy, projection: Projection | Refusal) -> dict[str, RunnerEstimate]:
    graded = {} if isinstance(projection, Refusal) else {student.item: student for student in projection.students}
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
) -> tuple[BTEntry, ...]:
    fitted, surprise = study.fitted, study.surprise
    counts, wins = study.asked.counts, study.asked.wins
    projected = {} if isinstance(projection, Refusal) else {student.item: student for student in projection.students}
    theta = [rounded(value) for value in fitted.theta]
    errors = [rounded(value) for value in fitted.standard_errors]
    # Around the posterior mean: in simulation these hold the true position as often as they say (docs/validation.md).
    low, high = fitted.intervals(level=0.9)
    order = sorted(range(len(fitted.items)), key=lambda index: (-theta[index], fitted.items[index]))
    ranks = ranks_of([theta[index] for index in order])
    return tuple(
        BTEntry(
            essay_id=item,
            theta=theta[index],
            standard_error=errors[index],
            interval_90=ends((float(low[index]), float(high[index]))),
            rank=rank,
            comparison_count=int(counts[index]),
            wins=int(wins[index]),
            is_anchor=item in study.grades,
            standard_error_by_pair=None if by_pair is None else rounded(by_pair[index]),
            infit=figure(surprise.infit[index]),
            outfit=figure(surprise.outfit[index]),
            flag=fitted.flags[index],
            anchor_grade=study.scale.grades[study.grades[item]] if item in study.grades else None,
            grade_projection=study.scale.outcomes[projected[item].median] if item in projected else None,
        )
        for rank, (index, item) in zip(ranks, ((index, fitted.items[index]) for index in order), strict=True)
    )


def _bt_model(study: JudgedStudy, *, by_pair: NDArray[np.float64] | None, adaptive: bool) -> BTModel:
    fitted = study.fitted
    effect_se = fitted.position_effect_se
    effect = None
    if effect_se is not None:
        effect = PositionEffectEstimate(estimate=rounded(fitted.position_effect), standard_error=rounded(effect_se))
    ratio = None
    if by_pair is not None:
        ratio = rounded(float(np.mean(by_pair)) / float(np.mean(fitted.standard_errors)))
    return BTModel(
        method="Bradley-Terry, maximum a posteriori with a normal prior and a first-position effect",
        prior_sd=rounded(fitted.prior_sd),
        prior_sd_estimated=fitted.prior_sd_estimated,
        log_likelihood=rounded(fitted.log_likelihood),
        converged=fitted.converged,
        components=fitted.components,
        position_effect=effect,
        dependence=dependence_facts(study.dependent, asked=study.asked, counted=fitted.comparisons),
        se_ratio_by_pair=ratio,
        reliability=_reliability(study, adaptive=adaptive),
        soft_judgements=study.soft,
    )


def _reliability(study: JudgedStudy, *, adaptive: bool) -> Reliability:
    """The empirical-Bayes reliability is the headline; the others stand beside it to compare with other studies."""
    fitted, n = study.fitted, len(study.fitted.items)
    own = own_order(fitted)
    return Reliability(
        empirical_bayes=None if own.value is None else rounded(own.value),
        interval_90=None if own.interval is None else ends(own.interval),
        undefined=own.undefined,
        spread_at_limit=own.spread_at_limit,
        bootstrap_draws=POINTS,
        separation=None if own.separation is None else rounded(own.separation),
        separation_inflated=adaptive,
        split_half=None if adaptive or n > _SPLIT_UP_TO else _split_half(study),
    )


def _split_half(study: JudgedStudy) -> SplitHalfReliability | None:
    splits = max(_FEWEST_SPLITS, min(_MOST_SPLITS, _SPLITS_TIMES_ESSAYS // len(study.fitted.items)))
    halves = split_half(study.fitted, seed=SEED, splits=splits)
    if halves is None:
        return None
    return SplitHalfReliability(
        correlation=rounded(halves.correlation),
        spearman_brown=rounded(halves.reliability),
        spread_90=ends(halves.interval),
        splits=splits,
    )


def _grade_projections(
    projection: Projection | Refusal, study: JudgedStudy, *, key: str
) -> tuple[GradeProjection, ...]:
    if isinstance(projection, Refusal):
        return ()
    outcomes = study.scale.outcomes
    return tuple(
        GradeProjection(
            essay_id=student.item,
            grade_scale=key,
            grade=outcomes[student.median],
            most_probable_grade=outcomes[student.mode],
            probabilities=study.probabilities(student),
            within_one_step=rounded(student.within_one),
            within_one_step_at_least=rounded(student.surely_within_one),
            confidence=student.label,
            extrapolated=student.extrapolated,
            linked_to_anchors=student.connected,
        )
        for student in projection.students
    )


def _grade_model(projection: Projection | Refusal, study: JudgedStudy, *, reliability: float | None) -> GradeModel:
    if isinstance(projection, Refusal):
        return GradesUnavailable(reason=projection.reason)
    outcomes, agreement, check = study.scale.outcomes, projection.agreement, projection.check
    share = None if reliability is None else rounded(reliability * agreement.correlation**2)
    return GradesAvailable(
        method="hierarchical linear-trend Gaussian model of the anchors; the grade is the median",
        within_grade_sd=rounded(projection.spread),
        centres={
            grade: GradeCentre(theta=rounded(centre), standard_deviation=rounded(sd))
            for grade, centre, sd in zip(study.scale.outcomes, projection.centres, projection.centre_ses, strict=True)
        },
        inversion_probabilities=tuple(rounded(p) for p in projection.inversions),
        agreement_with_teachers=TeacherAgreement(
            correlation=rounded(agreement.correlation),
            interval_90=ends(agreement.interval),
            among=agreement.among,
            share_reproduced=share,
        ),
        anchor_support=AnchorSupport(
            anchors=check.anchors,
            within_one=check.within_one,
            interval_90=ends(check.interval),
            highest_label=projection.highest_label,
            parts=check.parts,
        ),
        doubtful_anchors=tuple(
            DoubtfulAnchorGrade(
                anchor_id=anchor.item,
                grade=outcomes[anchor.expert],
                by_the_others=outcomes[anchor.by_others],
                probability=rounded(anchor.probability),
            )
            for anchor in projection.doubtful
        )
        or None,
    )
