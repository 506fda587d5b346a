"""Kafka in use: nothing is missed, doubled or created, and what went wrong is called by its name."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from eng5_runner.core.classify import RawRecord
from eng5_runner.core.events import Position
from eng5_runner.effects.kafka.broker import Gap, KafkaBroker, Polled, connected
from eng5_runner.errors import (
    ConfigurationError,
    InputsInvalid,
    NotAllowed,
    RunnerError,
    ServiceUnavailable,
    TemporaryFailure,
)
from eng5_runner.transport.kafka import give_bare_records
from eng5_runner.transport.kafka_settings import KafkaSettings
from tests.support.kafka.mock_cluster import (
    CLUSTER_AUTHORIZATION_FAILED,
    INIT_PRODUCER_ID,
    LIST_OFFSETS,
    MSG_SIZE_TOO_LARGE,
    NOT_ENOUGH_REPLICAS,
    PRODUCE,
    RECORD_LIST_TOO_LARGE,
    REQUEST_TIMED_OUT,
    TOPIC_AUTHORIZATION_FAILED,
    TRANSPORT,
    MockCluster,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

REQUESTS, CALLBACKS = "els.requested.v1", "cj.completed.v1"


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic(REQUESTS)
        made.create_topic(CALLBACKS, partitions=2)
        yield made


@pytest.fixture
async def broker(cluster: MockCluster) -> AsyncIterator[KafkaBroker]:
    async with connected(KafkaSettings(bootstrap=cluster.bootstrap, client_id="tests")) as made:
        yield made


async def put(cluster: MockCluster, values: Iterable[bytes], *, topic: str = CALLBACKS, partition: int = 0) -> None:
    """Somebody else puts records into a topic."""
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, max_request_size=16 << 20)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)
    finally:
        await producer.stop()


def numbered(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


async def poll_until(broker: KafkaBroker, count: int) -> Polled:
    """Poll until so many records came, and a last time to see if there are more."""
    records, gaps = [], []
    while True:
        enough = len(records) >= count
        polled = await broker.poll()
        records += polled.records
        gaps += polled.gaps
        if enough and not polled.records:
            return Polled(records=tuple(records), gaps=tuple(gaps))


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the other side is a thread of C
        await asyncio.sleep(0.01)


def at(topic: str, partition: int, offset: int) -> Position:
    return Position(topic=topic, partition=partition, offset=offset)


def values(polled: Polled, partition: int = 0) -> list[bytes]:
    return [record.value for record in polled.records if record.partition == partition]


async def publish(broker: KafkaBroker, value: bytes = b"request", *, patience: float = 20) -> Position:
    return await broker.publish(topic=REQUESTS, key="run", value=value, timeout_seconds=patience)


async def request_is(broker: KafkaBroker, value: bytes = b"request") -> Position | None:
    return await broker.find([at(REQUESTS, 0, 0)], lambda found: found == value)


async def test_the_topology_counts_partitions_and_names_the_cluster(broker: KafkaBroker) -> None:
    topology = await broker.topology([CALLBACKS, REQUESTS])
    assert topology.partitions == {CALLBACKS: 2, REQUESTS: 1}
    assert topology.cluster_id == (await broker.topology([REQUESTS])).cluster_id != ""


async def test_a_missing_topic_is_named_with_those_near_to_it_and_not_created(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    before = cluster.topics()
    with pytest.raises(ConfigurationError) as caught:
        await broker.topology([REQUESTS, "els.request.v1", "something else"])
    assert caught.value.message == (
        f"Topics are missing from the cluster: els.request.v1 (near: {REQUESTS}); something else."
    )
    assert cluster.topics() == before == {REQUESTS, CALLBACKS}


async def test_a_topic_that_we_may_not_see_is_not_allowed(cluster: MockCluster, broker: KafkaBroker) -> None:
    cluster.deny_topic(CALLBACKS, TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(NotAllowed, match="asking for the topics"):
        await broker.topology([CALLBACKS])


async def test_what_was_there_before_is_not_read_and_all_that_comes_after_is(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    await put(cluster, numbered(*range(300)))
    ends = await broker.ends(await broker.topology([CALLBACKS]))
    assert ends == (at(CALLBACKS, 0, 300), at(CALLBACKS, 1, 0))
    await put(cluster, numbered(*range(300, 900)))  # before we listen: what counts is when the ends were taken
    broker.listen(ends)
    await put(cluster, numbered(7), partition=1)
    polled = await poll_until(broker, 601)
    assert values(polled) == numbered(*range(300, 900))
    assert [record.offset for record in polled.records if record.partition == 0] == list(range(300, 900))
    assert values(polled, partition=1) == numbered(7)
    assert await broker.positions() == (at(CALLBACKS, 0, 900), at(CALLBACKS, 1, 1))
    assert polled.gaps == ()


async def test_listening_again_from_where_reading_stands_doubles_nothing(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    broker.listen([at(CALLBACKS, 0, 0)])
    await put(cluster, numbered(*range(50)))
    first = await poll_until(broker, 50)
    added = broker.adopt_new_partitions()
    assert added == (at(CALLBACKS, 1, 0),)
    await put(cluster, numbered(*range(50, 60)))
    await put(cluster, numbered(1, 2), partition=1)
    broker.listen((*(await broker.positions()), *added))
    assert broker.adopt_new_partitions() == ()
    second = await poll_until(broker, 12)
    assert values(first) + values(second) == numbered(*range(60))
    assert values(second, partition=1) == numbered(1, 2)


async def test_a_broker_that_comes_back_has_lost_and_doubled_nothing(cluster: MockCluster, broker: KafkaBroker) -> None:
    broker.listen(await broker.ends(await broker.topology([CALLBACKS])))
    await put(cluster, numbered(*range(10)))
    first = await poll_until(broker, 10)
    await put(cluster, numbered(*range(10, 20)))
    cluster.down()
    meanwhile = await broker.poll()
    cluster.up()
    while not await broker.is_alive():
        pass
    await put(cluster, numbered(*range(20, 30)))
    last = await poll_until(broker, 20 - len(meanwhile.records))
    assert values(first) + values(meanwhile) + values(last) == numbered(*range(30))


async def test_records_that_retention_took_are_counted_and_reading_goes_on(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    await put(cluster, numbered(*range(130)))
    await put(cluster, numbered(1, 2, 3), partition=1)
    cluster.delete_records(CALLBACKS, partition=0, before=50)
    broker.listen([at(CALLBACKS, 0, 20), at(CALLBACKS, 1, 0)])
    polled = await poll_until(broker, 83)
    assert polled.gaps == (Gap(position=at(CALLBACKS, 0, 20), resumed_at=50),)
    assert values(polled) == numbered(*range(50, 130))
    assert values(polled, partition=1) == numbered(1, 2, 3)
    await put(cluster, numbered(130))
    assert await poll_until(broker, 1) == Polled(
        records=(RawRecord(topic=CALLBACKS, partition=0, offset=130, value=b"130"),)
    )


async def test_records_that_the_broker_gave_out_and_no_longer_has_are_a_lost_cluster(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    await put(cluster, numbered(1, 2, 3))
    broker.listen([at(CALLBACKS, 0, 30)])
    with pytest.raises(TemporaryFailure, match=f"{CALLBACKS}, partition 0: the broker lost offset 30"):
        await poll_until(broker, 1)


class Fed:
    """A consumer that gives these answers one after the other, then nothing for ever."""

    def __init__(self, *answers: Sequence[bytes] | KafkaError) -> None:
        self._answers = iter(answers)
        self._offset = itertools.count()

    async def getmany(self, **_: object) -> dict[TopicPartition, list[ConsumerRecord]]:
        answer = next(self._answers, ())
        if isinstance(answer, KafkaError):
            raise answer
        records = [record(value, offset=next(self._offset)) for value in answer]
        return {TopicPartition(f"p.{CALLBACKS}", 0): records} if records else {}

    async def beginning_offsets(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(wanted, 31)

    def seek(self, _: TopicPartition, offset: int) -> None:
        pass


def record(value: bytes, *, offset: int) -> ConsumerRecord:
    nothing = {"timestamp": 0, "timestamp_type": 0, "checksum": None, "serialized_key_size": 0, "headers": ()}
    where = {"topic": f"p.{CALLBACKS}", "partition": 0, "offset": offset}
    return ConsumerRecord(**where, **nothing, key=None, value=value, serialized_value_size=0)


async def test_messages_of_other_batches_are_passed_over_and_those_that_follow_closely_come_together() -> None:
    consumer = Fed([b"of a", b"of c"], [b"of c"], [b"of b", b""], (), [b"of a"])
    broker = KafkaBroker(KafkaSettings(bootstrap="nowhere:1", client_id="tests", topic_prefix="p."), consumer)
    first = await broker.poll(mentioning=[b"of a", b"of b"])
    assert [(record.topic, record.offset, record.value) for record in first.records] == [
        (CALLBACKS, 0, b"of a"),
        (CALLBACKS, 3, b"of b"),
    ]
    assert [record.value for record in (await broker.poll(mentioning=[b"of a"])).records] == [b"of a"]


async def test_of_many_records_each_is_looked_at() -> None:
    values = [b"of %d" % number for number in range(1300)]
    broker = KafkaBroker(KafkaSettings(bootstrap="nowhere:1", client_id="tests", topic_prefix="p."), Fed(values))
    polled = await broker.poll(mentioning=[b"of 511", b"of 512", b"of 1299"])
    assert [record.offset for record in polled.records] == [511, 512, 1299]


async def test_records_come_as_they_were_read_and_no_object_is_made_of_each(cluster: MockCluster) -> None:
    """An object of each takes a quarter of the time of reading, and a client of another version may make it again."""
    await put(cluster, [b"value"])
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    async with consumer:
        give_bare_records(consumer)
        consumer.assign([TopicPartition(CALLBACKS, 0)])
        records = (await consumer.getmany(timeout_ms=20_000))[TopicPartition(CALLBACKS, 0)]
        assert [(record.offset, record.value) for record in records] == [(0, b"value")]
        assert not any(isinstance(record, ConsumerRecord) for record in records)


async def test_what_was_read_before_a_gap_is_not_lost_with_it() -> None:
    gap = OffsetOutOfRangeError({TopicPartition(f"p.{CALLBACKS}", 0): 30})
    settings = KafkaSettings(bootstrap="nowhere:1", client_id="tests", topic_prefix="p.")
    polled = await KafkaBroker(settings, Fed([b"of a"], gap)).poll()
    assert [record.value for record in polled.records] == [b"of a"]
    assert polled.gaps == (Gap(position=at(CALLBACKS, 0, 30), resumed_at=31),)


class Truncated:
    """A consumer whose next offset is out of range, while the log's first record stands at `first`."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.sought: list[int] = []

    async def getmany(self, **_: object) -> dict[TopicPartition, list[object]]:
        raise OffsetOutOfRangeError({TopicPartition(CALLBACKS, 0): 30})

    async def beginning_offsets(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(wanted, self._first)

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


async def test_a_gap_of_nothing_is_no_gap_but_a_lost_cluster() -> None:
    """An offset that was given out and refused is lost, also where the log has meanwhile grown up to it again."""
    settings = KafkaSettings(bootstrap="nowhere:1", client_id="tests")
    later = Truncated(first=31)
    polled = await KafkaBroker(settings, later).poll()
    assert (polled.gaps, later.sought) == ((Gap(position=at(CALLBACKS, 0, 30), resumed_at=31),), [31])
    for first in (30, 0):
        with pytest.raises(TemporaryFailure, match="the broker lost offset 30"):
            await KafkaBroker(settings, Truncated(first)).poll()


async def test_a_failure_while_a_gap_is_measured_is_told(cluster: MockCluster, broker: KafkaBroker) -> None:
    await put(cluster, numbered(*range(10)))
    cluster.delete_records(CALLBACKS, partition=0, before=5)
    broker.listen([at(CALLBACKS, 0, 0)])
    cluster.answer_with(LIST_OFFSETS, [TOPIC_AUTHORIZATION_FAILED] * 3)
    with pytest.raises(NotAllowed, match="looking for the oldest callbacks"):
        await poll_until(broker, 1)


async def test_a_request_is_acknowledged_with_its_place(cluster: MockCluster, broker: KafkaBroker) -> None:
    await put(cluster, [b"another"], topic=REQUESTS)
    assert await publish(broker) == at(REQUESTS, 0, 1)
    assert await request_is(broker) == at(REQUESTS, 0, 1)


@pytest.mark.parametrize("passing", [REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS, TRANSPORT])
async def test_what_passes_is_tried_again_without_a_word(
    cluster: MockCluster, broker: KafkaBroker, passing: int
) -> None:
    cluster.answer_with(PRODUCE, [passing])
    assert await publish(broker) == at(REQUESTS, 0, 0)


@pytest.mark.parametrize(
    ("request_kind", "error", "expected"),
    [
        (PRODUCE, MSG_SIZE_TOO_LARGE, InputsInvalid),
        (PRODUCE, RECORD_LIST_TOO_LARGE, InputsInvalid),
        (PRODUCE, TOPIC_AUTHORIZATION_FAILED, NotAllowed),
        (PRODUCE, CLUSTER_AUTHORIZATION_FAILED, NotAllowed),
        (INIT_PRODUCER_ID, CLUSTER_AUTHORIZATION_FAILED, NotAllowed),
    ],
)
async def test_a_request_that_the_cluster_refuses_is_called_by_the_reason(
    cluster: MockCluster, broker: KafkaBroker, request_kind: int, error: int, expected: type[RunnerError]
) -> None:
    cluster.answer_with(request_kind, [error])
    with pytest.raises(expected) as caught:
        await publish(broker)
    assert "may have arrived" not in caught.value.message
    assert await request_is(broker) is None


async def test_a_request_that_no_cluster_would_take_is_told_with_its_size(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    cluster.track_requests()
    with pytest.raises(InputsInvalid, match=f"The request has {17 << 20} bytes"):
        await publish(broker, bytes(17 << 20))
    assert cluster.requests()[PRODUCE] == 0


async def test_with_the_broker_away_nothing_is_sent_and_that_is_said(cluster: MockCluster, broker: KafkaBroker) -> None:
    cluster.down()
    with pytest.raises(ServiceUnavailable, match="publishing the request"):
        await publish(broker)
    with pytest.raises(ServiceUnavailable, match="asking for the topics"):
        await broker.topology([REQUESTS])
    cluster.up()


async def test_a_broker_that_goes_away_while_we_publish_leaves_the_outcome_unknown_and_no_ghost(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    """An idempotent producer would try for ever; after we have given up, the record must not come by itself."""
    before = asyncio.all_tasks()
    cluster.track_requests()
    cluster.answer_with(PRODUCE, [REQUEST_TIMED_OUT] * 100)
    publishing = asyncio.create_task(publish(broker, patience=1))
    await until(lambda: cluster.requests()[PRODUCE])
    cluster.down()
    with pytest.raises(TemporaryFailure, match=r"none came within 1 s\): it may have arrived or not"):
        await publishing
    own = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - before}
    assert not [name for name in own if "Sender" in name or "Accumulator" in name]
    cluster.up()
    asked = cluster.requests()[PRODUCE]
    while not await broker.is_alive():
        pass
    assert await request_is(broker) is None
    assert cluster.requests()[PRODUCE] == asked


async def test_a_record_whose_acknowledgement_was_lost_is_found(cluster: MockCluster, broker: KafkaBroker) -> None:
    origins = await broker.ends(await broker.topology([REQUESTS]))
    cluster.answer_once_late(PRODUCE, milliseconds=60_000)
    with pytest.raises(TemporaryFailure, match="it may have arrived or not"):
        await publish(broker, b"ours", patience=1)
    await put(cluster, [b"another"], topic=REQUESTS)
    assert await broker.find(origins, lambda value: value == b"ours") == at(REQUESTS, 0, 0)


async def test_a_publish_that_is_cancelled_ends_at_once_and_leaves_nothing(
    cluster: MockCluster, broker: KafkaBroker
) -> None:
    cluster.track_requests()
    cluster.answer_once_late(PRODUCE, milliseconds=60_000)
    publishing = asyncio.create_task(publish(broker, patience=50))
    await until(lambda: cluster.requests()[PRODUCE])
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([], None),
        ([at(CALLBACKS, 0, 0)], at(CALLBACKS, 0, 5)),  # from below what retention left
        ([at(CALLBACKS, 0, 7)], at(CALLBACKS, 0, 7)),
        ([at(CALLBACKS, 0, 10)], None),  # at the end: there is nothing to wait for
        ([at(CALLBACKS, 0, 99)], None),
        ([at(CALLBACKS, 0, 10), at(CALLBACKS, 1, 0)], at(CALLBACKS, 1, 2)),
    ],
)
async def test_find_looks_from_the_origins_to_the_present_ends(
    cluster: MockCluster, broker: KafkaBroker, origins: Sequence[Position], expected: Position | None
) -> None:
    await put(cluster, [b"yes"] * 10)
    await put(cluster, [b"no", b"no", b"yes", b"yes"], partition=1)
    cluster.delete_records(CALLBACKS, partition=0, before=5)
    assert await broker.find(origins, lambda value: value == b"yes") == expected


