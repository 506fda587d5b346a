"""The services' side of Kafka: one paced publisher for all of them, and a reader of whole topics without a group.

Measured traps (aiokafka 0.14) that shape this module: `stop()` of a group-less consumer can raise a CancelledError that
nobody asked for; `start()` waits 40 s an address unless it is bounded; the mock broker drops the oldest records above
5 MiB a partition without telling anybody.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ServiceUnavailable

log = structlog.get_logger(__name__)

_START_SECONDS = 15.0
_STOP_SECONDS = 5.0
_SENT_AT_ONCE = 64
# The mock broker gives one record batch of a partition per fetch: batches of one record make every reader slow.
_LINGER_MILLISECONDS = 10
_RUN_LENGTH = 32
# The embedded broker holds 5 MiB a partition: at this pace a reader that falls behind by 3 s loses nothing (measured).
PACE_BYTES_PER_SECOND = 1024 * 1024
PACE_BURST_BYTES = 2 * 1024 * 1024
# The mock broker answers an empty fetch only when its time is up, also when something has come in meanwhile.
_FETCH_MILLISECONDS = 25
# The rich result of some thousand essays is above the client's default of 1 MiB.
_LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024


class Pacer:
    """A token bucket for each partition: how long a writer has to wait before the next record.

    Attributes:
        rate: bytes a second that a partition takes on average.
        burst: bytes that it takes at once.
    """

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._levels: dict[tuple[str, int], tuple[float, float]] = {}

    def delay(self, *, topic: str, partition: int, size: int) -> float:
        """Seconds to wait before a record of `size` bytes may be sent; the record counts as sent then."""
        now = self._clock()
        level, since = self._levels.get((topic, partition), (0.0, now))
        level = max(0.0, level - (now - since) * self.rate) + size
        self._levels[topic, partition] = (level, now)
        return max(0.0, (level - self.burst) / self.rate)


class Publisher:
    """What all services of the stack write through."""

    def __init__(self, producer: AIOKafkaProducer, pacer: Pacer) -> None:
        self._producer = producer
        self._pacer = pacer
        self._sent = 0
        self._waited = 0.0

    async def publish(self, topic: str, value: bytes, *, key: bytes | None = None) -> None:
        """Append one message and return when the broker has it.

        Messages without a key go round all partitions, 32 to each, so that none of them fills up before the others.

        Raises:
            ServiceUnavailable: the broker did not take it.
        """
        try:
            partitions = sorted(await self._producer.partitions_for(topic))
            place = self._sent // _RUN_LENGTH if key is None else zlib.crc32(key)
            self._sent += 1
            partition = partitions[place % len(partitions)]
            await self._keep_pace(topic=topic, partition=partition, size=len(value))
            await self._producer.send_and_wait(topic, value, key=key, partition=partition)
        except KafkaError as error:
            raise ServiceUnavailable(
                f"the broker did not take a message for {topic}: {error!r}", remedy="Start the stack again and resume."
            ) from error

    async def publish_all(self, topic: str, values: Iterable[bytes]) -> None:
        """Append many messages, several at a time, so that they may come in another order.

        Raises:
            ExceptionGroup: of ServiceUnavailable, the broker did not take them.
        """
        queue = iter(values)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_SENT_AT_ONCE):
                tasks.create_task(self._publish_each(topic, queue))

    async def _publish_each(self, topic: str, queue: Iterator[bytes]) -> None:
        """Work off a queue that several share."""
        for value in queue:
            await self.publish(topic, value)

    async def _keep_pace(self, *, topic: str, partition: int, size: int) -> None:
        delay = self._pacer.delay(topic=topic, partition=partition, size=size)
        if delay <= 0:
            return
        if self._waited == 0:
            log.info("publishing is paced", topic=topic, partition=partition, bytes_per_second=self._pacer.rate)
        self._waited += delay
        await asyncio.sleep(delay)

    @property
    def seconds_paced(self) -> float:
        """Seconds that writers have waited for the pace, in all."""
        return self._waited


@asynccontextmanager
async def open_publisher(bootstrap: str) -> AsyncIterator[Publisher]:
    """A started publisher, flushed and closed at the end.

    Raises:
        ServiceUnavailable: the broker does not answer within 15 s.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=_LINGER_MILLISECONDS,
        enable_idempotence=False,  # the mock broker does not dedupe, and without it a send cannot hang for ever
        max_request_size=_LARGEST_MESSAGE_BYTES,
        request_timeout_ms=10_000,
    )
    pacer = Pacer(rate=PACE_BYTES_PER_SECOND, burst=PACE_BURST_BYTES, clock=asyncio.get_running_loop().time)
    publisher = Publisher(producer, pacer)
    try:
        await _started(producer, bootstrap)
        yield publisher
    finally:
        await stop_client(producer)
        if publisher.seconds_paced:
            log.info("publishing was paced", seconds=round(publisher.seconds_paced, 1))


@asynccontextmanager
async def open_reader(bootstrap: str, *topics: Topic) -> AsyncIterator[AIOKafkaConsumer]:
    """A group-less consumer of all partitions, positioned at their beginning.

    A log that has lost its beginning is read from the oldest record that is left: whoever misses an answer asks again.

    Raises:
        ServiceUnavailable: the broker does not answer within 15 s.
    """
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
        fetch_max_wait_ms=_FETCH_MILLISECONDS,
    )
    try:
        await _started(consumer, bootstrap)
        async with asyncio.timeout(_START_SECONDS):
            for partition in consumer.assignment():
                await consumer.position(partition)
        yield consumer
    finally:
        await stop_client(consumer)


async def _started(client: AIOKafkaProducer | AIOKafkaConsumer, bootstrap: str) -> None:
    try:
        await asyncio.wait_for(client.start(), _START_SECONDS)
    except (KafkaError, TimeoutError) as error:
        raise ServiceUnavailable(
            f"no Kafka answers at {bootstrap}: {error!r}", remedy="Check the address, and that the broker runs."
        ) from error


async def stop_client(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Close a client for good: never longer than 5 s, and no cancellation but our own comes out of it."""
    try:
        await asyncio.wait_for(client.stop(), _STOP_SECONDS)
    except TimeoutError:
        log.warning("a Kafka client did not close in time", seconds=_STOP_SECONDS)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
