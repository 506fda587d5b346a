"""How complete a run is, and how it went: the artefact's `runner_status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import asdict

from eng5_runner.contracts.stopping import COST_LIMIT
from eng5_runner.core.events import CallbackAccepted, CallbackRejected, DeadlineReached, Event
from eng5_runner.core.sent_request import SentRequest
from eng5_runner.core.state import RunState
from eng5_runner.results.artefact.record import (
    ComparisonCounts,
    DeadlineRecord,
    DoubtfulMessage,
    FlawedMessage,
    PreflightRecord,
    RejectedMessage,
    RequestOutcome,
    RequestRecord,
    RunnerStatus,
    TopicOffsets,
)

_NOTHING_MISSING = ("complete", "not-sent")


@dataclass(slots=True)
class MessageRecord:
    """What the ledger's events say of a run beside its judgements and its state."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[RejectedMessage] = field(default_factory=list)
    flawed: list[FlawedMessage] = field(default_factory=list)
    doubtful: list[DoubtfulMessage] = field(default_factory=list)
    deadlines: list[DeadlineRecord] = field(default_factory=list)

    def noting(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events; each is noted as it passes, so that the ledger is read once for several readers."""
        for event in events:
            self.note(event)
            yield event

    def note(self, event: Event) -> None:
        """Add what one event says."""
        self.counts[event.type] += 1
        if isinstance(event, CallbackAccepted):  # first: a run can have a million
            if event.kind != "comparison" or not (event.note or event.objection):
                return
            place, request_id = asdict(event.position), event.key.rpartition("comparison:")[2]
            if event.note:
                self.flawed.append(FlawedMessage(**place, request_id=request_id, flaws=event.note))
            if event.objection is not None:
                self.doubtful.append(
                    DoubtfulMessage(
                        **place, request_id=request_id, objection=event.objection, counts=not event.is_left_out
                    )
                )
        elif isinstance(event, CallbackRejected):
            self.rejected.append(RejectedMessage(**asdict(event.position), reason=event.reason))
        elif isinstance(event, DeadlineReached):
            self.deadlines.append(DeadlineRecord(kind=event.kind, waited_seconds=round(event.waited, 1)))


def runner_status(state: RunState, messages: MessageRecord) -> RunnerStatus:
    """Partial or not and why, counts, and how far each topic was read."""
    closed = state.closed
    outcome = closed.outcome if closed else "open"
    preflight = None
    if state.preflight is not None:
        preflight = PreflightRecord(checks=state.preflight.checks, warnings=state.preflight.warnings)
    present = state.request
    return RunnerStatus(
        outcome=outcome,
        partial_data=outcome not in _NOTHING_MISSING,
        reasons=closed.reasons if closed else ("the run is not closed",),
        sessions=state.sessions,
        event_counts=dict(sorted(messages.counts.items())),
        comparisons=ComparisonCounts(
            judged=state.judged, failed=state.failed, asked=state.asked, missing=state.missing
        ),
        completion_status=None if present is None else _completion_status(present),
        failure=state.failure,
        has_service_result=present is not None and present.has_result,
        duplicates=state.repeated,
        conflicts=state.conflicts,
        offsets_lost=state.lost,
        rejected=tuple(messages.rejected),
        flawed=tuple(messages.flawed) or None,
        doubtful=tuple(messages.doubtful) or None,
        deadlines=tuple(messages.deadlines),
        preflight=preflight,
        request=_request(state.requests[0]) if state.requests else None,
        requests=tuple(_outcomes(state)) if len(state.requests) > 1 else None,
        offsets=_offsets(state),
    )


def _completion_status(request: SentRequest) -> str | None:
    return COST_LIMIT if request.at_limit and request.completed is None else request.completed


def _outcomes(state: RunState) -> Iterator[RequestOutcome]:
    for request in state.requests:
        yield RequestOutcome(
            batch_uuid=str(request.batch_id or state.spec.run_id),
            request=_request(request),
            comparisons=ComparisonCounts(judged=request.judged, failed=len(request.failed)),
            completion_status=_completion_status(request),
            failure=request.failure,
        )


def _request(request: SentRequest) -> RequestRecord:
    prepared, published = request.prepared, request.published
    size = len(prepared.payload.encode())
    if published is None:
        return RequestRecord(event_id=str(prepared.event_id), bytes=size)
    return RequestRecord(
        event_id=str(prepared.event_id),
        bytes=size,
        **asdict(published.position),
        found_after_a_crash=published.found,
    )


def _offsets(state: RunState) -> tuple[TopicOffsets, ...]:
    """From where to where each partition was read, on the last cluster that was listened to."""
    if state.listening is None:
        return ()
    read = {(place.topic, place.partition): place.offset for place in state.read_to()}
    return tuple(
        TopicOffsets(
            topic=origin.topic,
            partition=origin.partition,
            from_=origin.offset,
            to=read.get((origin.topic, origin.partition), origin.offset),
        )
        for origin in state.listening.callback_ends
    )
