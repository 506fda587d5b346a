"""A world of services in memory, behind the ports of `run.ports`; its clock moves only when there is nothing to read.

A test stages what happens with plain values: `timeline` (one step before each poll), `cj.script` (what the CJ service
answers), `publish_fault`, `content.fails_at`, `broker_is_down`, a new `cluster`. Nothing is patched.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Literal
from uuid import UUID

from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorOnRecord,
    AnchorRegistered,
    Health,
    Instructions,
    ModelEntry,
    ModelManifest,
    StudentPrompt,
)
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.run.ports import Ports
from eng5_runner.transport.http import Alive
from tests.support.run import messages
from tests.support.run.habits import Habits
from tests.support.run.memory_kafka import Cluster, FakeBroker, Where
from tests.support.run.messages import Callback

WELL = Alive(health=Health(status="healthy"))
Script = Callable[[UUID, list[str]], list[Callback]]


class FakeClock:
    """Time that stands still until somebody advances it; the wall clock does a microsecond each time it is read."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._reads = 0

    def now(self) -> datetime:
        self._reads += 1
        return datetime(2027, 3, 2, 7, tzinfo=UTC) + timedelta(seconds=self.elapsed, microseconds=self._reads)

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, seconds: float = 1.0) -> None:
        self.elapsed += seconds


class FakeContent:
    """The Content Service: a new id for each upload, whatever the bytes."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.requests = 0
        self.downloads = 0
        self.fails_at: int | None = None
        self.always_gives: str | None = None
        self.breaks_with: Exception | None = None
        self.after_upload: Callable[[], None] = lambda: None
        self.alive = WELL

    async def check_health(self) -> Alive:
        return self.alive

    async def upload(self, text: bytes) -> str:
        self.requests += 1
        if self.breaks_with is not None:
            raise self.breaks_with
        if self.fails_at is not None and self.requests >= self.fails_at:
            raise ServiceUnavailable("The Content Service gave up.", remedy="Start it, then resume.")
        storage_id = self.always_gives or f"{len(self.texts) + 1:032x}"
        self.texts.setdefault(storage_id, text)
        self.after_upload()
        return storage_id

    async def download(self, storage_id: str) -> bytes | None:
        self.downloads += 1
        return self.texts.get(storage_id)


class MemoryCache:
    """The upload cache."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def entries(self) -> Mapping[str, str]:
        return dict(self.known)

    async def remember(self, uploads: Mapping[str, str]) -> None:
        self.known |= uploads

    async def forget(self) -> None:
        self.known.clear()


def whole_story(run_id: UUID, essays: list[str]) -> list[Callback]:
    """All pairs once; the essay that comes first in the alphabet wins but for every fifth pair; then both endings."""
    pairs = [pair if n % 2 else pair[::-1] for n, pair in enumerate(combinations(sorted(essays), 2))]
    told = []
    for number, (first, second) in enumerate(pairs):
        better_first = (first < second) != (number % 5 == 4)
        winner = "Essay A" if better_first else "Essay B"
        one = messages.comparison(run_id, number, (first, second), winner=winner)
        told.append(Callback(one.topic, one.value, partition=number % 2))
    return [*told, messages.completed(run_id), messages.result(run_id, sorted(essays))]


