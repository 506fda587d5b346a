"""Gather: read the callback topics until every message of the present request has arrived, or a timeout ends.

Messages on different topics have no common order, so a completion often arrives before its comparisons. Therefore the
run takes the topics' ends once completion and result have arrived, and reads on until it has reached those ends.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import assert_never

from eng5_runner.contracts.topics import CALLBACK_TOPICS
from eng5_runner.core.classify import Accepted, Batches, Foreign, Rejected, Repeated, batches, classify
from eng5_runner.core.credibility import Credibility
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import (
    CallbackRepeated,
    DeadlineReached,
    Event,
    OffsetsLost,
    Position,
    rejected,
)
from eng5_runner.core.next_step import is_overspent
from eng5_runner.core.spec import Timeouts
from eng5_runner.core.state import LiveState, RunState
from eng5_runner.effects.kafka.broker import Polled
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.run.ports import Broker, Clock, Lag, Notice, Update

# In silence, how often the broker is asked whether it is still reachable.
PROBE_SECONDS = 5.0
# After a completion that leaves comparisons missing, how long the topics must be silent before it is believed.
QUIET_SECONDS = 2.0
# In silence, how often people are told that the run still waits.
SAY_SECONDS = 60.0


async def gather(
    state: LiveState, *, names: EssayNames, broker: Broker, wait: Wait, stop: asyncio.Event
) -> AsyncIterator[Sequence[Update]]:
    """Yield the run's callbacks, until the present request is answered or a timeout ends, or `stop` is set.

    Raises:
        TemporaryFailure: the cluster has lost its data.
        ServiceUnavailable: the cluster refuses to be read.
    """
    broker.listen(state.read_to())
    wait.begin()
    ends: dict[tuple[str, int], int] | None = None
    lag = None
    while not stop.is_set():
        of = batches(
            state.spec.run_id, *(request.batch_id for request in state.requests if request.batch_id is not None)
        )
        polled = await broker.poll(mentioning=of)
        events = list(_events(polled, state=state, of=of, names=names, at=wait.now()))
        yield [*events, *wait.heard()] if events else await _quiet(broker, wait)
        if lag != (lag := Lag(behind=await broker.behind())):
            yield [lag]
        yield [*wait.spending(state), *wait.waiting(state)]
        deadline = wait.deadline(state)
        if deadline is not None:
            yield [deadline]
        if deadline is not None and deadline.kind != "result":
            return
        if ends is None and _is_answered(state):
            ends = await _current_ends(broker)
        if ends is not None:
            read = _by_partition(await broker.positions())
            if all(read.get(partition, 0) >= end for partition, end in ends.items()) and not wait.may_hear_more(state):
                return


def _is_answered(state: RunState) -> bool:
    """Whether the topics already have every message that the services will send for the present request."""
    result_overdue = any(deadline.kind == "result" for deadline in state.deadlines)
    request = state.request
    if request is None:
        return False
    has_ending = request.has_result or result_overdue or not state.expects_result
    return request.failure is not None or (request.is_over and has_ending)


async def _current_ends(broker: Broker) -> dict[tuple[str, int], int] | None:
    """The ends of the topics in all their present partitions; None while the broker is unreachable."""
    try:
        return _by_partition(await broker.ends(await broker.topology(CALLBACK_TOPICS)))
    except ServiceUnavailable:
        return None


def _by_partition(positions: Iterable[Position]) -> dict[tuple[str, int], int]:
    return {(p.topic, p.partition): p.offset for p in positions}


async def _quiet(broker: Broker, wait: Wait) -> Sequence[Update]:
    """While no message arrives, check whether the broker is reachable and whether a topic has new partitions."""
    notices: list[Update] = []
    if wait.probe_is_due():
        notices.extend(wait.probed(alive=await broker.is_alive()))
    if added := broker.adopt_new_partitions():
        broker.listen((*(await broker.positions()), *added))
    return notices


def _events(polled: Polled, *, state: LiveState, of: Batches, names: EssayNames, at: datetime) -> Iterator[Event]:
    """The events for the records of one poll; records of other batches give none."""
    for gap in polled.gaps:
        yield OffsetsLost(at=at, position=gap.position, resumed_at=gap.resumed_at)
    # Two records of one poll can repeat each other, and the state knows neither of them yet.
    fresh: dict[str, str] = {}

    def known(key: str) -> str | None:
        return state.fingerprints.get(key) or fresh.get(key)

    at_most = state.preflight.call_at_most_usd if state.preflight else None
    credibility = Credibility(state, at=at)
    for record in polled.records:
        position = Position(topic=record.topic, partition=record.partition, offset=record.offset)
        meaning = classify(
            record,
            of=of,
            names=names,
            known=known,
            at_most_usd=at_most,
            credibility=credibility,
        )
        match meaning:
            case Foreign():
                pass
            case Accepted():
                fresh[meaning.key] = meaning.fingerprint
                yield meaning.event(at=at, position=position, raw=record.value)
            case Repeated(key, conflict):
                raw = record.value.decode() if conflict else None
                yield CallbackRepeated(at=at, position=position, key=key, conflict=conflict, raw=raw)
            case Rejected(reason):
                yield rejected(record.value, at=at, position=position, reason=reason)
            case _:
                assert_never(meaning)


class Wait:
    """A session's timeouts. The idle time does not run while the broker is unreachable: an outage is no silence."""

    def __init__(self, clock: Clock, *, timeouts: Timeouts) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._total = math.inf if timeouts.total is None else timeouts.total
        self._began: float | None = None
        self._last_heard = 0.0
        self._last_probe = 0.0
        self._last_said = 0.0
        self._away_since: float | None = None
        self._completed_at: float | None = None
        self._overspent = False

    def begin(self) -> None:
        """Begin to wait for the answers to a request; the total time runs from the session's first one."""
        now = self._clock.monotonic()
        self._began = now if self._began is None else self._began
        self._last_heard = self._last_probe = self._last_said = now
        self._completed_at = None

    def now(self) -> datetime:
        """The present instant in UTC."""
        return self._clock.now()

    def heard(self) -> Sequence[Notice]:
        """Note that a message of the run arrived, so the broker is reachable."""
        self._last_heard = self._last_probe = self._last_said = self._clock.monotonic()
        return self._back()

    def may_hear_more(self, state: RunState) -> bool:
        """Whether a completion leaves comparisons missing, and the topics are not silent yet.

        A service that completes early is silent afterwards. One that goes on has not completed: somebody else said so.
        """
        request = state.request
        is_short = bool(state.missing) and request is not None and request.completed is not None
        return is_short and self._clock.monotonic() - self._last_heard < QUIET_SECONDS

    def probe_is_due(self) -> bool:
        """Whether it is time to ask whether the broker is reachable."""
        return self._clock.monotonic() - self._last_probe >= PROBE_SECONDS

    def probed(self, *, alive: bool) -> Sequence[Notice]:
        """Note the broker's answer; give a notice of an outage and of its end."""
        now = self._clock.monotonic()
        if self._away_since is not None or not alive:
            self._last_heard += now - self._last_probe
            self._last_said = now
        self._last_probe = now
        if alive:
            return self._back()
        self._away_since = now if self._away_since is None else self._away_since
        return [Notice(kind="trouble", text=f"the broker has been unreachable for {now - self._away_since:.0f} s")]

    def spending(self, state: RunState) -> Sequence[Notice]:
        """Give one notice if the run has cost more than its limit."""
        if self._overspent or not is_overspent(state):
            return []
        self._overspent = True
        limit = state.spec.budget.max_cost_usd
        text = (
            f"{state.cost_usd:.4f} USD are spent, more than the limit of {limit} USD; the service does not enforce it"
        )
        return [Notice(kind="overspent", text=text)]

    def waiting(self, state: RunState) -> Sequence[Notice]:
        """Give a notice for every minute of silence: what is there, and when waiting ends."""
        now = self._clock.monotonic()
        if now - self._last_said < SAY_SECONDS or self._began is None:
            return []
        self._last_said = now
        total = "" if state.asked is None else f" of {state.asked}"
        silent = now - self._last_heard
        left = min(self._timeouts.idle - silent, self._total - (now - self._began))
        text = f"{state.judged + state.failed}{total}; silent for {silent:.0f} s, gives up in {max(left, 0.0):.0f} s"
        return [Notice(kind="waiting", text=text)]

    def _back(self) -> Sequence[Notice]:
        if self._away_since is None:
            return []
        away, self._away_since = self._clock.monotonic() - self._away_since, None
        return [Notice(kind="relief", text=f"the broker is back after {away:.0f} s")]

    def deadline(self, state: RunState) -> DeadlineReached | None:
        """A deadline that is reached now and is not in the state yet."""
        now = self._clock.monotonic()
        request = state.request
        if request is None or self._began is None:
            raise AssertionError("a request is waited for once it was sent")
        if request.is_over and self._completed_at is None:
            self._completed_at = now
        waited = now - self._began
        if waited >= self._total:
            return DeadlineReached(at=self._clock.now(), kind="total", waited=waited)
        waited = now - self._last_heard
        if waited >= self._timeouts.idle:
            return DeadlineReached(at=self._clock.now(), kind="idle", waited=waited)
        is_recorded = any(deadline.kind == "result" for deadline in state.deadlines)
        if self._completed_at is None or request.has_result or is_recorded or not state.expects_result:
            return None
        waited = now - self._completed_at
        if waited >= self._timeouts.result:
            return DeadlineReached(at=self._clock.now(), kind="result", waited=waited)
        return None
