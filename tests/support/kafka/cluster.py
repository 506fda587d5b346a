"""A real Apache Kafka on loopback: one node, KRaft, with listeners for everything that the runner can be told.

    PLAINTEXT   as it is
    DETOUR      plaintext too, but advertised at a port where a test puts something in between
    SECURE      SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) over TLS
    OPEN        SASL without TLS
    MUTUAL      TLS that wants a client's certificate

`ENG5_TEST_KAFKA` (host:port) names another broker instead, one for tests: its records of the contract's topics are
deleted. What needs to stop it or to log in is skipped then.
"""

from __future__ import annotations

import base64
import ctypes
import itertools
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewPartitions,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from eng5_runner.contracts.topics import Topic
from tests.support.kafka.certificates import Certificates
from tests.support.kafka.detour import Detour
from tests.support.runner import wait_for

USER, PASSWORD = "anna", 's3kret #@%: "pass\\word'
PARTITIONS = 3
LARGEST_REQUEST_BYTES = 64 * 1024
_UP_SECONDS = 60
_NAMES = ("PLAINTEXT", "DETOUR", "SECURE", "OPEN", "MUTUAL", "CONTROLLER")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

REAL_KAFKA = pytest.param("kafka", marks=(pytest.mark.kafka, pytest.mark.xdist_group("kafka")))
# For what the embedded broker cannot do: TLS, logins, transactions, size limits, producers' memory, more partitions.
on_real_kafka = pytest.mark.parametrize("broker", [REAL_KAFKA], indirect=True)


class Broker(Protocol):
    """A cluster that tests can use, each topic with three partitions."""

    @property
    def bootstrap(self) -> str: ...

    def add_topics(self, prefix: str = "") -> None:
        """The five topics, unless they are there."""

    def forget(self, topics: Sequence[str]) -> None:
        """What retention does: every record that is there now is gone; offsets go on."""


class Deaf(Protocol):
    """A way to the broker on which acknowledgements of produced records get lost."""

    @property
    def bootstrap(self) -> str: ...

    def has_lost_one(self) -> bool:
        """Whether a record is in the broker whose producer does not know it."""

    def mend(self) -> None:
        """None is lost from now on."""


class OwnBroker(Broker, Protocol):
    """One that belongs to the tests, so they may break it."""

    def stop(self) -> None:
        """End in order."""

    def kill(self) -> None:
        """End as if the power had gone."""

    def start(self) -> None:
        """The same ports and data after each start."""

    def deaf(self) -> AbstractContextManager[Deaf]:
        """A way on which acknowledgements get lost."""


@dataclass
class NamedBroker:
    """Somebody else's."""

    bootstrap: str

    def add_topics(self, prefix: str = "") -> None:
        create_topics(self.bootstrap, prefix=prefix)

    def forget(self, topics: Sequence[str]) -> None:
        delete_records(self.bootstrap, topics)


