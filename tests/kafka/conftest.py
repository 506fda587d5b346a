"""One real Kafka for a session of tests, and the services on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.kafka.certificates import Certificates, make_certificates
from tests.kafka.cluster import Broker, KafkaBroker, NamedBroker, create_topics, create_user
from tests.kafka.jars import server_jars
from tests.kafka.records import stack_on
from tests.postgres.conftest import database as database  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.postgres.conftest import postgres_server as postgres_server  # noqa: PLC0414


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kafka)
            item.add_marker(pytest.mark.xdist_group("kafka"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A Kafka with the five topics."""
    if named := os.environ.get("ENG5_TEST_KAFKA"):
        create_topics(named)
        yield NamedBroker(named)
        return
    jars = server_jars()
    folder = tmp_path_factory.mktemp("kafka") / "broker"
    ours = KafkaBroker(folder=folder, jars=jars, certificates=request.getfixturevalue("certificates"))
    try:
        ours.start()
        create_topics(ours.bootstrap)
        create_user(ours.bootstrap)
        yield ours
    finally:
        ours.kill()


@pytest.fixture
def our_broker(broker: Broker) -> KafkaBroker:
    """One that may be stopped and logged in to."""
    if not isinstance(broker, KafkaBroker):
        pytest.skip("this needs a broker of the tests' own, and ENG5_TEST_KAFKA names another")
    return broker


@pytest.fixture(scope="module")
def services(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The services on the broker, as the runner's environment."""
    with stack_on(broker.bootstrap, tmp_path_factory.mktemp("services") / "stack") as environment:
        yield environment
