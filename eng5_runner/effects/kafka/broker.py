"""One Kafka cluster: what topics it has, what is in them from where on, and putting one request in.

Reading is group-less: the ledger remembers where we are, not the cluster. Nothing here creates a topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RecordListTooLargeError,
    for_code,
)

from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES
from eng5_runner.core.classify import RawRecord, mentioning
from eng5_runner.core.events import Position
from eng5_runner.errors import ConfigurationError, InputsInvalid, NotAllowed, ServiceUnavailable, TemporaryFailure
from eng5_runner.transport.kafka import (
    DENIED,
    Admin,
    RestingPoll,
    abandon,
    explain,
    give_bare_records,
    require_no_certificate,
    require_reachable,
    started,
)
from eng5_runner.transport.kafka_settings import KafkaSettings
from eng5_runner.transport.stack_secret import StackSecret

POLL_MS = 250
FOLLOWS_MS = 20  # a record that comes so soon after another one is read together with it
# Partitions that somebody adds to a topic are noticed after so long.
_METADATA_MS = 10_000
POLL_RECORDS = 2_000
# So many are unpacked, then searched while they are in the processor's cache; 2,000 take a tenth longer each.
_AT_ONCE = 256
# What is asked of a broker waits behind a fetch. The embedded broker answers an empty one only when its time is up,
# also when something has come in meanwhile; others answer at once.
_FETCH_MS, _FETCH_OF_STACK_MS = 500, 50
QUIET_POLLS = 40  # in a row, where there must be records: an outage
PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A cluster's identity and the partition count of the topics that were asked for."""

    cluster_id: str
    partitions: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records that the broker dropped before they were read: from `position` up to `resumed_at`."""

    position: Position
    resumed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one poll brought."""

    records: tuple[RawRecord, ...] = ()
    gaps: tuple[Gap, ...] = ()