@dataclass
class KafkaBroker:
    """Our own; the same ports and data after each start."""

    folder: Path
    jars: Path
    certificates: Certificates
    ports: dict[str, int] = field(default_factory=dict)
    detour: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        *ports, self.detour = free_ports(len(_NAMES) + 1)
        self.ports = dict(zip(_NAMES, ports, strict=True))
        self.folder.mkdir(parents=True)
        (self.folder / "server.properties").write_text(self._properties())
        command = [
            *self._java("kafka.tools.StorageTool"),
            # In one word: an id can begin with a hyphen.
            *("format", f"--cluster-id={base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}"),
            *("-c", str(self.folder / "server.properties")),
        ]
        formatted = subprocess.run(command, capture_output=True, text=True, check=False)
        assert formatted.returncode == 0, formatted.stdout + formatted.stderr

    @property
    def bootstrap(self) -> str:
        return self.at("PLAINTEXT")

    def at(self, listener: str) -> str:
        """A listener's address."""
        return f"127.0.0.1:{self.ports[listener]}"

    def start(self) -> None:
        """Start, and wait until a client is answered."""
        log = self.folder / "server.log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [*self._java("kafka.Kafka"), str(self.folder / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call into libc, then exec
            )
        until = time.monotonic() + _UP_SECONDS
        while not self._answers():
            assert self._process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, "Kafka did not come up\n" + log.read_text()[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """End in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End as if the power had gone."""
        self._end(signal.SIGKILL)

    def login(self) -> dict[str, str]:
        """The environment of a client that is let in by SCRAM over TLS."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.at("SECURE"),
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            "KAFKA_CA": str(self.certificates.ca),
        }

    def add_topics(self, prefix: str = "") -> None:
        create_topics(self.bootstrap, prefix=prefix)

    def forget(self, topics: Sequence[str]) -> None:
        delete_records(self.bootstrap, topics)

    @contextmanager
    def deaf(self) -> Iterator[Detour]:
        with Detour(self.detour, broker=self.at("DETOUR")) as detour:
            detour.to_lose = 1000
            yield detour

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        """A client that is started before the port is open backs off for longer than the broker takes."""
        try:
            socket.create_connection(("127.0.0.1", self.ports["PLAINTEXT"]), timeout=1).close()
        except OSError:
            return False
        return bool(admin(self.bootstrap).list_topics(timeout=_UP_SECONDS).brokers)

    def _java(self, tool: str) -> list[str]:
        options = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
        return ["java", *options, "-cp", f"{self.jars}/*", tool]

    def _properties(self) -> str:
        listeners = ",".join(f"{name}://{self.at(name)}" for name in _NAMES)
        advertised = ",".join(
            f"{name}://127.0.0.1:{self.detour if name == 'DETOUR' else port}"
            for name, port in self.ports.items()
            if name != "CONTROLLER"
        )
        password = _escaped(_escaped(PASSWORD))  # a Java string within a line of a properties file
        login = "org.apache.kafka.common.security"
        secured = {
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": f"{login}.{module} required{users};"
            for listener in ("secure", "open")
            for mechanism, module, users in (
                ("plain", "plain.PlainLoginModule", f' user_{USER}="{password}"'),
                ("scram-sha-256", "scram.ScramLoginModule", ""),
                ("scram-sha-512", "scram.ScramLoginModule", ""),
            )
        }
        settings = (
            _FIXED
            | secured
            | {
                "controller.quorum.voters": f"1@{self.at('CONTROLLER')}",
                "listeners": listeners,
                "advertised.listeners": advertised,
                "log.dirs": str(self.folder / "data"),
                "ssl.keystore.location": str(self.certificates.server),
                "ssl.truststore.location": str(self.certificates.ca),
            }
        )
        return "".join(f"{key}={value}\n" for key, value in settings.items())


_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT,SECURE:SASL_SSL,OPEN:SASL_PLAINTEXT,"
    "MUTUAL:SSL,CONTROLLER:PLAINTEXT",
    "listener.name.mutual.ssl.client.auth": "required",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "auto.create.topics.enable": "false",
    # After a kill the controller holds the broker's place for as long as this.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "num.partitions": str(PARTITIONS),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.enable": "false",
}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


# Below those that the kernel gives to outgoing connections: such a port may be taken before its server starts.
_FIRST_PORT, _END_OF_PORTS, _PORTS_A_BLOCK = 12_000, 32_000, 200


def _ports_of_our_own() -> Iterator[int]:
    """Ports that no other process of tests on this machine gives to a server, none twice.

    A block of ports belongs to the process that holds the first one of it.
    """
    with ExitStack() as held:
        for first in range(_FIRST_PORT, _END_OF_PORTS, _PORTS_A_BLOCK):
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", first)))
                yield from range(first + 1, first + _PORTS_A_BLOCK)


_PORTS = _ports_of_our_own()


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens, each another."""
    return list(itertools.islice(filter(_is_free, _PORTS), count))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        # A connection that has ended here keeps no server away.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def admin(bootstrap: str) -> AdminClient:
    """A client of another make than the runner's."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})


def create_user(bootstrap: str) -> None:
    """The user of the SCRAM mechanisms; the one of PLAIN stands in the server's properties."""
    client = admin(bootstrap)
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        login = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), password=PASSWORD.encode())
        for altered in client.alter_user_scram_credentials([login]).values():
            altered.result(timeout=30)


def add_partitions(bootstrap: str, topic: str, total: int) -> None:
    """Give a topic more partitions than it has."""
    client = admin(bootstrap)  # without a name it would be gone before the answer comes
    for grown in client.create_partitions([NewPartitions(topic, total)]).values():
        grown.result(timeout=30)
    # It is answered before each of the broker's parts knows; a record for a partition that is not known is dropped.
    wait_for(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == total, what="partitions")


def create_topics(bootstrap: str, *, prefix: str = "") -> None:
    """The five topics, unless they are there."""
    client = admin(bootstrap)
    there = client.list_topics(timeout=10).topics
    limit = {"max.message.bytes": str(LARGEST_REQUEST_BYTES)}
    wanted = [
        NewTopic(prefix + topic, PARTITIONS, 1, config=limit if topic == Topic.REQUEST else {})
        for topic in Topic
        if prefix + topic not in there
    ]
    for created in (client.create_topics(wanted) if wanted else {}).values():
        created.result(timeout=30)


def delete_records(bootstrap: str, topics: Sequence[str]) -> None:
    """All that are there now."""
    wanted = [TopicPartition(topic, partition, OFFSET_END) for topic in topics for partition in range(PARTITIONS)]
    client = admin(bootstrap)  # without a name it would be gone before the answers come
    wait_for(lambda: _deleted(client, wanted), what="the partitions' leaders")


def _deleted(client: AdminClient, wanted: Sequence[TopicPartition]) -> bool:
    """Right after a topic was made its partitions have no leader yet."""
    errors = [future.exception(timeout=30) for future in client.delete_records(list(wanted)).values()]
    return not any(errors)
