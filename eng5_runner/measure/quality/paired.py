"""Two judges of the same pairs: does one of them decide rightly more often?

>>> round(mcnemar(12, 3), 4)
0.0352
>>> pairs_to_tell(12, 3, pairs=60)
7
"""

from __future__ import annotations

import math

from scipy.special import bdtr, ndtri

LEVEL = 0.1
"""Two-sided, as an interval of 90%."""
POWER = 0.8


def mcnemar(only_first: int, only_second: int) -> float | None:
    """The p-value of McNemar's exact test, two-sided; None where the two never differ.

    Args:
        only_first: pairs that only the first judge decided rightly.
        only_second: pairs that only the second one did.
    """
    if not only_first + only_second:
        return None
    # Both are as probable: twice the tail of the rarer.
    return min(2.0 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)), 1.0)


def pairs_to_tell(only_first: int, only_second: int, *, pairs: int) -> int | None:
    """How many more pairs would show the difference, if it is as large as it looks.

    The size is that of McNemar's test (Connor 1987) with the level `LEVEL` and the power `POWER`, and at least so large
    that as many pairs differ as the exact test needs to reach that level at all.

    Args:
        only_first: pairs that only the first judge decided rightly.
        only_second: pairs that only the second one did.
        pairs: all pairs that both decided.

    Returns:
        The number; 0 where there are enough, None where there is no difference to show.
    """
    if only_first == only_second:
        return None
    differing, difference = (only_first + only_second) / pairs, abs(only_first - only_second) / pairs
    level, power = float(ndtri(1 - LEVEL / 2)), float(ndtri(POWER))
    root = level * math.sqrt(differing) + power * math.sqrt(differing - difference**2)
    least = math.ceil(1 - math.log2(LEVEL)) / differing
    return max(0, math.ceil(max((root / difference) ** 2, least)) - pairs)
