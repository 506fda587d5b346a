"""Gather: read the callback topics until all that belongs to the run is in, or patience ends.

The run is over when completion and result are in and everything up to the topics' ends taken *after that* is read: the
three topics are not ordered among each other, so a completion often overtakes its comparisons.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import assert_never

from eng5_runner.contracts.topics import CALLBACK_TOPICS
from eng5_runner.core.classify import Accepted, Foreign, RawRecord, Rejected, Repeated, classify
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import (
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    DeadlineReached,
    Event,
    OffsetsLost,
    Position,
    RunClosed,
    text_or_base64,
)
from eng5_runner.core.next_step import is_overspent, verdict
from eng5_runner.core.spec import Timeouts
from eng5_runner.core.state import RunState
from eng5_runner.effects.kafka.callbacks import Polled
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.run.ports import Broker, Clock, Lag, Notice, Update

PROBE_SECONDS = 5.0


async def gather(
    state: RunState, *, names: EssayNames, broker: Broker, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[Sequence[Update]]:
    """Yield the callbacks of the run and at last RunClosed; without RunClosed if `stop` was set.

    Raises:
        TemporaryFailure: the cluster lost its data.
        ServiceUnavailable: the cluster refused.
    """
    broker.listen(state.read_to())
    watch = _Watch(clock, patience=state.spec.timeouts)
    ends: dict[tuple[str, int], int] | None = None
    lag = None
    while not stop.is_set():
        events = list(_facts(await broker.poll(), state=state, names=names, at=clock.now()))
        yield [*events, *watch.heard()] if events else await _quiet(broker, watch)
        if lag != (lag := Lag(behind=await broker.behind())):
            yield [lag]
        yield watch.spending(state)
        deadline = watch.deadline(state)
        if deadline is not None:
            yield [deadline]
        if deadline is not None and deadline.kind != "result":
            break
        if ends is None and _is_answered(state):
            ends = await _present_ends(broker)
        if ends is not None and _is_read(ends, await broker.positions()):
            break
    else:
        return
    outcome, reasons = verdict(state)
    yield [RunClosed(at=clock.now(), outcome=outcome, reasons=reasons, read_to=await broker.positions())]


def _is_answered(state: RunState) -> bool:
    """Nothing more will be said about the run than what the topics hold now."""
    result_overdue = any(deadline.kind == "result" for deadline in state.deadlines)
    return state.failure is not None or (state.is_over and (state.has_result or result_overdue))


async def _present_ends(broker: Broker) -> dict[tuple[str, int], int] | None:
    """The topics' ends, in all partitions that they have by now; None while the broker is away."""
    try:
        return _by_partition(await broker.ends(await broker.topology(CALLBACK_TOPICS)))
    except ServiceUnavailable:
        return None


def _by_partition(positions: Iterable[Position]) -> dict[tuple[str, int], int]:
    return {(p.topic, p.partition): p.offset for p in positions}


def _is_read(ends: dict[tuple[str, int], int], positions: Iterable[Position]) -> bool:
    read = _by_partition(positions)
    return all(read.get(where, 0) >= end for where, end in ends.items())


async def _quiet(broker: Broker, watch: _Watch) -> Sequence[Update]:
    """While nothing comes: is the broker still there, and has a topic got new partitions?"""
    notices: list[Update] = []
    if watch.probe_is_due():
        notices.extend(watch.probed(alive=await broker.is_alive()))
    if added := broker.adopt_new_partitions():
        broker.listen((*(await broker.positions()), *added))
    return notices


def _facts(polled: Polled, *, state: RunState, names: EssayNames, at: datetime) -> Iterator[Event]:
    """What the polled records say about this run; other batches' records say nothing."""
    for gap in polled.gaps:
        yield OffsetsLost(at=at, position=gap.position, resumed_at=gap.resumed_at)
    # Records of one poll can repeat each other before the state has taken any of them in.
    known: ChainMap[str, str] = ChainMap({}, state.fingerprints)
    for record in polled.records:
        event = _fact(record, state=state, names=names, known=known, at=at)
        if isinstance(event, CallbackAccepted):
            known[event.key] = event.fingerprint
        if event is not None:
            yield event


