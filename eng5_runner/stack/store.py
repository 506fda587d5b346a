"""What the services keep: one schema, in SQLite in the data directory.

Everything above the engine's creation is SQLAlchemy Core without a dialect's own words, so that another database is
another URL. A service reads only its own tables: what belongs to another one it asks for over HTTP.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Executable,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    insert,
    select,
)
from sqlalchemy.engine import Row
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from eng5_runner.errors import ConfigurationError, DiskError, TemporaryFailure
from eng5_runner.stack.transactions import Transaction, transaction

SCHEMA_VERSION = 1
FILE_NAME = "stack.sqlite"
LOCK_NAME = "stack.lock"
_LOCK_PAUSE_SECONDS = 0.1

schema = MetaData()

stack_schema = Table("stack_schema", schema, Column("version", Integer, primary_key=True))

content = Table(
    "content",
    schema,
    Column("storage_id", String(32), primary_key=True),
    Column("content_type", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", String(40), nullable=False),
)

# The provider's queue. `body` goes when the outcome is there: a prompt holds two essays.
llm_comparisons = Table(
    "llm_comparisons",
    schema,
    Column("number", Integer, primary_key=True),
    Column("queue_id", String(36), nullable=False, unique=True),
    Column("correlation_id", String(64), nullable=False, unique=True),
    Column("prompt_sha256", String(64), nullable=False),
    Column("callback_topic", String(255), nullable=False),
    Column("body", LargeBinary),
    Column("requested_at", String(40), nullable=False),
    Column("outcome", LargeBinary),
)

cj_instructions = Table(
    "cj_instructions",
    schema,
    Column("id", Integer, primary_key=True),
    Column("assignment_id", String(100), unique=True),
    Column("course_id", String(100), unique=True),
    Column("instructions_text", Text, nullable=False),
    Column("grade_scale", String(50), nullable=False),
    Column("context_origin", String(50), nullable=False),
    Column("student_prompt_storage_id", String(32)),
    Column("judge_rubric_storage_id", String(32)),
    Column("created_at", String(40), nullable=False),
)

cj_anchors = Table(
    "cj_anchors",
    schema,
    Column("id", Integer, primary_key=True),
    Column("assignment_id", String(100), nullable=False),
    Column("anchor_label", String(255), nullable=False),
    Column("grade", String(10), nullable=False),
    Column("grade_scale", String(50), nullable=False),
    Column("text_storage_id", String(32), nullable=False),
    Column("created_at", String(40), nullable=False),
    UniqueConstraint("assignment_id", "anchor_label"),
)

# `plan` is all that was decided when the batch was accepted, `request_sha256` what makes a second request the same one.
cj_batches = Table(
    "cj_batches",
    schema,
    Column("id", Integer, primary_key=True),
    Column("batch_id", String(36), nullable=False, unique=True),
    Column("request_sha256", String(64), nullable=False),
    Column("plan", Text, nullable=False),
)

# One row for each time that a pair is asked; `raw` is the callback as it came, byte for byte.
cj_comparisons = Table(
    "cj_comparisons",
    schema,
    Column("id", Integer, primary_key=True),
    Column("cj_batch_id", Integer, ForeignKey("cj_batches.id"), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("essay_a_id", String(36), nullable=False),
    Column("essay_b_id", String(36), nullable=False),
    Column("correlation_id", String(36), nullable=False, unique=True),
    Column("raw", LargeBinary),
    Index("ix_cj_comparisons_batch", "cj_batch_id", "wave"),
)

# The events that ended a batch, in the order in which they were published.
cj_closing_events = Table(
    "cj_closing_events",
    schema,
    Column("id", Integer, primary_key=True),
    Column("cj_batch_id", Integer, ForeignKey("cj_batches.id"), nullable=False),
    Column("topic", String(255), nullable=False),
    Column("raw", LargeBinary, nullable=False),
)

identity_accounts = Table(
    "identity_accounts",
    schema,
    Column("id", Integer, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("roles", String(255), nullable=False),
    Column("created_at", String(40), nullable=False),
)

# Refresh tokens, of which only the hash is kept. A login begins a family; each exchange adds a member to it.
identity_refresh_tokens = Table(
    "identity_refresh_tokens",
    schema,
    Column("token_sha256", String(64), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column("account_id", Integer, ForeignKey("identity_accounts.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("exchanged_at", BigInteger),
)


class Store:
    """The database, opened."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction: committed at the end of the block, rolled back when it raises or is cancelled."""
        return transaction(self._engine)

    async def rows(self, query: Executable) -> Sequence[Row[Any]]:
        """All rows of a query."""
        async with self.begin() as connection:
            return (await connection.execute(query)).all()

    async def row(self, query: Executable) -> Row[Any] | None:
        """The first row of a query, or None."""
        async with self.begin() as connection:
            return (await connection.execute(query)).first()


def _sqlite_engine(path: Path) -> AsyncEngine:
    # One connection: SQLite has one writer at a time anyway, and so nobody ever meets a locked database.
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        # A killed process loses nothing this way, and a power cut at most the last moments, never the file.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


@asynccontextmanager
async def open_store(data_dir: Path, *, patience: float = 5.0) -> AsyncIterator[Store]:
    """The store of a data directory, made when it is not there.

    Args:
        data_dir: the directory; one process at a time uses it.
        patience: seconds to wait for another stack that is just ending.

    Raises:
        DiskError: the directory or the file cannot be used.
        TemporaryFailure: another stack has used the directory for longer than `patience`.
        ConfigurationError: the file was made by another version of the stack.
    """
    lock = await asyncio.to_thread(_locked, data_dir, patience)
    path = data_dir / FILE_NAME
    engine = _sqlite_engine(path)
    try:
        await _prepare(engine, path)
        yield Store(engine)
    finally:
        await engine.dispose()
        os.close(lock)


def _locked(data_dir: Path, patience: float) -> int:
    """The directory, made and held for this process alone; gives the lock's file descriptor.

    The system lets go of it when the process ends, however that happens.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DiskError(f"{data_dir} cannot be used: {error.strerror}", remedy="Give another directory.") from error
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                break
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return lock
    os.close(lock)
    raise TemporaryFailure(f"another stack uses {data_dir}", remedy="Wait for it to end, or give another directory.")


async def _prepare(engine: AsyncEngine, path: Path) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(schema.create_all)
            found = (await connection.execute(select(stack_schema.c.version))).scalar()
            if found is None:
                await connection.execute(insert(stack_schema).values(version=SCHEMA_VERSION))
    except SQLAlchemyError as error:
        raise DiskError(f"{path} cannot be used: {error}", remedy="Give another directory.") from error
    if found not in (None, SCHEMA_VERSION):
        raise ConfigurationError(
            f"{path} has schema version {found}, this stack knows {SCHEMA_VERSION}",
            remedy="Use the version of the runner that made it, or another directory.",
        )
