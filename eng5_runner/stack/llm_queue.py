"""The provider's record: what is queued, and what came out, kept before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import bindparam, insert, select, update

from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.stack.group_commit import GroupCommit
from eng5_runner.stack.store import Store
from eng5_runner.stack.tables import llm_comparisons


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
class Known:
    """A comparison that was asked before under the same correlation id.

    Attributes:
        queue_id: the id that it got then.
        prompt_sha256: of the prompt that was asked then.
        outcome: the result's message, None while it waits.
    """

    queue_id: str
    prompt_sha256: str
    outcome: bytes | None


class QueueRecord:
    """The queue's table; writes of concurrent requests and workers go in groups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.accepted: GroupCommit[Entry, Known | None] = GroupCommit(self._accept)
        self.finished: GroupCommit[tuple[str, bytes], None] = GroupCommit(self._finish)

    async def _accept(self, entries: Sequence[Entry]) -> Sequence[Known | None]:
        """Keep what is new; gives for each entry what was known of its correlation id, None for a new one."""
        table = llm_comparisons
        asked = [entry.body.correlation_id for entry in entries]
        query = select(table.c.correlation_id, table.c.queue_id, table.c.prompt_sha256, table.c.outcome)
        async with self._store.begin() as connection:
            found = (await connection.execute(query.where(table.c.correlation_id.in_(asked)))).all()
            known = {row.correlation_id: _known(row.queue_id, row.prompt_sha256, outcome=row.outcome) for row in found}
            results, new = [], []
            for entry in entries:
                results.append(known.get(entry.body.correlation_id))
                if results[-1] is None:
                    known[entry.body.correlation_id] = _known(entry.queue_id, entry.prompt_sha256, outcome=None)
                    new.append(_as_row(entry))
            if new:
                await connection.execute(insert(table), new)
        return results

    async def _finish(self, outcomes: Sequence[tuple[str, bytes]]) -> Sequence[None]:
        table = llm_comparisons
        statement = (
            update(table).where(table.c.queue_id == bindparam("which")).values(outcome=bindparam("what"), body=None)
        )
        async with self._store.begin() as connection:
            await connection.execute(statement, [{"which": queue_id, "what": raw} for queue_id, raw in outcomes])
        return [None] * len(outcomes)

    async def unfinished(self) -> list[Entry]:
        """What was accepted and has no outcome yet, in the order of its acceptance."""
        table = llm_comparisons
        query = select(table.c.queue_id, table.c.body, table.c.prompt_sha256, table.c.requested_at)
        rows = await self._store.rows(query.where(table.c.outcome.is_(None)).order_by(table.c.number))
        return [
            Entry(
                queue_id=row.queue_id,
                body=ComparisonBody.model_validate_json(row.body, extra="ignore"),
                prompt_sha256=row.prompt_sha256,
                requested_at=datetime.fromisoformat(row.requested_at),
            )
            for row in rows
        ]


def new_entry(body: ComparisonBody, prompt_sha256: str) -> Entry:
    """An entry with an id of its own, accepted now."""
    return Entry(queue_id=str(uuid4()), body=body, prompt_sha256=prompt_sha256, requested_at=datetime.now(UTC))


def _known(queue_id: str, prompt_sha256: str, *, outcome: bytes | None) -> Known:
    return Known(queue_id=queue_id, prompt_sha256=prompt_sha256, outcome=outcome)


def _as_row(entry: Entry) -> dict[str, object]:
    return {
        "queue_id": entry.queue_id,
        "correlation_id": entry.body.correlation_id,
        "prompt_sha256": entry.prompt_sha256,
        "callback_topic": entry.body.callback_topic,
        "body": entry.body.model_dump_json().encode(),
        "requested_at": entry.requested_at.isoformat(),
    }
