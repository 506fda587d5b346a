"""Task supervision: the services' tasks are watched while they run, and ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_DRAIN_SECONDS = 5.0


@asynccontextmanager
async def at_work(
    work: Coroutine[Any, Any, None], *, name: str, drain: Callable[[], None] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """A service's task; at the end it may finish its current work, for at most 5 s, and is then cancelled.

    Args:
        work: the service.
        name: of the task.
        drain: makes the service take nothing new and end; None if nothing has to be finished.
    """
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        if drain is not None:
            drain()
            await asyncio.wait({task}, timeout=_DRAIN_SECONDS)
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


async def until(stop: asyncio.Event, *working: asyncio.Task[None]) -> None:
    """Wait until `stop` is set or a task ends; the error of a failed task is raised here."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, *working}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for task in working:
        if task.done():
            task.result()
