"""A Kafka cluster in memory, and one session's connection to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.classify import RawRecord
from eng5_runner.core.events import Position
from eng5_runner.effects.kafka.broker import Gap, Polled, Topology
from eng5_runner.errors import ConfigurationError, ServiceUnavailable, TemporaryFailure

if TYPE_CHECKING:
    from tests.support.run.world import World

Where = tuple[str, int]


@dataclass
class Log:
    """One partition: `first` is the first offset that retention has left."""

    values: list[bytes] = field(default_factory=list)
    first: int = 0


class Cluster:
    """Topics with partitions; the request topic has one, the callback topics two."""

    def __init__(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id
        self.logs: dict[Where, Log] = {(topic, 0): Log() for topic in Topic}
        self.logs |= {(topic, 1): Log() for topic in Topic if topic != Topic.REQUEST}

    def append(self, topic: str, value: bytes, *, partition: int = 0) -> int:
        log = self.logs[topic, partition]
        log.values.append(value)
        return len(log.values) - 1

    def end(self, where: Where) -> int:
        return len(self.logs[where].values)

    def drop_before(self, topic: str, offset: int, *, partition: int = 0) -> None:
        """Retention: what stands before the offset is gone, the end stays."""
        self.logs[topic, partition].first = offset

    @property
    def requests(self) -> list[bytes]:
        return self.logs[Topic.REQUEST, 0].values


class FakeBroker:
    """The `Broker` port of one session."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cluster = world.cluster
        self._at: dict[Where, int] = {}

    async def topology(self, topics: Sequence[str]) -> Topology:
        if self._world.broker_is_down:
            raise ServiceUnavailable("Kafka does not answer.", remedy="Start it.")
        counts = {topic: sum(t == topic for t, _ in self._cluster.logs) for topic in topics}
        if missing := [topic for topic, count in counts.items() if not count]:
            raise ConfigurationError(f"Topics are missing: {missing}.", remedy="Create them.")
        return Topology(cluster_id=self._cluster.cluster_id, partitions=counts)

    async def ends(self, topology: Topology) -> tuple[Position, ...]:
        wanted = [(t, p) for t, count in sorted(topology.partitions.items()) for p in range(count)]
        return tuple(Position(topic=t, partition=p, offset=self._cluster.end((t, p))) for t, p in wanted)

    def listen(self, positions: Iterable[Position]) -> None:
        self._at = {(p.topic, p.partition): p.offset for p in positions}

    async def poll(self, *, mentioning: Iterable[bytes]) -> Polled:
        moved = self._world.step()
        if self._world.broker_is_down:
            self._world.clock.advance()
            return Polled()
        if gaps := self._gaps():
            return Polled(gaps=gaps)
        records = tuple(self._take())
        if not records and not moved:
            self._world.clock.advance()
        return Polled(records=tuple(record for record in records if any(text in record.value for text in mentioning)))

    def _gaps(self) -> tuple[Gap, ...]:
        gaps = []
        for (topic, partition), offset in self._at.items():
            log = self._cluster.logs[topic, partition]
            if offset > len(log.values):
                raise TemporaryFailure("The broker lost an offset that it had given.", remedy="Resume.")
            if offset < log.first:
                self._at[topic, partition] = log.first
                position = Position(topic=topic, partition=partition, offset=offset)
                gaps.append(Gap(position=position, resumed_at=log.first))
        return tuple(gaps)

    def _take(self) -> Iterable[RawRecord]:
        for _ in range(self._world.poll_records):
            ready = sorted(where for where, offset in self._at.items() if offset < self._cluster.end(where))
            if not ready:
                return
            where = self._world.choose(ready)
            offset = self._at[where]
            self._at[where] += 1
            value = self._cluster.logs[where].values[offset]
            yield RawRecord(topic=where[0], partition=where[1], offset=offset, value=value)

    async def positions(self) -> tuple[Position, ...]:
        return tuple(Position(topic=t, partition=p, offset=o) for (t, p), o in sorted(self._at.items()))

    async def behind(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for where, offset in self._at.items():
            found[where[0]] = found.get(where[0], 0) + self._cluster.end(where) - offset
        return found

    async def is_alive(self) -> bool:
        return not self._world.broker_is_down

    def adopt_new_partitions(self) -> tuple[Position, ...]:
        topics = {topic for topic, _ in self._at}
        new = sorted(where for where in self._cluster.logs if where[0] in topics and where not in self._at)
        return tuple(Position(topic=t, partition=p, offset=0) for t, p in new)

    async def publish(self, *, topic: str, key: str, value: bytes, timeout_seconds: float) -> Position:
        fault = self._world.publish_fault
        if fault != "never arrives":
            offset = self._cluster.append(topic, value)
            self._world.cj.receive(value)
        if fault is not None:
            raise TemporaryFailure(f"No acknowledgement within {timeout_seconds} s.", remedy="`resume` looks for it.")
        return Position(topic=topic, partition=0, offset=offset)

    async def find(self, origins: Iterable[Position], is_it: Callable[[bytes], bool]) -> Position | None:
        for origin in origins:
            log = self._cluster.logs[origin.topic, origin.partition]
            for offset in range(max(origin.offset, log.first), len(log.values)):
                if is_it(log.values[offset]):
                    return Position(topic=origin.topic, partition=origin.partition, offset=offset)
        return None
