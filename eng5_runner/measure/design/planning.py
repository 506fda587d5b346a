"""The precision to expect from a study of a given size, before it is run.

The formulas are for a random design in which every essay has k judgements, and for true positions θ ~ N(0, σ²). The
mean information of a judgement about an essay at θ is w(θ) = E p(1 − p), the density at θ of a Normal distribution with
the variance v = 1.596² + σ²: the logistic density is approximated by a Normal one. Walks on a k-regular tree take the
factor (k − 2)/(k − 1) from it. So the posterior variance is about 1/(1/σ² + I) with I = k (k − 2)/(k − 1) w(θ), larger
far from the middle, and its mean over all θ is what the study leaves. Where essays differ widely, only near partners
tell anything, and one essay has more of them than another: the mean of 1/(1/σ² + I) is above that of the mean I. With
all of the variance of I, k (E (p(1 − p))² − w²), it would come out too high by as much as it was too low without: half
of it is taken. In simulations of 60 essays the expected reliability is within .007 at σ of 4 to 6 (k of 8 to 20; up to
.028 too high before), and at most .015 too low below (k of 10 to 20).

Pairs chosen by an adaptive design are worth more than random ones, and the more so the wider the spread is, because
random pairs are then mostly far apart: a judgement is worth about 1.15 at σ = 1, 1.45 at σ = 1.8, 2.4 at σ = 4 and 2.75
at σ = 6. The first three rounds of an adaptive design are balanced. So k adaptive judgements count as
3 + (k − 3) · worth. Of the balanced judgements that were as precise in simulations of 60 essays, that is
within 15% at k = 10. At k = 14 and σ of 4 and more it is up to 25% too few: the plan errs to the safe side.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_LOGISTIC_SD = 1.596
# (p(1 − p))² as a function of the distance: its integral, and the variance of the Normal density of its shape.
_SQUARED, _SQUARED_VARIANCE = 1.0 / 6.0, 1.29
_VARIED = 0.5  # the share of the variance between essays that counts
BALANCED_ROUNDS = 3.0  # at the beginning of an adaptive design, see `adaptive`; this module loads no numerical library
FEWEST_OF_AN_ITEM = 10.0  # judgements that every item has before a study can end as precise enough, see `stopping`
# σ, and the worth of an adaptive judgement there; straight lines in between.
_WORTHS = ((0.5, 1.0), (1.0, 1.15), (1.8, 1.45), (2.7, 1.85), (4.0, 2.4), (6.0, 2.75))
_STEPS, _STEP = 20, 0.25  # of the trapezoidal rule for the mean over θ/σ, to either side; exact to six digits here
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
    """How many balanced judgements an adaptive one is worth: 1 to 2.75, about what was simulated."""
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
    14.7
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
    left = _share_left(k, spread=spread, adaptive=adaptive)
    return Precision(per_essay=k, se=spread * math.sqrt(left), reliability=1.0 - left)


def error_variance(per_essay: float, *, spread: float, adaptive: bool = False) -> float | None:
    """The squared standard error (logits²) of a position from its judgements alone; None if they are too few.

    It is that of the mean information, as essays near the middle have it. Grades are about these: beyond the lowest and
    the highest boundary an error costs nothing.
    """
    k = as_balanced(per_essay, spread=spread) if adaptive else per_essay
    if k <= _FEWEST:
        return None
    return math.sqrt(2.0 * math.pi * (_LOGISTIC_SD**2 + 2.0 * spread * spread)) / _effective(k)


def spread_error(*, essays: int, comparisons: float, spread: float, reliability: float) -> float:
    """The standard error of log σ̂, from random pairs.

    The essays are a sample, of whose variance only the share ρ is seen: 1/(2 (n − 1) ρ²). And the judgements say only
    so much of the width of the scale, even where they leave no doubt of the order: p(1 − p) Δ² each, where Δ is the
    difference of two essays. In simulation (30 essays, σ of 1 to 4, k of 8 to 14) the sum is within a tenth.
    """
    sample = 1.0 / (2.0 * (essays - 1) * reliability**2)
    apart, logistic = 2.0 * spread * spread, math.pi**2 / 3.0
    each = apart * logistic / math.sqrt(2.0 * math.pi * (apart + logistic) ** 3)
    return math.sqrt(sample + 1.0 / (comparisons * each))


def comparisons_for_reliability(*, essays: int, spread: float, reliability: float, adaptive: bool = False) -> int:
    """The smallest number of comparisons whose expected reliability reaches the target.

    Raises:
        ValueError: fewer than two essays, a spread that is not positive, or a reliability outside (0, 1).
    """
    _check(essays=essays, spread=spread)
    if not 0.0 < reliability < 1.0:
        raise ValueError(f"a reliability lies between 0 and 1, not {reliability!r}")

    def reached(comparisons: int) -> bool:
        return 1.0 - _share_left(2.0 * comparisons / essays, spread=spread, adaptive=adaptive) >= reliability

    low, high = 0, essays
    while not reached(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


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


def _share_left(per_essay: float, *, spread: float, adaptive: bool) -> float:
    """The mean posterior variance of a position as a share of σ²; 1 where there are too few judgements."""
    k = as_balanced(per_essay, spread=spread) if adaptive else per_essay
    if k <= _FEWEST:
        return 1.0
    real, known = spread * spread, _effective(k)
    places = (_STEP * step for step in range(-_STEPS, _STEPS + 1))
    left = math.fsum(math.exp(-0.5 * z * z) * _mean_left(z * z * real, known=known, real=real) for z in places)
    return left * _STEP / math.sqrt(2.0 * math.pi)


def _mean_left(square: float, *, known: float, real: float) -> float:
    """The mean posterior variance of essays at θ, as a share of σ²; θ² and σ² are given."""

    def density(width: float) -> float:
        return math.exp(-0.5 * square / (width + real)) / math.sqrt(2.0 * math.pi * (width + real))

    each = density(_LOGISTIC_SD**2)
    expected = 1.0 + known * each * real
    between = max(_SQUARED * density(_SQUARED_VARIANCE) - each * each, 0.0)
    varied = _VARIED * known * between * (real / expected) ** 2
    return (1.0 + varied / (1.0 + varied)) / expected


def _effective(k: float) -> float:
    """How many judgements with partners whose positions are known are worth k with partners who are as unknown."""
    return k * (k - 2.0) / (k - 1.0)


def _check(*, essays: int, spread: float) -> None:
    if essays < 2:  # noqa: PLR2004 - a comparison takes two
        raise ValueError(f"at least two essays are needed, not {essays}")
    if not (math.isfinite(spread) and spread > 0.0):
        raise ValueError(f"the spread must be positive and finite, not {spread!r}")
