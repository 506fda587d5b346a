"""The ledger's events. Each records one fact, is named in the past tense, and is never changed afterwards.

`type` is the kind of event, `v` the version of its fields, `at` the instant at which it was recorded (UTC). The times
in an artefact come from these events or from the services' messages, never from a clock during hydration. So the same
ledger always gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias, TypeVar, get_type_hints
from uuid import UUID

import msgspec
from pydantic import Field, GetCoreSchemaHandler, JsonValue, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.origin import Origin
from eng5_runner.core.spec import RunSpec, Value, Versions

# Of a message that cannot be used.
_KEPT_BYTES = 16 << 10
# Large, in the ledger already, and may hold words of essays.
_BULKY = frozenset(("raw", "raw_base64", "payload", "spec"))

CallbackKind = Literal["comparison", "completed", "failed", "result"]
Outcome = Literal["complete", "partial", "budget", "failed", "interrupted", "not-sent", "not-awaited"]
DeadlineKind = Literal["total", "idle", "result"]
# What speaks against a comparison; `core.credibility` says what each means.
Objection = Literal["unasked", "surplus", "time", "judge", "late"]
# The judgements that have no place in the design.
LEFT_OUT: frozenset[Objection | None] = frozenset(("unasked", "surplus", "time"))
# What the reasons of a partial run and its reports say, before the number of messages.
OBJECTIONS: Mapping[Objection, str] = MappingProxyType(
    {
        "unasked": "comparisons left out because the design does not have their pairs",
        "surplus": "comparisons left out because they are more than were asked for",
        "time": "comparisons left out because their times cannot be",
        "judge": "comparisons that count although they name another judge than the request does",
        "late": "comparisons that count although they were made after the completion, which came too early",
    }
)
T = TypeVar("T")


def _is_absent(value: object) -> bool:
    return value is None


# A field that older ledgers do not have: it is left out where it is None, so that they keep their bytes.
LeftOut: TypeAlias = Annotated[T | None, Field(exclude_if=_is_absent)]


def _written(default: T) -> T:
    """A default of a `_Plain` that its line has, too: msgspec leaves out those that it sees."""
    field: T = msgspec.field(default_factory=lambda: default)
    return field


class _Plain(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A value of which a run can have a million: a model takes ten times as long to make and to write."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads it, in each form that a model takes, and writes it."""
        hints = get_type_hints(cls, include_extras=True)
        fields = {
            each.name: core_schema.typed_dict_field(handler.generate_schema(hints[each.name]), required=each.required)
            for each in msgspec.structs.fields(cls)
        }
        config = core_schema.CoreConfig(allow_inf_nan=False, hide_input_in_errors=True)

        def made(value: object, read: core_schema.ValidatorFunctionWrapHandler) -> _Plain:
            return value if isinstance(value, cls) else cls(**read(value))

        return core_schema.no_info_wrap_validator_function(
            made,
            core_schema.typed_dict_schema(fields, config=config),
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
        )


class LedgerEvent(Value):
    """The fields that every event has."""

    v: Literal[1] = 1
    at: datetime


class Position(_Plain, frozen=True, kw_only=True):
    """A position in one partition of a topic: the offset of the next record to read."""

    topic: str
    partition: int
    offset: int


class AnchorRow(Value):
    """An anchor that the CJ service has on record; its batches call it `ANCHOR_<row_id>_…`."""

    row_id: int
    anchor_id: str


class RunStarted(LedgerEvent):
    """The first event of each ledger; `origin` if the run did not take place in this directory."""

    type: Literal["RunStarted"] = "RunStarted"
    spec: RunSpec
    inputs_sha256: str
    versions: Versions
    origin: LeftOut[Origin] = None


class RunResumed(LedgerEvent):
    """Another session continued the run."""

    type: Literal["RunResumed"] = "RunResumed"
    versions: Versions


