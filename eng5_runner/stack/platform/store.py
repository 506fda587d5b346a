"""The services' database: one schema, in SQLite in the data directory or in a PostgreSQL (`server_database`).

Everything above the engine's creation is SQLAlchemy Core without a dialect's own words, so that another database is
another URL.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, event, text, update
from sqlalchemy.engine import URL, Row
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from eng5_runner.errors import DiskError, TemporaryFailure
from eng5_runner.stack.platform.migrations import migrate
from eng5_runner.stack.platform.tables import cj_requests, llm_comparisons, llm_provider_batches
from eng5_runner.stack.platform.transactions import FAILURES, Database, FileDatabase, Transaction
from eng5_runner.systems import make_private, open_private
from eng5_runner.transport.file_lock import lock, open_lock, why_not

FILE_NAME = "stack.sqlite"
LOCK_NAME = "stack.lock"
_LOCK_PAUSE_SECONDS = 0.1
_CACHE_KIB = 32 * 1024


class Store:
    """The database, opened; `once` and `carry_out` do work in a transaction, see `transactions.Database`."""

    def __init__(self, database: Database) -> None:
        self.once = database.once
        self.carry_out = database.carry_out

    async def rows(self, query: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """All rows of a query, or of a statement that may be executed twice."""

        async def all_rows(connection: Transaction) -> Sequence[Row[Any]]:
            return (await connection.execute(query, parameters)).all()

        return await self.carry_out(all_rows)

    async def row(self, query: Executable) -> Row[Any] | None:
        """The first row of a query, or None."""

        async def first_row(connection: Transaction) -> Row[Any] | None:
            return (await connection.execute(query)).first()

        return await self.carry_out(first_row)

    async def answers(self) -> bool:
        """Whether the database answers now."""
        try:
            await self.once(lambda connection: connection.execute(text("SELECT 1")))
        except (*FAILURES, DiskError):
            return False
        return True


def _sqlite_engine(path: Path) -> Engine:
    # One connection: SQLite has one writer at a time anyway, and so the database is never locked. Parameters are
    # hidden from errors here and below: errors get into logs, and parameters are students' texts.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=StaticPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's driver begins transactions late, after changes of the schema; we say BEGIN ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        # A killed process loses nothing, a power cut at most the last moments, and the file is never damaged.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        # The indexes of ids are hit everywhere: with SQLite's 2 MiB large studies read most pages again and again.
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@asynccontextmanager
async def open_store(data_dir: Path, *, patience: float = 5.0) -> AsyncIterator[Store]:
    """The store of a data directory, which is created if it is missing.

    Args:
        data_dir: the directory; one process at a time uses it.
        patience: seconds to wait for another stack that is ending.

    Raises:
        DiskError: the directory or the file cannot be used.
        TemporaryFailure: another stack has used the directory for longer than `patience`.
        ConfigurationError: another version of the stack made the file.
    """
    held = await asyncio.to_thread(_locked, data_dir, patience)
    path = data_dir / FILE_NAME
    database = FileDatabase(_sqlite_engine(path))
    try:
        _make_private(path)
        await _prepare(database, path)
        yield Store(database)
    finally:
        await database.close()
        os.close(held)


def _locked(data_dir: Path, patience: float) -> int:
    """Create the directory and lock it for this process; returns the file descriptor of the lock.

    The system releases the lock when the process ends, in whatever way.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open_lock(data_dir / LOCK_NAME)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    deadline = time.monotonic() + patience
    while True:
        try:
            lock(file)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                break
            time.sleep(_LOCK_PAUSE_SECONDS)
        except OSError as error:
            os.close(file)
            raise _unusable(data_dir, error) from error
        else:
            return file
    os.close(file)
    raise TemporaryFailure(f"another stack uses {data_dir}", remedy="Wait for it to end, or give another directory.")


def _make_private(path: Path) -> None:
    """Keep the database to its owner. SQLite would make it by the umask; it gives the files beside it the same mode."""
    try:
        os.close(open_private(path, os.O_RDWR))
    except OSError as error:
        raise _unusable(path, error) from error
    for beside in ("-wal", "-shm"):
        make_private(path.with_name(path.name + beside))


def _unusable(path: Path, error: OSError) -> DiskError:
    return DiskError(f"{path} cannot be used: {why_not(error)}.", remedy="Give another directory.")


async def _prepare(database: Database, path: Path) -> None:
    async def prepare(connection: Transaction) -> None:
        await connection.run(migrate, name=str(path))
        # We have the lock, so all holders of leases have ended.
        for table in (llm_comparisons, llm_provider_batches, cj_requests):
            await connection.execute(update(table).values(worker=None, lease_until=None))

    try:
        await database.once(prepare)
    except SQLAlchemyError as error:
        raise DiskError(f"{path} cannot be used: {error}", remedy="Give another directory.") from error
