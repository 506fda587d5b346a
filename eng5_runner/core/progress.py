"""How fast the comparisons of a session arrive, from its events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from eng5_runner.core.events import CallbackAccepted, Event, RunResumed, RunStarted


def comparisons_per_second(events: Iterable[Event]) -> float | None:
    """The rate in the last session, from its first comparison to its last; None where there is only one instant."""
    answered, first, last = 0, None, None
    for event in events:
        if isinstance(event, RunStarted | RunResumed):
            answered, first = 0, None
        elif isinstance(event, CallbackAccepted) and event.kind == "comparison":
            answered, first, last = answered + 1, first or event.at, event.at
    return None if first is None or last is None else _rate(answered - 1, first=first, last=last)


def _rate(intervals: int, *, first: datetime, last: datetime) -> float | None:
    seconds = (last - first).total_seconds()
    return intervals / seconds if intervals and seconds > 0 else None
