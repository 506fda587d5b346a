"""Who is compared with whom: rounds in which every item meets one other, and whom it has not met before.

The pairs come from a one-factorisation of the complete graph, the circle method of tournament tables: with m slots on a
circle and one in the middle, factor r pairs the slots i and j with i + j ≡ r (mod m), and the slot left over with the
middle. Each factor is a perfect matching and each pair stands in exactly one factor, so no pair repeats before all
have met, to the last round, which independently drawn matchings cannot promise. The items' slots and the order of the
factors are drawn from the seed; the mean variance of the estimates then equals that of independent random matchings
(within 1% for 60 and more items at 10 and more rounds, computed).

With an odd number of items the middle is empty, and whoever should meet it sits out: each item once in m rounds.

First and second place: two factors in turn form even cycles. Walked along, each item is first in one of the two
rounds and second in the other, so after every even number of rounds each item was first as often as second, and one
more or less in between. A bye costs an odd number of items one more. Once all pairs have met, the rounds run backwards
with the places swapped: the sums of the first pass are gone through in reverse and stay within the same bounds.
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


def balanced_rounds(items: Sequence[str], *, rounds: int, seed: int, done: Sequence[Pair] = ()) -> list[list[Pair]]:
    """The next rounds of ⌊n/2⌋ pairs each, after those already done.

    Asking for all rounds at once or one after the other, with the earlier ones as `done`, gives the same pairs.
    From the second round on all items are linked.

    Raises:
        ValueError: an item is named twice, or the seed is negative.
    """
    history = list(done)
    planned = []
    for _ in range(rounds):
        planned.append(next_round(items, history=history, seed=seed))
        history += planned[-1]
    return planned


def next_round(items: Sequence[str], *, history: Iterable[Pair], seed: int) -> list[Pair]:
    """The pairs of one more round: the factor whose pairs have met least, the first such in the seed's order.

    Args:
        items: all items of the design; their order matters, so sort them where it is not given by nature.
        history: the pairs of earlier rounds. Pairs of a design of other items count where both items are still here.
        seed: not negative; the same items, history and seed give the same round.

    Raises:
        ValueError: an item is named twice, or the seed is negative.
    """
    if len(set(items)) != len(items):
        raise ValueError("items are named twice")
    if len(items) < 2:  # noqa: PLR2004 - a pair is two
        return []
    draw = _Draw.of(len(items), seed)
    slot = {item: int(draw.slots[index]) for index, item in enumerate(items)}
    met = [0] * draw.circle
    for pair in history:
        if pair.first in slot and pair.second in slot:
            met[draw.factor_of(slot[pair.first], slot[pair.second])] += 1
    passes = min(met) // (len(items) // 2)
    backwards = passes % 2 == 1
    places = range(draw.circle)
    place = min(reversed(places) if backwards else places, key=lambda at: met[draw.order[at]])
    at_slot = {position: item for item, position in slot.items()}
    chosen = draw.pairs(place)
    named = [(at_slot[a], at_slot[b]) for a, b in chosen if a in at_slot and b in at_slot]
    return [Pair(first=b, second=a) if backwards else Pair(first=a, second=b) for a, b in named]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draw:
    """What the seed decides: the items' slots and the order of the factors.

    Attributes:
        circle: m, the number of slots on the circle, odd; the middle is slot m.
        slots: the slot of each item.
        order: the factor of each round of the first pass.
        seed: where the places within a round are drawn from.
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
        # Two factors whose distance has no divisor in common with m form one single cycle (or path): all are linked.
        linked = next((at for at in range(1, circle) if math.gcd(order[at] - order[0], circle) == 1), None)
        if linked is not None:
            order[1], order[linked] = order[linked], order[1]
        return cls(circle=circle, slots=slots, order=tuple(order), seed=seed)

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
        """The slots that meet in the round at this place of the first pass, first-shown first, in random order."""
        couple = place // 2
        generator = np.random.default_rng([self.seed, len(self.slots), couple])
        even = self.partners(self.order[2 * couple])
        # The last round of an odd number has no second to balance it; coupled with itself its places are random.
        odd = self.partners(self.order[min(2 * couple + 1, self.circle - 1)])
        starts = generator.permutation(self.circle + 1).tolist()
        first_in_even = _alternating(even, odd, starts=starts)
        partner, leads = (even, True) if place % 2 == 0 else (odd, False)
        return [(slot, partner[slot]) for slot in starts if first_in_even[slot] is leads]


def _alternating(even: Sequence[int], odd: Sequence[int], *, starts: Iterable[int]) -> list[bool]:
    """For each slot whether it is first in the even round, so that it is second in the odd one.

    Walks each cycle of the two matchings in one direction from the first of its slots in `starts`.
    """
    leads: dict[int, bool] = {}
    for start in starts:
        slot = start
        while slot not in leads:
            leads[slot] = True
            leads[even[slot]] = False
            slot = odd[even[slot]]
    return [leads[slot] for slot in range(len(leads))]