class JudgeCheck(Value):
    """The one answer that the judge's provider gave to preflight.

    Attributes:
        usd: what counts as its cost: the price, or the most that it can be where that is not known.
        prompt_tokens: read for it; 0 if they are not known.
        completion_tokens: written for it, likewise.
    """

    usd: float
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, other: JudgeCheck | None) -> JudgeCheck:
        """Both together."""
        if other is None:
            return self
        return JudgeCheck(
            usd=self.usd + other.usd,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class PreflightPassed(LedgerEvent):
    """The services were up and knew everything that the run needs.

    Attributes:
        checks: one sentence for each check that passed.
        warnings: problems that do not stop the run.
        anchor_rows: the anchors that the service adds itself.
        comparison_at_most_usd: the most that one comparison can cost. Only set where the CJ service does not enforce
            the cost limit; the run then requests only as many comparisons as the limit pays for at this price.
        call_at_most_usd: the most that one call of the judge can cost, in a run with a cost limit. It counts where a
            message does not say in a credible way what a call cost.
        judge_check: the answer that the judge's provider was asked for, if it was asked.
        expects_result: whether the service will send a result; the field's service sends none on the national scale.
    """

    type: Literal["PreflightPassed"] = "PreflightPassed"
    checks: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    anchor_rows: tuple[AnchorRow, ...] = ()
    comparison_at_most_usd: float | None = None
    call_at_most_usd: Annotated[float | None, Field(exclude_if=lambda usd: usd is None)] = None
    judge_check: Annotated[JudgeCheck | None, Field(exclude_if=lambda check: check is None)] = None
    expects_result: Annotated[bool, Field(exclude_if=operator.truth)] = True


class EssayUploaded(LedgerEvent):
    """The Content Service has this text; `cached` if an earlier run uploaded it."""

    type: Literal["EssayUploaded"] = "EssayUploaded"
    text_sha256: str
    storage_id: str
    cached: bool = False


class ListeningFrom(LedgerEvent):
    """The ends of the topics before the request was sent. Reading starts here: it misses nothing and skips history."""

    type: Literal["ListeningFrom"] = "ListeningFrom"
    cluster_id: str
    request_ends: tuple[Position, ...]
    callback_ends: tuple[Position, ...]


class RequestPrepared(LedgerEvent):
    """The exact bytes of a request, before they are sent.

    Attributes:
        batch_id: of a further request of the run; None for the first one, whose batch has the run's id.
        asked: the number of comparisons that the run as a whole asks for; None in older ledgers.
        comparisons: the number that this request asks for; None in older ledgers.
        judge: which of the run's judges it is for, by its place in `RunSpec.judges`.
    """

    type: Literal["RequestPrepared"] = "RequestPrepared"
    event_id: UUID
    payload: str
    batch_id: LeftOut[UUID] = None
    asked: LeftOut[int] = None
    comparisons: LeftOut[int] = None
    judge: Annotated[int, Field(ge=0, exclude_if=operator.not_)] = 0


class RequestPublished(LedgerEvent):
    """The request is in the topic; `found` if it was read back there because no acknowledgement had arrived."""

    type: Literal["RequestPublished"] = "RequestPublished"
    position: Position
    found: bool = False


class CallbackAccepted(_Plain, frozen=True, kw_only=True):
    """A message of this run that arrived for the first time, with the verdict of `core.classify` on it.

    It has the fields of every event, too.

    Attributes:
        raw: the message as it arrived.
        key: identifies the message in the run.
        fingerprint: of what the message states. A later message with the same key and another fingerprint is a
            conflict.
        judged: whether it is a comparison with a winner that counts.
        cost_usd: of a comparison; 0 for other kinds.
        note: the status of a completion, the reason of a failure, the flaws with which a comparison was accepted, what
            the service's last look at a target said before a result.
        batch_id: of the further request that it answers; None if it answers the first one.
        counted: of a result: how many comparisons with a winner the service counts, if it says so credibly.
        about: of a comparison: which of the batch it is, by its ordered pair and its repeat. Attempts that failed and
            the one that succeeded are about the same. None in older ledgers.
        objection: of a comparison: what speaks against it, or None.
        happened_at: of a completion: when the service completed the batch, as it says. None in older ledgers.
        limit_usd: of a completion or result, the cost limit at which the batch stopped; a higher limit continues it.
    """

    v: Literal[1] = _written(1)
    at: datetime
    type: Literal["CallbackAccepted"] = _written("CallbackAccepted")
    position: Position
    raw: str
    kind: CallbackKind
    key: str
    fingerprint: str
    judged: bool = _written(False)  # noqa: FBT003 - a value
    cost_usd: float = _written(0.0)
    note: str = _written("")
    limit_usd: float | None = _written(None)
    # Older ledgers do not have these: they are left out where they are None, so that those keep their bytes.
    batch_id: UUID | None = None
    counted: int | None = None
    about: str | None = None
    objection: Objection | None = None
    happened_at: datetime | None = None

    @property
    def is_left_out(self) -> bool:
        """Whether it is a comparison that has no place in the design."""
        return self.objection in LEFT_OUT

    @property
    def is_unpriced(self) -> bool:
        """Whether it is a call that counts as 0 USD because nobody knows its price; a replay costs nothing."""
        if self.kind != "comparison" or self.cost_usd or '"cost_known"' not in self.raw:
            return False
        metadata = json.loads(self.raw)["data"]["request_metadata"]
        return metadata.get("cost_known") is False and not metadata.get("cassette")


class CallbackRepeated(LedgerEvent):
    """A message of this run that had arrived before; `raw` only if the repeat states something else."""

    type: Literal["CallbackRepeated"] = "CallbackRepeated"
    position: Position
    key: str
    conflict: bool = False
    raw: str | None = None


class CallbackRejected(LedgerEvent):
    """A message of this run that cannot be used, kept as it arrived; in `raw_base64` if it is not UTF-8.

    Of a message above 16 KiB only the beginning is kept, with the `sha256` of the whole: a small compressed record can
    hold hundreds of megabytes.
    """

    type: Literal["CallbackRejected"] = "CallbackRejected"
    position: Position
    reason: str
    raw: str | None = None
    raw_base64: str | None = None
    sha256: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None


class OffsetsLost(LedgerEvent):
    """The broker deleted records of a callback topic before the run had read them."""

    type: Literal["OffsetsLost"] = "OffsetsLost"
    position: Position
    resumed_at: int

    @property
    def count(self) -> int:
        """How many offsets were lost."""
        return self.resumed_at - self.position.offset


class DeadlineReached(LedgerEvent):
    """A timeout ended; `waited` is in seconds."""

    type: Literal["DeadlineReached"] = "DeadlineReached"
    kind: DeadlineKind
    waited: float


class BudgetRaised(LedgerEvent):
    """A person raised the cost limit. The same request is sent again, with the new limit in its metadata."""

    type: Literal["BudgetRaised"] = "BudgetRaised"
    max_cost_usd: Annotated[float, Field(gt=0)]


class HumanJudgement(Value):
    """Judgements of one person that say the same of the same two essays.

    Attributes:
        judge: who judged; empty where the file names nobody.
        first: id of the essay shown first.
        second: id of the other essay.
        winner: which of them the person chose.
        count: how many judgements it stands for.
    """

    judge: str = ""
    first: str
    second: str
    winner: Literal["first", "second", "tie"]
    count: Annotated[int, Field(ge=1)] = 1


class HumanJudgementsAdded(LedgerEvent):
    """A file of people's judgements of the run's essays, at any time after the run began.

    Attributes:
        file_name: of the file; a later file of the same name takes the place of an earlier one.
        sha256: of its bytes.
        shown_in_order: whether the file says who was shown first.
        judgements: what it holds.
    """

    type: Literal["HumanJudgementsAdded"] = "HumanJudgementsAdded"
    file_name: str
    sha256: str
    shown_in_order: bool
    judgements: tuple[HumanJudgement, ...]


class KnownGrade(Value):
    """The teachers' grade of one student's essay."""

    essay_id: str
    grade: str


class CheckGradesAdded(LedgerEvent):
    """A file of teachers' grades of a few students, used for checking the projected grades and for nothing else.

    A later file takes the place of an earlier one, at any time after the run began.

    Attributes:
        file_name: of the file.
        sha256: of its bytes.
        grades: what it holds.
    """

    type: Literal["CheckGradesAdded"] = "CheckGradesAdded"
    file_name: str
    sha256: str
    grades: tuple[KnownGrade, ...]


AddedByPeople: TypeAlias = HumanJudgementsAdded | CheckGradesAdded


class RunClosed(LedgerEvent):
    """A session ended: its outcome, why the run is not complete, and how far the topics were read."""

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
    | HumanJudgementsAdded
    | CheckGradesAdded
    | RunClosed
)

