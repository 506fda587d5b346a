"""Inbox as they came, kept before Kafka is told that they were read; each is worked off by one worker at a time.

A worker holds a request under a lease. When it dies, another takes the request after the lease and goes on from what
stands in the batch's record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Update, and_, delete, select, update
from sqlalchemy.sql import ColumnElement

from eng5_runner.stack.cj.plan import is_raised
from eng5_runner.stack.platform.leases import lease, releasing, renewing, taking
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import cj_requests
from eng5_runner.stack.platform.transactions import Transaction


def _open() -> ColumnElement[bool]:
    """Whether a request is still to be worked off."""
    return cj_requests.c.done_at.is_(None)


class LeaseLost(Exception):
    """Another worker has taken the batch: this one has no say in it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A request in this worker's hand.

    Attributes:
        number: its own in the table.
        raw: the message.
        answered: whether what stood in the batch's record when it came has been published again.
        worker: who holds it.
    """

    number: int
    raw: bytes
    answered: bool
    worker: str

    async def check(self, connection: Transaction) -> None:
        """Renew the lease in the caller's transaction, so that nobody takes the request before its end.

        Raises:
            LeaseLost: another worker has it.
        """
        held = await connection.execute(self._update().values(lease_until=lease()))
        if held.rowcount == 0:
            raise LeaseLost(f"request {self.number} was taken by another worker")

    def _update(self) -> Update:
        return update(cj_requests).where(cj_requests.c.id == self.number, cj_requests.c.worker == self.worker, _open())


class Inbox:
    """The table of requests, as one worker uses it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worker = str(uuid4())

    async def put(self, requests: Sequence[tuple[str, bytes]]) -> None:
        """Keep messages by batch id.

        For a batch that is waiting or at work, a message changes nothing, but for the same request with a higher cost
        limit: it takes the other's place, and whoever works the other off leaves it open.
        """
        arrived = [(_digest(batch_id), raw) for batch_id, raw in requests]
        rows = [{"batch_sha256": digest, "raw": raw} for digest, raw in arrived]

        async def put(connection: Transaction) -> None:
            await connection.insert_new(cj_requests, rows)
            for digest, raw in sorted(arrived):
                again = and_(cj_requests.c.batch_sha256 == digest, cj_requests.c.done_at.is_not(None))
                fresh = {"raw": raw, "answered_at": None, "done_at": None, "worker": None, "lease_until": None}
                await connection.execute(update(cj_requests).where(again).values(fresh))
                await _raise(connection, batch_sha256=digest, raw=raw)

        await self._store.carry_out(put)

    async def take(self, at_most: int, *, leased: Collection[int]) -> list[Held]:
        """The oldest requests that nobody works off, which are this worker's from now on.

        Args:
            at_most: requests.
            leased: the numbers of those that the worker is at already.
        """
        key = cj_requests.c.id
        rows = await self._store.rows(
            taking(cj_requests, key=key, where=_open(), leased=leased, worker=self._worker, at_most=at_most)
        )
        return [
            Held(number=row.id, raw=row.raw, answered=row.answered_at is not None, worker=self._worker)
            for row in sorted(rows, key=lambda row: row.id)
        ]

    async def renew(self, leased: Collection[int]) -> set[int]:
        """Keep those of these numbers that this worker still has for another while; gives them."""
        key = cj_requests.c.id
        rows = await self._store.rows(renewing(cj_requests, key=key, where=_open(), leased=leased, worker=self._worker))
        return {row.id for row in rows}

    async def note(self, held: Held, *, done: bool = False) -> None:
        """Everything on record has been answered again, or the request is done with.

        Raises:
            LeaseLost: another worker has it.
        """
        column = cj_requests.c.done_at if done else cj_requests.c.answered_at

        async def note(connection: Transaction) -> None:
            await held.check(connection)
            statement = update(cj_requests).where(cj_requests.c.id == held.number)
            same = cj_requests.c.raw == held.raw
            noted = await connection.execute(statement.where(same).values({column: datetime.now(UTC).isoformat()}))
            if noted.rowcount == 0 and done:  # it came again with a higher cost limit, and is worked off anew
                afresh = {"answered_at": None, "worker": None, "lease_until": None}
                await connection.execute(statement.values(afresh))

        await self._store.carry_out(note)

    async def release(self) -> None:
        """Leave what this worker has not finished to others."""
        statement = releasing(cj_requests, where=_open(), worker=self._worker)
        await self._store.carry_out(lambda connection: connection.execute(statement))

    async def forget(self) -> None:
        """Forget all requests: for a broker that has forgotten them too, and whose clients send them again."""
        await self._store.carry_out(lambda connection: connection.execute(delete(cj_requests)))


async def _raise(connection: Transaction, *, batch_sha256: str, raw: bytes) -> None:
    """Put a request in the place of the same one with a lower cost limit, if that is open."""
    waiting = and_(cj_requests.c.batch_sha256 == batch_sha256, _open())
    there = (await connection.execute(select(cj_requests.c.raw).where(waiting))).scalar()
    if there is not None and is_raised(raw, than=there):
        await connection.execute(update(cj_requests).where(waiting, cj_requests.c.raw == there).values(raw=raw))


def _digest(batch_id: str) -> str:
    """A key of one length for whatever was sent as the batch's id."""
    return hashlib.sha256(batch_id.encode("utf-8", "surrogatepass")).hexdigest()
