"""Publish: take the topics' ends, write the request's exact bytes to the ledger, send them once.

After a crash the topic decides: if it has the request, nothing is sent; if not, the same bytes are sent; if the broker
is new and has lost everything, reading starts at new ends and the same bytes are sent. If nobody answered, the same
bytes are sent as well: the CJ service reads only what arrives while it listens, and for 24 hours it skips a request
that it has seen (contract, “As observed”).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.core.events import ListeningFrom, Position, RequestPrepared, RequestPublished
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import build_request, comparisons_asked, comparisons_requested
from eng5_runner.core.state import RunState
from eng5_runner.core.top_up import is_due, judge_of, request_spec, whole_budget
from eng5_runner.effects.kafka.broker import Topology
from eng5_runner.run.ports import Broker, Clock, Notice, Update

ALL_TOPICS = tuple(Topic)
# The service skips a known request for 24 hours; an hour is left for clocks that disagree.
SAFE_TO_REPEAT = timedelta(hours=23)


async def prepare(state: RunState, *, inputs: Inputs, clock: Clock) -> AsyncIterator[Sequence[Update]]:
    """Yield the exact bytes of a request: of the next one if one is due, else of the present one.

    If the present request was prepared before, only its metadata change.
    """
    at = clock.now()
    present = None if is_due(state) else state.request
    number = len(state.requests) + (present is None)
    asked = state.asked
    if asked is None or not state.requests:
        asked = comparisons_asked(whole_budget(state), inputs, passed=state.preflight)
    spec = request_spec(state, number, asked=asked)
    request = build_request(spec, inputs, storage_ids=state.storage_ids, at=at, passed=state.preflight)
    if present is not None:
        metadata = request.metadata
        request = Envelope[CJAssessmentRequest].model_validate_json(present.prepared.payload)
        request = request.model_copy(update={"metadata": metadata})
    yield [
        RequestPrepared(
            at=at,
            event_id=spec.event_id,
            payload=request.to_bytes().decode(),
            batch_id=None if number == 1 else spec.run_id,
            asked=state.asked if state.requests else asked,
            comparisons=comparisons_requested(spec.budget, inputs, passed=state.preflight),
            judge=judge_of(state, number, asked=asked),
        )
    ]


async def publish(
    state: RunState, *, inputs: Inputs, broker: Broker, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[Sequence[Update]]:
    """Yield ListeningFrom, RequestPrepared and RequestPublished, without those that the ledger already has.

    Nothing is sent once `stop` is set.

    Raises:
        TemporaryFailure: it is unknown whether the request arrived.
        ConfigurationError: a topic is missing.
        ServiceUnavailable: the cluster failed.
    """
    in_doubt = state.stage == "prepared"
    if not in_doubt:
        if state.stage != "raised":  # with a raised limit, reading continues where it was
            yield [await _listening(await broker.topology(ALL_TOPICS), broker=broker, clock=clock)]
        async for batch in prepare(state, inputs=inputs, clock=clock):
            yield batch
    if state.request is None or state.listening is None:
        raise AssertionError("the request was prepared and the ends were taken above")
    if in_doubt:
        # Compare the bytes: a record with the same event id can be the request with a lower cost limit.
        payload = state.request.prepared.payload.encode()
        position = await broker.find(state.listening.request_ends, lambda value: value == payload)
        if position is not None:
            yield [RequestPublished(at=clock.now(), position=position, found=True)]
            return
    if stop.is_set():
        return  # a person who stops the run before the request is sent does not want to pay for it
    yield [Notice(kind="stage", text="sending the request")]
    position = await broker.publish(
        topic=Topic.REQUEST,
        key=str(state.request.batch_id or state.spec.run_id),
        value=state.request.prepared.payload.encode(),
        timeout_seconds=state.spec.timeouts.publish,
    )
    yield [RequestPublished(at=clock.now(), position=position)]


async def rejoin(state: RunState, *, broker: Broker, clock: Clock) -> AsyncIterator[Sequence[Update]]:
    """In a later session, take new ends if broker or service have lost the run; then the request is sent again."""
    if state.listening is None:
        return
    topology = await broker.topology(ALL_TOPICS)
    current = await _listening(topology, broker=broker, clock=clock)
    if _has_lost_the_run(state, current):
        yield [Notice(kind="stage", text="the broker is a new one: sending the same request again"), current]
    elif state.left_in_silence and state.request is not None and state.request.first_sent_at is not None:
        if clock.now() - state.request.first_sent_at < SAFE_TO_REPEAT:
            text = "the request was not answered: sending the same request again; a service that has it skips it"
            # Reading continues where it was: an answer may have arrived since.
            yield [Notice(kind="stage", text=text), current.model_copy(update={"callback_ends": state.read_to()})]
        else:
            text = (
                "the request was not answered, and it is too old to be sent again without the risk of paying twice; "
                "if no answer comes now, the service has lost it"
            )
            yield [Notice(kind="stage", text=text)]


def _has_lost_the_run(state: RunState, current: ListeningFrom) -> bool:
    """Whether this is another cluster, or a topic ends before a position that the ledger has.

    Retention deletes old records but never moves a topic's end back.
    """
    before = state.listening
    if before is None or before.cluster_id != current.cluster_id:
        return True
    ends = {(p.topic, p.partition): p.offset for p in (*current.request_ends, *current.callback_ends)}
    known = [*before.request_ends, *state.read_to()]
    if state.request is not None and state.request.published is not None:
        sent = state.request.published.position
        known.append(Position(topic=sent.topic, partition=sent.partition, offset=sent.offset + 1))
    return any(ends.get((p.topic, p.partition), 0) < p.offset for p in known)


async def _listening(topology: Topology, *, broker: Broker, clock: Clock) -> ListeningFrom:
    ends = await broker.ends(topology)
    return ListeningFrom(
        at=clock.now(),
        cluster_id=topology.cluster_id,
        request_ends=tuple(p for p in ends if p.topic == Topic.REQUEST),
        callback_ends=tuple(p for p in ends if p.topic in CALLBACK_TOPICS),
    )
