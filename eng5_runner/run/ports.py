"""What the stages need of the outside, and what they say to whoever watches.

The ports are the places where tests put another world. A stage yields batches of ledger events and notices; what
stands after a `yield` happens only once the yielded events are on the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorRegistered,
    Instructions,
    ModelManifest,
    StudentPrompt,
)
from eng5_runner.core.events import AnchorRow, Event, Position

if TYPE_CHECKING:
    # Whoever only tells of a run shall not pay for loading a Kafka client.
    from eng5_runner.effects.kafka.callbacks import Polled, Topology
    from eng5_runner.transport.http import Alive


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The instant, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some start."""


class ContentStore(Protocol):
    """Where texts are put for the services."""

    async def check_health(self) -> Alive:
        """What it says of itself; raise if it is not up."""

    async def upload(self, text: bytes) -> str:
        """Store a text and return its id."""

    async def download(self, storage_id: str) -> bytes | None:
        """The text, or None if it is not there."""


class Cache(Protocol):
    """What was uploaded before."""

    def entries(self) -> Mapping[str, str]:
        """Text sha256 → storage id."""

    async def remember(self, uploads: Mapping[str, str]) -> None:
        """Add entries, durably."""

    async def forget(self) -> None:
        """Drop all entries."""


class Broker(Protocol):
    """The cluster; see `effects.kafka.KafkaBroker` for what each may raise."""

    async def topology(self, topics: Sequence[str]) -> Topology:
        """Check that the topics are there."""

    async def ends(self, topology: Topology) -> tuple[Position, ...]:
        """The offset that the next record of each partition will get."""

    def listen(self, positions: Iterable[Position]) -> None:
        """Read from these positions on."""

    async def poll(self) -> Polled:
        """The next records, perhaps none."""

    async def positions(self) -> tuple[Position, ...]:
        """The next offset to read of each partition."""

    async def behind(self) -> Mapping[str, int]:
        """How many records of each topic are there and not read."""

    async def is_alive(self) -> bool:
        """Whether the cluster answers now."""

    def adopt_new_partitions(self) -> tuple[Position, ...]:
        """Partitions added meanwhile, from their first record."""

    async def publish(self, *, topic: str, key: str, value: bytes, patience: float) -> Position:
        """Put one record in."""

    async def find(self, origins: Iterable[Position], is_it: Callable[[bytes], bool]) -> Position | None:
        """The first record that `is_it` says yes to."""


class AnchorRegistry(Protocol):
    """Where anchors are on record; see `effects.cj_admin` for what each may raise."""

    async def register_anchor(self, body: AnchorBody) -> AnchorRegistered:
        """Write one."""

    async def anchors(self, assignment_id: str) -> AnchorListing | None:
        """An assignment's anchors, or None if it is unknown."""


class AssignmentRegistry(AnchorRegistry, Protocol):
    """What the CJ service has on record."""

    async def check_health(self) -> Alive:
        """What it says of itself; raise if it is not up."""

    async def supported_options(self) -> frozenset[str]:
        """What it heeds of a request beyond the contract."""

    async def instructions(self, assignment_id: str) -> Instructions | None:
        """An assignment's instructions."""

    async def prompt(self, assignment_id: str) -> StudentPrompt | None:
        """The task that an assignment's students were given."""


class Models(Protocol):
    """What the LLM provider service can ask."""

    async def check_health(self) -> Alive:
        """What it says of itself; raise if it is not up."""

    async def models(self) -> ModelManifest:
        """Its manifest."""


@dataclass(slots=True)
class Findings:
    """What one check of preflight found.

    Attributes:
        checks: what is as it should be.
        warnings: what is not, but does not stop the run.
        remedies: what to do about a warning, by its text.
        rows: the anchors that the CJ service has.
        comparison_at_most_usd: only if the CJ service keeps a cost limit with it.
    """

    checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    remedies: dict[str, str] = field(default_factory=dict)
    rows: list[AnchorRow] = field(default_factory=list)
    comparison_at_most_usd: float | None = None

    def warn(self, text: str, *, remedy: str) -> None:
        """Add a warning and what to do about it."""
        self.warnings.append(text)
        self.remedies[text] = remedy


# A check of preflight; it raises a RunnerError if the run cannot go on.
Check: TypeAlias = Callable[[], Awaitable[Findings]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside of one session; None where the run's spec sends nothing there.

    Attributes:
        here: what preflight asks about this machine, and what each question is about.
    """

    clock: Clock
    cache: Cache | None = None
    content: ContentStore | None = None
    broker: Broker | None = None
    cj: AssignmentRegistry | None = None
    models: Models | None = None
    here: tuple[tuple[str, Check], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something worth telling that is no fact of the run.

    Attributes:
        kind: `trouble` when the broker is away, `relief` when it is back, `overspent` when a service does not keep to
            the cost limit, `stage` when a step begins.
        text: one sentence.
    """

    kind: Literal["trouble", "relief", "overspent", "stage"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far reading is behind, which is no fact of the run either.

    Attributes:
        behind: records of each callback topic that are there and not read, everybody's.
    """

    behind: Mapping[str, int]


Update: TypeAlias = Event | Notice | Lag
Updates: TypeAlias = AsyncIterator[Sequence[Update]]
