"""The provider's record: what is queued, who judges it, and what came out, kept before anybody is told.

Several processes share it. Whoever accepts a comparison only writes it down; each worker takes what nobody holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Row
from sqlalchemy.sql import ColumnElement

from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.stack.platform.group_commit import GroupCommit
from eng5_runner.stack.platform.leases import releasing, renewing, taking
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import llm_comparisons
from eng5_runner.stack.platform.transactions import Transaction

log = structlog.get_logger(__name__)

# The outcome of what an earlier version accepted and no valid result can be written for: there is no message.
UNANSWERABLE = b""


def _open() -> ColumnElement[bool]:
    """Whether a comparison has no outcome yet."""
    return llm_comparisons.c.outcome.is_(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One comparison in the queue.

    Attributes:
        queue_id: the `request_id` of its result.
        body: what was asked.
        prompt_sha256: of the exact prompt text.
        requested_at: when it was accepted (UTC).
    """

    queue_id: str
    body: ComparisonBody
    prompt_sha256: str
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyQueued:
    """A comparison that is in the record under its correlation id, perhaps from before.

    Attributes:
        queue_id: the id that it got when it came first.
        prompt_sha256: of the prompt that was asked then.
        outcome: the result's message, None while it waits, `UNANSWERABLE` where there is none.
    """

    queue_id: str
    prompt_sha256: str
    outcome: bytes | None


class Full(Enum):
    """The answer where as many wait as may."""

    FULL = "full"


class QueueRepository:
    """The queue's table, as one worker uses it; writes of concurrent requests and judgements go in groups.

    Attributes:
        worker: this worker's own name in it.
    """

    def __init__(self, store: Store, *, length: int) -> None:
        """Set the record up.

        Args:
            store: where it is kept.
            length: comparisons that may wait for a worker.
        """
        self.worker = str(uuid4())
        self._store = store
        self._length = length
        self.accepted: GroupCommit[Entry, AlreadyQueued | Full] = GroupCommit(self._accept)
        self.finished: GroupCommit[tuple[str, bytes], bool] = GroupCommit(self._finish)

    async def _accept(self, entries: Sequence[Entry]) -> Sequence[AlreadyQueued | Full]:
        """Keep what is new, as long as there is room; gives for each entry what is known of its correlation id."""
        by_id: dict[str, Entry] = {}
        for entry in entries:
            by_id.setdefault(entry.body.correlation_id, entry)

        async def accept(connection: Transaction) -> dict[str, AlreadyQueued]:
            known = await _known(connection, list(by_id))
            new = [entry for name, entry in by_id.items() if name not in known]
            if new:
                waiting = select(func.count()).where(_open(), llm_comparisons.c.worker.is_(None))
                room = max(0, self._length - (await connection.execute(waiting)).scalar_one())
                new = new[:room]
                await connection.insert_new(llm_comparisons, [_as_row(entry) for entry in new])
                # Read back: another process can have been quicker.
                known |= await _known(connection, [entry.body.correlation_id for entry in new])
            return known

        known = await self._store.carry_out(accept)
        return [known.get(entry.body.correlation_id, Full.FULL) for entry in entries]

    async def _finish(self, outcomes: Sequence[tuple[str, bytes]]) -> Sequence[bool]:
        """Keep outcomes by queue id; gives for each whether it is the one that stands in the record."""
        table = llm_comparisons
        statement = (
            update(table)
            .where(table.c.queue_id == bindparam("which"), _open())
            .values(outcome=bindparam("what"), body=None, worker=self.worker, lease_until=None)
        )
        # In one order, so that two processes do not wait for each other.
        rows = [{"which": queue_id, "what": raw} for queue_id, raw in sorted(outcomes)]

        async def finish(connection: Transaction) -> set[tuple[str, bytes]]:
            await connection.execute(statement, rows)
            # By what stands there: our own name can stand by an outcome of ours that came earlier.
            stored = select(table.c.queue_id, table.c.outcome).where(
                table.c.queue_id.in_([queue_id for queue_id, _ in outcomes])
            )
            return {(row.queue_id, row.outcome) for row in (await connection.execute(stored)).all()}

        kept = await self._store.carry_out(finish)
        return [outcome in kept for outcome in outcomes]

    async def take(self, at_most: int, *, leased: Collection[str]) -> list[Entry]:
        """The oldest comparisons that nobody judges, which are this worker's from now on.

        Args:
            at_most: comparisons.
            leased: the queue ids of those that the worker judges already.
        """
        table = llm_comparisons
        rows = await self._store.rows(
            taking(table, key=table.c.queue_id, where=_open(), leased=leased, worker=self.worker, at_most=at_most)
        )
        entries = []
        for row in sorted(rows, key=lambda row: row.number):
            try:
                entries.append(_entry(row))
            except ValidationError:  # an earlier version accepted it, whose contract was wider
                log.exception("a comparison in the record breaks the contract", queue_id=row.queue_id)
                await self.finished.add((row.queue_id, UNANSWERABLE))
        return entries

    async def renew(self, leased: Collection[str]) -> None:
        """Keep those of these queue ids that this worker still has for another while."""
        key = llm_comparisons.c.queue_id
        await self._store.rows(renewing(llm_comparisons, key=key, where=_open(), leased=leased, worker=self.worker))

    async def release(self) -> None:
        """Leave what this worker has taken and not judged to others."""
        statement = releasing(llm_comparisons, where=_open(), worker=self.worker)
        await self._store.carry_out(lambda connection: connection.execute(statement))


def new_entry(body: ComparisonBody, prompt_sha256: str) -> Entry:
    """An entry with an id of its own, accepted now."""
    return Entry(queue_id=str(uuid4()), body=body, prompt_sha256=prompt_sha256, requested_at=datetime.now(UTC))


async def _known(connection: Transaction, asked: Sequence[str]) -> dict[str, AlreadyQueued]:
    """What stands under these correlation ids."""
    table = llm_comparisons
    query = select(table.c.correlation_id, table.c.queue_id, table.c.prompt_sha256, table.c.outcome)
    found = (await connection.execute(query.where(table.c.correlation_id.in_(asked)))).all()
    return {
        row.correlation_id: AlreadyQueued(queue_id=row.queue_id, prompt_sha256=row.prompt_sha256, outcome=row.outcome)
        for row in found
    }


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        queue_id=row.queue_id,
        body=ComparisonBody.model_validate_json(row.body, extra="ignore"),
        prompt_sha256=row.prompt_sha256,
        requested_at=datetime.fromisoformat(row.requested_at),
    )


def _as_row(entry: Entry) -> dict[str, object]:
    return {
        "queue_id": entry.queue_id,
        "correlation_id": entry.body.correlation_id,
        "prompt_sha256": entry.prompt_sha256,
        "callback_topic": entry.body.callback_topic,
        "body": entry.body.model_dump_json().encode(),
        "requested_at": entry.requested_at.isoformat(),
    }
