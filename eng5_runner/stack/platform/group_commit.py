"""Group commit: what arrives during a transaction, and for as long again after it, is written in the next one together.

Of several workers with one database each rests longer, so that together they write no more groups than one would. Who
comes after a silence does not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from eng5_runner.errors import RunnerError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Databases bound the number of values in a statement.
_LARGEST_GROUP = 500
_LONGEST_REST_SECONDS = 0.1


class Closed(Exception):
    """Writing has ended; it is not known whether the item is stored."""


class GroupCommit(Generic[ItemT, ResultT]):
    """Collects items and writes them in groups; `add` returns when its item is stored.

    Attributes:
        sharing: workers that write such groups to the same database.
    """

    def __init__(self, write: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]) -> None:
        """Set it up with a function that writes a group and returns a result for each item, in order."""
        self._write = write
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._group: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._arrived = asyncio.Event()
        self._ended: Exception | None = None
        self.sharing = 1

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

    def start(self, create_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> asyncio.Task[None]:
        """Write groups in a task, until it is cancelled. An error of the write ends it: nothing may go on without it.

        A foreseen error of the write (RunnerError) is raised in those who wait for an item, too.
        """
        task = create_task(self._run())
        task.add_done_callback(self._end)  # and no `finally` in the task: it may be cancelled before it begins
        return task

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._arrived.wait()
            began = clock()
            await self._write_group()
            # A group costs nearly the same whatever its size: on a busy machine, which is slow, fewer are written.
            if len(self._waiting) < _LARGEST_GROUP:
                await asyncio.sleep(min((clock() - began) * self.sharing, _LONGEST_REST_SECONDS))

    def _end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._ended = error if isinstance(error, RunnerError) else Closed()
        for _, future in (*self._group, *self._waiting):
            if not future.done():
                future.set_exception(self._ended)

    async def _write_group(self) -> None:
        self._group, self._waiting = self._waiting[:_LARGEST_GROUP], self._waiting[_LARGEST_GROUP:]
        if not self._waiting:
            self._arrived.clear()
        results = await self._write([item for item, _ in self._group])
        for (_, future), result in zip(self._group, results, strict=True):
            if not future.done():
                future.set_result(result)
