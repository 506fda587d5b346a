"""How figures are shown to people, in every view: a figure that is absent is a dash and never a number.

number(1.234)              1.23
number(1.234, sign=True)   +1.23
number(None)               –
between((0.1, 0.25))       (0.10 to 0.25)
"""

from __future__ import annotations

ABSENT = "–"


def number(value: float | None, decimals: int = 2, *, sign: bool = False) -> str:
    """A figure with so many decimals."""
    if value is None:
        return ABSENT
    return f"{value:{'+' if sign else ''}.{decimals}f}"


def count(value: int | None) -> str:
    """A whole number."""
    return ABSENT if value is None else str(value)


def percent(share: float | None) -> str:
    """A share in whole percent."""
    return ABSENT if share is None else f"{share:.0%}"


def usd(amount: float | None) -> str:
    """An amount of money, without its unit."""
    return number(amount, 4)


def words(value: object) -> str:
    """A text, or whatever is shown as its text."""
    return ABSENT if value is None else str(value)


def span(interval: tuple[float, float] | None, decimals: int = 2) -> str:
    """Both ends of an interval."""
    if interval is None:
        return ABSENT
    low, high = interval
    return f"{number(low, decimals)} to {number(high, decimals)}"


def between(interval: tuple[float, float] | None, decimals: int = 2) -> str:
    """An interval in brackets beside its figure; nothing where there is none."""
    return "" if interval is None else f"({span(interval, decimals)})"
