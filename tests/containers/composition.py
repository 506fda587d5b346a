"""Starts what a compose file describes without an engine: its commands, its environment, its health checks, its order.

A container is a process here. What a container has to itself is mapped: each service's name and port to a free port of
loopback, its own loopback likewise; the others' images to the same programs of this machine (a real Kafka and a real
PostgreSQL, and Kafka's own tools by their names).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.compose import OWN_STACK, by_default, mounts, read, seconds
from tests.support.kafka.cluster import KafkaBroker, free_ports
from tests.support.postgres.server import PostgresServer
from tests.support.runner import clean_environment

TOOL = Path(sys.executable).parent / "eng5-runner"
_KAFKA_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}


@dataclass
class Composition:
    """The services of one compose file.

    Attributes:
        services: as the file has them.
        ports: of loopback, by a service's name and its port in the file, `cj:9095`.
        began: the names in the order in which they were started.
    """

    services: Mapping[str, Mapping[str, Any]]
    folder: Path
    kafka: KafkaBroker
    postgres: PostgresServer
    ports: dict[str, str] = field(default_factory=dict)
    began: list[str] = field(default_factory=list)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {name: service["environment"]["PORT"] for name, service in self.services.items() if self._serves(service)}
        for (name, port), free in zip(own.items(), free_ports(len(own)), strict=True):
            self.ports[f"{name}:{port}"] = f"127.0.0.1:{free}"
        self.ports["kafka:9092"] = self.kafka.bootstrap
        self.ports["postgres:5432"] = f"127.0.0.1:{self.postgres.port}"
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(parents=True)
        (bin_folder / "eng5-runner").symlink_to(TOOL)
        for name, main in _KAFKA_TOOLS.items():
            script = f'#!/bin/sh\nexec java -Xmx128m -cp "{self.kafka.jars}/*" {main} "$@"\n'
            (bin_folder / name).write_text(script)
            (bin_folder / name).chmod(0o755)

    def up_to(self, name: str) -> None:
        """Start what a service waits for, in the file's own order, each as soon as its conditions hold; not itself."""
        for other, wanted in self.services[name].get("depends_on", {}).items():
            if other not in self.began:
                self.up_to(other)
                self.start(other)
            if wanted["condition"] == "service_healthy":
                self.wait_until_healthy(other)
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert self._running[other].wait(timeout=120) == 0, self.log(other)

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A one-off, to its end."""
        command = [*self._mapped(self.services[name].get("entrypoint", ["eng5-runner"])), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(name), capture_output=True, text=True, check=False
        )

    def wait_until_healthy(self, name: str) -> None:
        """Wait as long as the file says, and ask more often."""
        check = self.services[name]["healthcheck"]
        patience = seconds(check["start_period"]) + check["retries"] * seconds(check["interval"])
        until = time.monotonic() + patience
        while (asked := self.healthcheck(name)).returncode:
            assert time.monotonic() < until, f"{name} is not healthy: {asked.stderr.decode()}\n{self.log(name)}"
            running = self._running.get(name)
            assert running is None or running.poll() is None, self.log(name)
            time.sleep(1.5)  # each question starts the tool or even a JVM, and slows down what it asks after

    def environment(self, name: str) -> dict[str, str]:
        """The file's, with the addresses of this machine; nothing of whoever runs the tests."""
        told = self.services[name].get("environment", {})
        files = {f"/run/secrets/{secret}": by_default(of["file"]) for secret, of in read(OWN_STACK)["secrets"].items()}
        files |= {target: source for source, target, _ in mounts(self.services[name]) if source == os.devnull}
        told = {key: files.get(value, value) for key, value in told.items()}
        given = {key: self._here(by_default(str(value))) for key, value in told.items() if value is not None}
        own = next((self.ports[place] for place in self.ports if place.startswith(f"{name}:")), None)
        if own is not None and "PORT" in given:
            given |= {"HOST": "127.0.0.1", "PORT": own.partition(":")[2]}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return clean_environment(self.folder, given | {"PATH": path, "PGPORT": str(self.postgres.port)})

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def down(self) -> None:
        """End in the order of `docker compose down`, the last one first."""
        for name in reversed(self.began):
            if name in self._running:
                self._running[name].terminate()
                self._running[name].wait(timeout=seconds(self.services[name].get("stop_grace_period", "10s")))

    def start(self, name: str) -> None:
        """Start one, whatever it waits for."""
        self.began.append(name)
        if name in ("kafka", "postgres"):
            (self.kafka if name == "kafka" else self.postgres).start()
            return
        service = self.services[name]
        command = self._mapped([*service.get("entrypoint", ["eng5-runner"]), *service["command"]])
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def healthcheck(self, name: str) -> subprocess.CompletedProcess[bytes]:
        """The file's own command, once."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        own = [f"{name}:{place.partition(':')[2]}" for place in self.ports if place.startswith(f"{name}:")]
        for place in own:  # its own loopback
            port = place.partition(":")[2]
            command = [word.replace(f"127.0.0.1:{port}", self.ports[place]) for word in command]
        return subprocess.run(
            self._mapped(command), env=self.environment(name), cwd=self.folder, capture_output=True, check=False
        )

    def _mapped(self, command: Sequence[str]) -> list[str]:
        """The words of a command as a shell of this machine finds what they name."""
        return [self._here(word).replace("/opt/kafka/bin/", "").replace("$$", "$") for word in command]

    def _here(self, text: str) -> str:
        for place, address in self.ports.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(place)}(?!\d)", address, text)
        return text

    @staticmethod
    def _serves(service: Mapping[str, Any]) -> bool:
        return "PORT" in (service.get("environment") or {})
