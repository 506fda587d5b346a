"""How many judgements tell how often people and a model agree. It loads no numerical library."""

from __future__ import annotations

import math

_NINETY = 1.6448536269514722  # the 95% quantile of the Normal distribution


def judgements_needed(share: float, *, margin: float = 0.05, inflation: float = 1.0) -> int:
    """How many judgements make the 90% interval of a share of agreement as narrow as ± a margin.

    >>> judgements_needed(0.5), judgements_needed(0.8)
    (271, 174)

    Args:
        share: the agreement, 0 to 1; .5 needs most.
        margin: half of the interval's width.
        inflation: by what factor the variance is larger because judges differ.
    """
    return math.ceil(inflation * share * (1.0 - share) * (_NINETY / margin) ** 2)
