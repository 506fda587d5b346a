"""The only sources of time and randomness in a run."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID, uuid4


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """The present instant in UTC, for the ledger."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some start, for timeouts. Setting the machine's clock does not change it."""
        return time.monotonic()


def new_run_id() -> UUID:
    """A new random id."""
    return uuid4()
