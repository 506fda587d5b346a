"""Grades projected from anchors, as probabilities.

`anchor_model` says where the grades are on the logit scale. Here a student's probabilities follow by Bayes' rule with a
prior over the grades. The prior cannot come from the anchors, because they were chosen by grade: it is the scale's, and
in part the class's own. The projected grade is the posterior median, which is closer to the truth than the mode. How
often that is right, and what is claimed, stands in docs/validation.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.special import ndtr

from eng5_runner.measure.design.enough import what_anchors_lack
from eng5_runner.measure.grading.anchor_errors import EACH_UP_TO
from eng5_runner.measure.grading.anchor_model import (
    CLASS_LOG_SD,
    FEWEST_STUDENTS,
    SPREAD_POWER,
    Positions,
    Refusal,
    calibrate,
)
from eng5_runner.measure.grading.calibration import Calibration, Group
from eng5_runner.measure.grading.scale import Scale
from eng5_runner.measure.quality.inversions import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

__all__ = ["Label", "LeftOut", "Projection", "Refusal", "Scale", "StudentGrade", "leave_one_anchor_out", "project"]

Label: TypeAlias = Literal["HIGH", "MID", "LOW"]

_FEWEST_JUDGEMENTS = 8
_HIGH_WITHIN_ONE = 0.9
_HIGH_EXACT = 0.5
_MID_WITHIN_ONE = 0.75
_LABELS: tuple[Label, ...] = ("LOW", "MID", "HIGH")
# The lower end of the anchors' interval that a label needs, .1 below what it says: 11 of 12 anchors for MID, all 12 for
# HIGH.
_HIGH_SUPPORT, _MID_SUPPORT = 0.8, 0.65
_DOUBTFUL = 0.5
_ROUNDING, _LEAST_VARIANCE = 1.0 / 12.0, 1e-12  # in steps²
# Nobody knows the noise of one teacher's grade: from none to one and a half times the usual, each as likely.
_NOISES = (0.0, 0.5, 1.0, 1.5)
# Grades and the r that is stated are right on average over judges and classes. The lower end of the interval of r has
# to hold for poor judges and narrow classes, too: its prior of τ/β is log-flat, and that of the class's spread so wide.
_ANY_CLASS_LOG_SD = 0.6
# Labels count what is within one step even where judge and teachers agree as little as the anchors leave possible, and
# the grades lie as far off: the studies that look best owe much to luck with their anchors (docs/validation.md).
_LEFT_POSSIBLE = 0.05
# Far from the middle of the class a claim is a quantile of what the anchors leave possible: half of it is below at one
# standard deviation, a tenth at two. Studies give such grades more often the better their judge looks by luck, so that
# the mean claims too much of them ("Tweedie's formula and selection bias", Efron 2011).
_FAR, _FARTHEST = 1.0, 2.0
_OF_FAR, _OF_FARTHEST = 0.5, 0.1
# With more anchors than `EACH_UP_TO` a share of them is left out together: one fit for each of so many parts.
_PARTS = 20
_HALF = 0.5 - 1e-12  # a cumulative probability of one half, less a rounding error


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentGrade:
    """A student's projected grade. Outcomes are indices; 0 is the grade below the lowest if the scale has one.

    Attributes:
        item: the essay.
        probabilities: of all outcomes; they sum to 1.
        median: the projected outcome: the lowest at which the cumulative probability reaches one half.
        mode: the most probable outcome.
        within_one: what is claimed of the median and its neighbours: their probability, and less far from the middle of
            the class.
        surely_within_one: what that is at least: 5% of what the anchors leave possible is below.
        label: HIGH if `surely_within_one` ≥ .90 and the median has ≥ .50; MID if `surely_within_one` ≥ .75; otherwise
            LOW. Always LOW if the student is extrapolated, not connected, or has fewer than 8 judgements, and never
            higher than the anchors support (`Projection.highest_label`).
        extrapolated: whether the student is outside the range of the anchors.
        connected: whether comparisons connect the student with an anchor.
    """

    item: str
    probabilities: tuple[float, ...]
    median: int
    mode: int
    within_one: float
    surely_within_one: float
    label: Label
    extrapolated: bool
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The students' grades and the calibration that they come from.

    Attributes:
        students: all items that are no anchors, in the order of the fit's items.
        centres: the centre of each outcome in logits (likelihood scale); they never fall from a grade to the next.
        centre_ses: the standard deviations of the centres, in logits.
        spread: τ, the standard deviation of the positions of essays with the same grade, in logits.
        inversions: for each outcome except the highest, the probability that its true centre is above the next one's.
        agreement: how far the judge agrees with the teachers' grades.
        left_out: the anchors, each projected from the others.
        check: how many of them came near.
        highest_label: the highest label that the anchors support: that of `check`.
        doubtful: the anchors whose grade the others contradict, with the outcome that the others give.
    """

    students: tuple[StudentGrade, ...]
    centres: tuple[float, ...]
    centre_ses: tuple[float, ...]
    spread: float
    inversions: tuple[float, ...]
    agreement: JudgeAgreement
    left_out: tuple[LeftOut, ...]
    check: AnchorCheck
    highest_label: Label
    doubtful: tuple[DoubtfulAnchor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAgreement:
    """The correlation r of the judge's true order with the teachers' grades, estimated from the anchors.

    Reliability × r² is the share of the teachers' ranking that the judge's order reproduces.

    Attributes:
        correlation: r, 0 to 1: the posterior median.
        interval: of r, 90%; its lower end by a prior that favours neither good judges nor usual classes.
        among: whose: the students', or the anchors' where there are too few students. Anchors are chosen from all
            grades, so that r among them is higher than in a class.
    """

    correlation: float
    interval: tuple[float, float]
    among: Literal["students", "anchors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulAnchor:
    """An anchor that is probably misgraded.

    Attributes:
        item: the anchor.
        expert: its own grade, as an outcome.
        by_others: the outcome that the other anchors give it.
        probability: that it is misgraded, if every fourth study has such an anchor.
    """

    item: str
    expert: int
    by_others: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorCheck:
    """How many anchors came within one step when they were projected from the others.

    Attributes:
        anchors: how many there are, without those that no comparison links with enough others to tell.
        within_one: how many came within one step; an anchor whose projection is refused did not.
        interval: of the share, 90% (Wilson 1927).
        parts: into how many parts the anchors were divided, each projected from all other parts; None where each anchor
            was projected from all other anchors.
    """

    anchors: int
    within_one: int
    interval: tuple[float, float]
    parts: int | None = None

    @property
    def highest_label(self) -> Label:
        """The highest label that this supports, by the lower end of the interval: HIGH from .80, MID from .65."""
        low = self.interval[0]
        if low >= _HIGH_SUPPORT:
            return "HIGH"
        return "MID" if low >= _MID_SUPPORT else "LOW"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An anchor whose grade was projected from the other anchors.

    Attributes:
        item: the anchor.
        expert: its own grade, as an outcome.
        projected: its grade as projected from the others, or why there is none.
        is_linked: whether comparisons link it with anchors that are enough to tell; always so where all are linked.
    """

    item: str
    expert: int
    projected: StudentGrade | Refusal
    is_linked: bool = True


def project(fitted: Fit, *, anchors: Mapping[str, int], scale: Scale) -> Projection | Refusal:
    """Project the grades of all items that are no anchors.

    Args:
        fitted: anchors and students, placed on one scale together.
        anchors: anchor → index of its grade in `scale.prior`.
        scale: the grades.

    Returns:
        Where the anchors lie in several parts that no comparison links, the grades of each part come from its own
        anchors, and those of a part with too few from the part with most, as of students that are not connected; so do
        centres and agreement. A refusal if there are fewer than 3 anchors or 2 grades, or so few in each part; or if
        the positions of the anchors do not follow their grades: the least-squares slope is not positive, or its 90%
        interval includes 0.

    Raises:
        ValueError: an anchor is not in the fit, or its grade not on the scale.
    """
    places = _places(fitted, anchors, scale=scale)
    positions = Positions.of(fitted, places)
    students = [index for index in range(len(fitted.items)) if index not in places]
    most, *others = parts = _by_part(fitted, places)
    own = _students_of(fitted, most, students=students)
    calibration = _apart(parts) or calibrate(positions, anchors=most, students=own, scale=scale)
    if isinstance(calibration, Refusal):
        return calibration
    mean, misgraded = calibration.weight, dict(zip(most, calibration.misgraded.tolist(), strict=True))
    graded = dict(zip(students, _graded(_Study(fitted, positions, most), calibration, essays=students), strict=True))
    for part in others:
        essays = _students_of(fitted, part, students=students)
        by_part = calibrate(positions, anchors=part, students=essays, scale=scale)
        if isinstance(by_part, Calibration):
            misgraded |= zip(part, by_part.misgraded.tolist(), strict=True)
            graded |= zip(essays, _graded(_Study(fitted, positions, part), by_part, essays=essays), strict=True)
    left_out = leave_one_anchor_out(fitted, anchors=anchors, scale=scale)
    agreement, check = _agreement(calibration, students=len(own), scale=scale), anchor_check(left_out)
    highest = check.highest_label
    return Projection(
        students=tuple(replace(one, label=min(one.label, highest, key=_LABELS.index)) for one in graded.values()),
        centres=tuple((mean @ calibration.centres).tolist()),
        centre_ses=tuple(calibration.centre_ses().tolist()),
        spread=float(mean @ (calibration.step * calibration.scatter)),
        inversions=tuple((mean @ calibration.inversions).tolist()),
        agreement=agreement,
        left_out=left_out,
        check=check,
        highest_label=highest,
        doubtful=tuple(
            DoubtfulAnchor(
                item=one.item, expert=one.expert, by_others=one.projected.median, probability=misgraded[place]
            )
            for place, one in zip(places, left_out, strict=True)
            if misgraded.get(place, 0.0) > _DOUBTFUL and isinstance(one.projected, StudentGrade)
        ),
    )


def anchor_check(left_out: Sequence[LeftOut]) -> AnchorCheck:
    """How many of the anchors came within one step of their own grade."""
    linked = [one for one in left_out if one.is_linked]
    near = sum(
        isinstance(one.projected, StudentGrade) and abs(one.projected.median - one.expert) <= 1 for one in linked
    )
    return AnchorCheck(
        anchors=len(linked),
        within_one=near,
        interval=wilson(near, len(linked)),
        parts=_PARTS if len(left_out) > EACH_UP_TO else None,
    )


def _agreement(calibration: Calibration, *, students: int, scale: Scale) -> JudgeAgreement:
    """Take r = S²/√((S² + τ²/β²)(S² + noise²)) over the posterior, times that of what teachers see with its grade.

    The last factor falls with the share of the class that has the lowest or the highest grade: whatever lies beyond
    counts alike. Anchors were chosen from all grades, so that for them it is the rounding to grades alone.
    """
    enough = students >= FEWEST_STUDENTS
    group = calibration.group if enough else calibration.of_anchors
    real, noises = np.square(group.spread), np.square(group.noise * np.array(_NOISES))[:, None]
    seen = real + noises
    graded = _with_its_grade(calibration, np.sqrt(seen)) if enough else np.sqrt(seen / (seen + _ROUNDING))
    values = (real / np.sqrt((real + np.square(calibration.scatter)) * seen) * graded).ravel()
    order = np.argsort(values, kind="stable")

    def quantiles(weight: NDArray[np.float64], shares: list[float]) -> list[float]:
        each = np.tile(weight, len(_NOISES))[order] / len(_NOISES)
        return list(np.interp(shares, np.cumsum(each) - each / 2.0, values[order]).tolist())

    middle, high = quantiles(calibration.weight, [0.5, 0.95])
    (low,) = quantiles(_of_any_class(calibration, scale=scale), [0.05])
    return JudgeAgreement(correlation=middle, interval=(low, high), among="students" if enough else "anchors")


def _of_any_class(calibration: Calibration, *, scale: Scale) -> NDArray[np.float64]:
    """The posterior of each point by the prior of the lower end of the interval of r, shape (q,)."""
    apart = np.log(calibration.group.spread / scale.class_spread)
    wider = np.exp(np.square(apart) * (CLASS_LOG_SD**-2 - _ANY_CLASS_LOG_SD**-2) / 2.0)
    weight = calibration.weight * calibration.scatter**-SPREAD_POWER * wider
    return np.asarray(weight / weight.sum())


def _with_its_grade(calibration: Calibration, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of a normal variable with its grade, shape (n, q): Σφ(z_g)/√Var g, by Stein's lemma.

    Args:
        calibration: where the bounds z_g between the grades are.
        spread: of the variable, in steps, shape (n, q).
    """
    from_middle = (calibration.bounds - calibration.group.mean[:, None]) / calibration.step[:, None]
    bounds = from_middle / spread[:, :, None]
    above = ndtr(-bounds)
    squares = above @ (2.0 * np.arange(bounds.shape[2]) + 1.0)
    density = np.exp(-np.square(bounds) / 2.0).sum(axis=2) / math.sqrt(2.0 * math.pi)
    return np.asarray(density / np.sqrt(np.maximum(squares - np.square(above.sum(axis=2)), _LEAST_VARIANCE)))


def leave_one_anchor_out(fitted: Fit, *, anchors: Mapping[str, int], scale: Scale) -> tuple[LeftOut, ...]:
    """Project each anchor's grade from the other anchors, to measure agreement with the experts out of sample.

    With more than 60 anchors each twentieth of them, of all grades, is projected from the other nineteen. Anchors that
    no comparison links say nothing of each other.

    Raises:
        ValueError: an anchor is not in the fit, or its grade not on the scale.
    """
    places = _places(fitted, anchors, scale=scale)
    positions = Positions.of(fitted, places)
    students = [index for index in range(len(fitted.items)) if index not in places]
    found: dict[int, StudentGrade | Refusal] = {}
    linked = _by_part(fitted, places)
    for anchor_part in linked:
        own = _students_of(fitted, anchor_part, students=students)
        for part in _parts(anchor_part, of=len(places)):
            others = {index: grade for index, grade in anchor_part.items() if index not in part}
            calibration = _apart(linked) or calibrate(positions, anchors=others, students=own, scale=scale)
            if isinstance(calibration, Refusal):
                found |= dict.fromkeys(part, calibration)
            else:
                study = _Study(fitted, positions, others)
                graded = _graded(study, calibration, essays=list(part), group=calibration.of_anchors)
                found |= dict(zip(part, graded, strict=True))
    below = int(scale.has_below_lowest)
    enough = places.keys() if len(linked) == 1 else {index for part in linked if _is_enough(part) for index in part}
    return tuple(
        LeftOut(item=fitted.items[index], expert=grade + below, projected=found[index], is_linked=index in enough)
        for index, grade in places.items()
    )


def linked_anchors(fitted: Fit, *, anchors: Mapping[str, int]) -> Mapping[str, int]:
    """The anchors of the part of the comparisons that has most of them: positions of two parts have no order.

    >>> from eng5_runner.measure.model.bradley_terry import fit
    >>> from eng5_runner.measure.model.comparisons import comparisons_from
    >>> apart = fit(comparisons_from("abcxy", [("a", "b", 1.0), ("b", "c", 1.0), ("x", "y", 1.0)]))
    >>> linked_anchors(apart, anchors={"a": 2, "x": 3, "c": 0})
    {'a': 2, 'c': 0}
    """
    places = {place: anchors[item] for place, item in enumerate(fitted.items) if item in anchors}
    return {fitted.items[place]: grade for place, grade in _by_part(fitted, places)[0].items()}


def _parts(places: Mapping[int, int], *, of: int) -> list[dict[int, int]]:
    """The anchors that are left out together: one at a time, or of many a twentieth, with its share of each grade."""
    ordered = sorted(places, key=lambda index: (places[index], index))
    parts = min(_PARTS if of > EACH_UP_TO else of, len(places))
    return [{index: places[index] for index in ordered[start::parts]} for start in range(parts)]


def _students_of(fitted: Fit, part: Mapping[int, int], *, students: Sequence[int]) -> list[int]:
    """The class that these anchors grade: the students whom comparisons link with them."""
    return [index for index in students if part and fitted.component[index] == fitted.component[next(iter(part))]]


@dataclass(frozen=True, slots=True, eq=False)
class _Study:
    """A fit, its positions on the likelihood scale, and its anchors (index of the item → index of the grade)."""

    fitted: Fit
    positions: Positions
    anchors: Mapping[int, int]


def _places(fitted: Fit, anchors: Mapping[str, int], *, scale: Scale) -> dict[int, int]:
    index = {item: place for place, item in enumerate(fitted.items)}
    unknown = [item for item in anchors if item not in index]
    if unknown:
        raise ValueError(f"anchors that are not in the fit: {', '.join(unknown)}")
    off_scale = [item for item, grade in anchors.items() if not 0 <= grade < len(scale.prior)]
    if off_scale:
        raise ValueError(f"anchors whose grade is not on the scale: {', '.join(off_scale)}")
    # In the order of the fit's items, so that the order of the anchors does not change the last digits.
    return {place: anchors[item] for place, item in enumerate(fitted.items) if item in anchors}


def _by_part(fitted: Fit, places: Mapping[int, int]) -> list[dict[int, int]]:
    """The anchors that comparisons link with each other: those that are enough first, and of these the most."""
    parts: dict[int, dict[int, int]] = {}
    for index, grade in places.items():
        parts.setdefault(int(fitted.component[index]), {})[index] = grade
    return sorted(parts.values(), key=lambda part: (not _is_enough(part), -len(part))) or [{}]


def _is_enough(part: Mapping[int, int]) -> bool:
    return what_anchors_lack(len(part), kinds=len(set(part.values()))) is None


def _apart(parts: Sequence[Mapping[int, int]]) -> Refusal | None:
    """That no part of the comparisons has enough anchors, as positions of two parts say nothing of each other."""
    if len(parts) == 1 or _is_enough(parts[0]):
        return None
    return Refusal(reason=f"the anchors lie in {len(parts)} parts that no comparison links, none with enough of them")


def _graded(
    study: _Study, calibration: Calibration, *, essays: Sequence[int], group: Group | None = None
) -> tuple[StudentGrade, ...]:
    theta, known = study.positions.theta, list(study.anchors)
    outside = (theta < theta[known].min()) | (theta > theta[known].max())
    linked = np.isin(study.fitted.component, study.fitted.component[known])
    of_essays = theta[list(essays)], study.positions.variance[list(essays)]
    probabilities = calibration.probabilities(*of_essays, group=group)
    medians = np.argmax(np.cumsum(probabilities, axis=1) >= _HALF, axis=1)
    far = _far_out(calibration, theta=of_essays[0], variance=of_essays[1], group=group)
    cautious = np.interp(far, [_FAR, _FARTHEST], [_OF_FAR, _OF_FARTHEST])
    shares = np.column_stack([np.full(far.size, _LEFT_POSSIBLE), cautious])
    bounds = calibration.within_one(*of_essays, medians=medians, shares=shares, group=group)
    return tuple(
        _student(
            item=study.fitted.items[index],
            probabilities=tuple(row.tolist()),
            median=int(median),
            quantiles=(float(surely), float(likely)),
            judgements=float(study.fitted.counts[index]),
            extrapolated=bool(outside[index]),
            connected=bool(linked[index]),
        )
        for index, row, median, (surely, likely) in zip(essays, probabilities, medians, bounds, strict=True)
    )


def _far_out(
    calibration: Calibration, *, theta: NDArray[np.float64], variance: NDArray[np.float64], group: Group | None
) -> NDArray[np.float64]:
    """How far essays are from the middle of their group, in standard deviations of its positions, shape (essays,)."""
    among = calibration.group if group is None else group
    real = np.square(calibration.step) * (np.square(among.spread) + np.square(calibration.scatter))
    middle, spread = (float(calibration.weight @ part) for part in (among.mean, real))
    return np.asarray(np.abs(theta - middle) / np.sqrt(spread + variance))


def _student(
    *,
    item: str,
    probabilities: tuple[float, ...],
    median: int,
    quantiles: tuple[float, float],
    judgements: float,
    extrapolated: bool,
    connected: bool,
) -> StudentGrade:
    surely, likely = quantiles
    within_one = min(sum(probabilities[max(0, median - 1) : median + 2]), likely)
    sound = connected and not extrapolated and judgements >= _FEWEST_JUDGEMENTS
    return StudentGrade(
        item=item,
        probabilities=probabilities,
        median=median,
        mode=int(np.argmax(probabilities)),
        within_one=within_one,
        surely_within_one=min(surely, within_one),
        label=_label(surely, probabilities[median]) if sound else "LOW",
        extrapolated=extrapolated,
        connected=connected,
    )


def _label(surely: float, exact: float) -> Label:
    if surely >= _HIGH_WITHIN_ONE and exact >= _HIGH_EXACT:
        return "HIGH"
    return "MID" if surely >= _MID_WITHIN_ONE else "LOW"
