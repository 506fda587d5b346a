"""The state of a run: the fold of its ledger, an object that only advances.

    new ─RunStarted─► started ─PreflightPassed─► cleared ─ListeningFrom─► listening ─RequestPrepared─► prepared
    prepared ─RequestPublished─► gathering ─Callback…, OffsetsLost, DeadlineReached─► gathering
    cleared ─RequestPrepared─► prepared                     a run that does not send does not listen
    started ─RequestPrepared─► prepared                     a dry run has no services to check
    prepared, gathering ─ListeningFrom─► prepared           the request was lost, and is sent again
    prepared, gathering ─BudgetRaised─► raised ─RequestPrepared─► prepared     it is sent with a higher cost limit
    gathering ─RequestPrepared─► prepared                   the service ended early, and a further request follows
    any ─RunClosed─► closed ─RunResumed─► as before

A ledger with any other transition is refused: the runner never writes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeVar, assert_never

from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    DeadlineReached,
    EssayUploaded,
    Event,
    HumanJudgementsAdded,
    JudgeCheck,
    ListeningFrom,
    Objection,
    OffsetsLost,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.core.sent_request import SentRequest
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
        ("gathering", "RequestPrepared"): "prepared",
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
        requests: what was sent, in that order; the last one is the present one.
        storage_ids: text sha256 → storage id.
        positions: (topic, partition) → offset of the next callback to read.
        judged: number of comparisons with a winner that count.
        objections: what speaks against comparisons → how many of them.
        flawed: number of comparisons that count although a value in their message makes no sense.
        lost: number of records that the broker deleted unread, since the run last took the topics' ends.
        deadlines: the timeouts that ended in this session and concern the present request.
        left_in_silence: whether the last session ended at a timeout and no message of the present request had arrived.
        left_unawaited: whether an earlier session sent the request and was set not to wait for the answer.
        cost_usd: the sum over all accepted comparisons, and what the checks of the judge cost.
        unpriced: number of accepted comparisons whose price is not known: `cost_usd` lacks them.
        dearest_usd: the highest cost of a comparison.
        judge_check: what those checks took, which the CJ service does not know of; None without one.
        human: file name → people's judgements that were added.
        check_grades: teachers' grades of a few students, for checking only; None without any.
        last_at: the instant of the last event.
    """

    def __init__(self) -> None:
        self.stage: Stage = "new"
        self.started: RunStarted | None = None
        self.preflight: PreflightPassed | None = None
        self.listening: ListeningFrom | None = None
        self.closed: RunClosed | None = None
        self.requests: list[SentRequest] = []
        self.storage_ids: dict[str, str] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.judged = 0
        self.repeated = 0
        self.conflicts = 0
        self.rejected = 0
        self.flawed = 0
        self.objections: Counter[Objection] = Counter()
        self.lost = 0
        self.deadlines: list[DeadlineReached] = []
        self.sessions = 0
        self.left_unawaited = False
        self.left_in_silence = False
        self.cost_usd = 0.0
        self.unpriced = 0
        self.dearest_usd = 0.0
        self.judge_check: JudgeCheck | None = None
        self.human: dict[str, HumanJudgementsAdded] = {}
        self.check_grades: CheckGradesAdded | None = None
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
    def request(self) -> SentRequest | None:
        """The present request, or None before the first one is prepared."""
        return self.requests[-1] if self.requests else None

    @property
    def asked(self) -> int | None:
        """The number of comparisons that the run as a whole asks for; None where that is not on record."""
        return self.request.prepared.asked if self.request else None

    @property
    def failed(self) -> int:
        """The number of comparisons that came without a winner, however often each was tried."""
        return sum(len(request.failed) for request in self.requests)

    @property
    def missing(self) -> int | None:
        """How many of them have not come back; None where nothing was sent, or the total is not on record.

        A study that ended because it reached its target, or because its pairs are decided, misses nothing.
        """
        if self.asked is None or all(request.first_sent_at is None for request in self.requests):
            return None
        if any(request.target_reached for request in self.requests):
            return 0
        return max(self.asked - sum(request.answered for request in self.requests), 0)

    @property
    def expects_result(self) -> bool:
        """Whether the service sends a result after its completion, as far as preflight knew."""
        return self.preflight is None or self.preflight.expects_result

    @property
    def failure(self) -> str | None:
        """The reason with which the service failed the present request, or None."""
        return self.request.failure if self.request else None

    @property
    def heard_nothing(self) -> bool:
        """Whether no message of the present request has arrived, usable or not, and none can have been lost."""
        return not (self.lost or (self.request and self.request.heard))

    def limit_left(self, *, besides: SentRequest | None = None) -> float | None:
        """USD of the cost limit that is left after judge checks and requests, besides one; None without a limit."""
        limit = self.spec.budget.max_cost_usd
        if limit is None:
            return None
        checked = self.judge_check.usd if self.judge_check else 0.0
        return limit - checked - sum(request.cost_usd for request in self.requests if request is not besides)

    @property
    def unasked_judges(self) -> int:
        """How many of the run's judges have had no request yet."""
        return len(self.spec.judges) - len({request.prepared.judge for request in self.requests})

    def limit_of(self, number: int) -> float | None:
        """The cost limit in USD of a request, the present one or the next: judges without one keep their shares."""
        present = self.requests[number - 1] if number <= len(self.requests) else None
        left = self.limit_left(besides=present)
        return None if left is None else left / max(self.unasked_judges + (present is not None), 1)

    def advance(self, event: Event) -> None:
        """Apply the next event.

        Raises:
            ImpossibleLedgerError: the event cannot follow the events before it.
        """
        self._move(event)
        self.last_at = event.at
        match event:
            # These first: a run can have a million, and a look at a pydantic type that does not fit takes longest.
            case CallbackAccepted() | CallbackRepeated() | CallbackRejected() | OffsetsLost():
                self._read(event)
            case RunStarted() | RunResumed():
                self._begin_session(event)
            case PreflightPassed():
                self.preflight = event
                if event.judge_check is not None:
                    self.judge_check = event.judge_check.plus(self.judge_check)
                    self.cost_usd += event.judge_check.usd
            case EssayUploaded():
                self.storage_ids[event.text_sha256] = event.storage_id
            case ListeningFrom() | RequestPrepared() | RequestPublished():
                self._request(event)
            case DeadlineReached():
                self._time_out(event)
            case BudgetRaised() | HumanJudgementsAdded() | CheckGradesAdded():
                self._take_up(event)
            case RunClosed():
                self._close(event)
            case _:
                assert_never(event)

    def _move(self, event: Event) -> None:
        """Take the transition from the table. Opening and closing a session does not change the stage.

        People's judgements and grades are no part of a session's work: they can follow anything but nothing.
        """
        following = None if self.closed else _TABLE.get((self.stage, event.type))
        if following is None:
            match event:
                case HumanJudgementsAdded() | CheckGradesAdded() | RunResumed():
                    legal = self.stage != "new"
                case RunClosed():
                    legal = self.stage != "new" and self.closed is None
                case _:
                    legal = False
            if not legal:
                stage = "closed" if self.closed else self.stage
                raise ImpossibleLedgerError(f"{event.type} cannot follow the stage “{stage}”")
        self.stage = following or self.stage

    def _begin_session(self, event: RunStarted | RunResumed) -> None:
        if isinstance(event, RunStarted):
            self.started = event
            self._spec = event.spec
        self.closed = None
        self.deadlines.clear()  # each session has its own timeouts
        self.sessions += 1

    def _time_out(self, event: DeadlineReached) -> None:
        self.deadlines.append(event)
        if event.kind == "idle" and self.request is not None:
            self.request.silences += 1

    def _take_up(self, event: BudgetRaised | HumanJudgementsAdded | CheckGradesAdded) -> None:
        """What a person gave to a run that had begun."""
        if isinstance(event, HumanJudgementsAdded):
            self.human[event.file_name] = event
            return
        if isinstance(event, CheckGradesAdded):
            self.check_grades = event
            return
        budget = self.spec.budget.model_copy(update={"max_cost_usd": event.max_cost_usd})
        self._spec = self.spec.model_copy(update={"budget": budget})
        if self.request is not None:
            self.request.raise_limit()

    def _request(self, event: ListeningFrom | RequestPrepared | RequestPublished) -> None:
        match event:
            case ListeningFrom():
                self._listen(event)
            case RequestPrepared():
                self._prepare(event)
            case RequestPublished():
                if self.request is None:
                    raise AssertionError("the table has a request prepared before it is published")
                self.request.published = event
                self.request.first_sent_at = self.request.first_sent_at or event.at
            case _:
                assert_never(event)

    def _listen(self, event: ListeningFrom) -> None:
        is_new_cluster = self.listening is not None and self.listening.cluster_id != event.cluster_id
        self.listening = event
        self.left_in_silence = False
        self.lost = 0  # the service answers the request again in full
        self.positions = {(p.topic, p.partition): p.offset for p in event.callback_ends}
        if self.request is not None:
            self.request.lose()
            if is_new_cluster:
                self.request.silences = 0  # the service there is asked for the first time

    def _prepare(self, event: RequestPrepared) -> None:
        if self.request is None or self.request.batch_id != event.batch_id:
            self.deadlines.clear()  # a further request makes up for what the one before it lacks
            limit = self.limit_of(len(self.requests) + 1)
            self.requests.append(
                SentRequest(batch_id=event.batch_id, prepared=event, begun_at=event.at, limit_usd=limit)
            )
            return
        self.request.prepared = event
        self.request.limit_usd = self.limit_of(len(self.requests))

    def _read(self, event: CallbackAccepted | CallbackRepeated | CallbackRejected | OffsetsLost) -> None:
        partition = (event.position.topic, event.position.partition)
        match event:
            case CallbackAccepted():
                self._accept(event)
            case OffsetsLost():
                self.lost += event.count
                self.positions[partition] = event.resumed_at
                return
            case CallbackRepeated():
                self.repeated += 1
                self.conflicts += event.conflict
                if self.request is not None:
                    self.request.hear_again(event.key)
            case CallbackRejected():
                self.rejected += 1
                if self.request is not None:
                    self.request.heard += 1
            case _:
                assert_never(event)
        self.positions[partition] = event.position.offset + 1

    def _accept(self, event: CallbackAccepted) -> None:
        if event.kind == "comparison":
            self.judged += event.judged
            self.cost_usd += event.cost_usd
            self.unpriced += event.is_unpriced
            self.dearest_usd = max(self.dearest_usd, event.cost_usd)
            self.flawed += bool(event.note)
            if event.objection is not None:
                self.objections[event.objection] += 1
        for request in self.requests:
            if request.batch_id == event.batch_id:
                request.heard += 1
                request.accept(event, session=self.sessions)
                return
        raise ImpossibleLedgerError(f"{event.key} answers a request that was not sent")

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


class LiveState(RunState):
    """The state of a run that goes on: it also remembers each callback, which takes 300 bytes each.

    Attributes:
        fingerprints: key of each accepted callback → fingerprint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fingerprints: dict[str, str] = {}

    def advance(self, event: Event) -> None:
        """Apply the next event.

        Raises:
            ImpossibleLedgerError: the event cannot follow the events before it.
        """
        super().advance(event)
        if isinstance(event, CallbackAccepted):
            self.fingerprints[event.key] = event.fingerprint


StateT = TypeVar("StateT", bound=RunState)


def fold(events: Iterable[Event]) -> RunState:
    """The state after all these events.

    Raises:
        ImpossibleLedgerError: the events contradict the transition table.
    """
    return fold_into(RunState(), events)


def fold_into(state: StateT, events: Iterable[Event]) -> StateT:
    """The same of a state that is there.

    Raises:
        ImpossibleLedgerError: the events contradict the transition table.
    """
    for event in events:
        state.advance(event)
    return state
