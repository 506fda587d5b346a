"""A broker of each kind for a session of tests, and the services on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.support.kafka.cluster import REAL_KAFKA, Broker, KafkaBroker, NamedBroker, OwnBroker
from tests.support.kafka.embedded import EmbeddedBroker
from tests.support.kafka.fixtures import certificates as certificates  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.kafka.fixtures import real_broker as real_broker  # noqa: PLC0414 - likewise
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.kafka.records import stack_on
from tests.support.postgres.fixtures import database as database  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.postgres.fixtures import postgres_server as postgres_server  # noqa: PLC0414
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here


@pytest.fixture(
    scope="session",
    params=[pytest.param("embedded", marks=pytest.mark.xdist_group("embedded broker")), REAL_KAFKA],
)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The embedded broker, and a real Apache Kafka; a test of what the embedded one cannot do is `on_real_kafka`."""
    if request.param == "kafka":
        yield request.getfixturevalue("real_broker")
        return
    with MockCluster() as cluster:
        embedded = EmbeddedBroker(cluster)
        embedded.add_topics()
        yield embedded


@pytest.fixture
def own_broker(broker: Broker) -> OwnBroker:
    """One that may be stopped."""
    if isinstance(broker, NamedBroker):
        pytest.skip("this needs a broker of the tests' own, and ENG5_TEST_KAFKA names another")
    return broker


@pytest.fixture
def our_kafka(own_broker: OwnBroker) -> KafkaBroker:
    """A real one with all its listeners."""
    assert isinstance(own_broker, KafkaBroker)
    return own_broker


@pytest.fixture(scope="session")
def services(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The services on the broker, as the runner's environment."""
    with stack_on(broker, tmp_path_factory.mktemp("services") / "stack") as environment:
        yield environment
