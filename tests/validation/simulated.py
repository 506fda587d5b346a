"""Studies whose truth is known: judges who obey the model, designs of every kind, anchors graded by noisy experts.

All chance comes from one seed and the study's number; nothing depends on the order in which studies are run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from eng5_runner.measure.design.adaptive import adaptive_round
from eng5_runner.measure.design.pairing import next_round
from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.model.dependence import dependence, weighed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from eng5_runner.measure.design.pairing import Pair
    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.dependence import Dependence

SEED = 20261122
ADVANTAGE = 0.2
STEP, EXPERT_NOISE, JUDGE_NOISE, SPREAD, GRADES = 0.8, 0.4, 0.5, 1.8, 9
TWELVE = (0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 7)
STUDENTS = 50
NARROW = 0.55  # of the usual spread, as among one school's learners

Design = Literal["balanced", "adaptive"]


@dataclass(frozen=True)
class Study:
    """A fit and the true positions in the fit's order."""

    fitted: Fit
    truth: NDArray[np.float64]

    @property
    def realised(self) -> float:
        """r², the squared correlation of the estimated with the true positions; 0 for a judge who tosses a coin."""
        if not self.truth.any():
            return 0.0
        return float(np.corrcoef(self.truth, self.fitted.theta)[0, 1] ** 2)


@dataclass(frozen=True)
class AskedAgain:
    """A study whose pairs were asked several times: as it is fitted, with every judgement in full, and ρ."""

    study: Study
    in_full: Study
    found: Dependence


def study(number: int, *, n: int, k: int, spread: float, design: Design) -> Study:
    """One study of n essays in k rounds."""
    generator = np.random.default_rng([SEED, number, n, k])
    items = [f"essay-{index:03}" for index in range(n)]
    truth = generator.normal(0.0, spread, n) if spread else np.zeros(n)
    by_item = dict(zip(items, truth.tolist(), strict=True))
    return Study(fitted=judged(by_item, k=k, number=number, design=design), truth=truth)


def judged(truth: Mapping[str, float], *, k: int, number: int, design: Design = "balanced") -> Fit:
    """What a judge says who obeys the model with these positions, in k rounds."""
    generator = np.random.default_rng([SEED, number, len(truth), k, 1])
    items, history, rows = list(truth), [], []
    for _ in range(k):
        if design == "balanced":
            pairs = next_round(items, history=history, seed=number)
        else:
            fitted = fit(comparisons_from(items, rows))
            pairs = adaptive_round(items, history=history, fitted=fitted, seed=number)
        history += pairs
        for pair in pairs:
            chance = 1.0 / (1.0 + np.exp(truth[pair.second] - truth[pair.first] - ADVANTAGE))
            rows.append((pair.first, pair.second, float(generator.random() < chance)))
    return fit(comparisons_from(items, rows))


def asked_again(number: int, *, n: int, k: int, orders: int, times: int, alike: float) -> AskedAgain:
    """A study of n essays in which each of k pairs an essay is asked several times.

    Args:
        number: of the study.
        n: the essays.
        k: the pairs that each essay is in.
        orders: 2 asks in both orders.
        times: how often in each order.
        alike: the correlation of two answers to a pair: each is the pair's own answer with the chance √alike.
    """
    generator = np.random.default_rng([SEED, number, n, k, 3])
    items = [f"essay-{index:03}" for index in range(n)]
    truth = generator.normal(0.0, SPREAD, n)
    place = dict(zip(items, truth.tolist(), strict=True))
    history: list[Pair] = []
    rows = []
    for _ in range(k):
        pairs = next_round(items, history=history, seed=number)
        history += pairs
        for pair in pairs:
            chance = 1.0 / (1.0 + np.exp(place[pair.second] - place[pair.first]))
            own = generator.random()
            for turned in (False, True)[:orders]:
                for _ in range(times):
                    drawn = own if generator.random() < np.sqrt(alike) else generator.random()
                    won = bool(drawn < chance)
                    rows.append(
                        (pair.second, pair.first, float(not won)) if turned else (pair.first, pair.second, float(won))
                    )
    asked = comparisons_from(items, rows)
    found = dependence([asked])
    return AskedAgain(
        study=Study(fitted=fit(weighed([asked], found)), truth=truth),
        in_full=Study(fitted=fit(asked), truth=truth),
        found=found,
    )


@dataclass(frozen=True)
class Graded:
    """A study with anchors.

    Attributes:
        fitted: anchors and students.
        anchors: anchor → grade.
        expert: the experts' grades of the students, in the order of the fit.
        middle: where a quality of 0 is among the fit's positions.
        unit: logits of the fit for a logit of quality.
    """

    fitted: Fit
    anchors: Mapping[str, int]
    expert: NDArray[np.int64]
    middle: float
    unit: float


def graded(
    number: int,
    *,
    k: int,
    anchor_grades: tuple[int, ...] = TWELVE,
    anchor_noise: float = 0.0,
    judge_noise: float = JUDGE_NOISE,
    spread: float = SPREAD,
    judge: Callable[..., Fit] | None = None,
) -> Graded:
    """The method study's simulation (its section 4.3): experts and the judge each see quality with their own noise.

    The anchors are graded by a panel, which sees their quality as it is, unless it is given noise too. A judge with
    more noise than usual spreads its positions no more widely: it sees less of the quality and more of something else.
    Students may be more alike than essays in general. Another `judge` than `judged` takes the same arguments.
    """
    generator = np.random.default_rng([SEED, number, k, 2])
    pool = generator.normal(0.0, SPREAD, 4000)
    pool_grades = by_experts(pool, generator, noise=anchor_noise)
    picked = [np.flatnonzero(pool_grades == grade)[nth] for nth, grade in enumerate(anchor_grades)]
    quality = generator.normal(0.0, spread, STUDENTS)
    anchors = {f"anchor-{nth:02}": grade for nth, grade in enumerate(anchor_grades)}
    items = [*anchors, *(f"student-{nth:02}" for nth in range(STUDENTS))]
    seen = np.concatenate([pool[picked], quality]) + generator.normal(0.0, judge_noise, len(items))
    unit = float(np.hypot(SPREAD, JUDGE_NOISE) / np.hypot(SPREAD, judge_noise))
    seen *= unit
    fitted = (judge or judged)(dict(zip(items, seen.tolist(), strict=True)), k=k, number=number)
    expert = by_experts(quality, generator, noise=EXPERT_NOISE)
    return Graded(fitted=fitted, anchors=anchors, expert=expert, middle=-float(seen.mean()), unit=unit)


def by_experts(quality: NDArray[np.float64], generator: np.random.Generator, *, noise: float) -> NDArray[np.int64]:
    """The grades of experts who see the quality with noise."""
    seen = quality + generator.normal(0.0, noise, quality.shape)
    return np.clip(np.floor(seen / STEP + GRADES / 2.0), 0, GRADES - 1).astype(np.int64)
