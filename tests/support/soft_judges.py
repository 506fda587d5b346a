"""Simulated judges who say more than who won: a confidence from 1 to 5, or the probability of their answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit

from eng5_runner.measure.design.pairing import next_round
from eng5_runner.measure.model.bradley_terry import comparisons_from
from eng5_runner.measure.model.dependence import Dependence, weighed
from eng5_runner.measure.model.soft import Said, soft_from
from eng5_runner.measure.model.soft_choice import choose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eng5_runner.measure.model.soft_choice import SoftChoice

Says = Literal["confidence", "garbled confidence", "noise as confidence", "probability", "noise as probability"]

_SEED = 20261122
_ADVANTAGE = 0.2  # of the place shown first, in logits
_ENDS = (0.5, 1.2, 2.2, 3.5)  # in logits, between the five levels of confidence
_GARBLED = 0.5  # standard deviation of the log of the factor that garbles the confidence
OVER_SURE = 2.0
PAIR_QUIRK = 1.0  # standard deviation in logits of what the judge sees in a pair beside the quality


@dataclass(frozen=True)
class SoftStudy:
    """The judgements with what the judge says besides who won, and the fit by the wins or by more."""

    said: tuple[Said, ...]
    choice: SoftChoice


def judgements(truth: Mapping[str, float], *, k: int, number: int, says: Says) -> tuple[Said, ...]:
    """What a judge says of k rounds of balanced pairs.

    With a confidence, the judge's answer has logistic noise, and the confidence is the size of what it saw. With a
    probability, the judge sees the pair with a quirk, and draws its answer by what it sees; it says twice the log odds.
    """
    generator = np.random.default_rng([_SEED, number, len(truth), k, 3])
    items, history, rows = list(truth), [], []
    for _ in range(k):
        pairs = next_round(items, history=history, seed=number)
        history += pairs
        for pair in pairs:
            gap = truth[pair.first] - truth[pair.second] + _ADVANTAGE
            rows.append(_said(pair.first, pair.second, gap=gap, says=says, generator=generator))
    return tuple(rows)


def _said(first: str, second: str, *, gap: float, says: Says, generator: np.random.Generator) -> Said:
    if says in {"probability", "noise as probability"}:
        seen = gap + generator.normal(0.0, PAIR_QUIRK)
        won = float(generator.random() < expit(seen))
        stated = OVER_SURE * seen if says == "probability" else generator.normal(0.0, OVER_SURE)
        return Said(first, second, won, judge="judge", probability=float(expit(stated)))
    seen = gap + generator.logistic()
    size = abs(seen) * (np.exp(generator.normal(0.0, _GARBLED)) if says == "garbled confidence" else 1.0)
    level = 1 + np.searchsorted(_ENDS, size)
    if says == "noise as confidence":
        level = generator.integers(1, 6)
    return Said(first, second, float(seen > 0.0), judge="judge", confidence=float(level))


def soft_study(truth: Mapping[str, float], *, k: int, number: int, says: Says) -> SoftStudy:
    """The judgements of a study, fitted."""
    said = judgements(truth, k=k, number=number, says=says)
    asked = comparisons_from(list(truth), [(row.first, row.second, row.outcome) for row in said])
    comparisons = weighed([asked], Dependence())
    return SoftStudy(said=said, choice=choose(comparisons, soft_from(comparisons, said)))
