"""A broker of each kind for a session of tests, and the services on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pytest

from tests.cli.conftest import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.effects.mock_cluster import MockCluster
from tests.kafka.certificates import Certificates, make_certificates
from tests.kafka.cluster import REAL_KAFKA, Broker, KafkaBroker, NamedBroker, OwnBroker, create_user
from tests.kafka.embedded import EmbeddedBroker
from tests.kafka.jars import server_jars
from tests.kafka.records import stack_on
from tests.postgres.conftest import database as database  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.postgres.conftest import postgres_server as postgres_server  # noqa: PLC0414


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="session")
def real_broker(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Broker]:
    """An Apache Kafka with the five topics."""
    if named := os.environ.get("ENG5_TEST_KAFKA"):
        theirs = NamedBroker(named)
        theirs.add_topics()
        yield theirs
        return
    ours = KafkaBroker(
        folder=tmp_path_factory.mktemp("kafka") / "broker", jars=server_jars(), certificates=certificates
    )
    try:
        ours.start()
        ours.add_topics()
        create_user(ours.bootstrap)
        yield ours
    finally:
        ours.kill()


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