class KafkaBroker:
    """A connection to the cluster; made by `connected`."""

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._consumer = consumer
        self._poll = RestingPoll(consumer)
        give_bare_records(consumer)

    async def topology(self, topics: Sequence[str]) -> Topology:
        """Check that the topics are there.

        Raises:
            ConfigurationError: some are not; they are not created either.
            ServiceUnavailable: the cluster does not answer.
        """
        try:
            async with started(Admin(**self._settings.arguments()), doing="asking for the topics") as admin:
                wanted = [self._prefix + topic for topic in topics]
                # All of them: to ask for one that is missing could create it.
                there = {one["topic"]: one for one in await admin.describe_topics()}
                missing = [topic for topic in wanted if topic not in there]
                if missing:
                    raise _missing_topics(missing, list(there))
                if codes := [code for topic in wanted if (code := there[topic]["error_code"])]:
                    raise for_code(codes[0])
                cluster = await admin.describe_cluster()
        except KafkaError as error:
            raise explain(error, doing="asking for the topics") from None
        counts = {topic: len(there[self._prefix + topic]["partitions"]) for topic in topics}
        return Topology(cluster_id=str(cluster["cluster_id"]), partitions=counts)

    async def ends(self, topology: Topology) -> tuple[Position, ...]:
        """The offset that the next record of each partition will get.

        Raises:
            ServiceUnavailable: the cluster does not answer.
        """
        counts = sorted(topology.partitions.items())
        wanted = [TopicPartition(self._prefix + topic, p) for topic, count in counts for p in range(count)]
        try:
            found = await self._consumer.end_offsets(wanted)
        except KafkaError as error:
            raise explain(error, doing="asking for the topics' ends") from None
        return tuple(self._position(tp, found[tp]) for tp in wanted)

    def listen(self, positions: Iterable[Position]) -> None:
        """Read from these positions on."""
        where = self._offsets(positions)
        self._consumer.assign(list(where))
        for partition, offset in where.items():
            self._consumer.seek(partition, offset)

    async def poll(self, *, mentioning: Collection[bytes] = (b"",)) -> Polled:
        """The next records that hold one of these texts, perhaps none; waits half a second at most.

        A topic has the messages of all batches, and most of them are passed over here. Records that follow each other
        closely come together, so that they are worked on and written together.

        Raises:
            TemporaryFailure: a topic is shorter than what was already read of it.
            ServiceUnavailable: the cluster refused.
        """
        found: list[RawRecord] = []
        until = asyncio.get_running_loop().time() + POLL_MS / 1000
        try:
            batches = await self._poll.records(timeout_ms=POLL_MS, max_records=_AT_ONCE)
            while batches:
                for partition, records in batches.items():
                    found += self._mentioning(mentioning, records, partition=partition)
                if len(found) >= POLL_RECORDS or asyncio.get_running_loop().time() >= until:
                    break
                batches = await self._consumer.getmany(timeout_ms=FOLLOWS_MS, max_records=_AT_ONCE)
        except OffsetOutOfRangeError as error:
            return Polled(records=tuple(found), gaps=await self._skip_lost(error.args[0]))
        except KafkaError as error:
            raise explain(error, doing="reading the callbacks") from None
        return Polled(records=tuple(found))

    def _mentioning(
        self, texts: Collection[bytes], records: Sequence[ConsumerRecord], *, partition: TopicPartition
    ) -> Iterator[RawRecord]:
        topic, number = partition
        name, secret = topic.removeprefix(self._prefix), self._settings.secret
        values = [record.value or b"" for record in records]
        for place in mentioning(values, texts):
            record, value = records[place], values[place]
            is_genuine = secret is None or secret.has_signed(topic, value, headers=record.headers)
            yield RawRecord(name, number, record.offset, value, not is_genuine)

    async def positions(self) -> tuple[Position, ...]:
        """The next offset to read of each assigned partition."""
        return tuple(
            [self._position(tp, await self._consumer.position(tp)) for tp in sorted(self._consumer.assignment())]
        )

    async def behind(self) -> dict[str, int]:
        """How many records of each topic are there and not read, as of the last answer; 0 where none came yet."""
        found: dict[str, int] = {}
        for position in await self.positions():
            end = self._consumer.highwater(TopicPartition(self._prefix + position.topic, position.partition))
            found[position.topic] = found.get(position.topic, 0) + max((end or 0) - position.offset, 0)
        return found

    async def is_alive(self) -> bool:
        """Whether the cluster answers now. A consumer alone cannot tell an outage from silence."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._consumer.end_offsets(list(self._consumer.assignment())[:1])
        except (TimeoutError, KafkaError):
            return False
        return True

    def adopt_new_partitions(self) -> tuple[Position, ...]:
        """Take up partitions that were added to the topics meanwhile, from their first record."""
        assigned = self._consumer.assignment()
        topics = {tp.topic for tp in assigned}
        new = [
            TopicPartition(topic, partition)
            for topic in sorted(topics)
            for partition in sorted(self._consumer.partitions_for_topic(topic) or ())
            if TopicPartition(topic, partition) not in assigned
        ]
        return tuple(self._position(tp, 0) for tp in new)

    async def publish(self, *, topic: str, key: str, value: bytes, timeout_seconds: float) -> Position:
        """Put one record in and wait for its acknowledgement, at most `timeout_seconds`.

        Raises:
            TemporaryFailure: no acknowledgement came; the record may be in the topic or may yet get there.
            InputsInvalid: it is larger than the cluster takes.
            NotAllowed: we may not write there.
        """
        producer = AIOKafkaProducer(
            **self._settings.arguments(), acks="all", enable_idempotence=True, max_request_size=LARGEST_MESSAGE_BYTES
        )
        name = self._prefix + topic
        headers = [(title, text.encode()) for title, text in self._settings.record_headers.items()]
        if self._settings.secret is not None:
            headers += self._settings.secret.kafka_headers(name, value)
        async with started(producer, doing="publishing the request"):
            try:
                async with asyncio.timeout(timeout_seconds):
                    sent = await producer.send_and_wait(name, value=value, key=key.encode(), headers=headers)
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                raise _too_large(value, name) from None
            except DENIED:
                raise NotAllowed(f"Kafka does not let us write to {name}.", remedy="Ask for the right.") from None
            except (TimeoutError, KafkaError) as error:
                raise _outcome_unknown(name, timeout_seconds=timeout_seconds, error=error) from None
            finally:
                await abandon(producer)  # else it would try for ever to send what we have given up
        return Position(topic=topic, partition=sent.partition, offset=sent.offset)

    async def find(self, origins: Iterable[Position], is_it: Callable[[bytes], bool]) -> Position | None:
        """The first record from these positions up to the topics' present ends that `is_it` says yes to."""
        start = self._offsets(origins)
        async with started(_consumer(self._settings), doing="looking for the request") as consumer:
            try:
                firsts = await consumer.beginning_offsets(list(start))
                ends = await consumer.end_offsets(list(start))
                left = {tp: max(at, firsts[tp]) for tp, at in start.items() if max(at, firsts[tp]) < ends[tp]}
                consumer.assign(list(left))
                for tp, offset in left.items():
                    consumer.seek(tp, offset)
                ends = {tp: ends[tp] for tp in left}
                found = await _scan(consumer, ends=ends, is_it=is_it, secret=self._settings.secret)
            except KafkaError as error:
                raise explain(error, doing="looking for the request") from None
        return found and self._position(*found)

    async def _skip_lost(self, lost: dict[TopicPartition, int]) -> tuple[Gap, ...]:
        try:
            firsts = await self._consumer.beginning_offsets(list(lost))
        except KafkaError as error:
            raise explain(error, doing="looking for the oldest callbacks") from None
        gaps = []
        for tp, wanted in lost.items():
            if firsts[tp] <= wanted:
                raise TemporaryFailure(
                    f"{tp.topic}, partition {tp.partition}: the broker lost offset {wanted}, which it had given.",
                    remedy="The cluster lost its data; `resume` sends the same request again.",
                )
            self._consumer.seek(tp, firsts[tp])
            gaps.append(Gap(position=self._position(tp, wanted), resumed_at=firsts[tp]))
        return tuple(gaps)

    def _offsets(self, positions: Iterable[Position]) -> dict[TopicPartition, int]:
        return {TopicPartition(self._prefix + p.topic, p.partition): p.offset for p in positions}

    def _position(self, where: TopicPartition, offset: int) -> Position:
        return Position(topic=where.topic.removeprefix(self._prefix), partition=where.partition, offset=offset)


