"""Uploading 2,000 texts, at 0 and 50 ms latency, against two other clients of the same server.

A bare loop of one aiohttp session is what an upload cannot be faster than. The usual client prepares each text in a
thread, makes a task for each, and sends ten at once. A client of bare sockets, which hardly computes, shows what the
server takes: no client can be faster.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import tempfile
import time
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bench.goals import Measured
from eng5_runner.canonical import sha256_hex
from eng5_runner.core.choices import UPLOADS_AT_ONCE
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.content import ContentClient
from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.run.upload import UploadJob, upload
from eng5_runner.transport.http import Service, http_session

TEXTS, ROUNDS = 2_000, 3
# Of a bare loop's speed, at least; and times the usual client's, by latency and uploads at once.
GOAL = 0.7
USUAL_GOALS = {(0.0, UPLOADS_AT_ONCE): 2.5, (0.05, UPLOADS_AT_ONCE): 5.0, (0.05, 256): 12.0}
USUAL_AT_ONCE = 10


def main() -> list[Measured]:
    """Print texts a second and the ratio."""
    results: list[Measured] = []
    texts = [b"word %d " % number * 300 for number in range(TEXTS)]
    by_hash = {sha256_hex(text): text for text in texts}
    for latency in (0.0, 0.05):
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=_serve, args=(latency, theirs), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ours.recv()}/v1/content"
        for at_once in (UPLOADS_AT_ONCE, 256):
            results += compare(url, by_hash, latency=latency, at_once=at_once)
        server.terminate()
        server.join()
    return results


def compare(url: str, texts: dict[str, bytes], *, latency: float, at_once: int) -> list[Measured]:
    """Print one line; the three take turns."""
    rounds: list[tuple[tuple[float, float], ...]] = []
    for _ in range(ROUNDS):
        every = list(texts.values())
        ways = (_upload(url, texts, at_once), _bare(url, every, at_once), _usual(url, texts), _raw(url, every, at_once))
        rounds.append(tuple(map(_measured, ways)))
    (ours, cpu), (bare, bare_cpu), (usual, usual_cpu), (raw, _) = (
        tuple(map(median, zip(*way, strict=True))) for way in zip(*rounds, strict=True)
    )
    what = f"upload, {latency * 1000:.0f} ms, {at_once} at once"
    results = [Measured(what, bare / ours, GOAL, "of a bare loop's speed", at_least=True)]
    if goal := USUAL_GOALS.get((latency, at_once)):
        unit = f"times the usual client's speed (a bare loop {usual / bare:.1f}, the server takes {usual / raw:.1f})"
        results.append(Measured(what, usual / ours, goal, unit, at_least=True))
    print(
        f"  {latency * 1000:.0f} ms, {at_once} at once: {TEXTS / ours:,.0f}/s, {bare / ours:.2f} of a bare loop, "
        f"{usual / ours:.1f} times the usual client, "
        f"{raw / ours:.2f} of what the server takes; CPU {cpu / TEXTS * 1e6:.0f}, {bare_cpu / TEXTS * 1e6:.0f}, "
        f"{usual_cpu / TEXTS * 1e6:.0f} µs each{''.join(result.remark for result in results)} "
        f"(load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return results


def _measured(work: Coroutine[object, object, float]) -> tuple[float, float]:
    """The seconds that it says it took, and those of CPU time."""
    began = time.process_time()
    return asyncio.run(work), time.process_time() - began


async def _upload(url: str, texts: dict[str, bytes], at_once: int) -> float:
    job = UploadJob(missing=list(texts), texts=texts, stored={}, concurrency=at_once, force=True, stop=asyncio.Event())
    with tempfile.TemporaryDirectory() as folder:
        async with http_session(connections=at_once, secret=None) as session:
            service = Service(session=session, name="Content Service", url=url, setting="--url", headers={})
            cache, began = UploadCache(Path(folder), service_url=url), time.perf_counter()
            async for _ in upload(job, content=ContentClient(service), cache=cache, clock=SystemClock()):
                pass
            return time.perf_counter() - began


async def _bare(url: str, texts: list[bytes], at_once: int) -> float:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        rest = iter(texts)

        async def work() -> None:
            for text in rest:
                async with session.post(url, data=text) as response:
                    await response.json()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return time.perf_counter() - began


async def _usual(url: str, texts: dict[str, bytes]) -> float:
    places, began = asyncio.Semaphore(USUAL_AT_ONCE), time.perf_counter()

    async def store(text: bytes) -> str:
        async with places:
            prepared = await asyncio.to_thread(text.decode)
            async with session.post(url, data=prepared.encode(), headers={"Content-Type": "text/plain"}) as response:
                response.raise_for_status()
                return str((await response.json())["storage_id"])

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*map(store, texts.values()))
        return time.perf_counter() - began


async def _raw(url: str, texts: list[bytes], at_once: int) -> float:
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: ".encode()
    rest = iter([b"%b%d\r\n\r\n%b" % (head, len(text), text) for text in texts])
    began = time.perf_counter()
    clients = [_Raw(rest) for _ in range(at_once)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, parts.hostname, parts.port)  # type: ignore[misc]
    await asyncio.gather(*(client.ended for client in clients))
    return time.perf_counter() - began


class _Raw(asyncio.Protocol):
    """Sends the next of all requests as soon as the answer to the one before has come."""

    def __init__(self, rest: Iterator[bytes]) -> None:
        self._rest, self._read, self.ended = rest, b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Wait for the end of the answer, which is a short object."""
        self._read += data
        if self._read.endswith(b"}"):
            assert self._read.startswith(b"HTTP/1.1 201"), self._read
            self._read = b""
            self._next()

    def _next(self) -> None:
        request = next(self._rest, None)
        if request is not None:
            self._transport.write(request)
        else:
            self._transport.close()
            self.ended.set_result(None)


def _serve(latency: float, port: multiprocessing.connection.Connection) -> None:
    numbers, kept = count(), {}

    async def store(request: web.Request) -> web.Response:
        text = await request.read()
        await asyncio.sleep(latency)
        storage_id = f"{next(numbers):032x}"
        kept[storage_id] = text
        return web.json_response({"storage_id": storage_id}, status=201)

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=kept[request.match_info["id"]])

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/content", store), web.get("/v1/content/{id}", read)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())
