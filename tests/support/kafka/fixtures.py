"""A real Apache Kafka for a session of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.kafka.certificates import Certificates, make_certificates
from tests.support.kafka.cluster import Broker, KafkaBroker, NamedBroker, create_user
from tests.support.kafka.jars import server_jars


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
