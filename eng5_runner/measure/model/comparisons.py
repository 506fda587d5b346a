"""Comparative judgements as arrays: who was shown first, who second, who won."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# One number a study: a float for one, an array for a stack of them.
Values: TypeAlias = "float | NDArray[np.float64]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparisons:
    """Judgements of pairs of items, one row for each (first, second, outcome) that occurred.

    Made by `comparisons_from`, which sorts the rows, so that the same judgements in any order give the same bytes.

    A stack of studies has the same pairs judged otherwise: `outcome` or `weight` of shape (…, rows), one study for each
    index of the leading axes. What is computed of it has these leading axes, too, and a study's share of it is what it
    would be alone. With few items calling numpy takes most of the time, and two hundred studies little more than one.

    Attributes:
        items: the n items' identifiers; the other fields mean them by position.
        first: shape (rows,), the item shown first.
        second: shape (rows,), the item shown second, never the same as `first`.
        outcome: shape (rows,), 1 where the first won, 0 where the second won, .5 for a tie.
        weight: shape (rows,), how many judgements the row stands for.
    """

    items: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.float64]:
        """How many judgements each item took part in, shape (n,)."""
        n = len(self.items)
        return summed_at(self.first, self.weight, size=n) + summed_at(self.second, self.weight, size=n)

    @property
    def wins(self) -> NDArray[np.float64]:
        """How many judgements each item won, a tie counting half, shape (n,)."""
        n = len(self.items)
        won = self.weight * self.outcome
        return summed_at(self.first, won, size=n) + summed_at(self.second, self.weight - won, size=n)


def comparisons_from(items: Sequence[str], rows: Iterable[tuple[str, str, float]]) -> Comparisons:
    """The judgements as arrays; the order of the rows leaves no trace.

    Args:
        items: every item to be placed, also those never compared.
        rows: (shown first, shown second, outcome), where the outcome is 1 if the first won, 0 if the second, .5 for
            a tie. Failed judgements are missing, never half a win.

    Raises:
        ValueError: an item is named twice, a row names an unknown item or the same item twice, or an outcome is
            outside [0, 1].
    """
    position = {item: index for index, item in enumerate(items)}
    if len(position) != len(items):
        raise ValueError("items are named twice")
    return _from_counts(tuple(items), Counter(_checked(position, row) for row in rows))


def comparisons_counted(items: Sequence[str], rows: Iterable[tuple[str, str, float, int]]) -> Comparisons:
    """The judgements of a table that counts them as arrays; the order of the rows leaves no trace.

    Args:
        items: every item to be placed, also those never compared.
        rows: as of `comparisons_from`, with how many judgements the row stands for; rows that stand for none are left
            out.

    Raises:
        ValueError: as of `comparisons_from`, or a count is negative.
    """
    position = {item: index for index, item in enumerate(items)}
    if len(position) != len(items):
        raise ValueError("items are named twice")
    counts: Counter[tuple[int, int, float]] = Counter()
    for first, second, outcome, count in rows:
        if count < 0:
            raise ValueError(f"a count cannot be negative: {count}")
        counts[_checked(position, (first, second, outcome))] += count
    return _from_counts(tuple(items), +counts)


def collapse_repeats(comparisons: Comparisons) -> Comparisons:
    """The same judgements with every repeat of a pair in the same order counted once, as a fractional outcome.

    A judge without randomness gives the same verdict to the same question: r identical calls are one observation,
    and taking them as r makes the standard errors too small by up to √r. The same pair in the other order is another
    question and stays.
    """
    won: dict[tuple[int, int], float] = {}
    asked: dict[tuple[int, int], float] = {}
    pairs = zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True)
    facts = zip(pairs, comparisons.outcome.tolist(), comparisons.weight.tolist(), strict=True)
    for pair, outcome, weight in facts:
        won[pair] = won.get(pair, 0.0) + outcome * weight
        asked[pair] = asked.get(pair, 0.0) + weight
    return _from_counts(comparisons.items, {(*pair, won[pair] / asked[pair]): 1 for pair in asked})


def summed_at(index: NDArray[np.int64], amounts: NDArray[np.float64], *, size: int) -> NDArray[np.float64]:
    """The sum of the amounts, shape (…, rows), at each index, shape (…, size).

    Floats even where numpy's bincount has nothing to sum.
    """
    studies = amounts.shape[:-1]
    if studies:
        index = (np.arange(math.prod(studies))[:, None] * size + index).ravel()
    summed = np.bincount(index, amounts.ravel(), math.prod(studies) * size).astype(np.float64, copy=False)
    return summed.reshape(*studies, size)


def _checked(position: dict[str, int], row: tuple[str, str, float]) -> tuple[int, int, float]:
    first, second, outcome = row
    if first not in position or second not in position:
        raise ValueError(f"a comparison names an unknown item: {first!r}, {second!r}")
    if first == second:
        raise ValueError(f"an item cannot be compared with itself: {first!r}")
    if not 0.0 <= outcome <= 1.0:
        raise ValueError(f"an outcome lies between 0 and 1, not {outcome!r}")
    return position[first], position[second], float(outcome)


def _from_counts(items: tuple[str, ...], counts: dict[tuple[int, int, float], int]) -> Comparisons:
    rows = sorted(counts)
    return Comparisons(
        items=items,
        first=np.array([row[0] for row in rows], dtype=np.int64),
        second=np.array([row[1] for row in rows], dtype=np.int64),
        outcome=np.array([row[2] for row in rows], dtype=np.float64),
        weight=np.array([counts[row] for row in rows], dtype=np.float64),
    )
