"""Throughput of N workers of each kind on one Kafka and one PostgreSQL, with a judge that answers at once, or waits.

`python -m bench workers [--workers N …] [--comparisons N]`. Four studies run at the same time, since one CJ worker runs
a study. Kafka, PostgreSQL and the judge run on this machine too: when its cores are in use, more workers cannot be
faster. So the CPU time of a comparison is printed by role: an LLM worker with a core of its own takes 1000 / its
milliseconds a second. PostgreSQL is that of the tests, without fsync.

A judge that waits is what workers are for: it answers after a second, and takes so many calls at once for each worker.
Then no process is busy, and the rate grows with the workers if these are asked as much as they can take.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.goals import Measured
from bench.judging import MODELS
from bench.stack import FLAT, TICKS, cpu_seconds, request, served_judge, texts, upload
from eng5_runner.contracts.topics import Topic
from tests.support.kafka.certificates import make_certificates
from tests.support.kafka.cluster import KafkaBroker
from tests.support.kafka.jars import server_jars
from tests.support.kafka.services import Worker, serving
from tests.support.postgres.server import ADMIN, ADMIN_PASSWORD, PostgresServer, programs, scratch_folder

STUDIES, ESSAYS = 4, 60
# Of the machine's cores; what is left of them more workers could use.
BUSY = 0.9
# Of the rate of one worker times the number of workers, or of what the machine's cores allow: at least.
GROWTH_GOAL = 0.8
# Of a judge that waits: the calls at once of each worker, their time, and how long the studies take at best.
PLACES, ANSWER_SECONDS, STUDY_SECONDS = 100, 1.0, 8.0


def main() -> list[Measured]:
    """Print the rates by number of workers, and the CPU time by role."""
    parser = argparse.ArgumentParser(prog="python -m bench workers")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--comparisons", type=int, default=2400)
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name,
        servers(Path(name)) as (broker, database),
    ):
        print(f"workers  a second  to one   ms CPU each: {'  '.join(ROLES)}")
        found: list[Rate] = []
        for workers in given.workers:
            case = Case(workers=workers, comparisons=given.comparisons)
            measured = measure(Path(name), broker, database, case=case, first=found[0] if found else None)
            found.append(asyncio.run(measured))
        print(f"a judge that answers after {ANSWER_SECONDS:g} s, {PLACES} calls at once for each worker")
        waited: list[Rate] = []
        for workers in given.workers:
            count = round(PLACES * workers * STUDY_SECONDS / ANSWER_SECONDS)
            case = Case(workers=workers, comparisons=count, judge_waits=True)
            measured = measure(Path(name), broker, database, case=case, first=waited[0] if waited else None)
            waited.append(asyncio.run(measured))
    rows = [row for rate in found[1:] for row in (_growth(rate, than=found[0]), _cost(rate, than=found[0]))]
    rows += [_filled(rate) for rate in waited]
    return rows + [_cost(rate, than=waited[0], judge=", a judge that waits") for rate in waited[1:]]


class Case(NamedTuple):
    """What is measured."""

    workers: int
    comparisons: int
    judge_waits: bool = False

    @property
    def name(self) -> str:
        """Of topics, database and folder."""
        return f"{'waiting' if self.judge_waits else 'bench'}{self.workers}"

    @property
    def at_once(self) -> int:
        """Calls that the judge takes at once."""
        return PLACES * self.workers


class Rate(NamedTuple):
    """What some workers of each kind did.

    Attributes:
        a_second: comparisons.
        used: the share of the machine's cores.
        idle: the share that nobody used.
        each: seconds of CPU time for a comparison, of all processes but the judge.
    """

    workers: int
    a_second: float
    used: float
    idle: float
    each: float


def _growth(rate: Rate, *, than: Rate) -> Measured:
    """How near the rate is to that of so many times the first workers, or of all that others leave of the cores."""
    possible = than.a_second * min(rate.workers / than.workers, (than.used + than.idle) / than.used)
    work = f"{rate.workers} workers of each kind"
    return Measured(work, rate.a_second / possible, GROWTH_GOAL, "of what workers or cores allow", at_least=True)


def _filled(rate: Rate) -> Measured:
    """How near the rate is to that of a judge which is always asked as much as it takes."""
    work = f"{rate.workers} workers of each kind, a judge that waits"
    share = rate.a_second * ANSWER_SECONDS / (PLACES * rate.workers)
    return Measured(work, share, GROWTH_GOAL, "of the judge's rate", at_least=True)


def _cost(rate: Rate, *, than: Rate, judge: str = "") -> Measured:
    """On a machine whose cores are in use, more workers keep the rate only if a comparison costs no more with them."""
    work = f"{rate.workers} workers of each kind against {than.workers}{judge}"
    return Measured(work, rate.each / than.each, FLAT, "times the CPU time of each, of all processes")


ROLES = ("llm", "cj", "postgres", "kafka")


@contextmanager
def servers(folder: Path) -> Iterator[tuple[KafkaBroker, PostgresServer]]:
    """A Kafka and a PostgreSQL of our own."""
    broker = KafkaBroker(
        folder=folder / "broker", jars=server_jars(), certificates=make_certificates(folder / "certificates")
    )
    scratch = scratch_folder()
    database = PostgresServer(programs=programs(), folder=scratch)
    try:
        broker.start()
        database.start()
        yield broker, database
    finally:
        broker.kill()
        database.stop()
        shutil.rmtree(scratch)


async def measure(
    folder: Path, broker: KafkaBroker, database: PostgresServer, *, case: Case, first: Rate | None
) -> Rate:
    """Print one line; `first` is what the first number of workers did."""
    name, workers, count = case.name, case.workers, case.comparisons
    prefix = f"{name}."
    broker.add_topics(prefix)
    at = {"host": "127.0.0.1", "port": database.port, "user": ADMIN, "password": ADMIN_PASSWORD}
    admin = await asyncpg.connect(**at, database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    models = folder / "models.toml"
    models.write_text(f"limits.openai.concurrency = {case.at_once}\n{MODELS}" if case.judge_waits else MODELS)
    async with served_judge(seconds=ANSWER_SECONDS if case.judge_waits else 0.0) as judge:
        settings = {
            "SERVICE_DATABASE_URL": f"postgresql://{ADMIN}:boss%27s%20own@127.0.0.1:{database.port}/{name}",
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "KAFKA_TOPIC_PREFIX": prefix,
            "OPENAI_API_KEY": "none",
            "ENG5_OPENAI_BASE_URL": judge,
            "ENG5_MODELS_FILE": str(models),
            "ENG5_CACHE_DIR": str(folder / name / "cache"),
        }
        async with serving(folder / name, settings) as services:
            content = await ready(services.start("content"))
            llm = [
                await ready(services.start("llm", ENG5_CACHE_DIR=str(folder / name / "cache"))) for _ in range(workers)
            ]
            neighbours = {
                "CONTENT_SERVICE_URL": f"{content.url}/v1/content",
                "LLM_PROVIDER_SERVICE_URL": ",".join(f"{worker.url}/api/v1" for worker in llm),
            }
            cj = [await ready(services.start("cj", **neighbours)) for _ in range(workers)]
            pids = {
                "llm": [worker.process.pid for worker in llm],
                "cj": [worker.process.pid for worker in cj],
                "postgres": family(database.folder),
                "kafka": family(broker.folder),
            }
            before = machine_seconds()
            seconds, cpu = await judged(broker, prefix, neighbours, pids, count=count)
            idle, whole = (after - earlier for after, earlier in zip(machine_seconds(), before, strict=True))
    # While the first calls are under way, a judge that waits gives no answer.
    rate = (count - case.at_once if case.judge_waits else count) / seconds
    used = sum(cpu.values()) / seconds / (os.cpu_count() or 1)
    each = "  ".join(f"{1000 * cpu[role] / count:.2f}" for role in ROLES)
    full = f", these alone use {used:.0%} of the machine" + (": it is the limit" if used > BUSY else "")
    print(
        f"{workers:7} {rate:9.0f} {rate / (first.a_second if first else rate):7.2f}   {each} "
        f"(load {os.getloadavg()[0]:.1f}{full})",
        flush=True,
    )
    return Rate(workers, rate, used, idle / whole, sum(cpu.values()) / count)


async def judged(
    broker: KafkaBroker, prefix: str, at: dict[str, str], pids: dict[str, list[int]], *, count: int
) -> tuple[float, dict[str, float]]:
    """Seconds from the first callback to the last, and the CPU seconds of each role meanwhile."""
    async with (
        aiohttp.ClientSession() as http,
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer,
        AIOKafkaConsumer(
            prefix + Topic.COMPARISON, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
        ) as consumer,
    ):
        ids = [await upload(http, at, text) for text in texts(ESSAYS)]
        essays = [{"essay_id": f"essay_{n:03}", "text_storage_id": storage_id} for n, storage_id in enumerate(ids)]
        for _ in range(STUDIES):
            raw = request(essays, judge="http", comparisons=count // STUDIES)
            await producer.send_and_wait(prefix + Topic.REQUEST, raw)
        seen, began = 0, 0.0
        before: dict[str, float] = {}
        while seen < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                if not seen:
                    began, before = time.monotonic(), cpu(pids)
                seen += len(records)
        after = cpu(pids)
    return time.monotonic() - began, {role: after[role] - before[role] for role in ROLES}


def machine_seconds() -> tuple[float, float]:
    """Seconds so far in which the machine's cores were idle, and all seconds of its cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (fields[3] + fields[4]) / TICKS, sum(fields) / TICKS


def family(folder: Path) -> list[int]:
    """The server whose command line names the folder, and its children."""
    heads, parents = [], {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if bytes(folder) in (process / "cmdline").read_bytes():
                heads.append(int(process.name))
    return heads + [pid for pid, parent in parents.items() if parent in heads]


def cpu(pids: dict[str, list[int]]) -> dict[str, float]:
    """CPU seconds so far, by role."""
    return {role: sum(map(cpu_seconds, members)) for role, members in pids.items()}


async def ready(worker: Worker) -> Worker:
    """The worker, when it answers."""
    await asyncio.to_thread(worker.wait_until_ready)
    return worker
