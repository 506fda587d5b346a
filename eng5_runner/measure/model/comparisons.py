"""Comparative judgements as arrays: which item was shown first, which second, and which won."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_Column: TypeAlias = "NDArray[np.integer | np.floating]"
# One number per study: a float for one study, an array for a stack of studies.
Values: TypeAlias = "float | NDArray[np.float64]"
# The outcome of a comparison that neither won.
TIE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparisons:
    """Judgements of pairs of items, one row for each (first, second, outcome) that occurred.

    `comparisons_from` makes them. It sorts the rows, so the same judgements in any order give the same bytes.

    A stack of studies has the same pairs with other outcomes: `outcome`, `weight` or `offset` has the shape (…, rows),
    with one study for each index of the leading axes. Results of a stack have the same leading axes, and each study's
    part is exactly what the study alone would give. Stacks save time: with few items a call of numpy costs more than
    its work, so two hundred studies take little longer than one.

    Attributes:
        items: the identifiers of the n items; the other fields refer to them by index.
        first: shape (rows,), the item shown first.
        second: shape (rows,), the item shown second, never the same as `first`.
        outcome: shape (rows,), 1 if the first won, 0 if the second won, `TIE` for a tie.
        weight: shape (rows,), how many judgements the row stands for.
        offset: shape (rows,), in logits, added to the log odds that the first wins; None for 0. Only the evidence of
            soft judgements has one (see `soft`).
        slope: shape (rows,), how strongly the row's judge tells items apart; None for 1. Only the evidence of judges
            that differ has one (see `own_effects`).
        certain: shape (rows,), the share of the row's information that is left as its slope is an estimate; None for 1.
        by_spread: the derivative by log σ of the log likelihood that the slopes' estimation adds (see `own_effects`).
    """

    items: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]
    offset: NDArray[np.float64] | None = None
    slope: NDArray[np.float64] | None = None
    certain: NDArray[np.float64] | None = None
    by_spread: float = 0.0

    def log_odds(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The log odds that the item shown first wins, shape (…, rows), at x = (θ, δ) of shape (…, n + 1)."""
        between = self.by_contrast(self.contrasts(x))
        return between if self.offset is None else between + self.offset

    def by_contrast(self, by_log_odds: NDArray[np.float64], *, order: int = 1) -> NDArray[np.float64]:
        """Derivatives of some order by the log odds, shape (…, rows), as derivatives by the contrasts."""
        return by_log_odds if self.slope is None else by_log_odds * self.slope**order

    def contrasts(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """θ_first − θ_second + δ of each row, shape (…, rows), at x = (θ, δ) of shape (…, n + 1)."""
        between: NDArray[np.float64] = x[..., self.first] - x[..., self.second] + x[..., -1:]
        return between

    def part(self, rows: slice | NDArray[np.bool_]) -> Comparisons:
        """Some of the rows of one study, by their places or by whether each is chosen."""
        return replace(
            self,
            first=self.first[rows],
            second=self.second[rows],
            outcome=self.outcome[rows],
            weight=self.weight[rows],
            offset=None if self.offset is None else self.offset[rows],
            slope=None if self.slope is None else self.slope[rows],
            certain=None if self.certain is None else self.certain[rows],
        )

    @property
    def counts(self) -> NDArray[np.float64]:
        """Number of judgements of each item, shape (n,)."""
        n = len(self.items)
        return summed_at(self.first, self.weight, size=n) + summed_at(self.second, self.weight, size=n)

    @property
    def wins(self) -> NDArray[np.float64]:
        """Number of judgements that each item won, shape (n,); a tie counts as half."""
        n = len(self.items)
        won = self.weight * self.outcome
        return summed_at(self.first, won, size=n) + summed_at(self.second, self.weight - won, size=n)


def comparisons_from(items: Sequence[str], rows: Iterable[tuple[str, str, float]]) -> Comparisons:
    """Judgements as arrays. The order of the rows does not matter.

    Args:
        items: all items of the study, also those never compared.
        rows: (shown first, shown second, outcome). The outcome is 1 if the first won, 0 if the second won, .5 for a
            tie. Leave failed judgements out; they are no ties.

    Raises:
        ValueError: an item occurs twice, a row names an unknown item or the same item twice, or an outcome is
            outside [0, 1].

    Example:
        >>> comparisons_from(["ada", "bo"], [("ada", "bo", 1.0), ("bo", "ada", 1.0), ("ada", "bo", 1.0)]).wins.tolist()
        [2.0, 1.0]
    """
    position = {item: index for index, item in enumerate(items)}
    if len(position) != len(items):
        raise ValueError("items are named twice")
    return _from_counts(tuple(items), Counter(_checked(position, row) for row in rows))


def comparisons_at(items: Sequence[str], *, first: _Column, second: _Column, outcome: _Column) -> Comparisons:
    """The same of a million judgements, by the places of their items.

    Args:
        items: all items of the study, also those never compared.
        first: shape (judgements,), the place in `items` of the item shown first.
        second: shape (judgements,), that of the other item.
        outcome: shape (judgements,), as for `comparisons_from`.

    >>> first, second = np.array([1, 0, 1]), np.array([0, 1, 0])
    >>> comparisons_at(["ada", "bo"], first=first, second=second, outcome=np.array([1.0, 0.0, 1.0])).weight.tolist()
    [1.0, 2.0]
    """
    order = np.lexsort((outcome, second, first))
    columns = [column[order] for column in (first, second, outcome)]
    starts = _starts(columns)
    return Comparisons(
        items=tuple(items),
        first=columns[0][starts].astype(np.int64),
        second=columns[1][starts].astype(np.int64),
        outcome=columns[2][starts].astype(np.float64),
        weight=np.diff(starts, append=len(order)).astype(np.float64),
    )


def _starts(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.int64]:
    """Where rows that are sorted begin to differ from the row before, the first row included."""
    differs = np.ones(len(columns[0]), dtype=bool)
    differs[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.flatnonzero(differs).astype(np.int64)


def comparisons_counted(items: Sequence[str], rows: Iterable[tuple[str, str, float, int]]) -> Comparisons:
    """Judgements as arrays, from a table that counts them. The order of the rows does not matter.

    Args:
        items: all items of the study, also those never compared.
        rows: as for `comparisons_from`, and the number of judgements that the row stands for. Rows with 0 are left
            out.

    Raises:
        ValueError: as for `comparisons_from`, or a count is negative.
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


def merged(parts: Sequence[Comparisons]) -> Comparisons:
    """The judgements of several judges together; all are of the same items, and there is at least one judge."""
    weights: dict[tuple[int, int, float], float] = {}
    for part in parts:
        columns = (part.first.tolist(), part.second.tolist(), part.outcome.tolist(), part.weight.tolist())
        for first, second, outcome, weight in zip(*columns, strict=True):
            weights[first, second, outcome] = weights.get((first, second, outcome), 0.0) + weight
    return _from_counts(parts[0].items, weights)


def shared_chance(
    data: Comparisons, generator: np.random.Generator, *, studies: tuple[int, ...] = ()
) -> NDArray[np.float64] | None:
    """Uniform numbers for pairs whose judgements are one answer given several times, to draw such judgements again.

    Weights below the number of judgements say how often that is so: the share of pairs that share one number gives
    their summed scores the variance that the weights claim.

    Args:
        data: the judgements.
        generator: of the numbers.
        studies: how many studies to draw, as a shape.

    Returns:
        Shape (*studies, rows); the same for all judgements of a pair (1 − u in the other order), nan for judgements to
        draw by themselves. None where all are, because every row counts in full.
    """
    if (data.weight == np.rint(data.weight)).all():
        return None
    low, high = np.minimum(data.first, data.second), np.maximum(data.first, data.second)
    keys, pair = np.unique(low * len(data.items) + high, return_inverse=True)
    draws = np.bincount(pair, np.maximum(1.0, np.rint(data.weight)), keys.size)
    weight = np.bincount(pair, data.weight, keys.size)
    share = (draws / weight - 1.0) / np.maximum(draws - 1.0, 1.0)
    shape = (*studies, keys.size)
    number = np.where(generator.random(shape) < share, generator.random(shape), np.nan)[..., pair]
    return np.where(data.first == low, number, 1.0 - number)


def repeats_that_agree(*judges: Comparisons) -> float:
    """How many judgements repeat an earlier one of the same judge, pair and order; 0 if any of them disagrees.

    >>> agreeing, torn = [("ada", "bo", 1.0)] * 3, [("ada", "bo", 1.0), ("ada", "bo", 0.0)]
    >>> [repeats_that_agree(comparisons_from(["ada", "bo"], rows)) for rows in (agreeing, torn)]
    [2.0, 0.0]
    """
    questions = [one.first * len(one.items) + one.second for one in judges]
    if any(distinct(question) < question.size for question in questions):
        return 0.0
    return float(sum((one.weight - 1.0).sum() for one in judges))


def distinct(numbers: NDArray[np.int64]) -> int:
    """How many different numbers there are; of a million in a tenth of the time that `numpy.unique` takes.

    >>> distinct(np.array([3, 1, 3])), distinct(np.array([], dtype=np.int64))
    (2, 0)
    """
    ordered = np.sort(numbers)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(ordered.size)


def chance_of(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """1/(1 + exp(−x)) of each; of many in half of the time, or less, that scipy's `expit` takes.

    >>> chance_of(np.array([-1000.0, 0.0])).tolist()
    [0.0, 0.5]
    """
    odds_against = np.negative(log_odds)
    with np.errstate(over="ignore"):  # whose chance is 0
        np.exp(odds_against, out=odds_against)
    odds_against += 1.0
    return np.divide(1.0, odds_against, out=odds_against)


def summed_at(index: NDArray[np.int64], amounts: NDArray[np.float64], *, size: int) -> NDArray[np.float64]:
    """Add up the amounts, shape (…, rows), that have the same index; the result has the shape (…, size).

    The result is float even if there is nothing to add, where numpy's bincount gives integers.
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


def _from_counts(items: tuple[str, ...], counts: Mapping[tuple[int, int, float], float]) -> Comparisons:
    rows = sorted(counts)
    return Comparisons(
        items=items,
        first=np.array([row[0] for row in rows], dtype=np.int64),
        second=np.array([row[1] for row in rows], dtype=np.int64),
        outcome=np.array([row[2] for row in rows], dtype=np.float64),
        weight=np.array([counts[row] for row in rows], dtype=np.float64),
    )
