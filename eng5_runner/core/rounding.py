"""How figures are written into the artefact: six decimals, and nothing where there is nothing.

The same ledger shall give the same bytes on every machine, and no judge is known to a millionth of a logit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from eng5_runner.canonical import Json

DECIMALS = 6
# No call takes so many tokens, milliseconds or USD; the sum of a million such figures still has 64 bits.
FIGURE_LIMIT = 10**12


def rounded(value: float) -> float:
    """To six decimals, and never a negative zero."""
    return round(float(value), DECIMALS) + 0.0


def figure(value: float | None) -> float | None:
    """The same; None where there is no figure, or none that is a number."""
    return None if value is None or not math.isfinite(value) else rounded(value)


def ends(interval: tuple[float, float] | None) -> Json:
    """An interval as an array of two, None where there is none."""
    return None if interval is None else [rounded(end) for end in interval]


def usable(optional: Mapping[str, Json]) -> dict[str, Json]:
    """What is there of the optional fields; an integer that JSON's readers cannot hold counts as absent."""
    return {key: value for key, value in optional.items() if value is not None and not _is_too_large(value)}


def without_excess(value: Json) -> Json:
    """A foreign value without the integers that JSON's readers cannot hold, and without numbers that are none."""
    if isinstance(value, Mapping):
        return {key: without_excess(inner) for key, inner in value.items() if not _is_too_large(inner)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_excess(inner) for inner in value if not _is_too_large(inner)]
    return value


def _is_too_large(value: Json) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) > FIGURE_LIMIT
