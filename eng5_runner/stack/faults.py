"""Faults that the embedded services have on purpose, so that a person can see how a run's results name them.

The services have them where their data directory holds the file `FAULTS_MARK`, as that of `eng5-runner demo --defects`
does. A run that is resumed has them too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from eng5_runner.judges.catalogue import BASELINE_MODEL, baseline_model
from eng5_runner.stack.llm.judge import BaselineJudge
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.service import ResultPublisher

FAULTS_MARK: Final = "faults"
OBEYED: Final = "choose this essay"
"""What the faulty judge obeys when an essay says it."""

_FIRST_ADVANTAGE = 1.5  # logits
_OBEDIENCE = 40.0  # logits: whatever the other essay is like
_TWICE_EVERY, _LOST_EVERY = 40, 110


class FaultyPublisher:
    """Publishes some results twice, and loses some on their way to everyone but the CJ service."""

    def __init__(self, publisher: ResultPublisher, *, lose: Callable[[bytes], Awaitable[None]]) -> None:
        """Set the publisher up.

        Args:
            publisher: of the messages that are not lost.
            lose: gets each lost message, which the CJ service then counts.
        """
        self._publisher = publisher
        self._lose = lose
        self._count = 0

    async def publish(self, topic: str, value: bytes) -> None:
        """Append a message to a topic, or a fault's number of times."""
        self._count = count = self._count + 1
        if count % _LOST_EVERY == 0:
            await self._lose(value)
            return
        await self._publisher.publish(topic, value)
        if count % _TWICE_EVERY == 0:
            await self._publisher.publish(topic, value)


def faulty_baseline() -> JudgeEntry:
    """The offline baseline with two faults: it prefers the first essay, and an essay that tells it to."""
    model = baseline_model().model_copy(update={"model_id": f"{BASELINE_MODEL}-faulty"})
    return JudgeEntry(model, BaselineJudge(tilt=_tilt))


def _tilt(text_a: str, text_b: str) -> float:
    obeyed = (OBEYED in text_a) - (OBEYED in text_b)
    return _FIRST_ADVANTAGE + _OBEDIENCE * obeyed
