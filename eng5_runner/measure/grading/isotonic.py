"""The nearest sequence that never falls.

scipy has the same in its optimize package, which takes longer to load than a whole study takes to estimate.
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
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, members = value, weight, 1
        while pools and pools[-1][0] >= mean:
            earlier, its_weight, its_members = pools.pop()
            mean = (earlier * its_weight + mean * total) / (its_weight + total)
            total, members = total + its_weight, members + its_members
        pools.append((mean, total, members))
    return np.repeat([mean for mean, _, _ in pools], [members for _, _, members in pools])
