"""Transactions that a cancellation cannot tear apart.

A statement that is cancelled while SQLite's thread works on it makes SQLAlchemy abandon the connection, and an
abandoned connection can keep its lock on the file until it is garbage (seen in one of some hundred cancellations). So
each step runs to its end, and only then does the cancellation go on; a step takes milliseconds.

A database server can go away and come back, and it can end one of two transactions that wait for each other. Work that
is given as a function is then begun again from its start.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from eng5_runner.errors import DiskError, ServiceUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

# While a connection is made, asyncpg's errors and the system's come as they are.
FAILURES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
# A server that is restarted is back within this.
PATIENCE_SECONDS = 40.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0
_OF_VALUES = "22"
# Of PostgreSQL: the disk is full; the system failed.
_DISK_STATES = ("53100", "58")
_SQLITE_PRIMARY = 0xFF
# SQLite's codes of a disk that fails, and our words where its own say less.
_SQLITE_OF_DISK: Mapping[int, str] = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "no space left on the disk",
        # After seconds of waiting: nobody else writes to this file, so a failed write has left its lock.
        sqlite3.SQLITE_BUSY: "it stayed locked after a write that failed, or by another program",
        sqlite3.SQLITE_IOERR: "",
        sqlite3.SQLITE_CANTOPEN: "",
        sqlite3.SQLITE_READONLY: "",
        sqlite3.SQLITE_CORRUPT: "",
        sqlite3.SQLITE_NOTADB: "",
    }
)
# Of PostgreSQL: serialization failure, deadlock; the server ends, has crashed, is not up yet; has no place left.
_PASSING_STATES = ("40001", "40P01", "57P01", "57P02", "57P03", "53300", "08")


class ValueRefused(Exception):
    """PostgreSQL refuses text with a NUL, or longer than its column; SQLite accepts both."""


class Transaction:
    """An open transaction; a cancellation does not interrupt its statements."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute a statement, once for each of the parameters if there are any."""
        return await undisturbed(self._connection.execute(statement, parameters))

    async def insert_new(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows whose unique values are new; the other rows change nothing."""
        if not rows:
            return
        insert = sqlite.insert if self._connection.dialect.name == "sqlite" else postgresql.insert
        await self.execute(insert(table).on_conflict_do_nothing(), rows)

    async def run(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """The result of a function that uses the connection without waiting."""
        return await undisturbed(self._connection.run_sync(work, *arguments, **options))


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A transaction: committed at the end of the block, rolled back when it raises or is cancelled.

    Raises:
        ValueRefused: the database cannot store a value.
        DiskError: its disk is full or broken.
    """
    connection = engine.connect()
    try:
        try:
            await undisturbed(connection.start())
            yield Transaction(connection)
            await undisturbed(connection.commit())
        finally:
            if connection.sync_connection is not None:
                await undisturbed(connection.close())
    except SQLAlchemyError as error:
        if sqlstate(error).startswith(_OF_VALUES):
            raise ValueRefused(
                "a value is too long for the database, or holds a character that it does not take"
            ) from error
        raise of_the_disk(error, engine=engine) or error from error


async def carried_out(engine: AsyncEngine, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """The result of the work in one transaction.

    It is begun again when the server could not carry it out this time. A connection that breaks while the transaction
    is committed leaves open whether it was, so the work must be such that doing it twice comes to the same.

    Raises:
        ServiceUnavailable: the server stayed away for 40 s.
    """
    clock = asyncio.get_running_loop().time
    until, pause = clock() + PATIENCE_SECONDS, _FIRST_PAUSE_SECONDS
    while True:
        try:
            async with transaction(engine) as connection:
                return await work(connection)
        except FAILURES as error:
            if not _passes(error):
                raise
            if clock() >= until:
                cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
                raise ServiceUnavailable(
                    f"the database has not answered for {PATIENCE_SECONDS:.0f} s: {cause}",
                    remedy="Start the database, then the service; nothing that was told to anybody is lost.",
                ) from error
            log.warning("the database did not carry this out; trying again", cause=type(error).__name__, seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def of_the_disk(error: SQLAlchemyError, *, engine: AsyncEngine) -> DiskError | None:
    """The error in words if the database's disk caused it; None for any other."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None and code & _SQLITE_PRIMARY in _SQLITE_OF_DISK:
        reason = _SQLITE_OF_DISK[code & _SQLITE_PRIMARY] or str(cause)
        return DiskError(
            f"{engine.url.database} cannot be used: {reason}.",
            remedy="Free disk space, or check the disk, its quota and the limits of the process (ulimit -a).",
        )
    if sqlstate(error).startswith(_DISK_STATES):
        name = engine.url.render_as_string(hide_password=True)
        return DiskError(f"{name} cannot store anything: {cause}.", remedy="Free space on the database's disk.")
    return None


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error; empty if it has none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


def _passes(error: Exception) -> bool:
    """Whether the same work can succeed later."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or sqlstate(error).startswith(_PASSING_STATES)
    return isinstance(error, OSError) or sqlstate(error).startswith(_PASSING_STATES)


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