class FakeCJ:
    """The CJ service: it answers each request as `script` says, at once or one message a poll.

    Attributes:
        skips_repeats: like the real one, it does not answer the same event id twice on one cluster.
        supports: what it says that it honours beyond the contract.
        extra_essays: the anchors that it adds itself where the request names an assignment.
        asked: how often each pair was put to the judge.
        habits: if set, answers instead of the script.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._answered: set[tuple[str, str]] = set()
        self.script: Script = whole_story
        self.stepwise = False
        self.skips_repeats = False
        self.extra_essays: list[str] = []
        self.asked: Counter[str] = Counter()
        self.supports: frozenset[str] = frozenset()
        self.record: Instructions | None = None
        self.listing: AnchorListing | None = None
        self.alive = WELL
        self.task: StudentPrompt | None = None
        self.registered: list[AnchorBody] = []
        self.forgets_anchors = False
        self.habits: Habits | None = None

    def receive(self, request: bytes) -> None:
        envelope = json.loads(request)
        seen = (self._world.cluster.cluster_id, envelope["event_id"])
        if self.skips_repeats and seen in self._answered:
            return
        self._answered.add(seen)
        essays = [essay["essay_id"] for essay in envelope["data"]["essays_for_cj"]] + self.extra_essays
        if self.habits is None:
            answer = self.script(UUID(envelope["data"]["entity_id"]), essays)
        else:
            answer = self.habits.answer(envelope, added=self.extra_essays)
        for callback in answer:
            self.asked[callback.value.decode(errors="replace")] += 1
            if self.stepwise:
                self._world.timeline.append(lambda one=callback: self._world.say(one))
            else:
                self._world.say(callback)

    async def check_health(self) -> Alive:
        return self.alive

    async def supported_options(self) -> frozenset[str]:
        return self.supports

    async def instructions(self, assignment_id: str) -> Instructions | None:
        return self.record

    async def anchors(self, assignment_id: str) -> AnchorListing | None:
        return self.listing

    async def prompt(self, assignment_id: str) -> StudentPrompt | None:
        return self.task

    async def register_anchor(self, body: AnchorBody) -> AnchorRegistered:
        """The same label again updates the row; like the real one, it may say so and do nothing."""
        self.registered.append(body)
        rows = {row.anchor_label: row for row in (self.listing.anchors if self.listing else ())}
        number = rows[body.anchor_label].id if body.anchor_label in rows else 100 + len(self.registered)
        storage_id = await self._world.content.upload(body.essay_text.encode())
        if not self.forgets_anchors:
            rows[body.anchor_label] = AnchorOnRecord(
                id=number,
                anchor_label=body.anchor_label,
                grade=body.grade,
                grade_scale="eng5_np_legacy_9_step",
                text_storage_id=storage_id,
            )
        self.listing = AnchorListing(assignment_id=body.assignment_id, anchors=tuple(rows.values()))
        return AnchorRegistered(anchor_id=number, storage_id=storage_id, grade_scale="eng5_np_legacy_9_step")


PRICE = {"max_tokens": 1000, "cost_per_1k_input_tokens": 0.001, "cost_per_1k_output_tokens": 0.002}


class FakeModels:
    """The LLM provider's manifest: two mock models, the first of which has a price, and one of two providers each."""

    def __init__(self) -> None:
        self.alive = WELL

    async def check_health(self) -> Alive:
        return self.alive

    async def models(self) -> ModelManifest:
        entries = tuple(
            ModelEntry(model_id=f"invented-judge-{n}", provider="mock", **told) for n, told in ((1, PRICE), (2, {}))
        )
        real = {
            name: (ModelEntry(model_id=f"{name}-judge", provider=name, **PRICE),) for name in ("openai", "anthropic")
        }
        return ModelManifest(providers={"mock": entries} | real, total_models=4)


@dataclass
class World:
    """Everything outside a run. It lives longer than a session, as the real one does."""

    clock: FakeClock = field(default_factory=FakeClock)
    cluster: Cluster = field(default_factory=lambda: Cluster("cluster-1"))
    content: FakeContent = field(default_factory=FakeContent)
    cache: MemoryCache = field(default_factory=MemoryCache)
    timeline: deque[Callable[[], None]] = field(default_factory=deque)
    broker_is_down: bool = False
    publish_fault: Literal["ack lost", "never arrives"] | None = None
    poll_records: int = 500
    choose: Callable[[Sequence[Where]], Where] = min

    def __post_init__(self) -> None:
        self.cj = FakeCJ(self)

    def step(self) -> bool:
        """The next thing that happens, if one is staged."""
        if not self.timeline:
            return False
        self.timeline.popleft()()
        return True

    def say(self, callback: Callback) -> None:
        """Put a record into the cluster that is there now."""
        self.cluster.append(callback.topic, callback.value, partition=callback.partition)

    def later(self, steps: Iterable[Callable[[], None]]) -> None:
        """Stage steps, one before each poll."""
        self.timeline.extend(steps)

    def ports(self, spec: RunSpec) -> Ports:
        """A session's outside, with what the spec sends something to."""
        return Ports(
            clock=self.clock,
            cache=self.cache if spec.uploads else None,
            content=self.content if spec.uploads else None,
            broker=FakeBroker(self) if spec.send else None,
            cj=self.cj if spec.send else None,
            models=FakeModels() if spec.send else None,
        )
