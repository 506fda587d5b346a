"""The broker is away for longer than its client waits: what was to be published is published when it is back."""

from __future__ import annotations

import asyncio

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.platform.kafka import Cluster, open_publisher
from tests.support.kafka.mock_cluster import MockCluster

# The client gives a message up after 10 s.
AWAY_SECONDS = 12


def first_value(bootstrap: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests", "log_level": 0})
    try:
        consumer.assign([TopicPartition(Topic.COMPARISON, 0, OFFSET_BEGINNING)])
        message = consumer.poll(30)
        return None if message is None else message.value()
    finally:
        consumer.close()


async def test_a_message_waits_for_a_broker_that_is_long_away() -> None:
    with MockCluster() as cluster:
        cluster.create_topic(Topic.COMPARISON)
        async with open_publisher(Cluster(bootstrap=cluster.bootstrap)) as publisher:
            await publisher.answers()
            cluster.down()
            publishing = asyncio.create_task(publisher.publish(Topic.COMPARISON, b"late but there"))
            await asyncio.sleep(AWAY_SECONDS)
            assert not publishing.done()
            cluster.up()
            await asyncio.wait_for(publishing, 60)
        assert await asyncio.to_thread(first_value, cluster.bootstrap) == b"late but there"