async def test_find_reads_many_records_to_the_last(cluster: MockCluster, broker: KafkaBroker) -> None:
    """They do not fit into one answer of the broker."""
    await put(cluster, [b"%d" % number + bytes(400_000) for number in range(9)])
    assert await broker.find([at(CALLBACKS, 0, 0)], lambda value: value.startswith(b"8")) == at(CALLBACKS, 0, 8)
    seen: list[bytes] = []
    assert await broker.find([at(CALLBACKS, 0, 0)], lambda value: bool(seen.append(value[:1]))) is None
    assert seen == numbered(*range(9))


@pytest.mark.slow
async def test_an_outage_is_seen_and_find_does_not_wait_for_its_end(cluster: MockCluster, broker: KafkaBroker) -> None:
    await put(cluster, [bytes(900_000)] * 4)
    broker.listen(await broker.ends(await broker.topology([CALLBACKS])))
    assert await broker.is_alive()
    outage = asyncio.Event()

    def end_it(value: bytes) -> bool:
        cluster.down()
        outage.set()
        return False

    looking = asyncio.create_task(broker.find([at(CALLBACKS, 0, 0)], end_it))
    await outage.wait()
    assert not await broker.is_alive()
    with pytest.raises(ServiceUnavailable, match=r"looking for the request: .*the broker stopped answering"):
        await looking
    cluster.up()
    while not await broker.is_alive():
        pass
