"""Pair designs by the judge and not by the positions: an audit of the judge's consistency, and boundary studies.

Each design is a function of the comparisons so far and a seed, so a study that was interrupted continues as if it had
not been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.design.pairing import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

# The audit compares every tenth pair in the other order and repeats every twentieth: enough to measure flips and noise,
# and too few to cost much precision.
_SWAPPED_EVERY, _REPEATED_EVERY = 10, 20


def audit_round(pairs: Sequence[Pair], *, before: int, seed: int) -> list[Pair]:
    """The pairs of a round to judge again, to measure the judge's consistency.

    Over all rounds, every tenth pair is judged in the other order and every twentieth again in the same order, both
    rounded up.

    Args:
        pairs: of the round; their order does not matter.
        before: number of pairs in the rounds before.
        seed: not negative.

    Returns:
        First the pairs in the other order, then the repeated ones. A pair is in at most one of the two groups.
    """
    after = before + len(pairs)
    swapped = -(-after // _SWAPPED_EVERY) + (-before // _SWAPPED_EVERY)
    repeated = -(-after // _REPEATED_EVERY) + (-before // _REPEATED_EVERY)
    known = sorted(pairs, key=lambda pair: (pair.first, pair.second))
    order = np.random.default_rng((seed, before, len(pairs))).permutation(len(known)).tolist()
    turned = [Pair(first=known[index].second, second=known[index].first) for index in order[:swapped]]
    return turned + [known[index] for index in order[swapped : swapped + repeated]]


def boundary_round(pairs: Sequence[tuple[str, str]], number: int, *, seed: int) -> list[Pair]:
    """A round of named pairs, half of them in one order and half in the other: how a judge sees a boundary.

    The next round has the same pairs in the opposite orders. A study of all pairs in both orders, each so many times,
    has twice as many rounds.

    Args:
        pairs: the pairs of items.
        number: of the round, from 0.
        seed: not negative.

    Raises:
        ValueError: a pair has the same item twice, a pair occurs twice in any order, or a number is negative.
    """
    if any(a == b for a, b in pairs) or len({frozenset(pair) for pair in pairs}) != len(pairs):
        raise ValueError("a boundary study has different pairs, each of two items")
    turned = (np.random.default_rng([seed, len(pairs)]).permutation(len(pairs)) % 2 == 1).tolist()
    order = np.random.default_rng([seed, len(pairs), number]).permutation(len(pairs)).tolist()
    shown = ((pairs[index][::-1] if turned[index] != (number % 2 == 1) else pairs[index]) for index in order)
    return [Pair(first=first, second=second) for first, second in shown]
