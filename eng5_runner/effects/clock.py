"""The only doors to time and chance."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID, uuid4


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The instant, in UTC, for the record."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some start, for deadlines: it never jumps when somebody sets the wall clock."""
        return time.monotonic()


def new_run_id() -> UUID:
    """An id that no other run has."""
    return uuid4()
