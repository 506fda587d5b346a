"""The one loop of a run.

It asks the state which step is next, runs that stage, writes the stage's events to the ledger, applies them to the
state, and shows them to the observer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar, assert_never

from eng5_runner.core.events import Position, RunClosed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import Step, ending, missing_uploads, next_step, verdict, worth_of_a_part
from eng5_runner.core.request import essay_names
from eng5_runner.core.state import LiveState, RunState
from eng5_runner.core.top_up import is_due, request_spec
from eng5_runner.effects.ledger import Ledger
from eng5_runner.phrases import counted
from eng5_runner.run.gather import Wait, gather
from eng5_runner.run.ports import Lag, Notice, Ports, Update, WorkLeft
from eng5_runner.run.preflight.stage import preflight
from eng5_runner.run.provider_watch import calls_under_way, watched
from eng5_runner.run.publish import prepare, publish, rejoin
from eng5_runner.run.upload import UploadJob, check_readable, upload

PortT = TypeVar("PortT")
_NO_EVENTS = (Notice, Lag, WorkLeft)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One process's work on a run.

    Attributes:
        ledger: open for writing.
        state: the fold of the ledger, advanced with each event.
        inputs: of the run.
        texts: sha256 → UTF-8 bytes; empty if nothing is left to upload.
        observe: called with each event after it is durable, and with each notice.
        stop: set when a person ends the session.
    """

    ledger: Ledger
    state: LiveState
    inputs: Inputs
    texts: dict[str, bytes]
    observe: Callable[[Update], None]
    stop: asyncio.Event

    async def record(self, updates: Sequence[Update]) -> None:
        """Write the events to the ledger, apply them to the state, then show all updates to the observer.

        Raises:
            DiskError: the events could not be written; the state has not changed.
        """
        events = [update for update in updates if not isinstance(update, _NO_EVENTS)]
        await self.ledger.append(events)
        for event in events:
            self.state.advance(event)
        for update in updates:
            self.observe(update)


async def drive(session: Session, ports: Ports) -> None:
    """Work until the session is closed or stopped.

    Raises:
        RunnerError: a stage cannot continue. The ledger has everything that was done before.
    """
    state = session.state
    wait = Wait(ports.clock, timeouts=state.spec.timeouts)
    if state.listening is not None and ports.broker is not None and state.closed is None:
        await _run_stage(session, rejoin(state, broker=ports.broker, clock=ports.clock))
    while not session.stop.is_set() and (step := next_step(state, session.inputs)) is not None:
        await _run_stage(session, _stage(step, session=session, ports=ports, wait=wait))
    if session.stop.is_set() and state.closed is None:
        at = ports.clock.now()
        await session.record([RunClosed(at=at, outcome="interrupted", read_to=state.read_to())])


async def _run_stage(session: Session, stage: AsyncIterator[Sequence[Update]]) -> None:
    async with aclosing(stage) as batches:  # type: ignore[type-var] # - every stage is an async generator
        async for updates in batches:
            await session.record(updates)


def _stage(step: Step, *, session: Session, ports: Ports, wait: Wait) -> AsyncIterator[Sequence[Update]]:
    state, inputs, clock = session.state, session.inputs, ports.clock
    match step:
        case "preflight":
            return preflight(state.spec, inputs=inputs, texts=session.texts, ports=ports)
        case "upload":
            return _uploads(session, ports)
        case "prepare":
            return prepare(state, inputs=inputs, clock=clock)
        case "publish":
            return _publishes(session, ports)
        case "gather":
            return _gathers(session, ports, wait=wait)
        case "close":
            return _close(session, ports, read_to=state.read_to())
        case _:
            assert_never(step)


def _uploads(session: Session, ports: Ports) -> AsyncIterator[Sequence[Update]]:
    uploading = session.state.spec.uploading
    job = UploadJob(
        missing=missing_uploads(session.state, session.inputs),
        texts=session.texts,
        stored=session.state.storage_ids,
        concurrency=uploading.concurrency,
        force=uploading.force,
        stop=session.stop,
    )
    return upload(job, content=_required(ports.content), cache=_required(ports.cache), clock=ports.clock)


async def _publishes(session: Session, ports: Ports) -> AsyncIterator[Sequence[Update]]:
    state = session.state
    if ports.content is not None and state.request is None:
        await check_readable(state.storage_ids, content=ports.content)
    broker = _required(ports.broker)
    async for updates in publish(state, inputs=session.inputs, broker=broker, clock=ports.clock, stop=session.stop):
        yield updates


async def _gathers(session: Session, ports: Ports, *, wait: Wait) -> AsyncIterator[Sequence[Update]]:
    """Gather what the present request brings; then prepare a further one if one is due, or close."""
    state, broker = session.state, _required(ports.broker)
    names = essay_names(state, session.inputs)
    gathered = gather(state, names=names, broker=broker, wait=wait, stop=session.stop)
    async for updates in _watching(gathered, session=session, ports=ports):
        yield updates
    stops, follows = session.stop.is_set(), is_due(state)
    if state.spec.target.stack == "embedded" and (stops or not (follows or verdict(state)[0] == "complete")):
        # Only the embedded services end with the run.
        yield await calls_under_way(ports.models)
    if stops:
        return
    if follows:
        yield [Notice(kind="stage", text=_announced(state))]
        stage = prepare(state, inputs=session.inputs, clock=ports.clock)
    else:
        stage = _close(session, ports, read_to=await broker.positions())
    async for updates in stage:
        yield updates


def _announced(state: RunState) -> str:
    """Why a further request follows, and what it asks for."""
    number, came = (
        len(state.requests) + 1,
        f"{state.judged + state.failed} of {counted(state.asked or 0, 'comparison')} came",
    )
    if not state.spec.further_models:
        return f"{ending(state)}; {came}; request {number} asks for the other {state.missing}"
    following = request_spec(state, number, asked=state.asked or 0)
    model = following.judge.model_override if following.judge else None
    return f"{came}; request {number} asks {model} for {following.budget.max_comparisons}"


async def _watching(
    gathered: AsyncIterator[Sequence[Update]], *, session: Session, ports: Ports
) -> AsyncIterator[Sequence[Update]]:
    """Gather, and say meanwhile when the judge's provider gives no answers."""
    async with watched(ports.models, emit=session.observe), aclosing(gathered):  # type: ignore[type-var] # - a generator
        async for updates in gathered:
            yield updates


async def _close(session: Session, ports: Ports, *, read_to: tuple[Position, ...]) -> AsyncIterator[Sequence[Update]]:
    outcome, reasons = verdict(session.state)
    essays = len(session.inputs.students) + len(session.inputs.anchors)
    reasons += worth_of_a_part(session.state, essays=essays)
    yield [RunClosed(at=ports.clock.now(), outcome=outcome, reasons=reasons, read_to=read_to)]


def _required(port: PortT | None) -> PortT:
    """The port, which is there because the spec uses the service."""
    if port is None:
        raise AssertionError("next_step gives only steps for services that the spec uses")
    return port
