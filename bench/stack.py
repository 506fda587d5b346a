"""Throughput of the embedded stack, with a judge that answers at once: comparisons a second, and CPU time of each.

`python -m bench stack [--comparisons N …] [--judge offline http] [--long] [--idle SECONDS]`. The stack runs in a
process of its own; this process sends a request and counts the callbacks. The HTTP judge runs in a third process. The
CPU time is the stack's alone, from the request to the last callback, after a small study that loads what is loaded
once. From the first callback on, more would be left out of a small study: by then all its essays are read. `--long`
adds 50,000 comparisons of the offline judge. The last row is what the stack uses while it waits for a judge that does
not answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import dropwhile
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.goals import Measured
from bench.judging import ANSWER, MODELS
from eng5_runner.contracts.request import READS_TO_END
from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic

# Comparisons a second: of the stack on one core and its client on another.
GOALS = {"offline": 1000.0, "http": 500.0}
JUDGES = {"offline": ("mock", "offline-baseline-2"), "http": ("openai", "slow")}
LONG = 50_000
# CPU time of a comparison in the largest study, of that in the smallest, at most.
FLAT = 1.2
# Of a core, while everybody waits for the judge, at most.
IDLE_GOAL = 0.02
IDLE_ESSAYS, IDLE_COMPARISONS = 10, 40
# Once it has used less of a core for some seconds, all questions are asked; on a busy machine that takes long.
SETTLED, SETTLING_SECONDS = 0.1, 3.0
COMPARISONS_OF_AN_ESSAY = 10
WORDS_OF_AN_ESSAY = 300
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> list[Measured]:
    """Print the rates, and which goals are missed."""
    parser = argparse.ArgumentParser(prog="python -m bench stack")
    parser.add_argument("--comparisons", type=int, nargs="*", default=[440, 5000])
    parser.add_argument("--judge", choices=tuple(GOALS), nargs="*", default=tuple(GOALS))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--idle", type=float, default=20.0)
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    print("judge    compar.  seconds  a second  ms CPU each")
    results = []
    for judge in given.judge:
        sizes = [*given.comparisons, *([LONG] if given.long and judge == "offline" else [])]
        rates, each = zip(*(asyncio.run(measure(judge, comparisons)) for comparisons in sizes), strict=True)
        results += rates
        if len(each) > 1:
            work = f"embedded stack, {judge} judge, {sizes[-1]} comparisons against {sizes[0]}"
            flat = Measured(work, each[-1] / each[0], FLAT, "times the CPU time of each")
            print(f"{judge:8} {sizes[-1]} against {sizes[0]}: {flat.value:.2f} of the CPU time each {flat.remark}")
            results.append(flat)
    if given.idle:
        results.append(asyncio.run(idle(given.idle)))
    return results


async def idle(seconds: float) -> Measured:
    """Print the share of a core that a stack uses whose judge does not answer."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        judge = served_judge(seconds=3600.0)
        async with judge as url, stack(Path(folder), url) as (pid, at), senders(at) as (http, sender):
            essays = [
                {"essay_id": f"essay_{number}", "text_storage_id": await upload(http, at, text)}
                for number, text in enumerate(texts(IDLE_ESSAYS))
            ]
            await sender.send_and_wait(Topic.REQUEST.value, request(essays, judge="http", comparisons=IDLE_COMPARISONS))
            while await used(pid, SETTLING_SECONDS) >= SETTLED:
                pass
            share = await used(pid, seconds)
    result = Measured("embedded stack, waiting for a judge", share, IDLE_GOAL, "of a core")
    print(f"waiting for a judge: {share:.3f} of a core {result.remark} (load {os.getloadavg()[0]:.1f})")
    return result


async def used(pid: int, seconds: float) -> float:
    """The share of a core that a process uses in the next seconds."""
    before, began = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


