"""What an adaptive design saves, and whether what it claims still holds, against simulated truth.

As in the embedded CJ service, a round follows from the answers to all rounds but the last: the answers to that are
under way while the next pairs are chosen. An oracle shows what could be saved at most: it knows all positions before
the first judgement, and is fitted and graded like the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS, adaptive_round
from eng5_runner.measure.grading.grades import Refusal, project
from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.reliability import empirical_bayes
from tests.validation.checks import NINE, Row, Table
from tests.validation.simulated import ADVANTAGE, JUDGE_NOISE, SEED, SPREAD, TWELVE, graded, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.design.pairing import Pair
    from eng5_runner.measure.model.bradley_terry import Fit

# How much more decisive than the usual one a judge is, the balanced judgements an essay, and the adaptive ones with
# whether they are claimed to be as good. With the usual judge, 18 balanced judgements reach .82 within one step.
_CASES = ((1.0, 18, ((12, False), (13, True), (14, True))), (2.2, 16, ((9, True), (10, True))))
_ORACLE = {1.0: 12, 2.2: 9}  # judgements an essay
# Pairs of equal essays say nothing of how wide the scale is, so that a fit of them alone takes all essays for equal.
# The width counts as an aim of the oracle, of so much weight; of 2 to 12 this one gave most in other studies.
_WIDTH_COUNTS, _UNKNOWN = 6.0, 10.0
_GRADES = {f"anchor-{nth:02}": grade for nth, grade in enumerate(TWELVE)}
_TOLERANCE = 0.01  # about the standard error of the difference of two values of r² in so many studies


@dataclass(frozen=True)
class _Figures:
    """The means of many studies."""

    near: float
    real: float
    claimed: float
    covered: float

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(f"{value:.3f}" for value in (self.real, self.claimed, self.covered))

    @property
    def claims(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("reliability within .03 of r²", abs(self.claimed - self.real) <= 0.03),
            ("coverage 84 to 95%", 0.84 <= self.covered <= 0.95),
        )


def adaptive(runs: int) -> Table:
    """Agreement with the experts' grades, reliability and intervals, beside a balanced design."""
    rows = []
    for decisive, most, cases in _CASES:
        spread = f"spread {decisive * math.hypot(SPREAD, JUDGE_NOISE):.1f}"
        balanced = _figures(runs, k=most, judge=judged, decisive=decisive)
        shown = (f"{balanced.near:.3f}", "100%", *balanced.shown)
        rows.append(Row(f"{spread}, balanced, k = {most}", shown, balanced.claims))
        for k, has_to_be_as_near in cases:
            one = _figures(runs, k=k, judge=_judged, decisive=decisive)
            near = (("true r² of balanced", one.real >= balanced.real - _TOLERANCE),) if has_to_be_as_near else ()
            shown = (f"{one.near:.3f}", f"{k / most:.0%}", *one.shown)
            rows.append(Row(f"{spread}, adaptive, k = {k}", shown, (*one.claims, *near)))
        k = _ORACLE[decisive]
        oracle = _figures(runs, k=k, judge=_foreseen, decisive=decisive)
        shown = (f"{oracle.near:.3f}", f"{k / most:.0%}", *oracle.shown)
        rows.append(Row(f"{spread}, an oracle that knows the positions, k = {k}", shown, ()))
    columns = ("±1 held", "calls", "true r²", "reliability", "coverage of 90% intervals")
    return Table(title="An adaptive design, steered by grades", columns=columns, rows=tuple(rows))


def _figures(runs: int, *, k: int, judge: Callable[..., Fit], decisive: float) -> _Figures:
    found = []
    for number in range(runs):
        seen: dict[str, float] = {}

        def remembered(truth: Mapping[str, float], *, k: int, number: int, seen: dict[str, float] = seen) -> Fit:
            seen |= {item: decisive * position for item, position in truth.items()}
            return judge(seen, k=k, number=number)

        one = graded(7000 + number, k=k, judge=remembered)
        projection = project(one.fitted, anchors=one.anchors, scale=NINE)
        if isinstance(projection, Refusal):
            continue
        medians = [student.median for student in projection.students]
        truth = np.array([seen[item] for item in one.fitted.items])
        low, high = one.fitted.intervals(level=0.9)
        centred = truth - truth.mean()
        found.append(
            (
                np.mean([abs(a - b) <= 1 for a, b in zip(medians, one.expert.tolist(), strict=True)]),
                np.corrcoef(truth, one.fitted.theta)[0, 1] ** 2,
                empirical_bayes(one.fitted),
                np.mean((low <= centred) & (centred <= high)),
            )
        )
    return _Figures(*np.mean(found, axis=0).tolist())


