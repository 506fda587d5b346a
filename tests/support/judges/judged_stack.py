"""A whole stack whose judge is a local server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from eng5_runner.stack.launch import StackAddresses, serve
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Script, serving
from tests.support.stack.driver import Client, client


@asynccontextmanager
async def stack(path: Path, script: Script, **settings: str) -> AsyncIterator[Client]:
    async with serving(script) as server, open_judges(environ_for(path, server.url, **settings)) as judges:
        stop = asyncio.Event()
        up: asyncio.Future[StackAddresses] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(path / "stack", ready=up.set_result, stop=stop, judges=judges))
        await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        try:
            async with client(up.result(), alive=lambda: not task.done()) as made:
                yield made
                stop.set()
        finally:
            stop.set()
            await task