def _fact(
    record: RawRecord, *, state: RunState, names: EssayNames, known: Mapping[str, str], at: datetime
) -> CallbackAccepted | CallbackRepeated | CallbackRejected | None:
    position = Position(topic=record.topic, partition=record.partition, offset=record.offset)
    found = classify(record, run_id=state.spec.run_id, names=names, known=known)
    match found:
        case Foreign():
            return None
        case Accepted():
            return CallbackAccepted(at=at, position=position, raw=record.value.decode(), **found._asdict())
        case Repeated():
            raw = record.value.decode() if found.conflict else None
            return CallbackRepeated(at=at, position=position, key=found.key, conflict=found.conflict, raw=raw)
        case Rejected():
            text, base64 = text_or_base64(record.value)
            return CallbackRejected(at=at, position=position, reason=found.reason, raw=text, raw_base64=base64)
        case _:
            assert_never(found)


class _Watch:
    """Three clocks. The idle one stands still while the broker is away: an outage is not silence."""

    def __init__(self, clock: Clock, *, patience: Timeouts) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._patience = patience
        self._began = now
        self._last_heard = now
        self._last_probe = now
        self._away_since: float | None = None
        self._completed_at: float | None = None
        self._overspent = False

    def heard(self) -> Sequence[Notice]:
        """Something of ours came; so the broker is there, if it was not."""
        self._last_heard = self._last_probe = self._clock.monotonic()
        return self._back()

    def probe_is_due(self) -> bool:
        """Whether it is time to ask the broker if it is there."""
        return self._clock.monotonic() - self._last_probe >= PROBE_SECONDS

    def probed(self, *, alive: bool) -> Sequence[Notice]:
        """Take the answer in; say so when it changes or an outage goes on."""
        now = self._clock.monotonic()
        if self._away_since is not None or not alive:
            self._last_heard += now - self._last_probe
        self._last_probe = now
        if alive:
            return self._back()
        self._away_since = now if self._away_since is None else self._away_since
        return [Notice(kind="trouble", text=f"the broker has been unreachable for {now - self._away_since:.0f} s")]

    def spending(self, state: RunState) -> Sequence[Notice]:
        """Say once that a service spends more than the run allows."""
        if self._overspent or not is_overspent(state):
            return []
        self._overspent = True
        limit = state.spec.budget.max_cost_usd
        told = (
            f"{state.cost_usd:.4f} USD are spent, more than the limit of {limit} USD: the service does not keep to it"
        )
        return [Notice(kind="overspent", text=told)]

    def _back(self) -> Sequence[Notice]:
        if self._away_since is None:
            return []
        away, self._away_since = self._clock.monotonic() - self._away_since, None
        return [Notice(kind="relief", text=f"the broker is back after {away:.0f} s")]

    def deadline(self, state: RunState) -> DeadlineReached | None:
        """The deadline that is reached now and was not told before."""
        now = self._clock.monotonic()
        if state.is_over and self._completed_at is None:
            self._completed_at = now
        waited = now - self._began
        if waited >= self._patience.total:
            return DeadlineReached(at=self._clock.now(), kind="total", waited=waited)
        if now - self._last_heard >= self._patience.idle:
            return DeadlineReached(at=self._clock.now(), kind="idle", waited=now - self._last_heard)
        told = any(deadline.kind == "result" for deadline in state.deadlines)
        if self._completed_at is None or state.has_result or told:
            return None
        waited = now - self._completed_at
        return (
            DeadlineReached(at=self._clock.now(), kind="result", waited=waited)
            if waited >= self._patience.result
            else None
        )
