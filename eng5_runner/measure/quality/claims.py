"""Whether probabilities that were claimed hold: proper scores, and claims against outcomes.

A score of 0 is perfect. All are means over essays, with probabilities of shape (essays, G) and outcomes as indices.
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
    """Claims of about the same size.

    Attributes:
        cases: how many there are.
        claimed: their mean.
        held: the share that came true.
    """

    cases: int
    claimed: float
    held: float


def brier(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """Σ_g (P_g − 1[y = g])², 0 to 2 (Brier 1950).

    Raises:
        ValueError: the two are of different essays, there are none, or an outcome lies off the scale.
    """
    claimed, came = _checked(probabilities, outcomes)
    return float(np.square(claimed - came).sum(axis=1).mean())


def ranked_probability_score(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """Σ_g (F_g − 1[y ≤ g])²/(G − 1), 0 to 1: as Brier's, but a near miss counts less (Epstein 1969).

    Raises:
        ValueError: the two are of different essays, there are none, or an outcome lies off the scale.
    """
    claimed, came = _checked(probabilities, outcomes)
    off = np.cumsum(claimed, axis=1) - np.cumsum(came, axis=1)
    return float(np.square(off).sum(axis=1).mean()) / (len(claimed[0]) - 1)


def log_loss(probabilities: _Rows, outcomes: Sequence[int]) -> float:
    """The mean of −log P of what came, in nats; infinite if it was held impossible.

    Raises:
        ValueError: the two are of different essays, there are none, or an outcome lies off the scale.
    """
    claimed, came = _checked(probabilities, outcomes)
    chosen = (claimed * came).sum(axis=1)
    return math.inf if (chosen <= 0.0).any() else float(-np.log(chosen).mean())


def calibration(claimed: Sequence[float], held: Sequence[bool], *, bins: int = 5) -> tuple[Bin, ...]:
    """Claims in bins of equal width over 0 to 1 against what came of them; empty bins are left out.

    Raises:
        ValueError: different lengths, or a claim outside 0 to 1.
    """
    if len(claimed) != len(held):
        raise ValueError("every claim needs its outcome")
    if not all(0.0 <= claim <= 1.0 + 1e-9 for claim in claimed):
        raise ValueError("a claim lies between 0 and 1")
    place = np.minimum((np.array(claimed, dtype=np.float64) * bins).astype(np.int64), bins - 1)
    table = []
    for number in range(bins):
        here = np.flatnonzero(place == number).tolist()
        if here:
            table.append(
                Bin(
                    cases=len(here),
                    claimed=float(np.mean([claimed[index] for index in here])),
                    held=float(np.mean([held[index] for index in here])),
                )
            )
    return tuple(table)


def _checked(probabilities: _Rows, outcomes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(probabilities) != len(outcomes) or not outcomes:
        raise ValueError("every essay needs its probabilities and its outcome")
    claimed = np.array(probabilities, dtype=np.float64)
    if not all(0 <= outcome < claimed.shape[1] for outcome in outcomes):
        raise ValueError(f"an outcome lies outside 0 to {claimed.shape[1] - 1}")
    came: NDArray[np.float64] = np.eye(claimed.shape[1])[list(outcomes)]
    return claimed, came
