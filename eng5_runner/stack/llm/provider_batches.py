"""The provider batches in the database: which comparisons a batch has, how far it is, which worker sees to it.

A batch is stored with its comparisons before anything of it is sent. So a service that ended at any moment finds what
it may have sent, and a comparison is in one batch at a time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.engine import Row

from eng5_runner.stack.llm.queue import Entry, body_of, entry_of
from eng5_runner.stack.platform.leases import parameters, releasing, renewing, taking
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import llm_comparisons, llm_provider_batches
from eng5_runner.stack.platform.transactions import Transaction

log = structlog.get_logger(__name__)

# Databases bound the number of values in a statement.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderBatch:
    """A batch as it is stored.

    Attributes:
        own_id: our id, which the provider gets to know.
        provider: of its model.
        model: that judges its comparisons.
        comparisons: their number.
        sending_at: when its making was begun (seconds since 1970); None before that.
        provider_id: the provider's id; None as long as it is not known.
    """

    own_id: str
    provider: str
    model: str
    comparisons: int
    sending_at: float | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What there is of comparisons that are to be cancelled.

    Attributes:
        known: their correlation ids.
        waiting: those that are in no batch yet.
        outcomes: of those that have one: its topic and its message.
    """

    known: tuple[str, ...]
    waiting: Sequence[Entry]
    outcomes: tuple[tuple[str, bytes], ...]


class _TakenMeanwhile(Exception):
    """Another worker has put one of the comparisons into a batch."""


