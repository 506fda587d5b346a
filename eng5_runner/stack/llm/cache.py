"""The judgement cache: a judgement of a language model is paid for once and is then reused.

It is an SQLite file that several processes use at the same time. A row is a judgement under the hash of everything that
was sent for it, with a checksum over both: a row with a wrong checksum does not count. No essay and no prompt is in it,
only hashes, the verdict with its justification, and figures.

Whatever is wrong with the file, a study goes on: the question then goes to the provider, and a judgement that cannot be
kept is published all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from weakref import WeakValueDictionary

import structlog
from pydantic import Field, ValidationError

from eng5_runner.contracts.base import Instant, WireModel
from eng5_runner.contracts.callbacks import ProvidersName, Sha256, Tokens, Usd, Winner
from eng5_runner.errors import DiskError
from eng5_runner.stack.platform.group_commit import Closed, GroupCommit
from eng5_runner.systems import make_private, open_private

FILE_NAME = "judgements.sqlite"
_BESIDE = ("", "-wal", "-shm")
_TIMEOUT_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
_STATS = (
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
        cached_tokens: the part of `prompt_tokens` that came from the provider's cache.
        cost_usd: its cost; None if the price was unknown.
        request_id: the queue id of its comparison.
        recorded_at: when the answer arrived (UTC).
        prompt_sha256: of the exact prompt text.
        served_model: the model that the provider said it used; None if it did not say.
        system_fingerprint: of the provider's system, likewise.
        probability_a: of "Essay A" to the model, likewise.
        probability_is_bound: whether the winner's probability is at least that.
    """

    provider: str
    model: str
    winner: Winner
    justification: str
    confidence: Annotated[float, Field(ge=1, le=5)]
    prompt_tokens: Tokens
    completion_tokens: Tokens
    cached_tokens: Tokens = 0
    cost_usd: Usd | None
    request_id: str
    recorded_at: Instant
    prompt_sha256: Sha256
    served_model: ProvidersName | None = None
    system_fingerprint: ProvidersName | None = None
    probability_a: Annotated[float, Field(ge=0, le=1)] | None = None
    probability_is_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """The judgements of one model: their number, their bytes, and the oldest and newest time (ISO 8601, UTC)."""

    provider: str
    model: str
    judgements: int
    size: int
    oldest: str
    newest: str


