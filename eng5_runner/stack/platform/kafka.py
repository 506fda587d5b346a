"""The services' side of Kafka: one publisher for all of them, and readers of whole topics or as members of a group.

The embedded broker silently drops the oldest records above 5 MiB a partition (measured), so its writers are paced.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    InvalidMessageError,
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RebalanceInProgressError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnknownMemberIdError,
)

from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.transport.kafka import START_SECONDS, explain, started
from eng5_runner.transport.stack_secret import StackSecret

log = structlog.get_logger(__name__)

# The group waits for a member that died without leaving.
_JOIN_SECONDS = 40.0
_SESSION_MILLISECONDS = 10_000
# Partitions that are added to a topic are noticed within this time.
_METADATA_MILLISECONDS = 10_000
_ANSWER_SECONDS = 3.0
# A broker that restarts is back within this time, on a busy machine too; its client gives up a message after 10 s.
_OUTAGE_SECONDS = 120.0
_SENT_AGAIN_SECONDS = 0.5
_SENT_AT_ONCE = 64
# The mock broker gives one record batch of a partition per fetch: batches of one record make every reader slow.
_EMBEDDED_LINGER_MILLISECONDS = 10
# A batch of records costs a broker, and each of its readers, the same whatever its size; so does an answer to a fetch.
# Several workers of each kind would else send and read single records.
_LINGER_MILLISECONDS = 25
_GATHERED_BYTES, _GATHERED_MILLISECONDS = 64 * 1024, 50
_RUN_LENGTH = 32
# So that a run of results is one batch: each batch is a request, and who writes to a full one waits for it.
_BATCH_BYTES = 128 * 1024
# The embedded broker holds 5 MiB a partition: at this pace a reader that falls behind by 3 s loses nothing (measured).
PACE_BYTES_PER_SECOND = 1024 * 1024
PACE_BURST_BYTES = 2 * 1024 * 1024
# The mock broker answers an empty fetch only when its time is up, also when something has come in meanwhile.
_FETCH_MILLISECONDS = 25
# What a broker says about a message alone; any other refusal concerns the topic or the broker.
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError)
_REFUSED = (*_TOO_LARGE, InvalidMessageError, InvalidTimestampError)
# What a group with members says about a commit from outside.
_GROUP_IN_USE = (IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class MessageRefused(Exception):
    """The broker refuses one message for what it is, for example too large; other messages can be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running Kafka.

    Attributes:
        bootstrap: `host:port`, comma separated.
        access: further arguments of its clients, by aiokafka's names.
        topic_prefix: the start of each topic's name.
        is_embedded: whether it is our own mock broker, whose writers are paced.
        secret: signs the records that the stack writes, and must have signed those that it reads; None on a Kafka where
            services of others write too.
    """

    bootstrap: str
    access: Mapping[str, object] = field(default_factory=dict, repr=False)
    topic_prefix: str = ""
    is_embedded: bool = False
    secret: StackSecret | None = None


class Pacer:
    """A token bucket for each partition, which tells a writer how long to wait before the next record.

    Attributes:
        rate: bytes a second for a partition on average.
        burst: bytes that a partition accepts at once.
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
    """The Kafka writer of all services of the stack."""

    def __init__(self, producer: AIOKafkaProducer, pacer: Pacer | None, *, cluster: Cluster) -> None:
        self._producer = producer
        self._pacer = pacer
        self._prefix = cluster.topic_prefix
        self._secret = cluster.secret
        self._sent = 0
        self._waited = 0.0

    async def publish(self, topic: str, value: bytes, *, key: bytes | None = None) -> None:
        """Append one message and return when the broker has it.

        Messages without a key go to all partitions in turn, 32 to each, so that none fills up before the others.
        It waits for a broker that is away. A message whose acknowledgement was lost is then in the topic twice; readers
        of the contract's topics have to accept that.

        Raises:
            MessageRefused: the broker does not take this message, for example because of its size.
            ServiceUnavailable: the broker refused the topic, or did not take the message for 2 minutes.
        """
        topic = self._prefix + topic
        clock = asyncio.get_running_loop().time
        deadline = clock() + _OUTAGE_SECONDS
        while True:
            try:
                await self._send(topic, value, key=key)
            except _REFUSED as error:
                size = f"{len(value)} bytes are too large" if isinstance(error, _TOO_LARGE) else type(error).__name__
                raise MessageRefused(f"the broker does not take a message for {topic}: {size}") from error
            except KafkaError as error:
                # Behind others the message found no room in the client: its timeout is not marked as retriable.
                if not (error.retriable or isinstance(error, KafkaTimeoutError)) or clock() > deadline:
                    raise ServiceUnavailable(
                        f"the broker did not take a message for {topic}: {error!r}",
                        remedy="Repair the broker, start the service again, and resume the run.",
                    ) from error
                log.warning("the broker is away: sending again", topic=topic, cause=type(error).__name__)
                await asyncio.sleep(_SENT_AGAIN_SECONDS)
            else:
                return

    async def _send(self, topic: str, value: bytes, *, key: bytes | None) -> None:
        partitions = sorted(await self._producer.partitions_for(topic))
        place = self._sent // _RUN_LENGTH if key is None else zlib.crc32(key)
        self._sent += 1
        partition = partitions[place % len(partitions)]
        await self._keep_pace(topic=topic, partition=partition, size=len(value))
        headers = self._secret.kafka_headers(topic, value) if self._secret else None
        await self._producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers)

    async def publish_all(self, topic: str, values: Iterable[bytes]) -> None:
        """Append many messages, several at a time, so their order can change.

        Raises:
            ExceptionGroup: of ServiceUnavailable, the broker did not take them.
        """
        queue = iter(values)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_SENT_AT_ONCE):
                tasks.create_task(self._publish_each(topic, queue))

    async def _publish_each(self, topic: str, queue: Iterator[bytes]) -> None:
        """Publish the messages of a shared queue."""
        for value in queue:
            await self.publish(topic, value)

    async def _keep_pace(self, *, topic: str, partition: int, size: int) -> None:
        delay = self._pacer.delay(topic=topic, partition=partition, size=size) if self._pacer else 0.0
        if delay <= 0:
            return
        if self._waited == 0 and self._pacer:
            log.info("publishing is paced", topic=topic, partition=partition, bytes_per_second=self._pacer.rate)
        self._waited += delay
        await asyncio.sleep(delay)

    async def answers(self) -> bool:
        """Whether the broker answers now."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError):
            return False
        return True

    @property
    def seconds_paced(self) -> float:
        """Seconds that writers have waited for the pacer, in all."""
        return self._waited


@asynccontextmanager
async def open_publisher(cluster: Cluster) -> AsyncIterator[Publisher]:
    """A started publisher, flushed and closed at the end.

    Raises:
        ServiceUnavailable: the broker does not answer within 15 s.
    """
    settings: dict[str, object] = {
        "bootstrap_servers": cluster.bootstrap,
        "acks": "all",
        "linger_ms": _EMBEDDED_LINGER_MILLISECONDS if cluster.is_embedded else _LINGER_MILLISECONDS,
        "max_batch_size": _BATCH_BYTES,
        "enable_idempotence": False,  # the mock broker does not support it, and without it a send cannot hang for ever
        "max_request_size": LARGEST_MESSAGE_BYTES,
        "compression_type": "gzip",  # every reader supports it; a broker limits compressed bytes
        "request_timeout_ms": 10_000,
        "metadata_max_age_ms": _METADATA_MILLISECONDS,
    }
    producer = AIOKafkaProducer(**(settings | dict(cluster.access)))
    clock = asyncio.get_running_loop().time
    pacer = Pacer(rate=PACE_BYTES_PER_SECOND, burst=PACE_BURST_BYTES, clock=clock) if cluster.is_embedded else None
    publisher = Publisher(producer, pacer, cluster=cluster)
    async with started(producer, doing="opening the publisher"):
        yield publisher
    if publisher.seconds_paced:
        log.info("publishing was paced", seconds=round(publisher.seconds_paced, 1))


@asynccontextmanager
async def open_reader(
    cluster: Cluster, *topics: Topic, beginning_at: Literal["earliest", "latest"] = "earliest"
) -> AsyncIterator[AIOKafkaConsumer]:
    """A group-less consumer of all partitions, positioned at their beginning or their end.

    A log without its beginning is read from the oldest record that is left; clients repeat unanswered requests. The
    client begins again, at its beginning or its end, whenever partitions are added.

    Raises:
        ServiceUnavailable: the broker does not answer within 15 s.
    """
    consumer = AIOKafkaConsumer(*_names(cluster, topics), **_reading(cluster, group=None, reset=beginning_at))
    doing = f"opening a reader of {', '.join(topics)}"
    async with started(consumer, doing=doing):
        try:
            async with asyncio.timeout(START_SECONDS):
                for partition in consumer.assignment():
                    await consumer.position(partition)
        except (KafkaError, TimeoutError) as error:
            raise explain(error, doing=doing) from error
        yield consumer


@asynccontextmanager
async def open_member(cluster: Cluster, *topics: Topic, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer in a group, from the group's committed offsets; it shares the topics with the other members.

    It has joined when this returns. The caller commits the offsets. A new group begins at the end of the topics: what
    was sent before was sent to others.

    Raises:
        ServiceUnavailable: the broker does not answer, or does not let it join, within 40 s.
    """
    await _begin_at_end(cluster, *topics, group=group)
    consumer = AIOKafkaConsumer(*_names(cluster, topics), **_reading(cluster, group=group))
    async with started(consumer, doing=f"joining the group {group}", seconds=_JOIN_SECONDS):
        yield consumer


