"""Uploading 2,000 texts, at 0 and 50 ms latency, against a bare loop of one aiohttp session at the same server."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import tempfile
import time
from itertools import count
from pathlib import Path

import aiohttp
from aiohttp import web

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.choices import UPLOADS_AT_ONCE
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.content import ContentClient
from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.run.upload import UploadJob, upload
from eng5_runner.transport.http import Service, http_session

TEXTS = 2_000
# Of a bare loop's speed: at least.
GOAL = 0.7


def main() -> None:
    """Print texts a second and the ratio."""
    texts = [b"word %d " % number * 300 for number in range(TEXTS)]
    by_hash = {sha256_hex(text): text for text in texts}
    for latency in (0.0, 0.05):
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=_serve, args=(latency, theirs), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ours.recv()}/v1/content"
        for at_once in (UPLOADS_AT_ONCE, 256):
            took = asyncio.run(_upload(url, by_hash, at_once))
            bare = asyncio.run(_bare(url, texts, at_once))
            missed = f"; goal {GOAL}: missed" if bare / took < GOAL else ""
            print(
                f"  {latency * 1000:.0f} ms, {at_once} at once: {TEXTS / took:,.0f}/s, "
                f"a bare loop {TEXTS / bare:,.0f}/s: {bare / took:.2f} of it{missed} (load {os.getloadavg()[0]:.1f})"
            )
        server.terminate()
        server.join()


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
