"""The state of a run: the fold of its ledger, an object that only advances.

    new ─RunStarted─► started ─PreflightPassed─► cleared ─ListeningFrom─► listening ─RequestPrepared─► prepared
    prepared ─RequestPublished─► gathering ─Callback…, OffsetsLost, DeadlineReached─► gathering
    cleared ─RequestPrepared─► prepared                     a run that does not send does not listen
    started ─RequestPrepared─► prepared                     a dry run has no services to check
    prepared, gathering ─ListeningFrom─► prepared           the request was lost, and is sent again
    prepared, gathering ─BudgetRaised─► raised ─RequestPrepared─► prepared     it is sent with a higher cost limit
    any ─RunClosed─► closed ─RunResumed─► as before

A ledger with any other transition is refused: the runner never writes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Literal, assert_never

from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    DeadlineReached,
    EssayUploaded,
    Event,
    ListeningFrom,
    OffsetsLost,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.core.spec import RunSpec

Stage = Literal["new", "started", "cleared", "listening", "prepared", "gathering", "raised"]

_TABLE: MappingProxyType[tuple[Stage, str], Stage] = MappingProxyType(
    {
        ("new", "RunStarted"): "started",
        ("started", "PreflightPassed"): "cleared",
        ("started", "RequestPrepared"): "prepared",
        ("cleared", "PreflightPassed"): "cleared",
        ("cleared", "EssayUploaded"): "cleared",
        ("cleared", "ListeningFrom"): "listening",
        ("cleared", "RequestPrepared"): "prepared",
        ("listening", "ListeningFrom"): "listening",
        ("listening", "RequestPrepared"): "prepared",
        ("prepared", "ListeningFrom"): "prepared",
        ("prepared", "RequestPublished"): "gathering",
        ("gathering", "ListeningFrom"): "prepared",
        ("gathering", "CallbackAccepted"): "gathering",
        ("gathering", "CallbackRepeated"): "gathering",
        ("gathering", "CallbackRejected"): "gathering",
        ("gathering", "OffsetsLost"): "gathering",
        ("gathering", "DeadlineReached"): "gathering",
        ("started", "BudgetRaised"): "started",
        ("cleared", "BudgetRaised"): "cleared",
        ("listening", "BudgetRaised"): "listening",
        ("prepared", "BudgetRaised"): "raised",
        ("gathering", "BudgetRaised"): "raised",
        ("raised", "BudgetRaised"): "raised",
        ("raised", "ListeningFrom"): "raised",
        ("raised", "RequestPrepared"): "prepared",
    }
)


class ImpossibleLedgerError(ValueError):
    """The events contradict the transition table."""


class RunState:
    """What the events so far add up to. `advance` is the only way to change it.

    Attributes:
        stage: a stage of the table at the head of this file.
        closed: how the last session ended, or None during a session.
        storage_ids: text sha256 → storage id.
        positions: (topic, partition) → offset of the next callback to read.
        fingerprints: key of each accepted callback → fingerprint.
        completed: the status with which the service completed the batch, or None.
        failure_note: the reason in the failed event, or None; `failure` says whether it counts.
        at_limit: whether the service stopped at the present cost limit; it continues only with a higher one.
        judged: number of comparisons with a winner.
        unjudged: number of comparisons without a winner.
        lost: number of records that the broker deleted unread, since the run last took the topics' ends.
        deadlines: the timeouts that ended in this session.
        first_sent_at: when the request was first sent, or None.
        left_in_silence: whether the last session ended at a timeout and no message had arrived in any session.
        left_unawaited: whether an earlier session sent the request and was set not to wait for the answer.
        cost_usd: the sum over all accepted comparisons.
        last_at: the instant of the last event.
    """

    def __init__(self) -> None:
        self.stage: Stage = "new"
        self.started: RunStarted | None = None
        self.preflight: PreflightPassed | None = None
        self.listening: ListeningFrom | None = None
        self.prepared: RequestPrepared | None = None
        self.published: RequestPublished | None = None
        self.closed: RunClosed | None = None
        self.storage_ids: dict[str, str] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.fingerprints: dict[str, str] = {}
        self.completed: str | None = None
        self.failure_note: str | None = None
        self.at_limit = False
        self.has_result = False
        self.judged = 0
        self.unjudged = 0
        self.repeated = 0
        self.conflicts = 0
        self.rejected = 0
        self.lost = 0
        self.deadlines: list[DeadlineReached] = []
        self.sessions = 0
        self.left_unawaited = False
        self.left_in_silence = False
        self.first_sent_at: datetime | None = None
        self.cost_usd = 0.0
        self.last_at: datetime | None = None
        self._spec: RunSpec | None = None

    @property
    def spec(self) -> RunSpec:
        """What the run has to do, with the present cost limit.

        Raises:
            ImpossibleLedgerError: the run has not started.
        """
        if self._spec is None:
            raise ImpossibleLedgerError("the ledger does not begin with RunStarted")
        return self._spec

    @property
    def is_over(self) -> bool:
        """Whether the service has said that it is finished."""
        return self.completed is not None or self.at_limit

    @property
    def failure(self) -> str | None:
        """The reason with which the service failed the batch, or None.

        A completion outweighs a failed event, in whatever order they arrive: only the service that did the comparisons
        can complete the batch, and another service on the same Kafka can fail it by mistake.
        """
        return None if self.is_over else self.failure_note

    @property
    def heard_nothing(self) -> bool:
        """Whether no callback of the run has arrived, usable or not, and none can have been lost."""
        return not (self.fingerprints or self.rejected or self.lost)

    def advance(self, event: Event) -> None:
        """Apply the next event.

        Raises:
            ImpossibleLedgerError: the event cannot follow the events before it.
        """
        self._move(event)
        self.last_at = event.at
        match event:
            case RunStarted() | RunResumed():
                self._begin_session(event)
            case PreflightPassed():
                self.preflight = event
            case EssayUploaded():
                self.storage_ids[event.text_sha256] = event.storage_id
            case ListeningFrom() | RequestPrepared() | RequestPublished():
                self._request(event)
            case CallbackAccepted() | CallbackRepeated() | CallbackRejected() | OffsetsLost():
                self._read(event)
            case DeadlineReached():
                self.deadlines.append(event)
            case BudgetRaised():
                self._raise_budget(event)
            case RunClosed():
                self._close(event)
            case _:
                assert_never(event)

    def _move(self, event: Event) -> None:
        """Take the transition from the table. Opening and closing a session does not change the stage."""
        if isinstance(event, RunResumed | RunClosed):
            legal = self.stage != "new" and (isinstance(event, RunResumed) or self.closed is None)
        else:
            legal = self.closed is None and (self.stage, event.type) in _TABLE
        if not legal:
            stage = "closed" if self.closed else self.stage
            raise ImpossibleLedgerError(f"{event.type} cannot follow the stage “{stage}”")
        self.stage = _TABLE.get((self.stage, event.type), self.stage)

    def _begin_session(self, event: RunStarted | RunResumed) -> None:
        if isinstance(event, RunStarted):
            self.started = event
            self._spec = event.spec
        self.closed = None
        self.deadlines.clear()  # each session has its own timeouts
        self.sessions += 1

    def _raise_budget(self, event: BudgetRaised) -> None:
        budget = self.spec.budget.model_copy(update={"max_cost_usd": event.max_cost_usd})
        self._spec = self.spec.model_copy(update={"budget": budget})
        self.at_limit = False
        self.has_result = self.has_result and self.completed is not None
        self.published = None

    def _request(self, event: ListeningFrom | RequestPrepared | RequestPublished) -> None:
        match event:
            case ListeningFrom():
                self.listening = event
                self.published = None
                self.left_in_silence = False
                self.lost = 0  # the service answers the request again in full
                self.positions = {(p.topic, p.partition): p.offset for p in event.callback_ends}
            case RequestPrepared():
                self.prepared = event
            case RequestPublished():
                self.published = event
                self.first_sent_at = self.first_sent_at or event.at
            case _:
                assert_never(event)

    def _read(self, event: CallbackAccepted | CallbackRepeated | CallbackRejected | OffsetsLost) -> None:
        partition = (event.position.topic, event.position.partition)
        match event:
            case OffsetsLost():
                self.lost += event.count
                self.positions[partition] = event.resumed_at
                return
            case CallbackAccepted():
                self._accept(event)
            case CallbackRepeated():
                self.repeated += 1
                self.conflicts += event.conflict
            case CallbackRejected():
                self.rejected += 1
            case _:
                assert_never(event)
        self.positions[partition] = event.position.offset + 1

    def _accept(self, event: CallbackAccepted) -> None:
        self.fingerprints[event.key] = event.fingerprint
        match event.kind:
            case "comparison":
                self.judged += event.judged
                self.unjudged += not event.judged
                self.cost_usd += event.cost_usd
            case "completed" if event.limit_usd is None:
                self.completed = event.note
            case "failed":
                self.failure_note = event.note
            case "completed":
                self.at_limit = self.at_limit or self._is_current(event.limit_usd)
            case "result":
                self.has_result = self.has_result or self._is_current(event.limit_usd)
            case _:
                assert_never(event.kind)

    def _is_current(self, limit_usd: float | None) -> bool:
        """Whether a stop at this limit, or at none, is final; one at a lower limit was before the limit was raised."""
        return limit_usd is None or limit_usd >= (self.spec.budget.max_cost_usd or 0.0)

    def _close(self, event: RunClosed) -> None:
        self.closed = event
        self.left_unawaited |= event.outcome == "not-awaited"
        self.left_in_silence = bool(self.deadlines) and self.heard_nothing
        # Records of other batches between our last record and the end of reading need not be read again.
        for position in event.read_to:
            partition = (position.topic, position.partition)
            self.positions[partition] = max(position.offset, self.positions.get(partition, 0))

    def read_to(self) -> tuple[Position, ...]:
        """The next offset to read in each callback partition, in a fixed order."""
        return tuple(Position(topic=t, partition=p, offset=o) for (t, p), o in sorted(self.positions.items()))


def fold(events: Iterable[Event]) -> RunState:
    """The state after all these events.

    Raises:
        ImpossibleLedgerError: the events contradict the transition table.
    """
    state = RunState()
    for event in events:
        state.advance(event)
    return state
