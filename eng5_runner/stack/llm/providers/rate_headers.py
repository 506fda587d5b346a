"""What a provider's answer says of the rates that it allows: requests and tokens, how many are left, and until when.

OpenAI and servers like it send `x-ratelimit-limit-requests`, `…-remaining-…` and `…-reset-…` (`6m0s`), and the same for
tokens. Anthropic sends `anthropic-ratelimit-requests-limit`, `…-remaining` and `…-reset` (a time), and the same for
tokens. Anything else is ignored: an answer counts whatever its headers say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

_MINUTE = 60.0
_UNITS = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0})
_PART = r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A rate that a provider allows.

    Attributes:
        limit: the most at once, and in the usual minute.
        remaining: what is left of it now.
        reset: seconds until all of it is there again; None if that is not said.
    """

    limit: float
    remaining: float
    reset: float | None = None

    @property
    def per_second(self) -> float:
        """How fast it comes back: a limit is of a minute, except where the time until it is whole says otherwise."""
        used = self.limit - self.remaining
        if self.reset is not None and self.reset > 2 * _MINUTE and used > 0:
            return used / self.reset
        return self.limit / _MINUTE


def allowed_requests(headers: Mapping[str, str]) -> Allowance | None:
    """Requests; None if nothing is said of them. The names' case does not matter to the mapping."""
    return _openai(headers, "requests") or _anthropic(headers, "requests")


def allowed_tokens(headers: Mapping[str, str]) -> Allowance | None:
    """Tokens, read and written together if the provider counts them so, else those that are read."""
    return _openai(headers, "tokens") or _anthropic(headers, "tokens") or _anthropic(headers, "input-tokens")


def _openai(headers: Mapping[str, str], kind: str) -> Allowance | None:
    limit, remaining, reset = (headers.get(f"x-ratelimit-{part}-{kind}") for part in ("limit", "remaining", "reset"))
    return _allowance(limit, remaining, reset=_duration(reset or ""))


def _anthropic(headers: Mapping[str, str], kind: str) -> Allowance | None:
    limit, remaining, reset = (
        headers.get(f"anthropic-ratelimit-{kind}-{part}") for part in ("limit", "remaining", "reset")
    )
    return _allowance(limit, remaining, reset=_until(reset or "", now=headers.get("date", "")))


def _allowance(limit: str | None, remaining: str | None, *, reset: float | None) -> Allowance | None:
    most, left = _number(limit), _number(remaining)
    if most is None or left is None or most <= 0:
        return None
    return Allowance(limit=most, remaining=min(left, most), reset=reset)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text.strip()) else None


def _duration(text: str) -> float | None:
    """Seconds in a duration such as `1h2m3.5s` or `20ms`; a bare number is of seconds."""
    bare = _number(text)
    if bare is not None:
        return bare
    if not re.fullmatch(f"(?:{_PART})+", text.strip()):
        return None
    return math.fsum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def _until(text: str, *, now: str) -> float | None:
    """Seconds until an ISO time, by the provider's own clock if it says its time."""
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    try:
        here = parsedate_to_datetime(now)
    except (ValueError, TypeError, OverflowError):
        here = datetime.now(UTC)
    if here.tzinfo is None:
        return None
    return max((then - here).total_seconds(), 0.0)
