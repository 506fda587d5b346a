"""What the judgements say: positions with standard errors, reliability, grades with probabilities.

Figures are rounded to six decimals: the same ledger shall give the same bytes on every machine, and no judge is
known to a millionth of a logit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.core.canonical import Json
from eng5_runner.core.evidence import Judged
from eng5_runner.core.inputs import Inputs
from eng5_runner.measure.alignment import adjacent_agreement, exact_agreement, kendall_tau_b
from eng5_runner.measure.bradley_terry import Fit, fit
from eng5_runner.measure.comparisons import Comparisons, collapse_repeats, comparisons_from
from eng5_runner.measure.grades import LeftOut, Projection, Refusal, Scale, StudentGrade, leave_one_anchor_out, project
from eng5_runner.measure.reliability import empirical_bayes, reliability_interval

DECIMALS = 6
# The bootstrap behind the reliability's interval is seeded by this, so that it is part of no run's chance.
BOOTSTRAP_SEED = 1
# Each draw is a fit, whose cost grows with the essays: 200 up to 100 essays, fewer where each says more by itself.
MOST_DRAWS = 200
FEWEST_DRAWS = 40
DRAWS_TIMES_ESSAYS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The parts of the artefact that are computed from the judgements."""

    bt_summary: tuple[Json, ...]
    bt_model: dict[str, Json] | None
    grade_projections: tuple[Json, ...]
    grade_model: dict[str, Json]
    anchor_alignment: dict[str, Json] | None


def rounded(value: float) -> float:
    """To six decimals, and never a negative zero."""
    return round(float(value), DECIMALS) + 0.0


def estimate(inputs: Inputs, judged: Sequence[Judged]) -> Estimates:
    """Fit the judgements; without any, nothing is claimed."""
    if not judged:
        refused: dict[str, Json] = {"available": False, "reason": "there are no judgements"}
        return Estimates(bt_summary=(), bt_model=None, grade_projections=(), grade_model=refused, anchor_alignment=None)
    ids = sorted([a.anchor_id for a in inputs.anchors] + [s.essay_id for s in inputs.students])
    rows = [(one.first, one.second, 1.0 if one.first_won else 0.0) for one in judged]
    # The same call repeated is one observation, not several: see the method's section on standard errors.
    comparisons = collapse_repeats(comparisons_from(ids, rows))
    fitted = fit(comparisons)
    scale = GRADE_SCALES[inputs.grade_scale]
    grades = {anchor.anchor_id: scale.index(anchor.grade) for anchor in inputs.anchors}
    measured = Scale(prior=scale.prior, has_below_lowest=scale.below_lowest is not None)
    projection = project(fitted, anchors=grades, scale=measured)
    left_out = leave_one_anchor_out(fitted, anchors=grades, scale=measured)
    return Estimates(
        bt_summary=_bt_summary(inputs, fitted, judged=judged, projection=projection, scale=scale),
        bt_model=_bt_model(fitted, comparisons),
        grade_projections=_grade_projections(projection, inputs=inputs, scale=scale),
        grade_model=_grade_model(projection, scale),
        anchor_alignment=_alignment(fitted, grades=grades, left_out=left_out, scale=scale),
    )


def _bt_summary(
    inputs: Inputs,
    fitted: Fit,
    *,
    judged: Sequence[Judged],
    projection: Projection | Refusal,
    scale: GradeScale,
) -> tuple[Json, ...]:
    counts = Counter(name for one in judged for name in (one.first, one.second))
    wins = Counter(one.winner for one in judged)
    known = {anchor.anchor_id: anchor.grade for anchor in inputs.anchors}
    projected = {} if isinstance(projection, Refusal) else {s.item: s for s in projection.students}
    theta = [rounded(value) for value in fitted.theta]
    errors = [rounded(value) for value in fitted.standard_errors]
    order = sorted(range(len(fitted.items)), key=lambda index: (-theta[index], fitted.items[index]))
    entries: list[Json] = []
    for rank, index in enumerate(order, start=1):
        item = fitted.items[index]
        entry: dict[str, Json] = {
            "essay_id": item,
            "theta": theta[index],
            "standard_error": errors[index],
            "rank": rank,
            "comparison_count": counts[item],
            "wins": wins[item],
            "is_anchor": item in known,
        }
        flag = fitted.flags[index]
        entry |= {"flag": flag} if flag else {}
        entry |= {"anchor_grade": known[item]} if item in known else {}
        entry |= {"grade_projection": scale.outcomes[projected[item].median]} if item in projected else {}
        entries.append(entry)
    return tuple(entries)


def _bt_model(fitted: Fit, comparisons: Comparisons) -> dict[str, Json]:
    draws = max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWS_TIMES_ESSAYS // len(fitted.items)))
    low, high = reliability_interval(fitted, comparisons, seed=BOOTSTRAP_SEED, draws=draws)
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
        "reliability": {
            "empirical_bayes": rounded(empirical_bayes(fitted)),
            "interval_90": [rounded(low), rounded(high)],
            "bootstrap_draws": draws,
        },
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


def _alignment(
    fitted: Fit, *, grades: dict[str, int], left_out: Sequence[LeftOut], scale: GradeScale
) -> dict[str, Json]:
    """How the judge's order of the anchors agrees with the experts'; grades are from the other anchors."""
    theta = dict(zip(fitted.items, fitted.theta.tolist(), strict=True))
    tau = kendall_tau_b([theta[item] for item in grades], [float(grade) for grade in grades.values()])
    usable = [(one.expert, one.projected) for one in left_out]
    pairs = [(expert, grade.median) for expert, grade in usable if isinstance(grade, StudentGrade)]
    expert, projected = [p[0] for p in pairs], [p[1] for p in pairs]
    return {
        "anchors": len(grades),
        "kendall_tau_b": None if tau is None else rounded(tau),
        "left_out_exact": rounded(exact_agreement(expert, projected)) if pairs else None,
        "left_out_within_one": rounded(adjacent_agreement(expert, projected)) if pairs else None,
        "left_out": [_left_out(one, scale) for one in left_out],
    }


def _left_out(one: LeftOut, scale: GradeScale) -> Json:
    told: dict[str, Json] = {"anchor_id": one.item, "grade": scale.outcomes[one.expert]}
    if isinstance(one.projected, Refusal):
        return told | {"refused": one.projected.reason}
    return told | {
        "projected_grade": scale.outcomes[one.projected.median],
        "probabilities": _probabilities(one.projected, scale),
    }
