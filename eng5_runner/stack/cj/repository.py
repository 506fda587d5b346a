"""The CJ service's tables of batches: their plans, their attempts at pairs, the results, and the closing events.

A worker writes a decision only while it holds the lease of the batch's request, which is checked in the same
transaction. So a worker whose lease was lost decides nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Row

from eng5_runner.stack.cj.inbox import Held
from eng5_runner.stack.cj.plan import BatchPlan
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import cj_batches, cj_closing_events, cj_comparisons
from eng5_runner.stack.platform.transactions import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """An accepted batch. `number` is the service's own id for it, the `cj_batch_id` and job id on the wire."""

    number: int
    request_sha256: str
    plan: BatchPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAttempt:
    """One attempt at a comparison of a pair.

    Attributes:
        wave: the pair's wave, from 0.
        place: the pair's place in its wave, from 0.
        attempt: 0 for the first attempt, 1 and 2 for retries.
        correlation_id: of this attempt; the same after a restart, so that the provider recognises it.
        raw: the callback as it arrived; None while there is none.
    """

    wave: int
    place: int
    attempt: int
    essay_a_id: str
    essay_b_id: str
    correlation_id: str
    raw: bytes | None = None


class BatchRepository:
    """The tables of batches, for the worker that holds the request."""

    def __init__(self, store: Store, held: Held) -> None:
        self._store = store
        self._held = held

    async def find(self, batch_id: str) -> Batch | None:
        """A batch that was accepted earlier."""
        row = await self._store.row(select(cj_batches).where(cj_batches.c.batch_id == batch_id))
        if row is None:
            return None
        return Batch(number=row.id, request_sha256=row.request_sha256, plan=BatchPlan.model_validate_json(row.plan))

    async def accept(self, plan: BatchPlan, request_sha256: str) -> Batch:
        """Store a new batch.

        Raises:
            LeaseLost: another worker has it.
        """
        row = {"batch_id": plan.batch_id, "request_sha256": request_sha256, "plan": plan.model_dump_json()}

        async def accept(connection: Transaction) -> int:
            await self._held.check(connection)
            await connection.insert_new(cj_batches, [row])
            found = await connection.execute(select(cj_batches.c.id).where(cj_batches.c.batch_id == plan.batch_id))
            return int(found.scalar_one())

        number = await self._store.carry_out(accept)
        return Batch(number=number, request_sha256=request_sha256, plan=plan)

    async def go_on(self, batch: Batch, plan: BatchPlan) -> Batch:
        """Store a batch's new plan and delete the events that ended it.

        Raises:
            LeaseLost: another worker has the batch.
        """

        async def go_on(connection: Transaction) -> None:
            await self._held.check(connection)
            changed = update(cj_batches).where(cj_batches.c.id == batch.number).values(plan=plan.model_dump_json())
            await connection.execute(changed)
            await connection.execute(delete(cj_closing_events).where(cj_closing_events.c.cj_batch_id == batch.number))

        await self._store.carry_out(go_on)
        return Batch(number=batch.number, request_sha256=batch.request_sha256, plan=plan)

    async def asked(self, number: int) -> list[PairAttempt]:
        """All attempts of a batch in order, with their callbacks."""
        query = select(cj_comparisons).where(cj_comparisons.c.cj_batch_id == number).order_by(cj_comparisons.c.id)
        return [_asked(row) for row in await self._store.rows(query)]

    async def add(self, number: int, asked: Sequence[PairAttempt]) -> None:
        """Store attempts before they are made.

        Raises:
            LeaseLost: another worker has the batch.
        """
        rows = [
            {
                "cj_batch_id": number,
                "wave": pair.wave,
                "place": pair.place,
                "attempt": pair.attempt,
                "essay_a_id": pair.essay_a_id,
                "essay_b_id": pair.essay_b_id,
                "correlation_id": pair.correlation_id,
            }
            for pair in asked
        ]

        async def add(connection: Transaction) -> None:
            await self._held.check(connection)
            await connection.insert_new(cj_comparisons, rows)

        await self._store.carry_out(add)

    async def close(self, number: int, events: Sequence[tuple[str, bytes]]) -> None:
        """Store the events, (topic, message), that end a batch, before they are published; earlier ones stay.

        Raises:
            LeaseLost: another worker has the batch.
        """
        rows = [{"cj_batch_id": number, "topic": topic, "raw": raw} for topic, raw in events]
        there = select(cj_closing_events.c.id).where(cj_closing_events.c.cj_batch_id == number)

        async def close(connection: Transaction) -> None:
            await self._held.check(connection)
            if (await connection.execute(there)).first() is None:
                await connection.execute(insert(cj_closing_events), rows)

        await self._store.carry_out(close)

    async def closing(self, number: int) -> list[tuple[str, bytes]]:
        """The events that ended a batch; empty while it runs."""
        query = select(cj_closing_events).where(cj_closing_events.c.cj_batch_id == number)
        return [(row.topic, row.raw) for row in await self._store.rows(query.order_by(cj_closing_events.c.id))]


async def keep_answers(store: Store, answers: Sequence[tuple[str, bytes]]) -> None:
    """Store callbacks by correlation id. The first one of an attempt stays; one without an attempt is dropped."""
    statement = (
        update(cj_comparisons)
        .where(cj_comparisons.c.correlation_id == bindparam("which"), cj_comparisons.c.raw.is_(None))
        .values(raw=bindparam("what"))
    )
    rows = [{"which": which, "what": raw} for which, raw in sorted(answers)]
    await store.carry_out(lambda connection: connection.execute(statement, rows))


def _asked(row: Row[Any]) -> PairAttempt:
    return PairAttempt(
        wave=row.wave,
        place=row.place,
        attempt=row.attempt,
        essay_a_id=row.essay_a_id,
        essay_b_id=row.essay_b_id,
        correlation_id=row.correlation_id,
        raw=row.raw,
    )
