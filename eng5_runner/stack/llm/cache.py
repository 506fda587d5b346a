"""The judgement cassette: what was judged, and paid, once is not asked again.

It may forget, it may not lie: whatever is wrong with its file, the question goes to the provider, and a judgement that
cannot be kept is published all the same.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import structlog

from eng5_runner.stack.llm.cache_file import FILE_NAME, CassetteFile, Recording

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
