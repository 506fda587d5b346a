"""Pair designs other than balanced rounds: adaptive rounds, an audit, and boundary studies.

Each design is a function of the comparisons so far and a seed, so a study that was interrupted continues as if it had
not been.

Adaptive rounds follow six balanced rounds, because they depend on the spread of the positions, which must be known
first. Each adaptive round takes the pairs whose judgements have the most information (the mutual information of outcome
and difference). It uses each item once, and no pair twice while other pairs are left. In simulation, 20 adaptive
judgements per essay are worth 29 balanced ones at a spread of 1.8 logits, and 23 at a spread of 1. The likelihood does
not depend on how pairs were chosen, so positions, standard errors and ρ_EB stay valid. Separation and split-half
reliability do not.
"""

from __future__ import annotations

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
# The audit compares every tenth pair in the other order and repeats every twentieth: enough to measure flips and noise,
# and too few to cost much precision.
_SWAPPED_EVERY, _REPEATED_EVERY = 10, 20
_NODES = 12  # of the Gauss-Hermite rule
# With more items, only the nearest items in position are considered as partners, and the errors of two positions count
# as independent, which they nearly are then.
_ALL_PAIRS_UP_TO = 600
_NEAREST = 60


def adaptive_round(items: Sequence[str], *, history: Sequence[Pair], fitted: Fit | None, seed: int) -> list[Pair]:
    """The pairs of the next round: balanced for the first six rounds, then those with the most information.

    If the number of items is odd, one of the items with the most judgements is left out. Of the two items of a pair,
    the one that was shown first less often is shown first.

    Args:
        items: all items of the design, always in the same order.
        history: the pairs of all rounds so far, whether their judgements have arrived or not.
        fitted: the fit of the judgements so far; required from the seventh round on.
        seed: not negative; the same items, history, fit and seed give the same round.

    Raises:
        ValueError: an item occurs twice, the seed is negative, or the fit is missing or of other items.
    """
    if len(history) < BALANCED_ROUNDS * (len(items) // 2):
        return next_round(items, history=history, seed=seed)
    if fitted is None or set(fitted.items) != set(items) or len(fitted.items) != len(items):
        raise ValueError("the adaptive rounds need a fit of the same items, each named once")
    generator = np.random.default_rng([seed, len(items), len(history)])
    lot = dict(zip(items, generator.permutation(len(items)).tolist(), strict=True))
    first_places = Counter(pair.first for pair in history)
    second_places = Counter(pair.second for pair in history)
    judgements = first_places + second_places
    idle = None if len(items) % 2 == 0 else max(items, key=lambda item: (judgements[item], lot[item]))
    ranked = [(a, b) for a, b in _by_gain(fitted) if idle not in (a, b)]
    met = {frozenset((pair.first, pair.second)) for pair in history}
    fresh = (pair for pair in ranked if frozenset(pair) not in met)
    chosen = _matched([*fresh, *ranked], among=sorted(set(items) - {idle}, key=lot.__getitem__))

    def lead(item: str) -> tuple[int, int]:
        return first_places[item] - second_places[item], lot[item]

    return [Pair(first=min(pair, key=lead), second=max(pair, key=lead)) for pair in chosen]


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


def boundary_rounds(
    pairs: Sequence[tuple[str, str]], *, repeats: int, seed: int, done: Iterable[Pair] = ()
) -> list[list[Pair]]:
    """Named pairs, each judged `repeats` times in both orders: how a judge sees the boundary between two items.

    A round has each pair once, half of the pairs in one order and half in the other. The next round has the same pairs
    in the opposite orders. So the whole study has 2 · `repeats` rounds.

    Args:
        pairs: the pairs of items.
        repeats: how often each pair is judged in each order.
        seed: not negative.
        done: pairs that were judged already; they are left out.

    Raises:
        ValueError: a pair has the same item twice, a pair occurs twice in any order, or a number is negative.
    """
    if any(a == b for a, b in pairs) or len({frozenset(pair) for pair in pairs}) != len(pairs):
        raise ValueError("a boundary study has different pairs, each of two items")
    if repeats < 0:
        raise ValueError(f"the number of repeats cannot be negative: {repeats}")
    generator = np.random.default_rng([seed, len(pairs)])
    turned = generator.permutation(len(pairs)) % 2 == 1
    judged, rounds = Counter(done), []
    for number in range(2 * repeats):
        to_judge = []
        for index in np.random.default_rng([seed, len(pairs), number]).permutation(len(pairs)).tolist():
            first, second = pairs[index]
            turn = bool(turned[index]) != (number % 2 == 1)
            pair = Pair(first=second, second=first) if turn else Pair(first=first, second=second)
            if judged[pair] > 0:
                judged[pair] -= 1
            else:
                to_judge.append(pair)
        rounds += [to_judge] if to_judge else []
    return rounds


def _by_gain(fitted: Fit) -> list[tuple[str, str]]:
    """Pairs of items, the pair with the most information first."""
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
    """The mutual information of each pair's outcome and difference, H(E p) − E H(p), in nats, shape (pairs,)."""
    variance = np.square(fitted.standard_errors)
    width = variance[first] + variance[second]
    if len(fitted.items) <= _ALL_PAIRS_UP_TO:
        width = width - 2.0 * fitted.covariance[first, second]
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    gap, sd = fitted.theta[first] - fitted.theta[second], np.sqrt(np.maximum(width, 0.0))
    mean, conditional = np.zeros(first.size), np.zeros(first.size)
    for node, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
        chance = expit(gap + node * sd)
        mean += weight * chance
        conditional += weight * (entr(chance) + entr(1.0 - chance))
    gains: _Floats = entr(mean) + entr(1.0 - mean) - conditional
    return gains


def _matched(ranked: Iterable[tuple[str, str]], *, among: Sequence[str]) -> list[tuple[str, str]]:
    """Use each item once: take pairs in the given order if both items are free, then pair the items that are left."""
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
