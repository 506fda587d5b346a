"""Services of the stack in processes of their own, as `stack serve` starts them."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.kafka.cluster import free_ports
from tests.support.prefork import Process
from tests.support.runner import serve

SECRET = "a secret of the tests, long enough for HS256"


@dataclass
class Worker:
    """One process.

    Attributes:
        url: without a path.
        told: the line that it told its address in.
    """

    name: str
    process: Process
    out: IO[str]
    log: Path
    url: str = ""
    told: Mapping[str, object] | None = None

    def wait_until_ready(self) -> None:
        """Until it answers."""
        line = self.out.readline()
        assert line, self.last_words()
        self.told = json.loads(line)
        self.url = str(self.told["url"])

    def kill(self) -> None:
        """End it without a warning."""
        self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        return f"{self.name}\n{self.log.read_text()[-3000:]}"


class Starter:
    """What starts them."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = {"JWT_SECRET_KEY": SECRET, **settings}
        self.workers: list[Worker] = []

    def start(self, service: str, **settings: str) -> Worker:
        """Start one; it is ready when `wait_until_ready` returns."""
        log = self.folder / f"{service}-{len(self.workers)}.log"
        # Not one that the kernel picks: a killed worker's could be another test's a moment later, whom its callers ask.
        env = {"PORT": str(free_ports(1)[0]), **self.settings, **settings}
        process, into, out_of = serve("stack", "serve", service, "--json", cwd=self.folder, env=env, log=log)
        into.close()
        worker = Worker(service, process, out_of, log)
        self.workers.append(worker)
        return worker


async def started(services: Starter, *, cj_workers: int = 1) -> tuple[list[Worker], dict[str, str]]:
    """A Content Service, an LLM provider and CJ workers, ready: the CJ workers, and the runner's environment."""
    content, llm = services.start("content"), services.start("llm")
    for worker in (content, llm):
        await asyncio.to_thread(worker.wait_until_ready)
    neighbours = {
        "CONTENT_SERVICE_URL": f"{content.url}/v1/content",
        "LLM_PROVIDER_SERVICE_URL": f"{llm.url}/api/v1",
    }
    cj = [services.start("cj", **neighbours) for _ in range(cj_workers)]
    for worker in cj:
        await asyncio.to_thread(worker.wait_until_ready)
    return cj, neighbours | {"CJ_SERVICE_URL": cj[0].url}


@asynccontextmanager
async def serving(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Starter]:
    """Starts workers with these variables in their environment, and ends them in order at the end."""
    starter = Starter(folder, settings)
    try:
        yield starter
        alive = [worker for worker in starter.workers if worker.process.poll() is None]
        for worker in alive:
            worker.process.send_signal(signal.SIGTERM)
        for worker in alive:
            code = await asyncio.to_thread(worker.process.wait, 60)
            assert code == 0, worker.last_words()
    finally:
        for worker in starter.workers:
            worker.process.kill()
            worker.process.wait()
            worker.out.close()