class ProviderBatches:
    """The table of batches, as one worker uses it."""

    def __init__(self, store: Store, *, worker: str) -> None:
        """Set it up; `worker` is the worker's id in the tables."""
        self._store = store
        self._worker = worker
        self._taking = taking(llm_provider_batches, key=llm_provider_batches.c.own_id, where=_is_open())
        self._renewing = renewing(llm_provider_batches, key=llm_provider_batches.c.own_id, where=_is_open())

    async def waiting(self) -> tuple[int, int]:
        """How many comparisons wait to be put into a batch, and the number of the newest."""
        number = llm_comparisons.c.number
        row = await self._store.row(select(func.count(number), func.max(number)).where(_waits()))
        counted: Sequence[Any] = (0, 0) if row is None else tuple(row)
        return int(counted[0]), int(counted[1] or 0)

    async def waiting_entries(self, *, after: int) -> tuple[Sequence[Entry], int | None]:
        """The next comparisons that wait, the oldest first, and the number of the last; None if no more wait."""
        table = llm_comparisons
        query = select(table).where(_waits(), table.c.number > after).order_by(table.c.number).limit(_AT_ONCE)
        rows = await self._store.rows(query)
        return _readable(rows), rows[-1].number if rows else None

    async def form(self, queue_ids: Sequence[str], *, provider: str, model: str, is_cancelled: bool = False) -> bool:
        """Store a new batch with its comparisons; false if another worker has one of them in a batch already.

        A batch that is cancelled from the beginning is not sent.
        """
        own_id, table = str(uuid4()), llm_comparisons
        row: dict[str, str | float] = {"own_id": own_id, "provider": provider, "model": model}
        row |= {"comparisons": len(queue_ids)} | ({"cancelled_at": time.time()} if is_cancelled else {})

        async def form(connection: Transaction) -> None:
            for some in _parts(queue_ids):
                statement = update(table).where(table.c.queue_id.in_(some), _waits()).values(provider_batch=own_id)
                if (await connection.execute(statement)).rowcount != len(some):
                    raise _TakenMeanwhile
            await connection.execute(insert(llm_provider_batches).values(**row))

        try:
            await self._store.carry_out(form)
        except _TakenMeanwhile:
            return False
        return True

    async def take(self, *, leased: Collection[str]) -> list[ProviderBatch]:
        """Lease the batches that are not done and that no worker sees to."""
        rows = await self._store.rows(self._taking, parameters(self._worker, leased) | {"most": _AT_ONCE})
        return [_batch(row) for row in sorted(rows, key=lambda row: row.number)]

    async def renew(self, leased: Collection[str]) -> None:
        """Renew the leases of these batches."""
        await self._store.rows(self._renewing, parameters(self._worker, leased))

    async def release(self) -> None:
        """End this worker's leases."""
        statement = releasing(llm_provider_batches, where=_is_open(), worker=self._worker)
        await self._store.carry_out(lambda connection: connection.execute(statement))

    async def note_sending(self, batch: ProviderBatch) -> float:
        """Store that the making of a batch begins now; returns the time."""
        now = time.time()
        await self._set(batch, sending_at=now)
        return now

    async def note_unsent(self, batch: ProviderBatch) -> None:
        """Store that the batch was certainly not made."""
        await self._set(batch, sending_at=None)

    async def note_sent(self, batch: ProviderBatch, provider_id: str) -> None:
        """Store the provider's id of a batch."""
        await self._set(batch, provider_id=provider_id)

    async def cancel(self, correlation_ids: Sequence[str]) -> Cancelled:
        """Note the batches that have these comparisons as cancelled."""
        table, batches = llm_comparisons, llm_provider_batches

        async def cancel(connection: Transaction) -> Sequence[Row[Any]]:
            query = select(table).where(table.c.is_batched == 1, table.c.correlation_id.in_(correlation_ids))
            rows: Sequence[Row[Any]] = (await connection.execute(query.order_by(table.c.number))).all()
            names = {row.provider_batch for row in rows if row.outcome is None} - {None}
            marked = update(batches).where(batches.c.own_id.in_(names), batches.c.cancelled_at.is_(None))
            await connection.execute(marked.values(cancelled_at=time.time()))
            return rows

        rows = await self._store.carry_out(cancel)
        return Cancelled(
            known=tuple(row.correlation_id for row in rows),
            waiting=_readable([row for row in rows if row.outcome is None and row.provider_batch is None]),
            outcomes=tuple((row.callback_topic, row.outcome) for row in rows if row.outcome),
        )

    async def is_cancelled(self, batch: ProviderBatch) -> bool:
        """Whether a batch is to be ended early."""
        table = llm_provider_batches
        row = await self._store.row(select(table.c.cancelled_at).where(table.c.own_id == batch.own_id))
        return row is not None and row.cancelled_at is not None

    async def note_done(self, batch: ProviderBatch) -> None:
        """Store that all comparisons of a batch have their outcomes."""
        await self._set(batch, done_at=time.time())

    async def dissolve(self, batch: ProviderBatch) -> None:
        """Let the comparisons of a batch that was not made wait for others; those of a cancelled one stay in it."""
        table = llm_comparisons

        async def dissolve(connection: Transaction) -> None:
            itself = llm_provider_batches.c.own_id == batch.own_id
            row = (await connection.execute(select(llm_provider_batches.c.cancelled_at).where(itself))).one()
            if row.cancelled_at is not None:
                unsent = update(llm_provider_batches).where(itself)
                await connection.execute(unsent.values(sending_at=None, provider_id=None))
                return
            left = update(table).where(table.c.provider_batch == batch.own_id, table.c.outcome.is_(None))
            await connection.execute(left.values(provider_batch=None))
            done = update(llm_provider_batches).where(itself)
            await connection.execute(done.values(done_at=time.time()))

        await self._store.carry_out(dissolve)

    async def open_ids(self, batch: ProviderBatch) -> list[str]:
        """The queue ids of a batch's comparisons without an outcome, the oldest first."""
        table = llm_comparisons
        query = select(table.c.queue_id).where(table.c.provider_batch == batch.own_id, table.c.outcome.is_(None))
        return [row.queue_id for row in await self._store.rows(query.order_by(table.c.number))]

    async def all_ids(self, batch: ProviderBatch) -> frozenset[str]:
        """The queue ids of all comparisons of a batch."""
        table = llm_comparisons
        rows = await self._store.rows(select(table.c.queue_id).where(table.c.provider_batch == batch.own_id))
        return frozenset(row.queue_id for row in rows)

    async def entries(self, batch: ProviderBatch, queue_ids: Sequence[str]) -> Sequence[Entry]:
        """Those of these comparisons that are in a batch and have no outcome, the oldest first."""
        table = llm_comparisons
        rows: list[Row[Any]] = []
        for some in _parts(queue_ids):
            open_ones = (table.c.provider_batch == batch.own_id, table.c.outcome.is_(None), table.c.queue_id.in_(some))
            rows += await self._store.rows(select(table).where(*open_ones).order_by(table.c.number))
        return _readable(rows)

    async def _set(self, batch: ProviderBatch, **values: float | str | None) -> None:
        table = llm_provider_batches
        statement = update(table).where(table.c.own_id == batch.own_id).values(**values)
        await self._store.carry_out(lambda connection: connection.execute(statement))


def _parts(queue_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (queue_ids[start : start + _AT_ONCE] for start in range(0, len(queue_ids), _AT_ONCE))


def _waits() -> ColumnElement[bool]:
    """Whether a comparison waits to be put into a batch."""
    table = llm_comparisons
    return (table.c.is_batched == 1) & table.c.outcome.is_(None) & table.c.provider_batch.is_(None)


def _is_open() -> ColumnElement[bool]:
    return llm_provider_batches.c.done_at.is_(None)


def _readable(rows: Sequence[Row[Any]]) -> Sequence[Entry]:
    entries = []
    for row in rows:
        try:
            entries.append(entry_of(row, body_of(row.body)))
        except ValidationError:  # accepted by another version with a wider contract
            log.exception("a stored comparison breaks the contract", queue_id=row.queue_id)
    return entries


def _batch(row: Row[Any]) -> ProviderBatch:
    return ProviderBatch(
        own_id=row.own_id,
        provider=row.provider,
        model=row.model,
        comparisons=row.comparisons,
        sending_at=row.sending_at,
        provider_id=row.provider_id,
    )
