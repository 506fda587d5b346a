"""The embedded broker: librdkafka's mock cluster, the real Kafka protocol over TCP, in this process.

It is documented by librdkafka as the property `test.mock.num.brokers`: a client with that property owns a cluster on
free loopback ports, and the cluster lives as long as the client. It is volatile, knows no TLS and no SASL, starts its
group coordinator late, and keeps about 5 MiB a partition, after which it silently drops the oldest records. The
publisher is paced because of that limit (see `kafka`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from confluent_kafka import KafkaException, Producer

from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ServiceUnavailable

# Only errors: librdkafka announces the mock cluster on stderr otherwise.
_LOG_LEVEL = 3
_ANSWER_SECONDS = 10.0


class EmbeddedBroker:
    """A cluster of one broker: empty at its start, gone when it is closed."""

    def __init__(self) -> None:
        self._owner: Producer | None = Producer({"test.mock.num.brokers": 1, "log_level": _LOG_LEVEL})
        metadata = self._owner.list_topics(timeout=_ANSWER_SECONDS)
        # A metadata request by name makes the mock create the topic, before a client looks for it.
        for topic in Topic:
            self._owner.list_topics(topic.value, timeout=_ANSWER_SECONDS)
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())

    def close(self) -> None:
        """End the cluster; blocks until librdkafka's threads are gone."""
        self._owner = None


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[str]:
    """A new, empty broker with the contract's topics; yields its bootstrap addresses.

    Raises:
        ServiceUnavailable: librdkafka could not start its mock cluster, or the cluster did not answer in 10 s.
    """
    try:
        broker = await asyncio.to_thread(EmbeddedBroker)
    except KafkaException as error:
        raise ServiceUnavailable(
            f"the embedded broker did not start: {error.args[0]}",
            remedy="Give a real Kafka with --kafka-bootstrap, or try again.",
        ) from error
    try:
        yield broker.bootstrap
    finally:
        await asyncio.to_thread(broker.close)