async def measure(judge: str, comparisons: int) -> tuple[Measured, float]:
    """Print one line; the rate, and the seconds of CPU time for a comparison."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        async with served_judge() as url, stack(Path(folder), url) as (pid, at), clients(at) as (http, sender, reader):
            count = max(comparisons // COMPARISONS_OF_AN_ESSAY, 4)
            essays = [
                {"essay_id": f"essay_{number:05}", "text_storage_id": await upload(http, at, text)}
                for number, text in enumerate(texts(count + IDLE_ESSAYS))
            ]
            for some, wanted in ((essays[count:], IDLE_COMPARISONS), (essays[:count], comparisons)):
                cpu = cpu_seconds(pid)
                await sender.send_and_wait(Topic.REQUEST.value, request(some, judge=judge, comparisons=wanted))
                seconds, at_end = await answered(reader, pid, wanted)
            cpu = at_end - cpu
    work = f"embedded stack, {judge} judge, {comparisons} comparisons"
    result = Measured(work, comparisons / seconds, GOALS[judge], "a second", at_least=True)
    print(
        f"{judge:8} {comparisons:7} {seconds:8.2f} {result.value:9.0f} {1000 * cpu / comparisons:12.2f} "
        f"{result.remark} (load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return result, cpu / comparisons


async def answered(reader: AIOKafkaConsumer, pid: int, comparisons: int) -> tuple[float, float]:
    """Waits for a study's end: seconds from its first callback to its last, and the stack's CPU time at the last."""
    count, began, seconds, cpu, is_over = 0, 0.0, 0.0, 0.0, False
    while count < comparisons or not is_over:
        for partition, records in (await reader.getmany(timeout_ms=200)).items():
            if partition.topic == Topic.COMPLETED.value:
                is_over = True
                continue
            began = began or time.monotonic()
            count += len(records)
            if count == comparisons:
                seconds, cpu = time.monotonic() - began, cpu_seconds(pid)
    return seconds, cpu


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
async def stack(
    folder: Path, judge: str, *, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[int, dict[str, str]]]:
    """An open stack with its records in the folder; its process id and its addresses."""
    models = folder / "models.toml"
    models.write_text(MODELS)
    own = {"OPENAI_API_KEY": "none", "ENG5_OPENAI_BASE_URL": judge, "ENG5_MODELS_FILE": str(models)}
    own["ENG5_CACHE_DIR"] = str(folder / "cache")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eng5_runner", "stack", "up", "--json", "--until-stdin-closes", "--open"),
        *("--data-dir", str(folder / "stack")),
        env={**os.environ, **own, **environment},
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
    consumer = AIOKafkaConsumer(
        Topic.COMPARISON.value,
        Topic.COMPLETED.value,
        bootstrap_servers=at["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=None,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=25,
    )
    async with senders(at) as (http, producer), consumer:
        yield http, producer, consumer


@asynccontextmanager
async def senders(at: dict[str, str]) -> AsyncIterator[tuple[aiohttp.ClientSession, AIOKafkaProducer]]:
    """For texts and for the request."""
    producer = AIOKafkaProducer(bootstrap_servers=at["KAFKA_BOOTSTRAP_SERVERS"], max_request_size=LARGEST_MESSAGE_BYTES)
    async with aiohttp.ClientSession() as http, producer:
        yield http, producer


@asynccontextmanager
async def served_judge(*, seconds: float = 0.0) -> AsyncIterator[str]:
    """The address of a judge in a process of its own, which answers after so many seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stack", str(seconds), stdout=asyncio.subprocess.PIPE
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


class Answering(asyncio.Protocol):
    """Gives each request of a connection the same answer. A web framework would be slower than several workers."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer, self._seconds, self._read = answer, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when a request is there with its body; a client sends the next one after the answer."""
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            self._read = b""
            asyncio.get_running_loop().call_later(self._seconds, self._send)

    def _send(self) -> None:
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(self._answer)


async def serve_judge(seconds: float) -> None:
    """Serve a judge that answers after so many seconds; prints its address."""
    usage = {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
    choice = {"message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    body = json.dumps({"model": "slow", "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = head.encode() + body
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answer, seconds), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve_judge(float(sys.argv[1])))
