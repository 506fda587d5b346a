"""A database on a server: PostgreSQL, which several services and workers use at the same time.

A statement that is cancelled makes SQLAlchemy abandon the connection. So a transaction runs to its end, and only then
does the cancellation go on; it takes milliseconds. A server can go away and come back, and it can end one of two
transactions that wait for each other. Work is then begun again from its start.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy import Connection, Engine, Insert, Table, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from eng5_runner.errors import ConfigurationError, NotAllowed, ServiceUnavailable
from eng5_runner.stack.platform.migrations import migrate
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.transactions import (
    FAILURES,
    T,
    Transaction,
    Work,
    explained,
    result_at_once,
    sqlstate,
    undisturbed,
)

log = structlog.get_logger(__name__)

# A server that is restarted is back within this.
PATIENCE_SECONDS = 40.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0
_CONNECTIONS = 10
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 30
# A connection that was used within this time is used again without a question.
_TRUSTED_SECONDS = 1.0
# A worker that is paused or cut off in a transaction keeps its locks; after this the server takes them away, before the
# statements of others that wait for them are given up.
_IDLE_IN_TRANSACTION = "10s"
# Serialization failure, deadlock; a transaction was left open too long; the server ends, has crashed, is not up yet;
# has no place left.
_PASSING_STATES = ("40001", "40P01", "25P03", "57P01", "57P02", "57P03", "53300", "08")


class ServerDatabase:
    """A database on a server, with connections for several transactions at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def once(self, work: Work[T]) -> T:
        """As of the protocol. Cancelled or not, the work that has begun is done to its end."""
        return await undisturbed(greenlet_spawn(self._done, work))

    def _done(self, work: Work[T]) -> T:
        with explained(self._engine.url), self._connected() as connection:
            result = result_at_once(work(Transaction(connection, inserting_new=_inserting_new)))
            connection.commit()
        return result

    def _connected(self) -> Connection:
        """A connection. The driver's errors come as they are while one is made, and leave here as SQLAlchemy's."""
        try:
            return self._engine.sync_engine.connect()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise OperationalError(None, None, error) from error

    async def carry_out(self, work: Work[T]) -> T:
        """As of the protocol.

        A connection that breaks while the transaction is committed leaves open whether it was.
        """
        clock = asyncio.get_running_loop().time
        until, pause = clock() + PATIENCE_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self.once(work)
            except FAILURES as error:
                if not _passes(error):
                    raise
                cause = _cause(error)
                if clock() >= until:
                    raise ServiceUnavailable(
                        f"the database has not answered for {PATIENCE_SECONDS:.0f} s: {cause}",
                        remedy="Start the database, then the service; nothing that was told to anybody is lost.",
                    ) from error
                cause_name = type(cause).__name__
                log.warning("the database did not carry this out; trying again", cause=cause_name, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _passes(error: Exception) -> bool:
    """Whether the same work can succeed later."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or sqlstate(error).startswith(_PASSING_STATES)
    return isinstance(error, OSError) or sqlstate(error).startswith(_PASSING_STATES)


def _cause(error: Exception) -> BaseException:
    """The driver's own error, if it is one of the driver's."""
    return error.orig if isinstance(error, DBAPIError) and error.orig else error


def _inserting_new(table: Table) -> Insert:
    return postgresql.insert(table).on_conflict_do_nothing()


def _check_before_use(engine: Engine) -> None:
    """Replace a connection that the server has closed before it is used, and ask the server about one that was idle.

    SQLAlchemy's own check asks each time, which costs as much as a transaction.
    """

    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["idle since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(  # law: positional - SQLAlchemy calls it so
        connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection
    ) -> None:
        driver: asyncpg.Connection = record.driver_connection
        if driver.is_closed():
            raise DisconnectionError("the server has closed the connection")
        if time.monotonic() - record.info.get("idle since", math.inf) > _TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError("the connection is broken") from error


@asynccontextmanager
async def open_database(url: URL) -> AsyncIterator[Store]:
    """The store in an existing PostgreSQL database, which may be empty; other processes can use it at the same time.

    Raises:
        ServiceUnavailable: it does not answer for as long as a restart may take.
        NotAllowed: it refuses the login.
        ConfigurationError: there is no such database, or a newer version of the stack made it.
    """
    engine = create_async_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=60,
        hide_parameters=True,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _STATEMENT_SECONDS,
            "server_settings": {"idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION},
        },
    )
    _check_before_use(engine.sync_engine)
    database, name = ServerDatabase(engine), url.render_as_string(hide_password=True)

    async def prepare(connection: Transaction) -> None:
        await connection.run(migrate, name=name)

    try:
        try:
            await database.carry_out(prepare)
        except FAILURES as error:
            raise _refusal(error, name=name) from error
        yield Store(database)
    finally:  # also after a refused migration, as an open connection uses a slot of the server
        await database.close()


def _refusal(error: Exception, *, name: str) -> NotAllowed | ConfigurationError:
    cause = _cause(error)
    state = sqlstate(error)
    if state.startswith(("28", "42501")):
        return NotAllowed(f"{name} refuses the login: {cause}", remedy="Check the user, the password and its rights.")
    return ConfigurationError(f"{name} cannot be used: {cause}", remedy="Check the database's URL, and that it exists.")
