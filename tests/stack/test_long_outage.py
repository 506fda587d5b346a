"""The broker is away for longer than its client waits: what was to be published is published when it is back."""

from __future__ import annotations

import asyncio
import random

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.platform.kafka import Cluster, open_publisher
from tests.support.kafka.mock_cluster import PRODUCE, MockCluster

# The client gives a message up after 10 s.
AWAY_SECONDS = 12
# Two of them do not fit into one batch of the client: the others wait for room.
MESSAGES = [random.Random(number).randbytes(12_000) for number in range(3)]


def all_values(bootstrap: str) -> set[bytes | None]:
    """What is in the topic, when as many different messages as were published can be read, or after a while."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests", "log_level": 0})
    try:
        consumer.assign([TopicPartition(Topic.COMPARISON, 0, OFFSET_BEGINNING)])
        found: set[bytes | None] = set()
        while len(found) < len(MESSAGES) and (messages := consumer.consume(1, timeout=30)):
            found |= {message.value() for message in messages}
        return found
    finally:
        consumer.close()


async def test_messages_wait_for_a_broker_that_is_long_away() -> None:
    with MockCluster() as cluster:
        cluster.create_topic(Topic.COMPARISON)
        async with open_publisher(Cluster(bootstrap=cluster.bootstrap)) as publisher:
            await publisher.answers()
            cluster.down()
            publishing = asyncio.create_task(publisher.publish_all(Topic.COMPARISON, MESSAGES))
            await asyncio.sleep(AWAY_SECONDS)
            assert not publishing.done()
            cluster.up()
            await asyncio.wait_for(publishing, 60)
        assert await asyncio.to_thread(all_values, cluster.bootstrap) == set(MESSAGES)


async def test_messages_wait_for_room_behind_one_that_is_not_answered() -> None:
    with MockCluster() as cluster:
        cluster.create_topic(Topic.COMPARISON)
        async with open_publisher(Cluster(bootstrap=cluster.bootstrap)) as publisher:
            await publisher.answers()
            cluster.answer_once_late(PRODUCE, milliseconds=AWAY_SECONDS * 1000)
            await asyncio.wait_for(publisher.publish_all(Topic.COMPARISON, MESSAGES), 60)
        assert await asyncio.to_thread(all_values, cluster.bootstrap) == set(MESSAGES)
