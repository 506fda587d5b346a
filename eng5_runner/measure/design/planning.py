"""The precision to expect from a study of a given size, before it is run.

The formulas are for a random design in which every essay has k judgements, and for true positions θ ~ N(0, σ²). The
mean information of a judgement about a difference is w(σ) = E p(1 − p) = [2π(1.596² + 2σ²)]^(−1/2), with the logistic
density approximated by a Normal one. Walks on a k-regular tree add the factor (k − 1)/(k − 2). For k ≥ 10 the expected
reliability is within .03 of simulations.

Pairs chosen by an adaptive design are worth more than random ones, and the more so the wider the spread is, because
random pairs are then mostly far apart: a judgement is worth about 1.15 at σ = 1, 1.4 at σ = 1.8, 2 at σ = 4 and 2.25 at
σ = 6. The first three rounds of an adaptive design are balanced. So k adaptive judgements count as 3 + (k − 3) · worth.
Of the balanced judgements that were as precise in simulations (62 essays, k of 8 to 20) that is within 10%.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_LOGISTIC_SD = 1.596
BALANCED_ROUNDS = 3.0  # at the beginning of an adaptive design, see `adaptive`; this module loads no numerical library
AHEAD_OF_LOOK = 200  # pairs of a round that are asked before it is known whether the last round was precise enough
# σ, and the worth of an adaptive judgement there; straight lines in between.
_WORTHS = ((0.5, 1.0), (1.0, 1.15), (1.8, 1.4), (2.7, 1.7), (4.0, 2.0), (6.0, 2.25))
_FEWEST = 2.0  # the formula has a pole at two judgements per essay, where the design is a ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The precision to expect from a study.

    Attributes:
        per_essay: k, judgements per essay.
        se: expected standard error of an essay's position (posterior standard deviation), in logits.
        reliability: expected squared correlation of the estimated with the true positions, 0 to 1.
    """

    per_essay: float
    se: float
    reliability: float


def adaptive_worth(spread: float) -> float:
    """How many balanced judgements an adaptive one is worth: 1 to 2.25, the smallest and largest that was simulated."""
    for (low, worth), (high, next_worth) in itertools.pairwise(_WORTHS):
        if spread < high:
            return worth + (next_worth - worth) * max(spread - low, 0.0) / (high - low)
    return _WORTHS[-1][1]


def as_balanced(per_essay: float, *, spread: float) -> float:
    """How many balanced judgements per essay are as precise as so many adaptive ones."""
    return per_essay + max(per_essay - BALANCED_ROUNDS, 0.0) * (adaptive_worth(spread) - 1.0)


def as_adaptive(per_essay: float, *, spread: float) -> float:
    """How many adaptive judgements per essay are as precise as so many balanced ones.

    >>> round(as_adaptive(20.0, spread=1.8), 1)
    15.1
    """
    beyond = max(per_essay - BALANCED_ROUNDS, 0.0)
    return per_essay - beyond * (1.0 - 1.0 / adaptive_worth(spread))


def expected_precision(*, essays: int, comparisons: float, spread: float, adaptive: bool = False) -> Precision:
    """The precision to expect from a number of comparisons.

    With two judgements per essay or fewer, positions say nothing: the standard error is the spread, the reliability 0.

    Args:
        essays: number of essays, anchors included.
        comparisons: number of judgements in all.
        spread: σ, the standard deviation of the true positions in logits. It is unknown, so show several.
        adaptive: whether the design is adaptive.

    Raises:
        ValueError: fewer than two essays, a negative number of comparisons, or a spread that is not positive.
    """
    _check(essays=essays, spread=spread)
    if comparisons < 0:
        raise ValueError(f"the number of comparisons cannot be negative: {comparisons}")
    k = 2.0 * comparisons / essays
    error = error_variance(k, spread=spread, adaptive=adaptive)
    if error is None:
        return Precision(per_essay=k, se=spread, reliability=0.0)
    variance = spread * spread
    return Precision(
        per_essay=k,
        se=1.0 / math.sqrt(1.0 / error + 1.0 / variance),
        reliability=variance / (variance + error),
    )


def error_variance(per_essay: float, *, spread: float, adaptive: bool = False) -> float | None:
    """The squared standard error (logits²) of a position from its judgements alone; None if they are too few."""
    k = as_balanced(per_essay, spread=spread) if adaptive else per_essay
    return None if k <= _FEWEST else (k - 1.0) / ((k - 2.0) * k * _information(spread))


def comparisons_for_reliability(*, essays: int, spread: float, reliability: float, adaptive: bool = False) -> int:
    """The smallest number of comparisons whose expected reliability reaches the target.

    Raises:
        ValueError: fewer than two essays, a spread that is not positive, or a reliability outside (0, 1).
    """
    _check(essays=essays, spread=spread)
    if not 0.0 < reliability < 1.0:
        raise ValueError(f"a reliability lies between 0 and 1, not {reliability!r}")
    error = spread * spread * (1.0 - reliability) / reliability
    # error = (k − 1)/((k − 2) k w), solved for the larger k.
    scaled = error * _information(spread)
    half = (2.0 * scaled + 1.0) / (2.0 * scaled)
    k = half + math.sqrt(half * half - 1.0 / scaled)
    k = as_adaptive(k, spread=spread) if adaptive else k
    return math.ceil(essays * k / 2.0)


def comparisons_for_se(*, essays: int, spread: float, se: float, adaptive: bool = False) -> int:
    """The smallest number of comparisons whose expected standard error (logits) is at most the target.

    Raises:
        ValueError: fewer than two essays, a spread that is not positive, or a standard error outside (0, spread).
    """
    _check(essays=essays, spread=spread)
    if not 0.0 < se < spread:
        raise ValueError(f"a standard error lies between 0 and the spread, not {se!r}")
    reliability = 1.0 - (se / spread) ** 2
    return comparisons_for_reliability(essays=essays, spread=spread, reliability=reliability, adaptive=adaptive)


def _information(spread: float) -> float:
    """w(σ), the mean information of one judgement in logits⁻²."""
    return 1.0 / math.sqrt(2.0 * math.pi * (_LOGISTIC_SD**2 + 2.0 * spread * spread))


def _check(*, essays: int, spread: float) -> None:
    if essays < 2:  # noqa: PLR2004 - a comparison takes two
        raise ValueError(f"at least two essays are needed, not {essays}")
    if not (math.isfinite(spread) and spread > 0.0):
        raise ValueError(f"the spread must be positive and finite, not {spread!r}")
