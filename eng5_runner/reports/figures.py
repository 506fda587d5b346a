"""How figures are shown to people, in every view: a figure that is absent is a dash and never a number.

number(1.234)              1.23
number(1.234, sign=True)   +1.23
number(None)               –
between((0.1, 0.25))       (0.10 to 0.25)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from eng5_runner.phrases import counted

if TYPE_CHECKING:
    # `status` needs no artefact and no plan, and must start quickly.
    from eng5_runner.planning.pricing import Interval
    from eng5_runner.results.artefact.record import ComparisonCounts, RunnerStatus

ABSENT = "–"
UNKNOWN = "unknown"  # a price
_MINUTE, _HOUR = 60, 3600
_DIME = 0.1


def number(value: float | None, decimals: int = 2, *, sign: bool = False) -> str:
    """A figure with so many decimals; what rounds to zero has no minus.

    >>> number(-0.004), number(-0.004, sign=True)
    ('0.00', '+0.00')
    """
    if value is None:
        return ABSENT
    return f"{round(value, decimals) + 0.0:{'+' if sign else ''}.{decimals}f}"


def times(value: float) -> str:
    """How often something was seen, where a repeat may count as a part.

    >>> times(12.0), times(12.5)
    ('12', '12.5')
    """
    return number(value, 0 if value == int(value) else 1)


def count(value: int | None) -> str:
    """A whole number."""
    return ABSENT if value is None else str(value)


def percent(share: float | None) -> str:
    """A share in whole percent."""
    return ABSENT if share is None else f"{share:.0%}"


def usd(amount: float | None, *, absent: str = ABSENT) -> str:
    """An amount of money, without its unit."""
    return absent if amount is None else number(amount, 4)


def spent(amount: float, *, unpriced: int, decimals: int = 4) -> str:
    """Money in USD; calls without a known price have no part in it.

    >>> spent(0.0, unpriced=40), spent(0.054, unpriced=1)
    ('unknown (40 calls have no known price)', 'at least 0.0540 USD (1 call has no known price)')
    """
    known = f"{number(amount, decimals)} USD"
    if not unpriced:
        return known
    why = f"({counted(unpriced, 'call has', plural='calls have')} no known price)"
    return f"at least {known} {why}" if amount else f"{UNKNOWN} {why}"


def known_part(amount: float, *, unpriced: int) -> str:
    """The same where there is no place for the reason.

    >>> known_part(0.0, unpriced=40), known_part(0.054, unpriced=1), known_part(0.054, unpriced=0)
    ('cost unknown', 'at least 0.0540 USD', '0.0540 USD')
    """
    told, _, _ = spent(amount, unpriced=unpriced).partition(" (")
    return told if amount or not unpriced else f"cost {told}"


def sentence(text: str) -> str:
    """A text that begins with a capital letter."""
    return f"{text[:1].upper()}{text[1:]}"


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


def log_loss(gain: float, *, error: float) -> str:
    """By how much judgements that were not fitted are predicted better, in brackets.

    >>> log_loss(0.0151, error=0.0164), log_loss(-0.002, error=0.006)
    ('(log loss 0.015 lower, standard error 0.016)', '(log loss 0.002 higher, standard error 0.006)')
    """
    return f"(log loss {abs(gain):.3f} {'lower' if gain >= 0.0 else 'higher'}, standard error {error:.3f})"


def tally(counts: ComparisonCounts, *, of: str | None = None) -> str:
    """How many comparisons came, of how many.

    >>> tally(ComparisonCounts(judged=119, failed=1, asked=440, missing=320), of="comparison")
    '119 of 440 comparisons judged, 1 failed, 320 missing'
    """
    wanted = counts.judged if counts.asked is None else counts.asked
    whole = str(wanted) if of is None else counted(wanted, of)
    judged = whole if counts.asked is None else f"{counts.judged} of {whole}"
    missing = f", {counts.missing} missing" if counts.missing else ""
    return f"{judged} judged, {counts.failed} failed{missing}"


def requests_made(status: RunnerStatus) -> Iterator[tuple[str, str]]:
    """A fact for a run of several requests: what each brought, and why the service's figures are not shown."""
    if status.requests is None:
        return
    each = ", ".join(str(one.comparisons.judged + one.comparisons.failed) for one in status.requests)
    fact = f"{len(status.requests)}, which brought {each} comparisons"
    yield "requests", f"{fact}; the service's own figures cover one request each and are left out"


def in_range(interval: Interval, told: Callable[[float], str]) -> str:
    """An interval as a person says it, once where both ends are alike."""
    low, high = told(interval.low), told(interval.high)
    if low == high:
        return low
    unit = low.partition(" ")[2]
    return f"{low.partition(' ')[0] if unit and high.endswith(f' {unit}') else low}–{high}"


def in_usd(amount: float) -> str:
    """An amount of money to two figures, without its unit."""
    return f"{amount:.2f}" if amount >= _DIME or amount == 0.0 else f"{amount:.2g}"


def in_time(seconds: float) -> str:
    """A time as a person says it: seconds, minutes or hours."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"
