"""Split-half reliability: two halves of the judgements, placed apart, and how far their orders agree.

For non-adaptive designs only: where pairs were chosen by earlier outcomes the choice itself leaks from one half into
the other, and pure noise is given .6. Quote ρ_EB (`reliability.empirical_bayes`), which is not deceived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.bradley_terry import Comparisons, Fit, fit
from eng5_runner.measure.links import Links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEWEST = 2  # a half is one of two


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitHalf:
    """The agreement of halves, over many random splits.

    Attributes:
        correlation: of the two halves' positions, the median over the splits.
        reliability: of the whole by Spearman and Brown's 2r/(1 + r), the median.
        interval: the middle 90% of that over the splits: the spread over ways to split, not a confidence interval for
            other judgements.
    """

    correlation: float
    reliability: float
    interval: tuple[float, float]


def split_half(
    fitted: Fit, *, seed: int, judges: Sequence[Comparisons] | None = None, splits: int = 100
) -> SplitHalf | None:
    """Splits the judges where they are given, else the unordered pairs; all judgements of one go together.

    Each half is fitted with the σ of the whole.

    Args:
        fitted: the study.
        seed: not negative; the same seed gives the same splits.
        judges: the judgements of each judge.
        splits: how many there are.

    Returns:
        None with fewer than two judges or pairs, or where no split has variation in both halves.

    Raises:
        ValueError: the seed is negative, or a judge's comparisons are of other items.
    """
    generator = np.random.default_rng(seed)
    data, part = _in_parts(fitted, judges)
    parts = int(part.max(initial=-1)) + 1
    if parts < _FEWEST:
        return None
    known = []
    for _ in range(splits):
        mine = (generator.permutation(parts) < parts // 2)[part]
        value = _agreement(fitted, [_some(data, mine), _some(data, ~mine)])
        known += [] if value is None else [value]
    if not known:
        return None
    whole = [2.0 * value / (1.0 + value) if value > 0.0 else value for value in known]
    low, high = np.quantile(whole, [0.05, 0.95]).tolist()
    return SplitHalf(correlation=float(np.median(known)), reliability=float(np.median(whole)), interval=(low, high))


def _in_parts(fitted: Fit, judges: Sequence[Comparisons] | None) -> tuple[Comparisons, NDArray[np.int64]]:
    """All rows, and which part each belongs to."""
    if judges is None:
        return fitted.comparisons, Links.of(fitted.comparisons).pair
    if any(judge.items != fitted.items for judge in judges):
        raise ValueError("the comparisons are not of the fitted items")
    data = Comparisons(
        items=fitted.items,
        first=np.concatenate([judge.first for judge in judges]),
        second=np.concatenate([judge.second for judge in judges]),
        outcome=np.concatenate([judge.outcome for judge in judges]),
        weight=np.concatenate([judge.weight for judge in judges]),
    )
    return data, np.repeat(np.arange(len(judges)), [judge.first.size for judge in judges])


def _some(data: Comparisons, rows: NDArray[np.bool_]) -> Comparisons:
    return replace(
        data, first=data.first[rows], second=data.second[rows], outcome=data.outcome[rows], weight=data.weight[rows]
    )


def _agreement(fitted: Fit, halves: Sequence[Comparisons]) -> float | None:
    estimated = fitted.position_effect_se is not None
    one, other = (fit(half, prior_sd=fitted.prior_sd, position_effect=estimated).theta for half in halves)
    if min(float(np.ptp(one)), float(np.ptp(other))) < np.finfo(float).eps:
        return None
    return float(np.corrcoef(one, other)[0, 1])
