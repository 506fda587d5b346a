"""Cluster-robust errors of the positions, for judgements of a pair that depend on each other.

The model's own covariance takes ten repeats of a pair as ten observations. The robust covariance is
H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹, where s_g is the summed score of pair g (Liang and Zeger 1986; R package sandwich without the
small-sample factor).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.skewness import leverages
from eng5_runner.measure.quality.misfit import chances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

# The robust covariance is a dense matrix.
_MOST_ITEMS = 1_500
# With fewer clusters the robust errors are too small.
_PAIRS_PER_ITEM = 3
# A pair that the fit follows more closely than this tells too little of its own errors.
_MOST_FOLLOWED = 0.9


def errors_by_pair(fitted: Fit, comparisons: Comparisons | None = None) -> NDArray[np.float64] | None:
    """The standard errors of the centred θ, clustered by pair, shape (n,), in logits.

    They are comparable with the model's own: the scores are corrected for leverage, because a fit follows each pair a
    little, and the prior counts as it does in H. Where judgements are independent the two agree; where the judgements
    of a pair always repeat each other, these are larger by up to √2 for two judgements a pair.

    Args:
        fitted: the study.
        comparisons: all judgements, if the fitted ones count for less than their number.

    Returns:
        None if no pair was judged twice, because the model's errors are right then; if there are at most 3 pairs per
        item, because robust errors are too small then; and above 1,500 items, because they take too long.
    """
    n = len(fitted.items)
    if n > _MOST_ITEMS:
        return None
    pairs = Links.of(fitted.comparisons).low.size
    data = fitted.comparisons if comparisons is None else comparisons
    if not float(data.weight.sum()) > pairs > _PAIRS_PER_ITEM * n:
        return None
    fitted_data = fitted.evidence
    pair, inverse = Links.of(fitted_data).pair, fitted.covariance_with_position
    chance = chances(fitted, fitted_data)
    information = fitted_data.by_contrast(fitted_data.weight * chance * (1.0 - chance), order=2)
    share = information * leverages(fitted_data, inverse)
    followed = np.minimum(np.bincount(pair, weights=share, minlength=pairs), _MOST_FOLLOWED)
    scores = _scores(fitted, fitted_data, cluster=pair)
    scores = csr_array(scores.multiply(1.0 / (1.0 - followed)[:, None]))
    total = (scores.T @ scores).toarray()
    total[:n, :n] += np.eye(n) / fitted.prior_sd**2
    errors: NDArray[np.float64] = np.sqrt(np.maximum(np.diag(inverse @ total @ inverse)[:n], 0.0))
    return errors


def _scores(fitted: Fit, data: Comparisons, *, cluster: NDArray[np.int64]) -> csr_array[np.float64]:
    """The summed score of each cluster, shape (clusters, n + 1); δ is the last column."""
    n, surprise = len(fitted.items), data.by_contrast(data.weight * (data.outcome - chances(fitted, data)))
    last = np.full(data.first.size, n)
    on_position = surprise if fitted.position_effect_se is not None else np.zeros_like(surprise)
    amounts = np.concatenate([surprise, -surprise, on_position])
    places = (np.tile(cluster, 3), np.concatenate([data.first, data.second, last]))
    clusters = int(cluster.max(initial=-1)) + 1
    return csr_array((amounts, places), shape=(clusters, n + 1))
