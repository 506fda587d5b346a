"""Reading messages of many batches, a tenth of them the run's own, against a bare aiokafka consumer: CPU time of each.

`python -m bench drain [--events N] [--broker embedded kafka]`. The broker and what fills it are other processes. Ours
is the stage `gather` with its ledger: it reads, sorts out, parses, compares with what is known, and writes durably.
The embedded broker keeps 5 MiB a partition, so it is given fewer messages.

The bare consumer makes aiokafka's record of each message and looks at none: it deserialises nothing, keeps nothing.
The least that can be done is one that looks for the run's messages, reads some fields of each, and writes them durably
at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import multiprocessing.connection
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from itertools import dropwhile
from pathlib import Path
from statistics import median
from typing import IO
from uuid import uuid5

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from bench.goals import Measured
from bench.study import PARTITIONS, RUN, beginning, ids_sent, inputs, judgements
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.core.request import essay_names
from eng5_runner.core.state import LiveState, fold_into
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.kafka.broker import connected
from eng5_runner.effects.ledger import Ledger
from eng5_runner.run.gather import Wait, gather
from eng5_runner.run.pipeline import Session
from eng5_runner.stack.platform.broker import EmbeddedBroker
from eng5_runner.transport.kafka_settings import KafkaSettings
from tests.support.kafka.certificates import make_certificates
from tests.support.kafka.cluster import KafkaBroker
from tests.support.kafka.jars import server_jars

ESSAYS, OWN = 60, 10  # every tenth message is the run's own
OTHERS = 50
MOST_OF_THE_EMBEDDED = 10_000
ROUNDS = 5
# Of a bare consumer's speed: at least.
GOAL = 0.6


def main() -> list[Measured]:
    """Print microseconds of CPU time for a message, and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m bench drain")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--broker", choices=("embedded", "kafka"), nargs="*", default=("embedded", "kafka"))
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    results = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        for kind in given.broker:
            events = min(given.events, MOST_OF_THE_EMBEDDED) if kind == "embedded" else given.events
            with embedded() if kind == "embedded" else kafka(Path(name)) as bootstrap:
                fill(bootstrap, events)
                results.append(compare(kind, bootstrap, events, folder=Path(name)))
    return results


def compare(kind: str, bootstrap: str, events: int, *, folder: Path) -> Measured:
    """Print one line; the two take turns."""
    ours, bare, least = [], [], []
    for _ in range(ROUNDS):
        bare.append(asyncio.run(read_bare(bootstrap, events)) / events)
        with tempfile.TemporaryFile(dir=folder) as file:
            least.append(asyncio.run(read_bare(bootstrap, events, keeping_in=file)) / events)
        with tempfile.TemporaryDirectory(dir=folder) as run:
            ours.append(asyncio.run(drain(bootstrap, events, folder=Path(run))) / events)
    ratio = median(bare) / median(ours)
    most = median(bare) / median(least)
    unit = f"of a bare consumer's speed (the least that can be done {most:.2f})"
    result = Measured(f"drain of {kind} Kafka", ratio, GOAL, unit, at_least=True)
    print(
        f"  {kind}, {events} messages: {median(ours) * 1e6:.1f} µs CPU each, a bare consumer {median(bare) * 1e6:.1f}, "
        f"the least {median(least) * 1e6:.1f}: {ratio:.2f} of the bare one's speed, {most:.2f} with the least"
        f"{result.remark} (load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return result


async def drain(bootstrap: str, events: int, *, folder: Path) -> float:
    """CPU seconds of a run that gathers what is there."""
    made = inputs(ESSAYS)
    before = beginning(made, comparisons=events // OWN)
    with Ledger(folder) as ledger:
        ledger.append_now(before)
        state = fold_into(LiveState(), before)
        session = Session(
            ledger=ledger, state=state, inputs=made, texts={}, observe=lambda _: None, stop=asyncio.Event()
        )
        settings = KafkaSettings(bootstrap=bootstrap, client_id="bench")
        async with connected(settings) as broker:
            began = time.process_time()
            wait = Wait(SystemClock(), timeouts=state.spec.timeouts)
            names = essay_names(state, made)
            async with aclosing(gather(state, names=names, broker=broker, wait=wait, stop=session.stop)) as batches:
                async for updates in batches:
                    await session.record(updates)
            took = time.process_time() - began
    assert state.judged == events // OWN, state.judged
    return took


class Pair(msgspec.Struct):
    """The essays of a comparison."""

    essay_a_id: str
    essay_b_id: str


class Fields(msgspec.Struct):
    """The fields that say what a comparison is."""

    request_id: str
    winner: str
    cost_estimate: float
    request_metadata: Pair


class Message(msgspec.Struct):
    """A message with them."""

    data: Fields
    event_timestamp: datetime


async def read_bare(bootstrap: str, events: int, *, keeping_in: IO[bytes] | None = None) -> float:
    """CPU seconds of a consumer that looks at nothing, or keeps the run's messages in a file."""
    wanted, encode, decode = str(RUN).encode(), msgspec.json.encode, msgspec.json.Decoder(Message).decode
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as consumer:
        began, count, lines = time.process_time(), 0, list[bytes]()
        consumer.assign([TopicPartition(topic, number) for topic in CALLBACK_TOPICS for number in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        while count < events + 2:
            batches = (await consumer.getmany(timeout_ms=250)).values()
            count += sum(map(len, batches))
            if keeping_in is not None:
                own = [record.value for records in batches for record in records if wanted in record.value]
                lines += [encode((raw.decode(), decode(raw).data.request_id)) for raw in own if b"winner" in raw]
        if keeping_in is not None:
            keeping_in.write(b"".join(b"%b%08x\n" % (line, zlib.crc32(line)) for line in lines))
            keeping_in.flush()
            os.fdatasync(keeping_in.fileno())
        return time.process_time() - began


def fill(bootstrap: str, events: int) -> None:
    """Put so many comparisons into the topic, and the end of the run's batch into its own topics."""
    process = multiprocessing.get_context("spawn").Process(target=_fill, args=(bootstrap, events))
    process.start()
    process.join()
    assert process.exitcode == 0


def _fill(bootstrap: str, events: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    ids = ids_sent(beginning(inputs(ESSAYS)))
    for number, raw in enumerate(judgements(ids, events)):
        batch = RUN if number % OWN == 0 else uuid5(RUN, f"other {number % OTHERS}")
        value = raw.replace(str(RUN).encode(), str(batch).encode())
        producer.produce(Topic.COMPARISON, value, partition=number // OWN % PARTITIONS)
        producer.poll(0)
    completed = {"entity_id": str(RUN), "status": "completed_successfully"}
    result = {"entity_id": str(RUN), "essay_results": [{"essay_id": name} for name in ids]}
    for topic, data in ((Topic.COMPLETED, completed), (Topic.RESULT, result)):
        producer.produce(topic, json.dumps({"data": data}).encode(), partition=0)
    assert producer.flush(60) == 0


@contextmanager
def embedded() -> Iterator[str]:
    """The stack's broker in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(port: multiprocessing.connection.Connection) -> None:
    broker = EmbeddedBroker()
    port.send(broker.bootstrap)
    while port.poll(None):  # until the other side ends
        port.recv()


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """A Kafka of our own."""
    broker = KafkaBroker(
        folder=folder / "broker", jars=server_jars(), certificates=make_certificates(folder / "certificates")
    )
    try:
        broker.start()
        broker.add_topics()
        yield broker.bootstrap
    finally:
        broker.kill()
