"""Whether claimed probabilities hold: proper scores and calibration.

Probabilities have the shape (essays, G); an outcome is an index from 0 to G − 1. Scores are means over essays, and 0 is
the best score.

>>> claimed, outcomes = [[0.8, 0.2, 0.0], [0.1, 0.6, 0.3]], [0, 2]
>>> round(brier(claimed, outcomes), 2), round(ranked_probability_score(claimed, outcomes), 3)
(0.47, 0.135)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_Rows: TypeAlias = "Sequence[Sequence[float]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Claims of about the same probability.

    Attributes:
        cases: number of claims.
        claimed: their mean probability.
        held: the share of them that came true.
    """

    cases: int
    claimed: float
    held: float


def brier(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """Brier's score Σ_g (P_g − 1[y = g])², 0 to 2 (Brier 1950).

    Raises:
        ValueError: the lengths differ, there are no essays, or an outcome is not on the scale.
    """
    claimed, occurred = _checked(probabilities, outcomes)
    return float(np.square(claimed - occurred).sum(axis=1).mean())


def ranked_probability_score(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """The ranked probability score Σ_g (F_g − 1[y ≤ g])²/(G − 1), 0 to 1 (Epstein 1969).

    Unlike in Brier's score, probability on a neighbouring grade costs less than on a distant one.

    Raises:
        ValueError: the lengths differ, there are no essays, or an outcome is not on the scale.
    """
    claimed, occurred = _checked(probabilities, outcomes)
    off = np.cumsum(claimed, axis=1) - np.cumsum(occurred, axis=1)
    return float(np.square(off).sum(axis=1).mean()) / (len(claimed[0]) - 1)


def log_loss(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """The mean of −log P of the outcomes, in nats; infinite if an outcome had the probability 0.

    Raises:
        ValueError: the lengths differ, there are no essays, or an outcome is not on the scale.
    """
    claimed, occurred = _checked(probabilities, outcomes)
    chosen = (claimed * occurred).sum(axis=1)
    return math.inf if (chosen <= 0.0).any() else float(-np.log(chosen).mean())


def calibration(claimed: Sequence[float], held: Sequence[bool], *, bins: int = 5) -> tuple[Bin, ...]:
    """Compare claims with outcomes, in bins of equal width from 0 to 1; empty bins are left out.

    Raises:
        ValueError: the lengths differ, or a claim is not between 0 and 1.
    """
    if len(claimed) != len(held):
        raise ValueError("every claim needs its outcome")
    if not all(0.0 <= claim <= 1.0 + 1e-9 for claim in claimed):
        raise ValueError("a claim lies between 0 and 1")
    place = np.minimum((np.array(claimed, dtype=np.float64) * bins).astype(np.int64), bins - 1)
    table = []
    for number in range(bins):
        members = np.flatnonzero(place == number).tolist()
        if members:
            table.append(
                Bin(
                    cases=len(members),
                    claimed=float(np.mean([claimed[index] for index in members])),
                    held=float(np.mean([held[index] for index in members])),
                )
            )
    return tuple(table)


def _checked(probabilities: _Rows, outcomes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(probabilities) != len(outcomes) or not outcomes:
        raise ValueError("every essay needs its probabilities and its outcome")
    claimed = np.array(probabilities, dtype=np.float64)
    if not all(0 <= outcome < claimed.shape[1] for outcome in outcomes):
        raise ValueError(f"an outcome lies outside 0 to {claimed.shape[1] - 1}")
    occurred: NDArray[np.float64] = np.eye(claimed.shape[1])[list(outcomes)]
    return claimed, occurred
