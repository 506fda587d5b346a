"""One connection to a broker of each kind: whatever others have written there, and however they did it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from eng5_runner.contracts.topics import Topic
from eng5_runner.effects.kafka.broker import KafkaBroker as Connection
from eng5_runner.effects.kafka.broker import connected
from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.platform.kafka import Cluster, open_member, open_publisher, open_reader
from eng5_runner.transport.kafka_settings import KafkaSettings
from tests.support.effects import nothing_left as nothing_left  # noqa: PLC0414 - pytest finds fixtures by their name
from tests.support.kafka.cluster import (
    LARGEST_REQUEST_BYTES,
    PARTITIONS,
    Broker,
    KafkaBroker,
    add_partitions,
    on_real_kafka,
)
from tests.support.kafka.detour import Detour
from tests.support.kafka.records import put, values_in

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[Connection]:
    """A connection that listens to the comparisons from now on."""
    async with connected(KafkaSettings(bootstrap=broker.bootstrap, client_id="tests")) as made:
        made.listen(await made.ends(await made.topology([Topic.COMPARISON])))
        yield made


async def read(connection: Connection, count: int) -> list[bytes]:
    """So many records' values, and what came with them."""
    found: list[bytes] = []
    while len(found) < count:
        found += [record.value for record in (await connection.poll()).records]
    return sorted(found)


def numbered(count: int) -> list[bytes]:
    return sorted(b"%04d %s" % (number, b"essay " * 50) for number in range(count))


async def test_gzipped_records_are_read(broker: Broker, connection: Connection) -> None:
    put(broker.bootstrap, Topic.COMPARISON, numbered(200), compression_type="gzip")
    assert await read(connection, 200) == numbered(200)


async def test_a_large_result_of_the_stack_fits_where_the_limit_is_lower(broker: Broker) -> None:
    """A broker's limit is one of bytes on the way; every kind of reader gets what was written."""
    value = json.dumps([{"essay_id": f"student_{number:04}", "rank": number} for number in range(4000)]).encode()
    assert len(value) > 2 * LARGEST_REQUEST_BYTES
    cluster = Cluster(bootstrap=broker.bootstrap)
    async with open_publisher(cluster) as publisher, open_reader(cluster, Topic.REQUEST, beginning_at="latest") as ours:
        await publisher.publish(Topic.REQUEST.value, value)
        while not (found := [one.value for read in (await ours.getmany(timeout_ms=200)).values() for one in read]):
            pass
    assert found == [value]
    assert value in values_in(broker.bootstrap, Topic.REQUEST)


@pytest.mark.parametrize("codec", ["zstd", "lz4", "snappy"])
async def test_other_codecs_are_read_with_the_extra_and_named_without(
    codec: str, broker: Broker, connection: Connection
) -> None:
    put(broker.bootstrap, Topic.COMPARISON, numbered(200), compression_type=codec)
    if find_spec("cramjam"):
        assert await read(connection, 200) == numbered(200)
        return
    with pytest.raises(ConfigurationError, match=codec) as caught:
        await read(connection, 200)
    assert "eng5-runner[compression]" in caught.value.remedy


@on_real_kafka
async def test_what_a_transaction_took_back_is_not_read(broker: Broker, connection: Connection) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "tests", "log_level": 0})
    producer.init_transactions(30)
    for value, end in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        for partition in range(3):
            producer.produce(Topic.COMPARISON, value, partition=partition)
        producer.flush(30)
        end(30)
    assert await read(connection, 3) == [b"committed"] * 3
    assert (await connection.poll()).records == ()
    ends = await connection.ends(await connection.topology([Topic.COMPARISON]))
    while await connection.positions() != ends:  # the markers of a transaction's end count as read
        assert (await connection.poll()).records == ()


