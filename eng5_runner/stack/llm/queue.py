"""The provider's queue: comparisons, the workers that hold them, and their results, stored before they are published.

Several processes share it. The process that accepts a comparison only stores it; workers take what no worker holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError
from sqlalchemy import Select, Update, and_, bindparam, delete, func, not_, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.sql import ColumnElement

from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.stack.platform.group_commit import GroupCommit
from eng5_runner.stack.platform.leases import free, lease, padded, parameters, releasing, renewing, taking, worker_id
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import llm_comparisons, llm_provider_batches
from eng5_runner.stack.platform.transactions import Transaction

log = structlog.get_logger(__name__)

# The outcome of a comparison that an earlier version accepted and that can have no valid result: no message.
UNANSWERABLE = b""


def _open() -> ColumnElement[bool]:
    """Whether a comparison has no outcome yet."""
    return llm_comparisons.c.outcome.is_(None)


def _for_workers() -> ColumnElement[bool]:
    """Whether a comparison has no outcome yet, and does not go to a provider's batch API."""
    return and_(_open(), llm_comparisons.c.is_batched == 0)


def _count_waiting() -> Select[int]:
    return select(func.count()).where(_for_workers(), llm_comparisons.c.worker.is_(None))


def _beginning() -> Update:
    """Notes that the comparison `which` is asked now."""
    begun = update(llm_comparisons).where(llm_comparisons.c.queue_id == bindparam("which"), _open())
    return begun.values(taken=llm_comparisons.c.taken + 1)


def _locking() -> Select[str, bool]:
    """Locks the comparisons `which`, in a fixed order so that two processes do not block each other; which are open."""
    ids = llm_comparisons.c.queue_id
    wanted = ids.in_(bindparam("which", expanding=True))  # with `_open()` here PostgreSQL may read all open ones
    return select(ids, _open().label("is_open")).where(wanted).order_by(ids).with_for_update()


