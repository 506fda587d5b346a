"""The CJ service's figures beside ours, and whether they differ by more than their precision.

Both are made of the same judgements: chance is in both alike, and what is left between them is method. So a difference
is not tested against the sum of two errors, which would excuse almost any, but measured in our standard error:

- θ, with the median difference taken off (each scale is known up to a constant): an essay differs beyond one standard
  error, where an interval of nominal 90% around the other figure holds 74%. All together differ beyond a root mean
  square of .5, where a bias begins to harm coverage (Collins, Schafer and Kam 2001, Psychological Methods 6: .4 to .5).
- standard errors: beyond a median ratio of .87 to 1.19, with which an interval of nominal 90% would hold less than 85%
  or more than 95%, the band that the engine itself is held to.
- grades: where the service's lies outside the middle 90% of our probabilities.

The field's service uses another prior (which stretches the ends) and gives standard errors against one reference essay
(0 for that one). Ratio of spreads and rank correlation say how much of a difference is of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, pstdev

from eng5_runner.canonical import Json
from eng5_runner.core.rounding import figure, rounded
from eng5_runner.measure.quality.alignment import spearman
from eng5_runner.results.service_result import ServiceEstimate

BEYOND_SE = 1.0
BEYOND_ROOT_MEAN_SQUARE = 0.5
SE_RATIOS = (0.87, 1.19)
TAIL = 0.05
RULE = (
    "theta beyond 1 of the runner's standard errors after the median difference is taken off, or .5 on the whole (root "
    "mean square); a median ratio of standard errors outside .87 to 1.19; a grade outside the middle 90% of the "
    "runner's probabilities"
)
_FEWEST_TO_ALIGN = 2
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerEstimate:
    """Our figures of an essay: θ and its standard error in logits; grade and probabilities where it is a student."""

    theta: float
    standard_error: float
    grade: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One essay's figures set against each other.

    Attributes:
        mine: our figures.
        its: the service's.
        theta: the service's θ minus ours in logits, the shift taken off.
        in_se: the same in our standard errors.
        se_ratio: the service's standard error over ours.
        grades: the service's grade and ours.
        outside: the service's grade lies outside the middle 90% of our probabilities.
    """

    essay_id: str
    mine: RunnerEstimate
    its: ServiceEstimate
    theta: float | None
    in_se: float | None
    se_ratio: float | None
    grades: tuple[str, str] | None
    outside: bool


def comparison_with_service(
    own: Mapping[str, RunnerEstimate], theirs: Mapping[str, ServiceEstimate]
) -> dict[str, Json] | None:
    """How far the service's figures lie from ours; None where there is no essay to compare."""
    both = {essay: (own[essay], theirs[essay]) for essay in own if essay in theirs}
    if not both:
        return None
    thetas = [(mine.theta, its.theta) for mine, its in both.values() if its.theta is not None]
    shift = median([theta - mine for mine, theta in thetas]) if len(thetas) >= _FEWEST_TO_ALIGN else None
    differences = [_difference(essay, mine=mine, its=its, shift=shift) for essay, (mine, its) in both.items()]
    findings = [*_on_thetas(differences), *_on_errors(differences), *_on_grades(differences)]
    return {
        "rule": RULE,
        "differs": bool(findings),
        "findings": list(findings),
        "shift": figure(shift),
        "spread_ratio": figure(_spread_ratio(thetas)),
        "rank_correlation": figure(spearman([a for a, _ in thetas], [b for _, b in thetas])),
        "largest_difference_in_se": figure(max((abs(d) for d in _in_se(differences)), default=None)),
        "root_mean_square_in_se": figure(_root_mean_square(_in_se(differences))),
        "median_se_ratio": figure(_median_se_ratio(differences)),
        "compared": {
            "theta": len(thetas) if shift is not None else 0,
            "standard_error": sum(one.se_ratio is not None for one in differences),
            "grade": sum(one.grades is not None for one in differences),
            "essays": len(own),
        },
        "grades_equal": sum(one.grades is not None and one.grades[0] == one.grades[1] for one in differences),
        "beyond": {
            "theta": sum(_off_scale(one) for one in differences),
            "grade": sum(one.outside for one in differences),
        },
        "essays": [_told(one) for one in differences],
    }