def _judged(truth: Mapping[str, float], *, k: int, number: int) -> Fit:
    """What a judge says who obeys the model, in pairs that follow from its answers."""
    generator = np.random.default_rng([SEED, number, len(truth), k, 5])
    items = list(truth)
    history: list[Pair] = []
    rounds: list[list[tuple[str, str, float]]] = []
    pairs: list[Pair] = []
    for number_of_round in range(k):
        known = [row for rows in rounds[:-1] for row in rows]
        fitted = fit(comparisons_from(items, known)) if number_of_round >= BALANCED_ROUNDS else None
        pairs = adaptive_round(items, history=history, fitted=fitted, seed=number, grades=_GRADES, waiting=len(pairs))
        history += pairs
        chances = [1.0 / (1.0 + np.exp(truth[two.second] - truth[two.first] - ADVANTAGE)) for two in pairs]
        draws = generator.random(len(pairs))
        rounds.append(
            [
                (two.first, two.second, float(draw < chance))
                for two, draw, chance in zip(pairs, draws, chances, strict=True)
            ]
        )
    return fit(comparisons_from(items, [row for rows in rounds for row in rows]))


def _foreseen(truth: Mapping[str, float], *, k: int, number: int) -> Fit:
    """What the same judge says of the pairs that an oracle chooses, each pair once."""
    generator = np.random.default_rng([SEED, number, len(truth), k, 6])
    items, place = list(truth), np.array(list(truth.values()))
    n = place.size
    first, second = np.triu_indices(n, 1)
    chance = 1.0 / (1.0 + np.exp(place[second] - place[first]))
    information = chance * (1.0 - chance)
    aims = _students_among_anchors(items, place)
    rows, covariance = [], _UNKNOWN**2 * np.eye(n)
    for _ in range(k * (n // 2)):
        moved = covariance @ aims.T @ aims @ covariance
        spread = _apart(covariance, first, second=second)
        gains = information * _apart(moved, first, second=second) / (1.0 + information * spread)
        best = int(np.argmax(gains))
        one, other = int(first[best]), int(second[best])
        contrast = covariance[:, one] - covariance[:, other]
        covariance -= np.outer(contrast, contrast) * information[best] / (1.0 + information[best] * spread[best])
        information[best] = 0.0
        if generator.random() < 0.5:
            one, other = other, one
        chance_to_win = 1.0 / (1.0 + np.exp(place[other] - place[one] - ADVANTAGE))
        rows.append((items[one], items[other], float(generator.random() < chance_to_win)))
    return fit(comparisons_from(items, rows))


def _apart(matrix: NDArray[np.float64], first: NDArray[np.int64], *, second: NDArray[np.int64]) -> NDArray[np.float64]:
    diagonal = np.diag(matrix)
    return np.asarray(diagonal[first] + diagonal[second] - 2.0 * matrix[first, second])


def _students_among_anchors(items: Sequence[str], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each student's distance from the anchors' line at its own grade, and the width of the scale, as sums."""
    is_anchor = np.array([item in _GRADES for item in items])
    grades = np.array([_GRADES[item] for item in items if item in _GRADES], dtype=np.float64)
    line = np.linalg.pinv(np.column_stack([np.ones(grades.size), grades]))
    middle, step = line @ place[is_anchor]
    own = np.clip((place[~is_anchor] - middle) / step, grades.min(), grades.max())
    sums = np.eye(len(items))[~is_anchor]
    sums[:, is_anchor] = -np.column_stack([np.ones(own.size), own]) @ line
    width = place - place.mean()
    return np.vstack([sums, _WIDTH_COUNTS * width / np.linalg.norm(width)])