async def _begin_at_end(cluster: Cluster, *topics: Topic, group: str) -> None:
    """Commit the ends of the topics for a group that has no offsets yet.

    Done before the group's first member joins, so that a partition that is added later is read from its beginning.
    """
    doing = f"starting the group {group}"
    ends = await _ends(cluster, *topics)
    consumer = AIOKafkaConsumer(**_reading(cluster, group=group))
    async with started(consumer, doing=doing, seconds=_JOIN_SECONDS):
        try:
            async with asyncio.timeout(_JOIN_SECONDS):
                consumer.assign(list(ends))
                if any([await consumer.committed(partition) is not None for partition in ends]):
                    return
                await consumer.commit(ends)
                log.info("a new group begins at the end of its topics", group=group, topics=topics)
        except _GROUP_IN_USE:
            log.info("another worker has started the group", group=group)
        except (KafkaError, TimeoutError) as error:
            raise explain(error, doing=doing) from error


async def _ends(cluster: Cluster, *topics: Topic) -> dict[TopicPartition, int]:
    async with open_reader(cluster, *topics, beginning_at="latest") as reader:
        return {partition: await reader.position(partition) for partition in reader.assignment()}


def _names(cluster: Cluster, topics: Iterable[Topic]) -> list[str]:
    return [cluster.topic_prefix + topic for topic in topics]


def _reading(
    cluster: Cluster, *, group: str | None, reset: Literal["earliest", "latest"] = "earliest"
) -> dict[str, object]:
    settings: dict[str, object] = {
        "bootstrap_servers": cluster.bootstrap,
        "group_id": group,
        "enable_auto_commit": False,
        "auto_offset_reset": reset,
        "session_timeout_ms": _SESSION_MILLISECONDS,
        "request_timeout_ms": 10_000,
        "metadata_max_age_ms": _METADATA_MILLISECONDS,
        "fetch_max_wait_ms": _FETCH_MILLISECONDS if cluster.is_embedded else 500,
    }
    if group is None and not cluster.is_embedded:
        settings |= {"fetch_max_wait_ms": _GATHERED_MILLISECONDS, "fetch_min_bytes": _GATHERED_BYTES}
    return settings | dict(cluster.access)
