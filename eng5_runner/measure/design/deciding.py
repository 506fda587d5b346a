"""When a pair of a boundary study is decided: the judgements that are left would hardly change which essay leads.

This module loads no numerical library, because plans use it.
"""

from __future__ import annotations

import math

# A pair is decided when the judgements that are left would change its side with at most this probability.
_CHANGES_SIDE = 0.05


def is_decided(won: int, lost: int, *, left: int) -> bool:
    """Whether the essay of a pair that leads would still lead after the judgements that are left, at 95%.

    Before any judgement all chances to win count as equally likely (Laplace). Then the number that the leading essay
    wins of those that are left is beta-binomial. Because this is asked of what is known at the time, it can be asked
    as often as one likes: on average over all chances at most 5% of the pairs that stop would have changed their side.
    Where both essays win equally often, in truth, it is more: 2% of all pairs of at most 10 judgements, 7% of 20, and
    11% of 40.

    Args:
        won: judgements that one of the essays won.
        lost: judgements that the other won.
        left: judgements that are still to come if the pair is judged to the end.

    Example:
        >>> is_decided(4, 0, left=6), is_decided(4, 2, left=4), is_decided(2, 2, left=0)
        (True, False, False)
    """
    if won == lost:
        return False
    lead, behind = max(won, lost), min(won, lost)
    most = won + lost + left
    # The leading essay no longer has more than half if it wins so few of those that are left; a tie is a change.
    too_few = range(min(most // 2 - lead, left) + 1)
    ways = sum(math.comb(lead + wins, wins) * math.comb(behind + left - wins, left - wins) for wins in too_few)
    return ways <= _CHANGES_SIDE * math.comb(most + 1, left)


def fewest_to_decide(repeats: int) -> int:
    """The smallest number of judgements after which a pair of a boundary study can be decided; at most 2 · `repeats`.

    A pair is looked at when it was judged in both orders equally often.

    >>> fewest_to_decide(5), fewest_to_decide(1)
    (4, 2)
    """
    most = 2 * repeats
    return next((number for number in range(2, most, 2) if is_decided(number, 0, left=most - number)), most)
