"""How figures are written into the artefact: rounded to six decimals; a missing value is omitted or null.

Rounding makes the same ledger give the same bytes on every machine. It loses nothing: no estimate is precise to a
millionth of a logit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from eng5_runner.canonical import Json

T = TypeVar("T")

DECIMALS = 6
_USD_DECIMALS = 9
# No call uses so many tokens, milliseconds or USD. A sum of a million such figures still fits into 64 bits.
FIGURE_LIMIT = 10**12


def rounded(value: float) -> float:
    """Round to six decimals; a negative zero becomes zero.

    >>> rounded(1 / 3), rounded(-1e-9)
    (0.333333, 0.0)
    """
    return round(float(value), DECIMALS) + 0.0


def figure(value: float | None) -> float | None:
    """Round to six decimals; None if the value is missing, infinite or not a number."""
    return None if value is None or not math.isfinite(value) else rounded(value)


def ends(interval: tuple[float, float]) -> tuple[float, float]:
    """Round both ends of an interval."""
    low, high = interval
    return rounded(low), rounded(high)


def ends_if_any(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """Round both ends of an interval; None if there is no interval."""
    return None if interval is None else ends(interval)


def ranks_of(values: Sequence[float]) -> list[int]:
    """The rank of each of falling values; equal ones share theirs.

    >>> ranks_of([2.5, 1.0, 1.0, -3.0])
    [1, 2, 2, 4]
    """
    ranks: list[int] = []
    for place, value in enumerate(values):
        ranks.append(ranks[-1] if place and value == values[place - 1] else place + 1)
    return ranks


def usd(amount: float) -> float:
    """An amount of money in USD, to nine decimals."""
    return round(amount, _USD_DECIMALS)


def sum_of_usd(amounts: Iterable[float]) -> float:
    """An exactly rounded sum in USD: the same whatever the order."""
    return usd(math.fsum(amounts))


def usable(value: T | None) -> T | None:
    """A service's value; None if it is missing, or a number that a JSON reader cannot hold.

    >>> usable(7), usable(10**30), usable("text")
    (7, None, 'text')
    """
    return None if value is None or _is_too_large(value) else value


def without_excess(value: Json) -> Json:
    """A service's value without the numbers that a JSON reader cannot hold: too large, infinite, or NaN."""
    if isinstance(value, Mapping):
        return {key: without_excess(inner) for key, inner in value.items() if not _is_too_large(inner)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_excess(inner) for inner in value if not _is_too_large(inner)]
    return value


def _is_too_large(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) > FIGURE_LIMIT
