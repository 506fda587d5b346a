"""Balanced rounds: in each round every item meets one other item, and no pair repeats before all pairs have met.

Pairs come from a one-factorisation of the complete graph, the circle method of tournament tables. With m slots on a
circle and one in the middle, factor r pairs the slots i and j with i + j ≡ r (mod m), and the remaining slot with the
middle. Each factor is a perfect matching, and each pair is in exactly one factor, so no pair repeats before all have
met. Independent random matchings cannot guarantee that. The seed draws the items' slots and the order of the factors.
The mean variance of the estimates is then that of independent random matchings (computed: within 1% for 60 or more
items and 10 or more rounds).

If the number of items is odd, the middle is empty, and the item that should meet it is left out: each item once in m
rounds.

First and second place are balanced too. Two successive factors together form even cycles. Along a cycle, each item is
first in one of the two rounds and second in the other. So after an even number of rounds each item was first as often
as second. In between the numbers differ by one; rounds in which an item is left out can add one. Once all pairs have
met, the rounds run backwards with first and second swapped, which undoes the differences of the first pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two items to be compared, in the order in which they are shown."""

    first: str
    second: str


def next_round(items: Sequence[str], *, history: Iterable[Pair], seed: int) -> list[Pair]:
    """The ⌊n/2⌋ pairs of the next round: those of the factor whose pairs have met least, in the seed's order.

    From the second round on, the judgements connect all items.

    Args:
        items: all items of the design. Their order matters, so sort them if they have no order of their own.
        history: the pairs of earlier rounds. Pairs of other items are ignored.
        seed: not negative; the same items, history and seed give the same round.

    Raises:
        ValueError: an item occurs twice, or the seed is negative.

    Example:
        >>> round_one = next_round(["ada", "bo", "cy", "di"], history=[], seed=1)
        >>> round_two = next_round(["ada", "bo", "cy", "di"], history=round_one, seed=1)
        >>> {frozenset((p.first, p.second)) for p in round_one} & {frozenset((p.first, p.second)) for p in round_two}
        set()
    """
    if not _can_pair(items):
        return []
    draw = _Draw.of(len(items), seed)
    slot = dict(zip(items, draw.slots.tolist(), strict=True))
    met = [0] * draw.circle
    for pair in history:
        if pair.first in slot and pair.second in slot:
            met[draw.factor_of(slot[pair.first], slot[pair.second])] += 1
    passes = min(met) // (len(items) // 2)
    places = range(draw.circle)
    place = min(reversed(places) if passes % 2 else places, key=lambda number: met[draw.order[number]])
    return draw.round(items, place, is_backwards=passes % 2 == 1)


def nth_round(items: Sequence[str], number: int, *, seed: int) -> list[Pair]:
    """A round by its number, from 0: what `next_round` gives after so many rounds, without a look at any of them.

    Raises:
        ValueError: an item occurs twice, or the seed is negative.

    Example:
        >>> nth_round(["ada", "bo", "cy", "di"], 0, seed=1) == next_round(["ada", "bo", "cy", "di"], history=[], seed=1)
        True
    """
    if not _can_pair(items):
        return []
    draw = _Draw.of(len(items), seed)
    passes, place = divmod(number, draw.circle)
    is_backwards = passes % 2 == 1
    return draw.round(items, draw.circle - 1 - place if is_backwards else place, is_backwards=is_backwards)


def _can_pair(items: Sequence[str]) -> bool:
    if len(set(items)) != len(items):
        raise ValueError("items are named twice")
    return len(items) >= 2  # noqa: PLR2004 - a pair has two items


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draw:
    """The items' slots and the order of the factors, drawn from the seed.

    Attributes:
        circle: m, the number of slots on the circle; it is odd. The middle is slot m.
        slots: the slot of each item, shape (n,).
        order: the factor of each round of the first pass.
        seed: the seed, from which first and second places are drawn too.
    """

    circle: int
    slots: NDArray[np.int64]
    order: tuple[int, ...]
    seed: int

    @classmethod
    def of(cls, n: int, seed: int) -> _Draw:
        circle = n - 1 if n % 2 == 0 else n
        generator = np.random.default_rng([seed, n])
        slots = generator.permutation(n)
        order = generator.permutation(circle).tolist()
        # Two factors whose difference is coprime to m form a single cycle or path, which connects all items.
        second = next((nth for nth in range(1, circle) if math.gcd(order[nth] - order[0], circle) == 1), None)
        if second is not None:
            order[1], order[second] = order[second], order[1]
        return cls(circle=circle, slots=slots, order=tuple(order), seed=seed)

    def round(self, items: Sequence[str], place: int, *, is_backwards: bool) -> list[Pair]:
        """The pairs of one round of a pass, which is the first one or runs backwards."""
        at_slot = dict(zip(self.slots.tolist(), items, strict=True))
        named = [(at_slot[a], at_slot[b]) for a, b in self.pairs(place) if a in at_slot and b in at_slot]
        return [Pair(first=b, second=a) if is_backwards else Pair(first=a, second=b) for a, b in named]

    def factor_of(self, a: int, b: int) -> int:
        """The factor in which two slots meet."""
        if self.circle in (a, b):
            return 2 * min(a, b) % self.circle
        return (a + b) % self.circle

    def partners(self, factor: int) -> list[int]:
        """The partner of each slot in a factor."""
        partner = [(factor - slot) % self.circle for slot in range(self.circle)]
        single = factor * (self.circle + 1) // 2 % self.circle
        partner[single] = self.circle
        return [*partner, single]

    def pairs(self, place: int) -> list[tuple[int, int]]:
        """The pairs of slots in one round of the first pass, in random order; the first slot is shown first."""
        couple = place // 2
        generator = np.random.default_rng([self.seed, len(self.slots), couple])
        even = self.partners(self.order[2 * couple])
        # The last of an odd number of rounds has no partner round. With itself as partner, its places are random.
        odd = self.partners(self.order[min(2 * couple + 1, self.circle - 1)])
        starts = generator.permutation(self.circle + 1).tolist()
        first_in_even = _alternating(even, odd, starts=starts)
        partner, leads = (even, True) if place % 2 == 0 else (odd, False)
        return [(slot, partner[slot]) for slot in starts if first_in_even[slot] is leads]


def _alternating(even: Sequence[int], odd: Sequence[int], *, starts: Iterable[int]) -> list[bool]:
    """For each slot, whether it is first in the even round and second in the odd round.

    Follows each cycle of the two matchings in one direction, from the first of its slots in `starts`.
    """
    leads: dict[int, bool] = {}
    for start in starts:
        slot = start
        while slot not in leads:
            leads[slot] = True
            leads[even[slot]] = False
            slot = odd[even[slot]]
    return [leads[slot] for slot in range(len(leads))]
