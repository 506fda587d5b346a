"""The inbox: requests as they arrived, stored before their Kafka offsets are committed.

One worker at a time holds a request, under a lease. When that worker dies, another one takes the request after the
lease and continues from what the database has of the batch.
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
from eng5_runner.stack.platform.leases import lease, parameters, releasing, renewing, taking
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import cj_requests
from eng5_runner.stack.platform.transactions import Transaction


def _open() -> ColumnElement[bool]:
    """Whether a request is not finished yet."""
    return cj_requests.c.done_at.is_(None)


class LeaseLost(Exception):
    """Another worker has taken the batch, so this worker may decide nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A request that this worker holds.

    Attributes:
        number: its number in the table.
        raw: the message.
        answered: whether the callbacks that were stored when it arrived have been published again.
        worker: the id of the worker.
    """

    number: int
    raw: bytes
    answered: bool
    worker: str

    async def check(self, connection: Transaction) -> None:
        """Renew the lease in the caller's transaction, so that no other worker takes the request before its end.

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
        self._taking = taking(cj_requests, key=cj_requests.c.id, where=_open())
        self._renewing = renewing(cj_requests, key=cj_requests.c.id, where=_open())

    async def put(self, requests: Sequence[tuple[str, bytes]]) -> None:
        """Store messages by batch id.

        For a batch that waits or runs, a message changes nothing. The exception is the same request with a higher cost
        limit: it replaces the other, and the worker of the other then leaves it open.
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
        """Lease the oldest requests that no worker holds.

        Args:
            at_most: the number of requests.
            leased: the numbers of the requests that this worker holds already.
        """
        rows = await self._store.rows(self._taking, parameters(self._worker, leased) | {"most": at_most})
        return [
            Held(number=row.id, raw=row.raw, answered=row.answered_at is not None, worker=self._worker)
            for row in sorted(rows, key=lambda row: row.id)
        ]

    async def renew(self, leased: Collection[int]) -> set[int]:
        """Renew the leases of these requests and return the numbers that this worker still holds."""
        rows = await self._store.rows(self._renewing, parameters(self._worker, leased))
        return {row.id for row in rows}

    async def note(self, held: Held, *, done: bool = False) -> None:
        """Note that the stored callbacks have been published again, or with `done` that the request is finished.

        Raises:
            LeaseLost: another worker has it.
        """
        column = cj_requests.c.done_at if done else cj_requests.c.answered_at

        async def note(connection: Transaction) -> None:
            await held.check(connection)
            statement = update(cj_requests).where(cj_requests.c.id == held.number)
            same = cj_requests.c.raw == held.raw
            noted = await connection.execute(statement.where(same).values({column: datetime.now(UTC).isoformat()}))
            if noted.rowcount == 0 and done:  # it arrived again with a higher cost limit, and runs again
                afresh = {"answered_at": None, "worker": None, "lease_until": None}
                await connection.execute(statement.values(afresh))

        await self._store.carry_out(note)

    async def release(self) -> None:
        """End this worker's leases."""
        statement = releasing(cj_requests, where=_open(), worker=self._worker)
        await self._store.carry_out(lambda connection: connection.execute(statement))

    async def forget(self) -> None:
        """Delete all requests, for a new broker to which clients send them again."""
        await self._store.carry_out(lambda connection: connection.execute(delete(cj_requests)))


async def _raise(connection: Transaction, *, batch_sha256: str, raw: bytes) -> None:
    """Replace an open request by the same one with a higher cost limit."""
    waiting = and_(cj_requests.c.batch_sha256 == batch_sha256, _open())
    stored = (await connection.execute(select(cj_requests.c.raw).where(waiting))).scalar()
    if stored is not None and is_raised(raw, than=stored):
        await connection.execute(update(cj_requests).where(waiting, cj_requests.c.raw == stored).values(raw=raw))


def _digest(batch_id: str) -> str:
    """A key of fixed length for any text that was sent as the batch's id."""
    return hashlib.sha256(batch_id.encode("utf-8", "surrogatepass")).hexdigest()