def _finishing() -> Update:
    """Stores the outcome `what` of the comparison `which`, by the worker `by`, unless there is one."""
    finished = update(llm_comparisons).where(llm_comparisons.c.queue_id == bindparam("which"), _open())
    return finished.values(outcome=bindparam("what"), body=None, worker=worker_id(), lease_until=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One comparison in the queue.

    Attributes:
        queue_id: the `request_id` of its result.
        body: the request.
        prompt_sha256: of the exact prompt text.
        requested_at: when it was accepted (UTC).
        was_begun: whether a worker asked it before, and did not store an outcome.
        is_batched: whether it goes to the provider's batch API.
    """

    queue_id: str
    body: ComparisonBody
    prompt_sha256: str
    requested_at: datetime
    was_begun: bool = False
    is_batched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyQueued:
    """A comparison that is stored under its correlation id, from this request or an earlier one.

    Attributes:
        queue_id: the id that it got when it first arrived.
        prompt_sha256: of its prompt.
        body: the request that queued it, as JSON; None once it is answered.
        outcome: the message of the result; None while it waits, `UNANSWERABLE` if there is no message.
    """

    queue_id: str
    prompt_sha256: str
    body: bytes | None
    outcome: bytes | None

    def is_for(self, body: ComparisonBody) -> bool:
        """Whether a request is about the same comparison of the same batch, in whatever words."""
        if self.body is not None:
            about = body_of(self.body).metadata
        else:
            about = json.loads(self.outcome)["data"]["request_metadata"] if self.outcome else {}
        return all(about.get(name) == body.metadata.get(name) for name in ("bos_batch_id", "essay_a_id", "essay_b_id"))


class Full(Enum):
    """The answer when the queue is full."""

    FULL = "full"


def _nobody(_: Entry) -> None:
    """Holds nothing."""


class QueueRepository:
    """The queue's table, as one worker uses it; concurrent writes are committed in groups.

    Attributes:
        worker: this worker's id in the table.
        may_wait: whether comparisons may wait that no worker holds, as far as this worker knows.
    """

    def __init__(self, store: Store, *, length: int) -> None:
        """Set the queue up.

        Args:
            store: its database.
            length: comparisons that may wait for a worker.
        """
        self.worker = str(uuid4())
        self._store = store
        self._length = length
        self._counting = _count_waiting()
        columns = [column for column in llm_comparisons.c if column.name not in ("body", "outcome")]
        self._taking = taking(llm_comparisons, key=llm_comparisons.c.queue_id, where=_for_workers(), columns=columns)
        self._beginning = _beginning()
        self._renewing = renewing(llm_comparisons, key=llm_comparisons.c.queue_id, where=_open())
        self._locking, self._finishing = _locking(), _finishing()
        # The bodies of comparisons that this worker accepted and nobody has taken yet, as far as it knows: they are
        # not read once more from the table. It keeps no more than may wait.
        self._bodies: dict[str, ComparisonBody] = {}
        self.may_wait = True
        self._places = 0
        self._hold: Callable[[Entry], None] = _nobody
        # A `take` must know a lease before it can see it in the table.
        self._leasing = asyncio.Lock()
        self.accepted: GroupCommit[Entry, AlreadyQueued | Full] = GroupCommit(self._accept)
        self.begun: GroupCommit[str, None] = GroupCommit(self._begin)
        self.finished: GroupCommit[tuple[str, bytes], bool] = GroupCommit(self._finish)

    def start(
        self, create_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    ) -> tuple[asyncio.Task[None], ...]:
        """Write what is accepted, begun and finished, until these tasks are cancelled."""
        return tuple(group.start(create_task) for group in (self.accepted, self.begun, self.finished))

    async def _accept(self, entries: Sequence[Entry]) -> Sequence[AlreadyQueued | Full]:
        """Store new entries while there is room, and return what is stored under each entry's correlation id."""
        by_id: dict[str, Entry] = {}
        for entry in entries:
            by_id.setdefault(entry.body.correlation_id, entry)

        async def accept(connection: Transaction) -> tuple[dict[str, AlreadyQueued], set[str]]:
            queued, held = await _already_queued(connection, list(by_id)), set[str]()
            new = [entry for name, entry in by_id.items() if name not in queued]
            if new:
                room = max(0, self._length - (await connection.execute(self._counting)).scalar_one())
                # A provider's batch is made of all that wait for it, so their number has no limit.
                new = [
                    *(entry for entry in new if entry.is_batched),
                    *[entry for entry in new if not entry.is_batched][:room],
                ]
                held = {entry.queue_id for entry in [each for each in new if not each.is_batched][: self._places]}
                if await self._insert(connection, new, held=held):
                    queued |= {entry.body.correlation_id: _just_queued(entry) for entry in new}
                else:  # another process can have stored the same id first
                    queued |= await _stored(connection, new)
            return queued, held

        async with self._leasing:
            queued, held = await self._store.carry_out(accept)
            stored = {each.queue_id for each in queued.values()}
            new = [entry for entry in by_id.values() if entry.queue_id in stored and not entry.is_batched]
            for entry in new:
                if entry.queue_id in held:
                    self._places = max(self._places - 1, 0)
                    self._hold(entry)
        waiting = [entry for entry in new if entry.queue_id not in held]
        self._remember(waiting)
        self.may_wait = self.may_wait or bool(waiting)
        return [queued.get(entry.body.correlation_id, Full.FULL) for entry in entries]

    async def _insert(self, connection: Transaction, new: Sequence[Entry], *, held: Collection[str]) -> bool:
        """Store new entries, some of them under a lease; whether all are known to be new."""
        free = [_as_row(entry) for entry in new if entry.queue_id not in held]
        ours = [_as_row(entry) | {"worker": self.worker} for entry in new if entry.queue_id in held]
        are_new = await connection.insert_new(llm_comparisons, free)
        return await connection.insert_new(llm_comparisons, ours, lease_until=lease()) and are_new

    def offer(self, places: int, *, hold: Callable[[Entry], None] = _nobody) -> None:
        """Lease so many of the comparisons that this worker accepts from now on, until the next call.

        That is a transaction less for them, and no other one reads them again. It is for a worker that has looked for
        those that wait: else these would have to wait for newer ones.

        Args:
            places: comparisons.
            hold: called with each; it is among the leased ones when this returns. One that nobody holds stays in the
                table, and `take` finds it there.
        """
        self._places = 0 if self._leasing.locked() else places
        self._hold = hold

    def _remember(self, entries: Iterable[Entry]) -> None:
        self._bodies.update((entry.queue_id, entry.body) for entry in entries)
        for queue_id in tuple(islice(self._bodies, max(len(self._bodies) - self._length, 0))):
            del self._bodies[queue_id]

    async def _begin(self, queue_ids: Sequence[str]) -> Sequence[None]:
        """Note that these are asked now: once this worker has ended, nobody knows whether they are paid for."""
        rows = [{"which": queue_id} for queue_id in sorted(queue_ids)]
        await self._store.carry_out(lambda connection: connection.execute(self._beginning, rows))
        return [None] * len(queue_ids)

    async def _finish(self, outcomes: Sequence[tuple[str, bytes]]) -> Sequence[bool]:
        """Store outcomes by queue id, and return for each whether it is the one that is stored."""
        ids = padded([queue_id for queue_id, _ in outcomes])

        async def finish(connection: Transaction) -> set[tuple[str, bytes]]:
            locked = (await connection.execute(self._locking, {"which": ids})).all()
            unfinished = {row.queue_id for row in locked if row.is_open}
            # Of two outcomes the first.
            ours = {queue_id: raw for queue_id, raw in reversed(outcomes) if queue_id in unfinished}
            if ours:
                rows = [{"which": queue_id, "what": raw, "by": self.worker} for queue_id, raw in ours.items()]
                await connection.execute(self._finishing, rows)
            # Compare the stored outcome and not the worker: an earlier outcome can be of this worker too.
            earlier = [queue_id for queue_id, _ in outcomes if queue_id not in unfinished]
            return {*ours.items()} | (await _stored_outcomes(connection, earlier) if earlier else set())

        kept = await self._store.carry_out(finish)
        return [outcome in kept for outcome in outcomes]

    async def take(self, at_most: int, *, leased: Collection[str]) -> list[Entry]:
        """Lease the oldest comparisons that no worker holds.

        Args:
            at_most: the number of comparisons.
            leased: the queue ids of those that this worker holds already; they may change until its turn comes.
        """

        async def take(connection: Transaction) -> list[tuple[Row[Any], ComparisonBody | bytes]]:
            rows = (await connection.execute(self._taking, wanted)).all()
            bodies = {row.queue_id: self._bodies.get(row.queue_id) for row in rows}
            others = [queue_id for queue_id, body in bodies.items() if body is None]
            stored = await _stored_bodies(connection, others) if others else {}
            return [(row, bodies[row.queue_id] or stored[row.queue_id]) for row in rows]

        entries = []
        async with self._leasing:
            wanted = parameters(self.worker, leased) | {"most": at_most}
            taken = await self._store.carry_out(take)
        self.may_wait = len(taken) == at_most
        for row, body in sorted(taken, key=lambda each: each[0].number):
            self._bodies.pop(row.queue_id, None)
            try:
                entries.append(entry_of(row, body if isinstance(body, ComparisonBody) else body_of(body)))
            except ValidationError:  # accepted by an earlier version with a wider contract
                log.exception("a stored comparison breaks the contract", queue_id=row.queue_id)
                await self.finished.add((row.queue_id, UNANSWERABLE))
        return entries

    async def renew(self, leased: Collection[str]) -> None:
        """Renew the leases of these comparisons."""
        await self._store.rows(self._renewing, parameters(self.worker, leased))

    async def waiting(self) -> int:
        """How many comparisons no worker has taken yet, of all workers' queue; raises if the database is away."""
        return int((await self._store.once(lambda connection: connection.execute(self._counting))).scalar_one())

    async def workers(self) -> int:
        """How many workers hold comparisons, this one included."""
        table = llm_comparisons
        others = select(func.count(func.distinct(table.c.worker))).where(
            _open(), table.c.worker != self.worker, not_(free(table))
        )
        rows = await self._store.rows(others)
        return 1 + int(rows[0][0])

    async def release(self) -> None:
        """End this worker's leases."""
        statement = releasing(llm_comparisons, where=_open(), worker=self.worker)
        await self._store.carry_out(lambda connection: connection.execute(statement))


async def forget_unasked(store: Store) -> None:
    """Delete the comparisons that no provider can know of, on a new broker, on which clients ask for theirs again.

    Else they would be judged for money for a client that has given its batch up, or that would ask for fewer now.
    """
    table, batches = llm_comparisons, llm_provider_batches
    is_unsent = and_(batches.c.sending_at.is_(None), batches.c.provider_id.is_(None), batches.c.done_at.is_(None))
    in_none = or_(
        table.c.provider_batch.is_(None), table.c.provider_batch.in_(select(batches.c.own_id).where(is_unsent))
    )

    async def forget(connection: Transaction) -> None:
        await connection.execute(delete(table).where(_open(), table.c.taken == 0, in_none))
        await connection.execute(delete(batches).where(is_unsent))

    await store.carry_out(forget)


def new_entry(body: ComparisonBody, prompt_sha256: str, *, is_batched: bool = False) -> Entry:
    """A new entry, accepted now."""
    return Entry(
        queue_id=str(uuid4()),
        body=body,
        prompt_sha256=prompt_sha256,
        requested_at=datetime.now(UTC),
        is_batched=is_batched,
    )


async def _already_queued(connection: Transaction, correlation_ids: Sequence[str]) -> dict[str, AlreadyQueued]:
    """The comparisons that are stored under these correlation ids."""
    table = llm_comparisons
    query = select(table.c.correlation_id, table.c.queue_id, table.c.prompt_sha256, table.c.body, table.c.outcome)
    found = (await connection.execute(query.where(table.c.correlation_id.in_(padded(correlation_ids))))).all()
    return {
        row.correlation_id: AlreadyQueued(
            queue_id=row.queue_id, prompt_sha256=row.prompt_sha256, body=row.body, outcome=row.outcome
        )
        for row in found
    }


async def _stored(connection: Transaction, entries: Sequence[Entry]) -> dict[str, AlreadyQueued]:
    """What is stored under the correlation ids of these entries: mostly they themselves."""
    ids = llm_comparisons.c.queue_id
    query = select(ids).where(ids.in_(padded([entry.queue_id for entry in entries])))
    ours = set((await connection.execute(query)).scalars())
    new = {entry.body.correlation_id: _just_queued(entry) for entry in entries if entry.queue_id in ours}
    others = [entry.body.correlation_id for entry in entries if entry.queue_id not in ours]
    return new | (await _already_queued(connection, others) if others else {})


def _just_queued(entry: Entry) -> AlreadyQueued:
    return AlreadyQueued(queue_id=entry.queue_id, prompt_sha256=entry.prompt_sha256, body=None, outcome=None)


async def _stored_outcomes(connection: Transaction, queue_ids: Sequence[str]) -> set[tuple[str, bytes]]:
    table = llm_comparisons
    query = select(table.c.queue_id, table.c.outcome).where(table.c.queue_id.in_(padded(queue_ids)))
    return {(row.queue_id, row.outcome) for row in (await connection.execute(query)).all()}


async def _stored_bodies(connection: Transaction, queue_ids: Sequence[str]) -> dict[str, bytes]:
    table = llm_comparisons
    query = select(table.c.queue_id, table.c.body).where(table.c.queue_id.in_(padded(queue_ids)))
    return {row.queue_id: row.body for row in (await connection.execute(query)).all()}


def body_of(raw: bytes) -> ComparisonBody:
    """A stored request.

    Raises:
        pydantic.ValidationError: an earlier version with a wider contract accepted it.
    """
    return ComparisonBody.model_validate_json(raw, extra="ignore")


def entry_of(row: Row[Any], body: ComparisonBody) -> Entry:
    """The entry in a row with its request."""
    return Entry(
        queue_id=row.queue_id,
        body=body,
        prompt_sha256=row.prompt_sha256,
        requested_at=datetime.fromisoformat(row.requested_at),
        was_begun=row.taken > 0,
        is_batched=bool(row.is_batched),
    )


def _as_row(entry: Entry) -> dict[str, object]:
    return {
        "queue_id": entry.queue_id,
        "correlation_id": entry.body.correlation_id,
        "prompt_sha256": entry.prompt_sha256,
        "callback_topic": entry.body.callback_topic,
        "body": entry.body.model_dump_json().encode(),
        "requested_at": entry.requested_at.isoformat(),
        "is_batched": int(entry.is_batched),
    }
