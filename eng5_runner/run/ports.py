"""Ports: what the stages need from outside, as protocols, and the updates that stages yield.

Tests implement the protocols in memory (`tests/run/world.py`); `run.connect` provides the real clients.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorRegistered,
    Instructions,
    ModelManifest,
    StudentPrompt,
)
from eng5_runner.core.events import AnchorRow, Event, JudgeCheck, Position, event_facts

if TYPE_CHECKING:
    # A command that only reads a run must not load the Kafka client.
    from eng5_runner.effects.kafka.broker import Polled, Topology
    from eng5_runner.transport.http import Alive

# Kinds of notices that are neither in the log nor among the JSON lines.
_FOR_PEOPLE_ONLY = frozenset(("repaired", "remark"))


class Clock(Protocol):
    """The time; see `effects.clock`."""

    def now(self) -> datetime:
        """The present instant in UTC."""

    def monotonic(self) -> float:
        """Seconds since some start."""


class ContentStore(Protocol):
    """The Content Service, which stores texts for the other services; see `effects.content`."""

    async def check_health(self) -> Alive:
        """Return the service's answer to a health check; raise if the service is not up."""

    async def upload(self, text: bytes) -> str:
        """Store a text and return its storage id."""

    async def download(self, storage_id: str) -> bytes | None:
        """The text, or None if the service does not have it."""


class Cache(Protocol):
    """The upload cache; see `effects.upload_cache`."""

    def entries(self) -> Mapping[str, str]:
        """Text sha256 → storage id."""

    async def remember(self, uploads: Mapping[str, str]) -> None:
        """Add entries, durably."""

    async def forget(self) -> None:
        """Remove all entries."""


class Broker(Protocol):
    """The Kafka cluster; see `effects.kafka` for the errors that each method raises."""

    async def topology(self, topics: Sequence[str]) -> Topology:
        """Check that the topics exist, and return the cluster's id and their partitions."""

    async def ends(self, topology: Topology) -> tuple[Position, ...]:
        """The offset that the next record of each partition will get."""

    def listen(self, positions: Iterable[Position]) -> None:
        """Read from these positions on."""

    async def poll(self, *, mentioning: Collection[bytes]) -> Polled:
        """The next records that hold one of these texts; can be none."""

    async def positions(self) -> tuple[Position, ...]:
        """The next offset to read in each partition."""

    async def behind(self) -> Mapping[str, int]:
        """Topic → number of records that are not read yet."""

    async def is_alive(self) -> bool:
        """Whether the cluster answers now."""

    def adopt_new_partitions(self) -> tuple[Position, ...]:
        """The partitions that a topic got since the last call, at their first record."""

    async def publish(self, *, topic: str, key: str, value: bytes, timeout_seconds: float) -> Position:
        """Send one record and wait for its acknowledgement."""

    async def find(self, origins: Iterable[Position], is_it: Callable[[bytes], bool]) -> Position | None:
        """The first record from these positions on for which `is_it` is true."""


class AnchorRegistry(Protocol):
    """The anchors of the CJ service; see `effects.cj_admin` for the errors that each method raises."""

    async def register_anchor(self, body: AnchorBody) -> AnchorRegistered:
        """Register an anchor."""

    async def anchors(self, assignment_id: str) -> AnchorListing | None:
        """An assignment's anchors, or None if the service does not know the assignment."""


class AssignmentRegistry(AnchorRegistry, Protocol):
    """The assignments of the CJ service."""

    async def check_health(self) -> Alive:
        """Return the service's answer to a health check; raise if the service is not up."""

    async def supported_options(self) -> frozenset[str]:
        """The study options that the service supports."""

    async def instructions(self, assignment_id: str) -> Instructions | None:
        """An assignment's instructions, or None if it has none."""

    async def prompt(self, assignment_id: str) -> StudentPrompt | None:
        """The task of an assignment's students, or None if it has none."""


class Models(Protocol):
    """The models of the LLM provider service."""

    async def check_health(self) -> Alive:
        """Return the service's answer to a health check; raise if the service is not up."""

    async def models(self) -> ModelManifest:
        """The service's manifest of models."""


@dataclass(slots=True)
class Findings:
    """What one check of preflight found.

    Attributes:
        checks: what is as it should be.
        warnings: what is not, but does not stop the run.
        remedies: what to do about a warning, by its text.
        rows: the anchors that the CJ service has.
        comparison_at_most_usd: only if the CJ service does not keep the cost limit.
        expects_result: whether the CJ service will send a result.
        judge_check: the answer that the judge's provider was asked for, if it was asked.
        call_at_most_usd: the most that one call of the judge can cost, if it was looked up.
    """

    checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    remedies: dict[str, str] = field(default_factory=dict)
    rows: list[AnchorRow] = field(default_factory=list)
    comparison_at_most_usd: float | None = None
    expects_result: bool = True
    judge_check: JudgeCheck | None = None
    call_at_most_usd: float | None = None

    def warn(self, text: str, *, remedy: str) -> None:
        """Add a warning and what to do about it."""
        self.warnings.append(text)
        self.remedies[text] = remedy


# A check of preflight; it raises a RunnerError if the run cannot go on.
Check: TypeAlias = Callable[[], Awaitable[Findings]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports of one session; None for a service that the run does not use.

    Attributes:
        local_checks: preflight's checks of this machine, each with its subject in two or three words.
        last_checks: those that may cost money; they are made when all others are done.
    """

    clock: Clock
    cache: Cache | None = None
    content: ContentStore | None = None
    broker: Broker | None = None
    cj: AssignmentRegistry | None = None
    models: Models | None = None
    local_checks: tuple[tuple[str, Check], ...] = ()
    last_checks: tuple[tuple[str, Check], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message for the observer that is no event of the run.

    Attributes:
        kind: `trouble` when the broker is away, `relief` when it is back, `overspent` when a service does not keep to
            the cost limit, `stage` when a step begins, `waiting` in each minute of silence, `repaired` when the
            ledger's end was torn, `remark` for the rest. The last two are for people only.
        text: one sentence.
    """

    kind: Literal["trouble", "relief", "overspent", "stage", "waiting", "repaired", "remark"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far reading is behind.

    Attributes:
        behind: topic → number of records, of all batches, that are not read yet.
    """

    behind: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLeft:
    """How much a session has before it, reported once at its start.

    Attributes:
        texts: the number of texts to store.
        comparisons: the number of comparisons to come.
    """

    texts: int
    comparisons: int


Update: TypeAlias = Event | Notice | Lag | WorkLeft


def update_facts(update: Update) -> dict[str, Any]:
    """An update for logs and JSON lines: `event` and the fields that are set, without the bulky ones.

    Empty for what is for people or metrics only.
    """
    match update:
        case Lag() | WorkLeft():
            return {}
        case Notice():
            of_people = update.kind in _FOR_PEOPLE_ONLY
            return {} if of_people else {"event": "Notice", "kind": update.kind, "text": update.text}
        case _:
            facts = event_facts(update)
            return {"event": facts.pop("type")} | facts
