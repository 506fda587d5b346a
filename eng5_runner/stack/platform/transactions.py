"""Transactions that a cancellation cannot tear apart, in a file of SQLite or on a database server.

The whole work of a transaction is done in one go: with a file in the one thread that uses it, with a server in one
greenlet, which waits for the server's answers. A hop there and back for each statement cost more than the statements
did. So that work waits for nothing but its statements.

The database on a server is in `server_database`, which a stack with a file of its own does not load.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, Executable, Insert, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, CursorResult
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eng5_runner.errors import DiskError

T = TypeVar("T")
P = ParamSpec("P")

# While a connection is made, the system's errors come as they are.
FAILURES = (SQLAlchemyError, OSError)
_OF_VALUES = "22"
# Of PostgreSQL: the disk is full; the system failed.
_DISK_STATES = ("53100", "58")
_SQLITE_PRIMARY = 0xFF
_LOCKED = "it stayed locked after a write that failed, or by another program"
# SQLite's codes of a disk that fails, and our words where its own say less.
_SQLITE_OF_DISK: Mapping[int, str] = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "no space left on the disk",
        # After seconds of waiting: nobody else writes to this file, so a failed write has left its lock.
        sqlite3.SQLITE_BUSY: _LOCKED,
        sqlite3.SQLITE_PROTOCOL: _LOCKED,
        sqlite3.SQLITE_IOERR: "",
        sqlite3.SQLITE_CANTOPEN: "",
        sqlite3.SQLITE_READONLY: "",
        sqlite3.SQLITE_PERM: "",
        sqlite3.SQLITE_CORRUPT: "",
        sqlite3.SQLITE_NOTADB: "",
    }
)


class ValueRefused(Exception):
    """PostgreSQL refuses text with a NUL, or longer than its column; SQLite accepts both."""


class Transaction:
    """An open transaction. Its work waits for nothing but its statements."""

    def __init__(self, connection: Connection, *, inserting_new: Callable[[Table], Insert]) -> None:
        """Set it up.

        Args:
            connection: of the thread, or of the greenlet, in which the work is done.
            inserting_new: the database's statement that inserts only rows whose unique values are new.
        """
        self._connection = connection
        self._inserting_new = inserting_new

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute a statement, once for each of a list of parameters."""
        return self._connection.execute(statement, parameters)

    async def insert_new(self, table: Table, rows: Sequence[Mapping[str, Any]], **computed: object) -> bool:
        """Insert the rows whose unique values are new; the other rows change nothing.

        Args:
            table: of the rows.
            rows: by column.
            computed: further columns, in the database's own terms.

        Returns:
            Whether all are known to be new. Not every database says how many were.
        """
        if not rows:
            return True
        statement = self._inserting_new(table)
        return (await self.execute(statement.values(computed) if computed else statement, rows)).rowcount == len(rows)

    async def run(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """The result of a function that uses the connection."""
        return work(self._connection, *arguments, **options)


Work: TypeAlias = Callable[[Transaction], Coroutine[Any, Any, T]]


class Database(Protocol):
    """Carries out work in transactions: committed at the end of the work, rolled back when it raises."""

    async def once(self, work: Work[T]) -> T:
        """The result of the work, which is done once.

        Raises:
            ValueRefused: the database cannot store a value.
            DiskError: its disk is full or broken.
        """
        ...

    async def carry_out(self, work: Work[T]) -> T:
        """The result of the work, which may be done several times; each may come to the same.

        Raises:
            ValueRefused: the database cannot store a value.
            DiskError: its disk is full or broken.
            ServiceUnavailable: the database stayed away for 40 s.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class FileDatabase:
    """A file of SQLite, which one thread uses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    async def once(self, work: Work[T]) -> T:
        """As of the protocol. Cancelled or not, the work that has begun is done to its end."""

        async def in_thread() -> T:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._done, work)

        return await undisturbed(in_thread())

    # Nobody else uses the file, so there is nothing that another attempt could help against.
    carry_out = once

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    def _done(self, work: Work[T]) -> T:
        with explained(self._engine.url), self._engine.begin() as connection:
            return result_at_once(work(Transaction(connection, inserting_new=_inserting_new)))


def _inserting_new(table: Table) -> Insert:
    return sqlite.insert(table).on_conflict_do_nothing()


def result_at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    raise AssertionError("a transaction's work may only wait for its statements")


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Say of an error what it means, where the service can tell."""
    try:
        yield
    except SQLAlchemyError as error:
        if sqlstate(error).startswith(_OF_VALUES):
            raise ValueRefused(
                "a value is too long for the database, or holds a character that it does not take"
            ) from error
        raise of_the_disk(error, url=url) or error from error


def of_the_disk(error: SQLAlchemyError, *, url: URL) -> DiskError | None:
    """The error in words if the database's disk caused it; None for any other."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None and code & _SQLITE_PRIMARY in _SQLITE_OF_DISK:
        reason = _SQLITE_OF_DISK[code & _SQLITE_PRIMARY] or str(cause)
        return DiskError(
            f"{url.database} cannot be used: {reason}.",
            remedy="Free disk space, or check the disk, its quota and the limits of the process (ulimit -a).",
        )
    if sqlstate(error).startswith(_DISK_STATES):
        name = url.render_as_string(hide_password=True)
        return DiskError(f"{name} cannot store anything: {cause}.", remedy="Free space on the database's disk.")
    return None


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error; empty if it has none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


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
