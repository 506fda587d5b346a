"""Throughput of the embedded stack, with a judge that answers at once: comparisons a second, and CPU time of each.

`python -m bench stack [--comparisons N …] [--judge offline http]`. The stack runs in a process of its own; this process
sends a request and counts the callbacks. The HTTP judge runs in a third process. The CPU time is the stack's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.goals import Measured
from bench.judging import ANSWER, MODELS
from eng5_runner.contracts.request import READS_TO_END
from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic

# Comparisons a second: of the stack on one core and its client on another.
GOALS = {"offline": 1000.0, "http": 500.0}
JUDGES = {"offline": ("mock", "offline-baseline-2"), "http": ("openai", "slow")}
COMPARISONS_OF_AN_ESSAY = 10
WORDS_OF_AN_ESSAY = 300
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> list[Measured]:
    """Print the rates, and which goals are missed."""
    parser = argparse.ArgumentParser(prog="python -m bench stack")
    parser.add_argument("--comparisons", type=int, nargs="*", default=[440, 5000])
    parser.add_argument("--judge", choices=tuple(GOALS), nargs="*", default=tuple(GOALS))
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    print("judge    compar.  seconds  a second  ms CPU each")
    return [asyncio.run(measure(judge, comparisons)) for judge in given.judge for comparisons in given.comparisons]


async def measure(judge: str, comparisons: int) -> Measured:
    """Print one line."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        async with served_judge() as url, stack(Path(folder), url) as (pid, at), clients(at) as (http, sender, reader):
            essays = [
                {"essay_id": f"essay_{number:05}", "text_storage_id": await upload(http, at, text)}
                for number, text in enumerate(texts(max(comparisons // COMPARISONS_OF_AN_ESSAY, 4)))
            ]
            await sender.send_and_wait(Topic.REQUEST.value, request(essays, judge=judge, comparisons=comparisons))
            count, cpu, began = 0, 0.0, 0.0
            while count < comparisons:
                for records in (await reader.getmany(timeout_ms=200)).values():
                    if not count:
                        cpu, began = cpu_seconds(pid), time.monotonic()
                    count += len(records)
            seconds, cpu = time.monotonic() - began, cpu_seconds(pid) - cpu
    work = f"embedded stack, {judge} judge, {comparisons} comparisons"
    result = Measured(work, count / seconds, GOALS[judge], "a second", at_least=True)
    print(
        f"{judge:8} {count:7} {seconds:8.2f} {count / seconds:9.0f} {1000 * cpu / count:12.2f} {result.remark} "
        f"(load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return result


def texts(count: int) -> list[str]:
    """Essays of random words."""
    chance = random.Random(3)
    words = ["".join(chance.choices("aeinorst", k=chance.randint(2, 9))) for _ in range(2000)]
    return [" ".join(chance.choices(words, k=WORDS_OF_AN_ESSAY)) + f" {number}." for number in range(count)]


def request(essays: list[dict[str, str]], *, judge: str, comparisons: int) -> bytes:
    """A request for so many comparisons."""
    batch_id = str(uuid4())
    provider, model = JUDGES[judge]
    now = "2026-11-22T11:03:57.439371Z"
    data: dict[str, Any] = {
        "event_name": "els.cj_assessment.requested",
        "entity_id": batch_id,
        "entity_type": "batch",
        "parent_id": None,
        "timestamp": now,
        "system_metadata": {"entity_id": batch_id, "processing_stage": "pending"},
        "essays_for_cj": essays,
        "language": "en",
        "course_code": "ENG5",
        "student_prompt_ref": None,
        "llm_config_overrides": {"provider_override": provider, "model_override": model},
        "assignment_id": None,
        "user_id": "bench",
        "org_id": None,
    }
    envelope = {
        "event_id": str(uuid4()),
        "event_type": Topic.REQUEST.value,
        "event_timestamp": now,
        "source_service": "bench",
        "schema_version": 1,
        "correlation_id": str(uuid4()),
        "data": data,
        "metadata": {"runner_mode": "execute", "max_comparisons": comparisons, READS_TO_END: True},
    }
    return json.dumps(envelope).encode()


async def upload(http: aiohttp.ClientSession, at: dict[str, str], text: str) -> str:
    """The storage id of a text."""
    async with http.post(at["CONTENT_SERVICE_URL"], data=text.encode()) as response:
        return str((await response.json())["storage_id"])


@asynccontextmanager
async def stack(folder: Path, judge: str) -> AsyncIterator[tuple[int, dict[str, str]]]:
    """An open stack with its records in the folder; its process id and its addresses."""
    models = folder / "models.toml"
    models.write_text(MODELS)
    own = {"OPENAI_API_KEY": "none", "ENG5_OPENAI_BASE_URL": judge, "ENG5_MODELS_FILE": str(models)}
    own["ENG5_CACHE_DIR"] = str(folder / "cache")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eng5_runner", "stack", "up", "--json", "--until-stdin-closes", "--open"),
        *("--data-dir", str(folder / "stack")),
        env=os.environ | own,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.pid, json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def clients(
    at: dict[str, str],
) -> AsyncIterator[tuple[aiohttp.ClientSession, AIOKafkaProducer, AIOKafkaConsumer]]:
    """For texts, for the request, and for the callbacks."""
    where = {"bootstrap_servers": at["KAFKA_BOOTSTRAP_SERVERS"]}
    producer = AIOKafkaProducer(**where, max_request_size=LARGEST_MESSAGE_BYTES)
    consumer = AIOKafkaConsumer(
        Topic.COMPARISON.value, **where, group_id=None, auto_offset_reset="earliest", fetch_max_wait_ms=25
    )
    async with aiohttp.ClientSession() as http, producer, consumer:
        yield http, producer, consumer


@asynccontextmanager
async def served_judge() -> AsyncIterator[str]:
    """The address of a judge in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stack", "judge", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def judge_at_once() -> None:
    """Serve a judge that answers at once; prints its address."""
    usage = {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
    choice = {"message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    body = json.dumps({"model": "slow", "choices": [choice], "usage": usage}).encode()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(judge_at_once())