def _difference(essay_id: str, *, mine: RunnerEstimate, its: ServiceEstimate, shift: float | None) -> Difference:
    apart = None if its.theta is None or shift is None else its.theta - mine.theta - shift
    error, grade = its.standard_error, its.told_grade if mine.grade is not None else None
    return Difference(
        essay_id=essay_id,
        mine=mine,
        its=its,
        theta=apart,
        in_se=None if apart is None else apart / mine.standard_error,
        se_ratio=None if error is None else error / mine.standard_error,
        grades=None if grade is None or mine.grade is None else (grade, mine.grade),
        outside=grade is not None and _outside(grade, mine.probabilities),
    )


def _outside(grade: str, probabilities: Mapping[str, float]) -> bool:
    """Whether a grade lies beyond the middle 90%; the probabilities stand lowest grade first."""
    if grade not in probabilities:
        return True
    names = list(probabilities)
    place = names.index(grade)
    up_to = math.fsum(probabilities[name] for name in names[: place + 1])
    from_it = math.fsum(probabilities[name] for name in names[place:])
    return min(up_to, from_it) < TAIL


def _off_scale(one: Difference) -> bool:
    return one.in_se is not None and abs(one.in_se) > BEYOND_SE


def _is_beyond(one: Difference) -> bool:
    return _off_scale(one) or one.outside


def _in_se(differences: Iterable[Difference]) -> list[float]:
    return [one.in_se for one in differences if one.in_se is not None]


def _root_mean_square(values: Sequence[float]) -> float | None:
    return math.sqrt(math.fsum(value * value for value in values) / len(values)) if values else None


def _median_se_ratio(differences: Iterable[Difference]) -> float | None:
    ratios = [one.se_ratio for one in differences if one.se_ratio is not None]
    return median(ratios) if ratios else None


def _spread_ratio(thetas: Sequence[tuple[float, float]]) -> float | None:
    """The spread of the service's scale over ours."""
    if len(thetas) < _FEWEST_TO_ALIGN:
        return None
    ours = pstdev(mine for mine, _ in thetas)
    return pstdev(theta for _, theta in thetas) / ours if ours > 0.0 else None


def _on_thetas(differences: Sequence[Difference]) -> Iterable[str]:
    beyond = sorted((one for one in differences if _off_scale(one)), key=lambda one: -abs(one.in_se or 0.0))
    if beyond:
        most = ", ".join(f"{one.essay_id} ({one.theta:+.2f} logits, {one.in_se:+.1f} SE)" for one in beyond[:_NAMED])
        yield (
            f"the service's θ of {len(beyond)} of {len(_in_se(differences))} essays lies more than a standard error "
            f"from the runner's: {most}{' …' if len(beyond) > _NAMED else ''}"
        )
    whole = _root_mean_square(_in_se(differences))
    if whole is not None and whole > BEYOND_ROOT_MEAN_SQUARE:
        yield f"the service's θ lie {whole:.2f} standard errors from the runner's (root mean square)"


def _on_errors(differences: Sequence[Difference]) -> Iterable[str]:
    ratio, (low, high) = _median_se_ratio(differences), SE_RATIOS
    if ratio is not None and not low <= ratio <= high:
        yield f"the service's standard errors are {ratio:.2f} times the runner's (median)"


def _on_grades(differences: Sequence[Difference]) -> Iterable[str]:
    outside = [(one.essay_id, *one.grades) for one in differences if one.outside and one.grades is not None]
    if outside:
        named = ", ".join(f"{essay} ({theirs}, runner {ours})" for essay, theirs, ours in outside[:_NAMED])
        graded = sum(one.grades is not None for one in differences)
        yield (
            f"the service's grade of {len(outside)} of {graded} students lies outside the middle 90% of the runner's "
            f"probabilities: {named}{' …' if len(outside) > _NAMED else ''}"
        )


def _told(one: Difference) -> Json:
    figures: dict[str, float | None] = {
        "theta": one.mine.theta,
        "service_theta": one.its.theta,
        "standard_error": one.mine.standard_error,
        "service_standard_error": one.its.standard_error,
        "theta_difference": one.theta,
        "theta_difference_in_se": one.in_se,
        "se_ratio": one.se_ratio,
    }
    told: dict[str, Json] = {"essay_id": one.essay_id}
    told |= {key: rounded(value) for key, value in figures.items() if value is not None}
    if one.grades is not None:
        told |= {"service_grade": one.grades[0], "grade": one.grades[1]}
    return told | {"beyond_precision": _is_beyond(one)}
