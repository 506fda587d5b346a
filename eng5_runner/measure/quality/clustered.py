"""The covariance of the positions where judgements are not independent: of one pair, or of one judge.

H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ with s_g the summed score of cluster g (Liang and Zeger 1986; R package sandwich without the
small-sample factor). The model's own covariance takes ten repeats of a pair as ten observations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from eng5_runner.measure.model.links import Links
from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

# The robust covariance is dense.
_MOST_ITEMS = 1_500
# With fewer clusters it is too small.
_PAIRS_PER_ITEM = 3


def clustered_covariance(fitted: Fit, judges: Sequence[Comparisons] | None = None) -> NDArray[np.float64]:
    """The covariance of the centred θ, shape (n, n), robust to dependence within clusters.

    Args:
        fitted: the study.
        judges: the judgements of each judge, which are the clusters then. None clusters by pair, whatever the order
            in which it was shown: right for a single judge that repeats itself.

    Raises:
        ValueError: a judge's comparisons are of other items.
    """
    n = len(fitted.items)
    inverse = fitted.covariance_with_position
    total = np.zeros((n + 1, n + 1))
    if judges is None:
        data = fitted.comparisons
        scores = _scores(fitted, data, cluster=Links.of(data).pair)
        total = (scores.T @ scores).toarray()
    else:
        for data in judges:
            score = _scores(fitted, data, cluster=np.zeros(data.first.size, dtype=np.int64)).toarray().sum(axis=0)
            total += np.outer(score, score)
    robust: NDArray[np.float64] = inverse @ total @ inverse
    return robust[:n, :n]


def errors_by_pair(fitted: Fit, comparisons: Comparisons | None = None) -> NDArray[np.float64] | None:
    """The standard errors of the centred θ clustered by pair, shape (n,).

    Args:
        fitted: the study.
        comparisons: all judgements, where those that were fitted have their repeats collapsed.

    Returns:
        None where no pair was judged twice, and the model's errors stand; with at most 3 pairs an item, of which the
        robust errors come out too small; and beyond 1,500 items, where they take too long.
    """
    n, pairs = len(fitted.items), Links.of(fitted.comparisons).low.size
    data = fitted.comparisons if comparisons is None else comparisons
    if n > _MOST_ITEMS or not float(data.weight.sum()) > pairs > _PAIRS_PER_ITEM * n:
        return None
    errors: NDArray[np.float64] = np.sqrt(np.maximum(np.diag(clustered_covariance(fitted)), 0.0))
    return errors


def _scores(fitted: Fit, data: Comparisons, *, cluster: NDArray[np.int64]) -> csr_array[np.float64]:
    """The summed scores of each cluster, shape (clusters, n + 1), δ last."""
    n, surprise = len(fitted.items), data.weight * (data.outcome - chances(fitted, data))
    last = np.full(data.first.size, n)
    on_position = surprise if fitted.position_effect_se is not None else np.zeros_like(surprise)
    amounts = np.concatenate([surprise, -surprise, on_position])
    places = (np.tile(cluster, 3), np.concatenate([data.first, data.second, last]))
    clusters = int(cluster.max(initial=-1)) + 1
    return csr_array((amounts, places), shape=(clusters, n + 1))
