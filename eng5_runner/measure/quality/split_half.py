"""Split-half reliability: how well the positions from two halves of the judgements agree.

It is valid for non-adaptive designs only. If pairs were chosen by earlier outcomes, the choice carries information from
one half into the other, and pure noise gets .6. Report ρ_EB (`reliability.empirical_bayes`) as the reliability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.model.bradley_terry import Comparisons, Fit
from eng5_runner.measure.model.curvature import stack_shapes
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Posterior, position_precision
from eng5_runner.measure.quality.resampling import pearson_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEWEST = 2  # parts, so that each half has one
_STEP_TOLERANCE = 1e-6  # in logits; the error that remains is of the order of its square


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitHalf:
    """The agreement of two halves over many random splits.

    Attributes:
        correlation: of the two halves' positions; the median over the splits.
        reliability: of the whole study by the Spearman-Brown formula 2r/(1 + r); the median over the splits.
        interval: the middle 90% of the reliability over the splits. It shows how much the split matters, and is no
            confidence interval.
    """

    correlation: float
    reliability: float
    interval: tuple[float, float]


def split_half(
    fitted: Fit, *, seed: int, judges: Sequence[Comparisons] | None = None, splits: int = 100
) -> SplitHalf | None:
    """Split the judges, or without judges the unordered pairs, into halves and compare the halves' positions.

    All judgements of a judge or a pair go to the same half. Each half is fitted with the σ of the whole study.

    Args:
        fitted: the study.
        seed: not negative; the same seed gives the same splits.
        judges: the judgements of each judge.
        splits: number of random splits.

    Returns:
        None if there are fewer than two judges or pairs, or if no split has variation in both halves.

    Raises:
        ValueError: the seed is negative, or a judge's comparisons are of other items.
    """
    generator = np.random.default_rng(seed)
    data, part = _in_parts(fitted, judges)
    parts = int(part.max(initial=-1)) + 1
    if parts < _FEWEST:
        return None
    links, agreements = Links.of(data), []
    for shape in stack_shapes(splits, items=len(data.items)):
        halves = [(generator.permutation(parts) < parts // 2)[part] for _ in range(math.prod(shape))]
        half = np.reshape(halves, (*shape, part.size))
        first, second = (_positions(fitted, data, links=links, half=rows) for rows in (half, ~half))
        agreements.append(np.ravel(_agreement(first, second)))
    correlations = np.concatenate(agreements)
    known = correlations[~np.isnan(correlations)]
    if not known.size:
        return None
    whole = np.where(known > 0.0, 2.0 * known / (1.0 + np.abs(known)), known)
    low, high = np.quantile(whole, [0.05, 0.95]).tolist()
    return SplitHalf(correlation=float(np.median(known)), reliability=float(np.median(whole)), interval=(low, high))


def _in_parts(fitted: Fit, judges: Sequence[Comparisons] | None) -> tuple[Comparisons, NDArray[np.int64]]:
    """All rows, and the index of the part that each belongs to, shape (rows,)."""
    if judges is None:
        return fitted.evidence, Links.of(fitted.evidence).pair
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


def _positions(fitted: Fit, data: Comparisons, *, links: Links, half: NDArray[np.bool_]) -> NDArray[np.float64]:
    """θ from the rows in `half`, which has the shape (…, rows); the result has the shape (…, n)."""
    chosen = replace(data, weight=np.where(half, data.weight, 0.0))
    precision = None if fitted.position_effect_se is None else position_precision(chosen)
    posterior = Posterior(data=chosen, links=links, position_precision=precision)
    start = np.zeros((*half.shape[:-1], len(data.items) + 1))
    return posterior.climb(start, math.log(fitted.prior_sd), tolerance=_STEP_TOLERANCE).x[..., :-1]


def _agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    varies = np.minimum(np.ptp(first, axis=-1), np.ptp(second, axis=-1)) >= np.finfo(float).eps
    return np.where(varies, pearson_of_each(first, second), np.nan)
