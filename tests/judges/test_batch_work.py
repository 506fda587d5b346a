"""How often a provider is asked about a batch, by a clock that jumps over the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from eng5_runner.stack.llm.batch_work import BatchWork
from eng5_runner.stack.llm.provider_batches import ProviderBatch
from eng5_runner.stack.llm.providers.batches import BatchLimits, BatchState, BatchStatus
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Retry
from tests.support.quick_loop import run_quickly

RUNNING, REFUSED = BatchState(status=BatchStatus.RUNNING), BatchState(status=BatchStatus.REFUSED)
AWAY = AttemptFailed("LLM_PROVIDER_UNAVAILABLE", "away", retry=Retry.HERE)
LIMITS = BatchLimits(requests=10, size=1000, collect_seconds=0.0, poll_seconds=5.0, settle_seconds=0.0)


class Provider:
    """Gives these answers, and notes when it was asked."""

    def __init__(self, answers: Sequence[BatchState | AttemptFailed]) -> None:
        self.api, self.limits = self, LIMITS
        self.asked_at: list[float] = []
        self._answers = iter(answers)

    async def look(self, _: str) -> BatchState:
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = next(self._answers)
        if isinstance(answer, AttemptFailed):
            raise answer
        return answer


class NoComparisons:
    """The table of batches, of which this one has no comparison left."""

    async def is_cancelled(self, _: ProviderBatch) -> bool:
        return False

    async def open_ids(self, _: ProviderBatch) -> list[str]:
        return []

    async def entries(self, _: ProviderBatch, __: Sequence[str]) -> list[Any]:
        return []

    async def note_done(self, _: ProviderBatch) -> None:
        pass


async def conclude(*_: object) -> None:
    raise AssertionError("there is no comparison")


@pytest.mark.parametrize("answer", [RUNNING, AWAY], ids=["running", "away"])
def test_a_batch_is_looked_at_less_and_less_often_up_to_the_longest_pause(answer: BatchState | AttemptFailed) -> None:
    provider, batches = Provider([*[answer] * 6, REFUSED]), NoComparisons()
    batch = ProviderBatch(own_id="own", provider="openai", model="m", comparisons=1, provider_id="theirs")
    work = BatchWork(batches, batch, judges=provider, conclude=conclude)
    assert run_quickly(work.done()) is None
    pauses = [after - before for before, after in zip(provider.asked_at, provider.asked_at[1:], strict=False)]
    assert pauses == pytest.approx([1.0, 1.5, 2.25, 3.375, 5.0, 5.0], abs=0.01)
