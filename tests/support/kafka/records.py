"""What is in a topic, read and written by another client library than the runner's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from eng5_runner.contracts.topics import Topic
from tests.support.kafka.cluster import PARTITIONS, Broker
from tests.support.runner import stack_up


def values_in(bootstrap: str, topic: str) -> list[bytes]:
    """Every record that is left, uncommitted ones too."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
        found, ends = [], 0
        while ends < PARTITIONS:
            message = consumer.poll(30)
            assert message is not None, "the broker stopped answering"
            if message.error():
                ends += 1  # the only error that is told here is a partition's end
            else:
                found.append(message.value())
        return found
    finally:
        consumer.close()


def put(
    bootstrap: str, topic: str, values: Sequence[bytes], *, partitions: int = PARTITIONS, **settings: object
) -> None:
    """Somebody else's records, spread over the partitions; settings have `_` for `.`."""
    more = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 50} | more)
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions, on_delivery=_arrived)
    assert producer.flush(30) == 0


def _arrived(error: KafkaError | None, _: Message) -> None:
    """What it raises is raised by `flush`."""
    assert error is None, error


@contextmanager
def stack_on(broker: Broker, folder: Path) -> Iterator[Mapping[str, str]]:
    """The embedded services on a Kafka that is there; gives the runner's environment for them."""
    broker.forget(tuple(Topic))  # else they would work off the requests of tests before
    with stack_on_a_fresh(broker.bootstrap, folder) as environment:
        yield environment


@contextmanager
def stack_on_a_fresh(bootstrap: str, folder: Path) -> Iterator[Mapping[str, str]]:
    """The same on a Kafka that no test has used before."""
    with stack_up(folder, "--kafka-bootstrap", bootstrap) as environment:
        del environment["first_admin"]
        yield environment
