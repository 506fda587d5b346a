"""The judgement cassette: what was judged, and paid, once is not asked again.

It may forget, it may not lie: whatever is wrong with its file, the question goes to the provider, and a judgement that
cannot be kept is published all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import structlog
from pydantic import Field, ValidationError

from eng5_runner.contracts.base import Instant, WireModel
from eng5_runner.contracts.callbacks import Sha256, Tokens, Usd, Winner
from eng5_runner.errors import DiskError

FILE_NAME = "judgements.sqlite"
_BESIDE = ("", "-wal", "-shm")
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
_SHELVES = (
    "SELECT provider, model, count(*), sum(length(entry) + length(key) + length(checksum)), min(recorded_at),"
    " max(recorded_at) FROM judgements"
    " WHERE (:model IS NULL OR model = :model) AND (:before IS NULL OR recorded_at < :before)"
    " GROUP BY provider, model ORDER BY provider, model"
)
_DELETE = (
    "DELETE FROM judgements WHERE (:model IS NULL OR model = :model) AND (:before IS NULL OR recorded_at < :before)"
)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS judgements (key TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL,"
    " recorded_at TEXT NOT NULL, entry BLOB NOT NULL, checksum TEXT NOT NULL) WITHOUT ROWID"
)


class Recording(WireModel):
    """A judgement that was paid for.

    Attributes:
        request_id: the queue id under which it was asked.
        recorded_at: when the answer was there (UTC).
        prompt_sha256: of the exact prompt text.
        cost_usd: what it cost; None where the price was not known.
    """

    provider: str
    model: str
    winner: Winner
    justification: str
    confidence: Annotated[float, Field(ge=1, le=5)]
    prompt_tokens: Tokens
    completion_tokens: Tokens
    cost_usd: Usd | None
    request_id: str
    recorded_at: Instant
    prompt_sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """The judgements of one model: how many, how many bytes, and of when (ISO 8601, UTC)."""

    provider: str
    model: str
    judgements: int
    size: int
    oldest: str
    newest: str


class CassetteFile:
    """The file, opened by one thread."""

    def __init__(self, folder: Path) -> None:
        """Open it, and make it if it is not there; readable by the owner only.

        Raises:
            OSError: the folder cannot be used.
            sqlite3.Error: the file is no such database.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE_NAME
        # Only a new one: to close a database's file elsewhere in the process lets go of SQLite's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS, isolation_level=None)
        try:
            _write_ahead(self._database)
            # An answer that was paid for outlives a power cut, too.
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(_TABLE)
        except sqlite3.Error:
            self._database.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def find(self, key: str) -> Recording | None:
        """The judgement under the key. A damaged one is taken out, so that the next answer can take its place.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        row = self._database.execute("SELECT entry, checksum FROM judgements WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        entry, checksum = row
        if isinstance(entry, bytes) and checksum == _checksum(key, entry):
            with suppress(ValidationError):
                return Recording.model_validate_json(entry, extra="ignore")
        self._database.execute("DELETE FROM judgements WHERE key = ? AND checksum = ?", (key, checksum))
        return None

    def record(self, key: str, recording: Recording) -> None:
        """Keep a judgement, durable when this returns; one that is there already stays as it is.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        entry = recording.model_dump_json().encode()
        row = (key, recording.provider, recording.model, _written(recording.recorded_at), entry, _checksum(key, entry))
        self._database.execute("INSERT OR IGNORE INTO judgements VALUES (?, ?, ?, ?, ?, ?)", row)

    def shelves(self, *, model: str | None = None, before: datetime | None = None) -> list[CacheStats]:
        """What is kept, by provider and model.

        Args:
            model: only of this one.
            before: only what was recorded before then.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        rows = self._database.execute(_SHELVES, _values(model=model, before=before))
        return [
            CacheStats(provider=provider, model=name, judgements=count, size=size, oldest=oldest, newest=newest)
            for provider, name, count, size, oldest, newest in rows
        ]

    def prune(self, *, model: str | None = None, before: datetime | None = None) -> None:
        """Take out what `shelves` tells of with the same arguments, and give its room back.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        self._database.execute(_DELETE, _values(model=model, before=before))
        with suppress(sqlite3.OperationalError):  # somebody reads; the room is used again all the same
            self._database.execute("VACUUM")


@contextmanager
def kept_judgements(folder: Path) -> Iterator[CassetteFile | None]:
    """The folder's cassette, opened; None where there is none.

    Raises:
        DiskError: it cannot be used.
    """
    if not (folder / FILE_NAME).exists():
        yield None
        return
    try:
        opened = CassetteFile(folder)
        try:
            yield opened
        finally:
            opened.close()
    except (OSError, sqlite3.Error) as error:
        raise DiskError(
            f"{folder / FILE_NAME} cannot be used: {error}.",
            remedy="If it is damaged, `eng5-runner cache prune --all` removes it.",
        ) from None


def remove_cassette(folder: Path) -> None:
    """Remove the whole file, in whatever state it is.

    Raises:
        DiskError: it is still there.
    """
    for beside in _BESIDE:
        path = folder / f"{FILE_NAME}{beside}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"{path} cannot be removed: {error.strerror}.", remedy="Check its permissions.") from None


def _write_ahead(database: sqlite3.Connection) -> None:
    """Keep a log beside the file, so that readers and a writer do not wait for each other.

    Where several processes open a new file at the same moment, SQLite does not wait by itself.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _values(*, model: str | None, before: datetime | None) -> dict[str, str | None]:
    return {"model": model, "before": _written(before) if before else None}


def _written(when: datetime) -> str:
    """In a form that sorts as time does: UTC, always with microseconds."""
    return when.isoformat(timespec="microseconds")


def _checksum(key: str, entry: bytes) -> str:
    return hashlib.sha256(key.encode() + b"\n" + entry).hexdigest()


log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")


class Cassette:
    """The cassette of a service; its file is used by a thread of its own."""

    def __init__(self, folder: Path, thread: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._thread = thread
        self._file: CassetteFile | None = None
        self._told = False

    async def find(self, key: str) -> Recording | None:
        """The judgement under the key, None if there is none."""
        return await self._do(lambda: self._opened().find(key))

    async def record(self, key: str, recording: Recording) -> None:
        """Keep a judgement; it is on the disk when this returns, or when the service ends at the latest."""
        # Whoever waits may be cancelled; the answer is paid for and is kept.
        await asyncio.shield(self._do(lambda: self._opened().record(key, recording)))

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        await self._do(self._closed)
        await asyncio.to_thread(self._thread.shutdown)

    def _opened(self) -> CassetteFile:
        if self._file is None:
            self._file = CassetteFile(self._folder)
        return self._file

    def _closed(self) -> None:
        if self._file is not None:
            self._file.close()

    async def _do(self, work: Callable[[], ResultT]) -> ResultT | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (OSError, sqlite3.Error) as error:
            if not self._told:
                self._told = True
                log.warning(
                    "the judgement cassette cannot be used",
                    file=str(self._folder / FILE_NAME),
                    cause=str(error),
                    remedy="eng5-runner cache prune --all removes it",
                )
            return None


@asynccontextmanager
async def open_cassette(folder: Path | None) -> AsyncIterator[Cassette | None]:
    """The cassette in the folder; None without a folder."""
    if folder is None:
        yield None
        return
    cassette = Cassette(folder, ThreadPoolExecutor(max_workers=1, thread_name_prefix="cassette"))
    try:
        yield cassette
    finally:
        await cassette.close()
