"""What an adaptive design saves, and whether what it claims still holds, against simulated truth.

As in the embedded CJ service, a round follows from the answers to all rounds but the last: the answers to that are
under way while the next pairs are chosen.
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
    from collections.abc import Callable, Mapping

    from eng5_runner.measure.design.pairing import Pair
    from eng5_runner.measure.model.bradley_terry import Fit

# How much more decisive than the usual one a judge is, the balanced judgements an essay, and the adaptive ones with
# whether they are claimed to be as good. With the usual judge, 18 balanced judgements reach .82 within one step.
_CASES = ((1.0, 18, ((12, False), (14, True))), (2.2, 16, ((10, True),)))
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
