"""The ledger's events: each the record of one fact, in the past tense, never changed afterwards.

`type` tells the kind, `v` the version of its form, `at` when it was recorded (UTC). Instants in artefacts come from
here or from the services' own messages, never from a clock at hydration: the same ledger gives the same bytes.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from eng5_runner.core.spec import RunSpec, Value, Versions

CallbackKind = Literal["comparison", "completed", "failed", "result"]
Outcome = Literal["complete", "partial", "budget", "failed", "interrupted", "not-sent", "not-awaited"]
DeadlineKind = Literal["total", "idle", "result"]


class LedgerEvent(Value):
    """What every event has."""

    v: Literal[1] = 1
    at: datetime


class Position(Value):
    """A place in one partition of a topic: the offset of the next record to read."""

    topic: str
    partition: int
    offset: int


class AnchorRow(Value):
    """An anchor as the CJ service has it: its batches call it `ANCHOR_<row_id>_…`."""

    row_id: int
    anchor_id: str


class RunStarted(LedgerEvent):
    """The first event of each ledger."""

    type: Literal["RunStarted"] = "RunStarted"
    spec: RunSpec
    inputs_sha256: str
    versions: Versions


class RunResumed(LedgerEvent):
    """Another session took the run up."""

    type: Literal["RunResumed"] = "RunResumed"
    versions: Versions


class PreflightPassed(LedgerEvent):
    """The services were there and knew what the run needs.

    Attributes:
        checks: what is well.
        warnings: what is well enough to go on.
        anchor_rows: the anchors that the service adds itself.
        comparison_at_most_usd: what one comparison can cost, where the CJ service keeps to no cost limit: so many are
            asked for as cannot exceed the run's.
    """

    type: Literal["PreflightPassed"] = "PreflightPassed"
    checks: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    anchor_rows: tuple[AnchorRow, ...] = ()
    comparison_at_most_usd: float | None = None


class EssayUploaded(LedgerEvent):
    """The Content Service holds this text; `cached` if it did already."""

    type: Literal["EssayUploaded"] = "EssayUploaded"
    text_sha256: str
    storage_id: str
    cached: bool = False


class ListeningFrom(LedgerEvent):
    """The topics' ends before the request was sent: nothing is missed and no history is read again."""

    type: Literal["ListeningFrom"] = "ListeningFrom"
    cluster_id: str
    request_ends: tuple[Position, ...]
    callback_ends: tuple[Position, ...]


class RequestPrepared(LedgerEvent):
    """The exact bytes of the request, before they are sent."""

    type: Literal["RequestPrepared"] = "RequestPrepared"
    event_id: UUID
    payload: str


class RequestPublished(LedgerEvent):
    """The request is in the topic. `found` if its record was found there instead of being acknowledged."""

    type: Literal["RequestPublished"] = "RequestPublished"
    position: Position
    found: bool = False


class CallbackAccepted(LedgerEvent):
    """A message of ours, for the first time. The fields beside `raw` are the verdict on it.

    Attributes:
        key: what makes it unique in the run.
        fingerprint: of what it claims; a later message with the same key and another one is a conflict.
        judged: a comparison with a winner.
        cost_usd: of a comparison.
        note: a completion's status, a failure's reason.
        limit_usd: of a completion or a result: the cost limit at which the batch stopped, to go on with a higher one.
    """

    type: Literal["CallbackAccepted"] = "CallbackAccepted"
    position: Position
    raw: str
    kind: CallbackKind
    key: str
    fingerprint: str
    judged: bool = False
    cost_usd: float = 0.0
    note: str = ""
    limit_usd: float | None = None


class CallbackRepeated(LedgerEvent):
    """A message of ours that was there already. `raw` only where it claims something else."""

    type: Literal["CallbackRepeated"] = "CallbackRepeated"
    position: Position
    key: str
    conflict: bool = False
    raw: str | None = None


class CallbackRejected(LedgerEvent):
    """A message of ours that the run cannot use, kept as it came; `raw_base64` where it is not UTF-8."""

    type: Literal["CallbackRejected"] = "CallbackRejected"
    position: Position
    reason: str
    raw: str | None = None
    raw_base64: str | None = None


class OffsetsLost(LedgerEvent):
    """The broker dropped records of a callback topic before they were read."""

    type: Literal["OffsetsLost"] = "OffsetsLost"
    position: Position
    resumed_at: int

    @property
    def count(self) -> int:
        """How many offsets were lost."""
        return self.resumed_at - self.position.offset


class DeadlineReached(LedgerEvent):
    """Patience ended; `waited` in seconds."""

    type: Literal["DeadlineReached"] = "DeadlineReached"
    kind: DeadlineKind
    waited: float


class BudgetRaised(LedgerEvent):
    """A person gave the run more money. The request goes out once more: same id, same data, the new limit beside."""

    type: Literal["BudgetRaised"] = "BudgetRaised"
    max_cost_usd: Annotated[float, Field(gt=0)]


class RunClosed(LedgerEvent):
    """A session's end: how it ended, why it is not complete, and up to where the topics were read."""

    type: Literal["RunClosed"] = "RunClosed"
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    read_to: tuple[Position, ...] = ()


Event = (
    RunStarted
    | RunResumed
    | PreflightPassed
    | EssayUploaded
    | ListeningFrom
    | RequestPrepared
    | RequestPublished
    | CallbackAccepted
    | CallbackRepeated
    | CallbackRejected
    | OffsetsLost
    | DeadlineReached
    | BudgetRaised
    | RunClosed
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def event_from_json(data: bytes) -> Event:
    """An event from its ledger line.

    Raises:
        pydantic.ValidationError: the line is not an event that this version knows.
    """
    # The ledger's checksum stands in the same object and is not part of the event.
    return _ADAPTER.validate_json(data, extra="ignore")


def event_to_json(event: Event) -> bytes:
    """The event as one line of JSON without a line end."""
    return event.model_dump_json(exclude_defaults=False).encode()


def text_or_base64(raw: bytes) -> tuple[str | None, str | None]:
    """Bytes as text if they are UTF-8, else as base64: (text, base64), one of them None."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(raw).decode()
