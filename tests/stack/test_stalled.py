"""A stack that was held up for longer than its leases last: what it has in hand it does not take once more."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.llm.judge import Question, Verdict
from eng5_runner.stack.platform.store import FILE_NAME
from tests.support.stack.driver import RecordingJudge, batch_id_of, request, running


class SlowJudge(RecordingJudge):
    """Notes at once who is asked for, and answers nobody before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self._news = asyncio.Condition()

    async def __call__(self, question: Question) -> Verdict:
        async with self._news:
            self.asked.append(question.request_id)
            self._news.notify_all()
        await self.gate.wait()
        return await super().__call__(question)

    async def has_been_asked(self, questions: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(set(self.asked)) >= questions)


def let_leases_lapse(data_dir: Path) -> None:
    """As if nothing had been renewed for long."""
    with closing(sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)) as connection:
        for table in ("cj_requests", "llm_comparisons"):
            connection.execute(f"UPDATE {table} SET lease_until = 1.0 WHERE lease_until IS NOT NULL")


async def test_what_is_in_hand_is_neither_judged_nor_run_twice_when_its_lease_has_lapsed(tmp_path: Path) -> None:
    judge = SlowJudge()
    async with running(tmp_path, judge=judge) as stack:
        essays = await stack.essays(2)
        first, second = (request(essays, metadata={"max_comparisons": 1}) for _ in range(2))
        await stack.publish(first)
        await judge.has_been_asked(1)
        let_leases_lapse(tmp_path)
        # It makes both services look for work, and the oldest comes first.
        await stack.publish(second)
        await judge.has_been_asked(2)
        judge.gate.set()
        batches = [await stack.outcome(batch_id_of(raw)) for raw in (first, second)]

    assert set(Counter(judge.asked).values()) == {1}
    for batch in batches:
        assert Counter(message.topic for message in batch.messages) == {
            Topic.COMPARISON: 1,
            Topic.COMPLETED: 1,
            Topic.RESULT: 1,
        }
