"""What the tests of the field share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eng5_runner.contracts.topics import Topic
from tests.support.kafka.cluster import REAL_KAFKA
from tests.support.kafka.fixtures import certificates as certificates  # noqa: PLC0414 - pytest finds fixtures by their name
from tests.support.kafka.fixtures import real_broker as real_broker  # noqa: PLC0414 - likewise
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.run.fixtures import plain as plain  # noqa: PLC0414 - likewise

# As many as the field's cluster had.
_PARTITIONS = 4


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The bootstrap addresses of librdkafka's mock cluster, with the five topics."""
    with MockCluster() as cluster:
        for topic in Topic:
            cluster.create_topic(topic, partitions=_PARTITIONS)
        yield cluster.bootstrap


@pytest.fixture(params=["embedded", REAL_KAFKA])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """A broker: the embedded one, and a real Apache Kafka."""
    if request.param == "embedded":
        return request.getfixturevalue("embedded")
    return request.getfixturevalue("real_broker").bootstrap