async def _scan(
    consumer: AIOKafkaConsumer,
    *,
    ends: dict[TopicPartition, int],
    is_it: Callable[[bytes], bool],
    secret: StackSecret | None,
) -> tuple[TopicPartition, int] | None:
    quiet = 0
    while ends:
        batches = await consumer.getmany(timeout_ms=POLL_MS)
        if (quiet := 0 if batches else quiet + 1) > QUIET_POLLS:
            raise KafkaTimeoutError("the broker stopped answering")
        for tp, records in batches.items():
            for record in records:
                value = record.value or b""
                if is_it(value) and (secret is None or secret.has_signed(tp.topic, value, headers=record.headers)):
                    return tp, record.offset
        ends = {tp: end for tp, end in ends.items() if await consumer.position(tp) < end}
    return None


def _consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **settings.arguments(),
        group_id=None,
        enable_auto_commit=False,
        # "latest" would jump over readable records without a word when an offset has expired.
        auto_offset_reset="none",
        isolation_level="read_committed",
        fetch_max_wait_ms=_FETCH_MS if settings.secret is None else _FETCH_OF_STACK_MS,
        metadata_max_age_ms=_METADATA_MS,
    )


@asynccontextmanager
async def connected(settings: KafkaSettings) -> AsyncIterator[KafkaBroker]:
    """A connection to the cluster.

    Raises:
        ServiceUnavailable: it cannot be reached.
        NotAllowed: it does not let us in.
        ConfigurationError: the settings contradict each other.
    """
    await require_reachable(settings)
    async with AsyncExitStack() as stack:
        try:
            consumer = await stack.enter_async_context(started(_consumer(settings), doing="connecting"))
        except ServiceUnavailable:
            await require_no_certificate(settings)
            raise
        yield KafkaBroker(settings, consumer)


def _missing_topics(missing: Sequence[str], there: Sequence[str]) -> ConfigurationError:
    """The error for topics that are not there; each is told with those that are named alike."""
    told = []
    for topic in missing:
        near = get_close_matches(topic, there, n=2)
        told.append(f"{topic} (near: {', '.join(near)})" if near else topic)
    return ConfigurationError(
        f"Topics are missing from the cluster: {'; '.join(told)}.",
        remedy="Create them, let this user see them (DESCRIBE), or check the bootstrap address; none is created here.",
    )


def _too_large(value: bytes, topic: str) -> InputsInvalid:
    """The error for a request that the topic does not take."""
    return InputsInvalid(
        f"The request has {len(value)} bytes, more than the cluster takes in {topic}.",
        remedy="Send fewer essays in a run or raise the topic's max.message.bytes.",
    )


def _outcome_unknown(topic: str, *, timeout_seconds: float, error: Exception) -> TemporaryFailure:
    """The error for a request that may be in the topic or not."""
    cause = f"none came within {timeout_seconds:.0f} s" if isinstance(error, TimeoutError) else type(error).__name__
    return TemporaryFailure(
        f"No acknowledgement of the request from {topic} ({cause}): it may have arrived or not.",
        remedy="`resume` looks for it in the topic and sends the identical bytes only if it is not there.",
    )
