"""Group commit: everything that arrives during one transaction is written in the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from eng5_runner.errors import RunnerError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Databases bound the number of values in a statement.
_LARGEST_GROUP = 500


class Closed(Exception):
    """Writing has ended; it is not known whether the item is stored."""


class GroupCommit(Generic[ItemT, ResultT]):
    """Collects items and writes them in groups; `add` returns when its item is stored."""

    def __init__(self, write: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]) -> None:
        """Set it up with a function that writes a group and returns a result for each item, in order."""
        self._write = write
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._group: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._arrived = asyncio.Event()
        self._ended: Exception | None = None

    async def add(self, item: ItemT) -> ResultT:
        """Write an item together with others; returns when it is committed.

        Raises:
            Closed: the writing has ended, or ends before this item's turn.
            RunnerError: the writing has failed, for example on a full disk.
        """
        if self._ended is not None:
            raise self._ended
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._arrived.set()
        return await future

    async def run(self) -> None:
        """Write groups until cancelled. An error of the write ends this task, as nothing may continue without it.

        Raises:
            RunnerError: a foreseen error of the write; those who wait for an item get it, too.
        """
        reason: Exception = Closed()
        try:
            while True:
                await self._arrived.wait()
                await self._write_group()
        except RunnerError as error:
            reason = error
            raise
        finally:
            self._ended = reason
            for _, future in (*self._group, *self._waiting):
                if not future.done():
                    future.set_exception(reason)

    async def _write_group(self) -> None:
        self._group, self._waiting = self._waiting[:_LARGEST_GROUP], self._waiting[_LARGEST_GROUP:]
        if not self._waiting:
            self._arrived.clear()
        results = await self._write([item for item, _ in self._group])
        for (_, future), result in zip(self._group, results, strict=True):
            if not future.done():
                future.set_result(result)