@on_real_kafka
async def test_a_lost_acknowledgement_leaves_one_record(our_kafka: KafkaBroker) -> None:
    with Detour(our_kafka.detour, broker=our_kafka.at("DETOUR")) as detour:
        async with connected(KafkaSettings(bootstrap=detour.bootstrap, client_id="tests")) as connection:
            detour.to_lose = 2
            sent = await connection.publish(topic=Topic.REQUEST, key="k", value=b"only once", timeout_seconds=60)
            origins = await connection.ends(await connection.topology([Topic.REQUEST]))
    assert detour.lost.is_set() and detour.to_lose == 0
    assert values_in(our_kafka.bootstrap, Topic.REQUEST).count(b"only once") == 1
    assert (sent.topic, sent.offset + 1) in {(one.topic, one.offset) for one in origins}


async def test_a_prefix_stands_before_the_topics_and_nowhere_else(broker: Broker) -> None:
    broker.add_topics("school.")
    put(broker.bootstrap, f"school.{Topic.COMPARISON}", [b"before"])
    settings = KafkaSettings(bootstrap=broker.bootstrap, client_id="tests", topic_prefix="school.")
    async with connected(settings) as connection:
        topology = await connection.topology([Topic.REQUEST, Topic.COMPARISON])
        ends = await connection.ends(topology)
        assert {one.topic for one in ends} == set(topology.partitions) == {Topic.REQUEST, Topic.COMPARISON}
        connection.listen([one for one in ends if one.topic == Topic.COMPARISON])
        put(broker.bootstrap, f"school.{Topic.COMPARISON}", [b"after"])
        assert await read(connection, 1) == [b"after"]
        sent = await connection.publish(topic=Topic.REQUEST, key="k", value=b"mine", timeout_seconds=60)
        found = await connection.find(
            [one for one in ends if one.topic == Topic.REQUEST], lambda value: value == b"mine"
        )
        assert found == sent and sent.topic == Topic.REQUEST
    assert b"mine" in values_in(broker.bootstrap, f"school.{Topic.REQUEST}")
    assert b"mine" not in values_in(broker.bootstrap, Topic.REQUEST)


@on_real_kafka
async def test_partitions_that_are_added_meanwhile_are_read_from_their_first_record(our_kafka: KafkaBroker) -> None:
    our_kafka.add_topics("growing.")
    topic = f"growing.{Topic.COMPARISON}"
    put(our_kafka.bootstrap, topic, [b"before"])
    settings = KafkaSettings(bootstrap=our_kafka.bootstrap, client_id="tests", topic_prefix="growing.")
    async with connected(settings) as connection:
        connection.listen(await connection.ends(await connection.topology([Topic.COMPARISON])))
        assert (await connection.poll()).records == ()
        add_partitions(our_kafka.bootstrap, topic, PARTITIONS + 2)
        put(our_kafka.bootstrap, topic, numbered(PARTITIONS + 2), partitions=PARTITIONS + 2)
        ends = await connection.ends(await connection.topology([Topic.COMPARISON]))
        assert len(ends) == PARTITIONS + 2, "the ends are those of all partitions, so the run is not over before"
        found: list[bytes] = []
        while len(found) < PARTITIONS + 2:
            found += [record.value for record in (await connection.poll()).records]
            if added := connection.adopt_new_partitions():
                connection.listen((*(await connection.positions()), *added))
        assert sorted(found) == numbered(PARTITIONS + 2)
        assert await connection.positions() == ends


async def test_a_new_group_begins_at_the_end_and_an_old_one_where_it_stopped(broker: Broker) -> None:
    cluster, group = Cluster(bootstrap=broker.bootstrap), f"group-{uuid4()}"
    put(broker.bootstrap, Topic.REQUEST, [b"before the first start"])

    async def first_read(*, sent: bytes | None = None) -> set[bytes]:
        async with open_member(cluster, Topic.REQUEST, group=group) as member:
            if sent is not None:
                put(broker.bootstrap, Topic.REQUEST, [sent])
            found: set[bytes] = set()
            while not found:
                found |= {one.value for read in (await member.getmany(timeout_ms=200)).values() for one in read}
            await member.commit()
            return found

    assert await first_read(sent=b"while it is there") == {b"while it is there"}
    put(broker.bootstrap, Topic.REQUEST, [b"while it is away"])
    assert await first_read() == {b"while it is away"}
