"""Publish: take the topics' ends, keep the exact bytes, send them once.

After a crash it depends on what the topic holds: our record is there, or the identical bytes are sent, or the broker
is a new one that forgot everything. After silence the identical bytes are sent as well: the CJ service reads only what
comes while it listens, and skips for 24 hours what it knows (contract, “As observed”).
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
from eng5_runner.core.request import build_request
from eng5_runner.core.state import RunState
from eng5_runner.effects.kafka.callbacks import Topology
from eng5_runner.run.ports import Broker, Clock, Notice, Update

ALL_TOPICS = tuple(Topic)
# The service skips a request that it knows for 24 hours; its clock and ours need not agree.
SAFE_TO_REPEAT = timedelta(hours=23)


async def prepare(state: RunState, *, inputs: Inputs, clock: Clock) -> AsyncIterator[Sequence[Update]]:
    """Yield the request's exact bytes; those of a request that was prepared before differ in the metadata alone."""
    at = clock.now()
    request = build_request(state.spec, inputs, storage_ids=state.storage_ids, at=at, passed=state.preflight)
    if state.prepared is not None:
        metadata = request.metadata
        request = Envelope[CJAssessmentRequest].model_validate_json(state.prepared.payload)
        request = request.model_copy(update={"metadata": metadata})
    payload = request.to_bytes().decode()
    yield [RequestPrepared(at=at, event_id=state.spec.event_id, payload=payload)]


async def publish(
    state: RunState, *, inputs: Inputs, broker: Broker, clock: Clock, stop: asyncio.Event
) -> AsyncIterator[Sequence[Update]]:
    """Yield ListeningFrom, RequestPrepared and RequestPublished, as far as they are still to come.

    Nothing is sent once `stop` is set.

    Raises:
        TemporaryFailure: whether the request arrived is unknown.
        ConfigurationError: a topic is missing.
        ServiceUnavailable: the cluster failed.
    """
    in_doubt = state.stage == "prepared"
    if not in_doubt:
        if state.stage != "raised":  # there reading goes on where it was
            yield [await _listening(await broker.topology(ALL_TOPICS), broker=broker, clock=clock)]
        async for batch in prepare(state, inputs=inputs, clock=clock):
            yield batch
    if state.prepared is None or state.listening is None:
        raise AssertionError("the request was prepared and the ends were taken above")
    if in_doubt:
        payload = state.prepared.payload.encode()  # with the same event id it may be there with a lower cost limit
        found = await broker.find(state.listening.request_ends, lambda value: value == payload)
        if found is not None:
            yield [RequestPublished(at=clock.now(), position=found, found=True)]
            return
    if stop.is_set():
        return  # whoever pulled the plug before the request was out does not want to pay for it
    yield [Notice(kind="stage", text="sending the request")]
    position = await broker.publish(
        topic=Topic.REQUEST,
        key=str(state.spec.run_id),
        value=state.prepared.payload.encode(),
        patience=state.spec.timeouts.publish,
    )
    yield [RequestPublished(at=clock.now(), position=position)]


async def rejoin(state: RunState, *, broker: Broker, clock: Clock) -> AsyncIterator[Sequence[Update]]:
    """In a later session: if broker or service know nothing of the run, listen anew, and the request goes out again."""
    if state.listening is None:
        return
    topology = await broker.topology(ALL_TOPICS)
    fresh = await _listening(topology, broker=broker, clock=clock)
    if _has_forgotten(state, fresh):
        yield [
            Notice(kind="stage", text="the broker is a new one: sending the identical request again"),
            fresh,
        ]
    elif state.left_in_silence and state.first_sent_at is not None:
        if clock.now() - state.first_sent_at < SAFE_TO_REPEAT:
            told = "nothing came of the request: sending the identical one again, which a service that knows it skips"
            # Reading goes on where it was: an answer may have come since.
            yield [Notice(kind="stage", text=told), fresh.model_copy(update={"callback_ends": state.read_to()})]
        else:
            told = "nothing came of the request, and it is too old to be sent again without being paid twice"
            yield [Notice(kind="stage", text=f"{told}; if nothing comes now, start a new run")]


def _has_forgotten(state: RunState, now: ListeningFrom) -> bool:
    """Another cluster, or a log that is shorter than it was. Retention alone does not shorten a log's end."""
    before = state.listening
    if before is None or before.cluster_id != now.cluster_id:
        return True
    ends = {(p.topic, p.partition): p.offset for p in (*now.request_ends, *now.callback_ends)}
    told = [*before.request_ends, *state.read_to()]
    if state.published is not None:
        sent = state.published.position
        told.append(Position(topic=sent.topic, partition=sent.partition, offset=sent.offset + 1))
    return any(ends.get((p.topic, p.partition), 0) < p.offset for p in told)


async def _listening(topology: Topology, *, broker: Broker, clock: Clock) -> ListeningFrom:
    ends = await broker.ends(topology)
    return ListeningFrom(
        at=clock.now(),
        cluster_id=topology.cluster_id,
        request_ends=tuple(p for p in ends if p.topic == Topic.REQUEST),
        callback_ends=tuple(p for p in ends if p.topic in CALLBACK_TOPICS),
    )
