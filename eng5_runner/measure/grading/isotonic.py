"""Isotonic regression: the nearest sequence that never falls.

`scipy.optimize` has it too, but takes longer to load than a study takes to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Vector: TypeAlias = "NDArray[np.float64]"


def never_falling(values: _Vector, *, weights: _Vector) -> _Vector:
    """The weighted least-squares fit among all sequences that never fall, by pooling adjacent violators.

    Source: Barlow, Bartholomew, Bremner & Brunk (1972), Statistical Inference under Order Restrictions, section 1.2.

    Args:
        values: shape (n,).
        weights: shape (n,), positive.

    Returns:
        Shape (n,).

    Example:
        >>> never_falling(np.array([1.0, 3.0, 2.0]), weights=np.array([1.0, 1.0, 3.0])).tolist()
        [1.0, 2.25, 2.25]
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, members = value, weight, 1
        while pools and pools[-1][0] >= mean:
            last_mean, last_total, last_members = pools.pop()
            mean = (last_mean * last_total + mean * total) / (last_total + total)
            total, members = total + last_total, members + last_members
        pools.append((mean, total, members))
    return np.repeat([mean for mean, _, _ in pools], [members for _, _, members in pools])
