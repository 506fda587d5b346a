"""The broker that the product brings along, as one that tests can break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from eng5_runner.contracts.topics import Topic
from tests.support.kafka.cluster import PARTITIONS
from tests.support.kafka.mock_cluster import PRODUCE, MockCluster

_NEVER_MILLISECONDS = 600_000
_ANSWER_SECONDS = 10.0


@dataclass
class EmbeddedBroker:
    """librdkafka's mock cluster, as `eng5_runner.stack.platform.broker` starts it."""

    cluster: MockCluster

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    def add_topics(self, prefix: str = "") -> None:
        there = self.cluster.topics()
        for topic in Topic:
            if prefix + topic not in there:
                self.cluster.create_topic(prefix + topic, partitions=PARTITIONS)

    def forget(self, topics: Sequence[str]) -> None:
        asking = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "tests", "log_level": 0})
        try:
            for topic in topics:
                for number in range(PARTITIONS):
                    _, end = asking.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_SECONDS)
                    self.cluster.delete_records(topic, partition=number, before=end)
        finally:
            asking.close()

    def stop(self) -> None:
        self.cluster.down()

    def kill(self) -> None:
        self.cluster.down()

    def start(self) -> None:
        self.cluster.up()

    @contextmanager
    def deaf(self) -> Iterator[_Deaf]:
        self.cluster.track_requests()
        self.cluster.answer_once_late(PRODUCE, milliseconds=_NEVER_MILLISECONDS)
        yield _Deaf(self.cluster)


@dataclass
class _Deaf:
    """The answer to the next record comes when nobody waits for it any more."""

    cluster: MockCluster

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    def has_lost_one(self) -> bool:
        return self.cluster.requests()[PRODUCE] > 0

    def mend(self) -> None:
        """It was that one only."""