_ACCEPTED = msgspec.json.Decoder(CallbackAccepted)  # law: module_state - it cannot be changed
_ENCODER = msgspec.json.Encoder()  # law: module_state - it cannot be changed


@cache
def _adapter() -> TypeAdapter[Event]:
    """It takes 10 ms to make, and a plan has no event."""
    return TypeAdapter(Annotated[Event, Field(discriminator="type")])


def event_from_json(data: bytes) -> Event:
    """Read an event from its ledger line.

    Raises:
        pydantic.ValidationError: this version does not know such an event.
    """
    # The line also holds the ledger's checksum, which is no field of the event.
    try:
        return _ACCEPTED.decode(data)  # nearly every line of a long ledger, and pydantic takes more than twice as long
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _adapter().validate_json(data, extra="ignore")


def event_to_json(event: Event) -> bytes:
    """Write an event as one line of JSON, without a line end."""
    line = bytearray()
    add_json(event, line)
    return bytes(line)


def add_json(event: Event, lines: bytearray) -> None:
    """Write an event likewise, after what is there."""
    # Nearly every event of a run, in a tenth of pydantic's time; the same bytes for numbers below 1e16.
    if isinstance(event, CallbackAccepted):
        _ENCODER.encode_into(event, lines, -1)
    else:
        lines += _adapter().dump_json(event)


def event_facts(event: Event) -> dict[str, JsonValue]:
    """An event for logs and JSON lines: `type` and the fields that are set, without the bulky ones."""
    facts: dict[str, JsonValue] = _adapter().dump_python(event, mode="json", exclude_none=True)
    return {name: value for name, value in facts.items() if value is not None and name not in _BULKY}


def rejected(raw: bytes, *, at: datetime, position: Position, reason: str) -> CallbackRejected:
    """The event for a message that cannot be used."""
    text, base64 = text_or_base64(raw[:_KEPT_BYTES])
    sha256 = sha256_hex(raw) if len(raw) > _KEPT_BYTES else None
    return CallbackRejected(at=at, position=position, reason=reason, raw=text, raw_base64=base64, sha256=sha256)


def text_or_base64(raw: bytes) -> tuple[str | None, str | None]:
    """Return (text, None) if the bytes are UTF-8, else (None, base64)."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(raw).decode()
