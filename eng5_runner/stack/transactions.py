"""Transactions that a cancellation cannot tear apart.

A statement that is cancelled while SQLite's thread works on it makes SQLAlchemy abandon the connection, and an
abandoned connection can keep its lock on the file until it is garbage (seen in one of some hundred cancellations). So
each step runs to its end, and only then does the cancellation go on; a step takes milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class Transaction:
    """One transaction under way; every statement in it is carried out whole."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Carry out a statement, once for each of the parameters if there are any."""
        return await undisturbed(self._connection.execute(statement, parameters))


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A transaction: committed at the end of the block, rolled back when it raises or is cancelled."""
    connection = engine.connect()
    try:
        await undisturbed(connection.start())
        yield Transaction(connection)
        await undisturbed(connection.commit())
    finally:
        if connection.sync_connection is not None:
            await undisturbed(connection.close())


async def undisturbed(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which goes on to its end even if its waiter is cancelled.

    Raises:
        asyncio.CancelledError: the waiter was cancelled meanwhile; the work is done or has failed.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns of it
        raise cancelled
    return task.result()
