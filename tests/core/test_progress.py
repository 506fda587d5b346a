"""How fast comparisons arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import CallbackAccepted, Event, RunResumed
from eng5_runner.core.progress import comparisons_per_second
from tests.support.run.events import ONE_OF_EACH, VERSIONS


def test_the_rate_is_that_of_the_last_session() -> None:
    start = datetime(2027, 3, 2, tzinfo=UTC)

    def comparisons(since: datetime, *, every: float) -> list[Event]:
        one = ONE_OF_EACH["CallbackAccepted"]
        assert isinstance(one, CallbackAccepted)
        return [replace(one, kind="comparison", at=since + timedelta(seconds=every * n)) for n in range(5)]

    slow = comparisons(start, every=10)
    resumed = RunResumed(at=start + timedelta(hours=1), versions=VERSIONS)
    fast = comparisons(start + timedelta(hours=1), every=1)
    assert comparisons_per_second(slow) == pytest.approx(0.1)
    assert comparisons_per_second([*slow, resumed]) is None
    assert comparisons_per_second([*slow, resumed, *fast[:1]]) is None
    assert comparisons_per_second([*slow, resumed, *fast]) == pytest.approx(1.0)