class JudgementFile:
    """The cache's file; used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or create it, readable by the owner only.

        Raises:
            OSError: the folder cannot be used.
            sqlite3.Error: the file is not such a database.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE_NAME
        # Only a new file: closing an existing one here would release SQLite's locks on it in the whole process.
        with suppress(FileExistsError):
            os.close(open_private(self.path, os.O_RDWR | os.O_EXCL))
        for beside in _BESIDE:
            make_private(folder / f"{FILE_NAME}{beside}")
        self._database = sqlite3.connect(self.path, timeout=_TIMEOUT_SECONDS, isolation_level=None)
        try:
            _write_ahead(self._database)
            # An answer that was paid for survives a power cut, too.
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(_TABLE)
        except sqlite3.Error:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def find(self, key: str) -> Recording | None:
        """The judgement under the key. A damaged one is removed, so that the next answer can replace it.

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

    def record(self, judgements: Iterable[tuple[str, Recording]]) -> None:
        """Keep judgements by key; they are durable when this returns. An existing judgement under a key stays.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        rows = [_row(key, recording) for key, recording in judgements]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("INSERT OR IGNORE INTO judgements VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def stats(self, *, model: str | None = None, before: datetime | None = None) -> list[CacheStats]:
        """The kept judgements, by provider and model.

        Args:
            model: only judgements of this model.
            before: only judgements that were recorded before that time.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        rows = self._database.execute(_STATS, _values(model=model, before=before))
        return [
            CacheStats(provider=provider, model=name, judgements=count, size=size, oldest=oldest, newest=newest)
            for provider, name, count, size, oldest, newest in rows
        ]

    def prune(self, *, model: str | None = None, before: datetime | None = None) -> None:
        """Remove the judgements that `stats` counts for the same arguments, and free their disk space.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        self._database.execute(_DELETE, _values(model=model, before=before))
        with suppress(sqlite3.OperationalError):  # another process reads; the space is reused later
            self._database.execute("VACUUM")


@contextmanager
def open_judgements(folder: Path) -> Iterator[JudgementFile | None]:
    """The folder's judgement file, opened; None if there is none.

    Raises:
        DiskError: the file cannot be used.
    """
    if not (folder / FILE_NAME).exists():
        yield None
        return
    try:
        opened = JudgementFile(folder)
        try:
            yield opened
        finally:
            opened.close()
    except (OSError, sqlite3.Error) as error:
        raise DiskError(
            f"{folder / FILE_NAME} cannot be used: {error}.",
            remedy="If it is damaged, `eng5-runner cache prune --all` removes it.",
        ) from None


def remove_judgements(folder: Path) -> None:
    """Remove the whole file, in whatever state it is.

    Raises:
        DiskError: it cannot be removed.
    """
    for beside in _BESIDE:
        path = folder / f"{FILE_NAME}{beside}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"{path} cannot be removed: {error.strerror}.", remedy="Check its permissions.") from None


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch to a write-ahead log, so that readers and a writer do not wait for each other.

    SQLite does not wait by itself when several processes switch a new file at the same moment.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
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
    """ISO 8601 in UTC, always with microseconds, so that it sorts as time does."""
    return when.isoformat(timespec="microseconds")


def _row(key: str, recording: Recording) -> tuple[str, str, str, str, bytes, str]:
    entry = recording.model_dump_json().encode()
    return key, recording.provider, recording.model, _written(recording.recorded_at), entry, _checksum(key, entry)


def _checksum(key: str, entry: bytes) -> str:
    return hashlib.sha256(key.encode() + b"\n" + entry).hexdigest()


log = structlog.get_logger(__name__)


class JudgementCache:
    """The cache of a service. A thread of its own uses the file: what comes while it works is done next, in one go."""

    def __init__(self, folder: Path, thread: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._thread = thread
        self._file: JudgementFile | None = None
        self._warned = False
        self._unkept: deque[tuple[str, Recording]] = deque()
        self._asked: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._work: GroupCommit[Callable[[], Recording | None], Recording | None] = GroupCommit(self._do_all)

    def one_at_a_time(self, key: str) -> asyncio.Lock:
        """Held while the question with this key is asked: who asks the same meanwhile finds the answer here then."""
        return self._asked.setdefault(key, asyncio.Lock())

    def start(self) -> asyncio.Task[None]:
        """Use the file, until this task is cancelled."""
        return self._work.start(asyncio.create_task)

    async def find(self, key: str) -> Recording | None:
        """The judgement under the key; None if there is none."""
        return await self._do(lambda: self._opened().find(key))

    async def record(self, key: str, recording: Recording) -> None:
        """Keep a judgement; it is on disk when this returns, or at the latest when the service ends."""
        self._unkept.append((key, recording))
        await self._do(self._keep)

    async def close(self) -> None:
        """Finish writing, and close the file."""
        await self._do_all([self._keep, self._close_file])
        await asyncio.to_thread(self._thread.shutdown)

    async def _do(self, work: Callable[[], Recording | None]) -> Recording | None:
        with suppress(Closed):  # what is to be kept is kept at the end
            return await self._work.add(work)
        return None

    async def _do_all(self, works: Sequence[Callable[[], Recording | None]]) -> Sequence[Recording | None]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: [*map(self._done, works)])

    def _done(self, work: Callable[[], Recording | None]) -> Recording | None:
        try:
            return work()
        except (OSError, sqlite3.Error) as error:
            if not self._warned:
                self._warned = True
                log.warning(
                    "the judgement cache cannot be used",
                    file=str(self._folder / FILE_NAME),
                    cause=str(error),
                    remedy="eng5-runner cache prune --all removes it",
                )
            return None

    def _keep(self) -> None:
        """Keep all that came until now: each wait for the disk is one for them all."""
        group = [self._unkept.popleft() for _ in range(len(self._unkept))]
        if group:  # else an earlier call has kept what this one was made for
            self._opened().record(group)

    def _opened(self) -> JudgementFile:
        if self._file is None:
            self._file = JudgementFile(self._folder)
        return self._file

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


@asynccontextmanager
async def open_judgement_cache(folder: Path | None) -> AsyncIterator[JudgementCache | None]:
    """The cache in the folder; None without a folder."""
    if folder is None:
        yield None
        return
    cache = JudgementCache(folder, ThreadPoolExecutor(max_workers=1, thread_name_prefix="judgement-cache"))
    working = cache.start()
    try:
        yield cache
    finally:
        working.cancel()
        await asyncio.wait({working})
        await cache.close()
        if not working.cancelled():
            working.result()
