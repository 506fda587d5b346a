"""Pair designs beyond balanced rounds: adaptive rounds, an audit in the other order, and boundary studies.

All are functions of what was compared so far and a seed, so a study that stopped goes on as if it had not.

The adaptive rounds follow six balanced ones: with fewer, the spread of the positions that they steer by is not yet
known. Each takes the pairs whose judgement would tell most (mutual information of outcome and difference), each item
once, and no pair twice while others are left. In simulation 20 such judgements an essay are worth 29 balanced ones at a
spread of 1.8 logits and 23 at 1. The likelihood takes no notice of how pairs were chosen, so positions, standard errors
and ρ_EB stay what they are; separation and split-half reliability do not.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import entr, expit

from eng5_runner.measure.design.pairing import Pair, next_round

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"
_Places: TypeAlias = "NDArray[np.int64]"

BALANCED_ROUNDS = 6
# The audit's shares: enough to tell flips from noise, little enough to leave the precision where it was.
_SWAPPED_EVERY, _REPEATED_EVERY = 10, 20
_NODES = 12  # of the Gauss-Hermite rule
# With more items than this only the nearest in position are thought of as partners, and the two positions' errors are
# taken as independent, which they nearly are then.
_ALL_PAIRS_UP_TO = 600
_NEAREST = 60


def adaptive_round(items: Sequence[str], *, history: Sequence[Pair], fitted: Fit | None, seed: int) -> list[Pair]:
    """The pairs of one more round: balanced for the first six, then those that tell most.

    With an odd number of items one of those with the most judgements sits out. Of two items the one that was first
    less often is shown first.

    Args:
        items: all items of the design, in the order in which they are always given.
        history: the pairs of all rounds so far, whether or not their judgements have come.
        fitted: what the judgements so far say; needed from the seventh round on.
        seed: not negative; the same items, history, fit and seed give the same round.

    Raises:
        ValueError: an item is named twice, the seed is negative, or the fit is missing or of other items.
    """
    if len(history) < BALANCED_ROUNDS * (len(items) // 2):
        return next_round(items, history=history, seed=seed)
    if fitted is None or set(fitted.items) != set(items) or len(fitted.items) != len(items):
        raise ValueError("the adaptive rounds need a fit of the same items, each named once")
    generator = np.random.default_rng([seed, len(items), len(history)])
    chance = dict(zip(items, generator.permutation(len(items)).tolist(), strict=True))
    first_places = Counter(pair.first for pair in history)
    second_places = Counter(pair.second for pair in history)
    idle = _idle(items, first_places + second_places, chance=chance)
    ranked = [(a, b) for a, b in _by_gain(fitted) if idle not in (a, b)]
    met = {frozenset((pair.first, pair.second)) for pair in history}
    fresh = (pair for pair in ranked if frozenset(pair) not in met)
    chosen = _matched([*fresh, *ranked], among=sorted(set(items) - {idle}, key=chance.__getitem__))

    def lead(item: str) -> tuple[int, int]:
        return first_places[item] - second_places[item], chance[item]

    return [Pair(first=min(pair, key=lead), second=max(pair, key=lead)) for pair in chosen]


def audit(pairs: Iterable[Pair], *, seed: int, swapped: float = 0.1, repeated: float = 0.05) -> list[Pair]:
    """What to judge again, to tell a judge's consistency: some pairs in the other order, others as they were.

    Args:
        pairs: those of a round or of a whole design; their order leaves no trace.
        seed: not negative.
        swapped: the share to be judged in the other order, rounded up.
        repeated: the share to be judged once more in the same order, rounded up.

    Raises:
        ValueError: a share is outside 0 to 1, the two exceed 1 together, or the seed is negative.
    """
    if min(swapped, repeated) < 0.0 or swapped + repeated > 1.0:
        raise ValueError(f"the audit's shares must be positive and not exceed 1: {swapped!r}, {repeated!r}")
    known = list(pairs)
    turn, again = math.ceil(swapped * len(known)), math.ceil(repeated * len(known))
    return _judged_again(known, draw=(seed, len(known)), swapped=turn, repeated=again)


def audit_round(pairs: Sequence[Pair], *, before: int, seed: int) -> list[Pair]:
    """What to judge again after one round.

    Of all rounds together every tenth pair is turned round and every twentieth repeated, rounded up once.

    Args:
        pairs: of the round.
        before: how many pairs the rounds before had.
        seed: not negative.
    """
    after = before + len(pairs)
    swapped = -(-after // _SWAPPED_EVERY) + (-before // _SWAPPED_EVERY)
    repeated = -(-after // _REPEATED_EVERY) + (-before // _REPEATED_EVERY)
    return _judged_again(pairs, draw=(seed, before, len(pairs)), swapped=swapped, repeated=repeated)


def _judged_again(pairs: Iterable[Pair], *, draw: Sequence[int], swapped: int, repeated: int) -> list[Pair]:
    """So many of the pairs turned round, then so many of the others as they were, as far as there are others."""
    known = sorted(pairs, key=lambda pair: (pair.first, pair.second))
    order = np.random.default_rng(draw).permutation(len(known)).tolist()
    turned = [Pair(first=known[index].second, second=known[index].first) for index in order[:swapped]]
    return turned + [known[index] for index in order[swapped : swapped + repeated]]


def boundary_rounds(
    pairs: Sequence[tuple[str, str]], *, repeats: int, seed: int, done: Iterable[Pair] = ()
) -> list[list[Pair]]:
    """Named pairs, each judged `repeats` times in both orders: how a judge sees the border between two items.

    Every round has each pair once, in one order for one half and in the other for the other half; the next round turns
    them. So 2 · `repeats` rounds make the whole, without what is done.

    Raises:
        ValueError: a pair is of one item, named twice in any order, or the seed or the repeats are negative.
    """
    if any(a == b for a, b in pairs) or len({frozenset(pair) for pair in pairs}) != len(pairs):
        raise ValueError("a boundary study has different pairs, each of two items")
    if repeats < 0:
        raise ValueError(f"the number of repeats cannot be negative: {repeats}")
    generator = np.random.default_rng([seed, len(pairs)])
    turned = generator.permutation(len(pairs)) % 2 == 1
    left, rounds = Counter(done), []
    for number in range(2 * repeats):
        order = np.random.default_rng([seed, len(pairs), number]).permutation(len(pairs)).tolist()
        planned = [_shown(pairs[index], turn=bool(turned[index]) != (number % 2 == 1)) for index in order]
        still = []
        for pair in planned:
            if left[pair] > 0:
                left[pair] -= 1
            else:
                still.append(pair)
        rounds += [still] if still else []
    return rounds


def _shown(pair: tuple[str, str], *, turn: bool) -> Pair:
    return Pair(first=pair[1], second=pair[0]) if turn else Pair(first=pair[0], second=pair[1])


def _idle(items: Sequence[str], counts: Counter[str], *, chance: dict[str, int]) -> str | None:
    if len(items) % 2 == 0:
        return None
    return max(items, key=lambda item: (counts[item], chance[item]))


def _by_gain(fitted: Fit) -> list[tuple[str, str]]:
    """Pairs of items, the one whose judgement tells most first."""
    first, second = _candidates(fitted)
    gains = _gains(fitted, first, second=second)
    order = np.argsort(-gains, kind="stable")
    names = fitted.items
    return [(names[a], names[b]) for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True)]


def _candidates(fitted: Fit) -> tuple[_Places, _Places]:
    n = len(fitted.items)
    if n <= _ALL_PAIRS_UP_TO:
        first, second = np.triu_indices(n, 1)
        return first.astype(np.int64), second.astype(np.int64)
    ranked = np.argsort(fitted.theta, kind="stable")
    starts, steps = np.meshgrid(np.arange(n), np.arange(1, _NEAREST + 1), indexing="ij")
    inside = starts + steps < n
    return ranked[starts[inside]], ranked[(starts + steps)[inside]]


def _gains(fitted: Fit, first: _Places, *, second: _Places) -> _Floats:
    """The mutual information of each pair's outcome and difference in nats: H(E p) − E H(p), shape (pairs,)."""
    variance = np.square(fitted.standard_errors)
    width = variance[first] + variance[second]
    if len(fitted.items) <= _ALL_PAIRS_UP_TO:
        width = width - 2.0 * fitted.covariance[first, second]
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    gap, sd = fitted.theta[first] - fitted.theta[second], np.sqrt(np.maximum(width, 0.0))
    mean, left = np.zeros(first.size), np.zeros(first.size)
    for node, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
        chance = expit(gap + node * sd)
        mean += weight * chance
        left += weight * (entr(chance) + entr(1.0 - chance))
    gains: _Floats = entr(mean) + entr(1.0 - mean) - left
    return gains


def _matched(ranked: Iterable[tuple[str, str]], *, among: Sequence[str]) -> list[tuple[str, str]]:
    """Each item once: greedily in the given order, and who is left over with whom."""
    free = set(among)
    chosen = []
    for a, b in ranked:
        if a in free and b in free:
            chosen.append((a, b))
            free -= {a, b}
            if not free:
                break
    left = [item for item in among if item in free]
    return chosen + list(zip(left[::2], left[1::2], strict=True))
