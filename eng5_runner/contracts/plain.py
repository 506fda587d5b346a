"""A comparison result in the form that nearly all have: a winner, and each field as the contract writes it.

    >>> plain_comparison(b'{"data": {"winner": "Essay A"}}') is None
    True

pydantic reads every form that a service may write, and msgspec reads this one in an eighth of the time. A run reads a
million of them again at its end, so it tries this first and takes `receive_comparison` for the rest: failures, replays,
messages with a flaw, numbers in quotes, other forms of time stamps. A test holds that both read the same.
"""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from eng5_runner.contracts.base import instant_of
from eng5_runner.contracts.flaws import MOST_MS, MOST_TOKENS, MOST_USD

_Text: TypeAlias = Annotated[str, Meta(min_length=1)]
_Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Name: TypeAlias = Annotated[str, Meta(pattern=r"^[\x20-\x7e]{1,200}\Z")]
_Tokens: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
_TO_SECONDS = len("2027-03-02T08:00:00")
# RFC 3339 with each digit as 0: a look into a set takes a third of the time that a pattern takes.
_NO_DIGITS = bytes.maketrans(b"123456789", b"000000000")  # law: module_state - it cannot be changed
_TIMES = tuple(b"0000-00-00T00:00:00" + fraction for fraction in (b"", *(b"." + n * b"0" for n in range(1, 7))))
_INSTANTS = frozenset(time + zone for time in _TIMES for zone in (b"Z", b"+00:00"))
_ENDING_IN_Z = tuple(time + b"Z" for time in _TIMES)  # as nearly all are written
_TOGETHER = frozenset(b" ".join(some) for count in (2, 3) for some in product(_ENDING_IN_Z, repeat=count))
_WITH_MICROSECONDS = len("2027-03-02T08:00:00.000000Z")
# A UUID and a SHA-256, likewise: together they take a third of the time that a pattern for one of them takes.
_NO_HEX = bytes.maketrans(b"123456789abcdef", b"0" * 15)  # law: module_state - it cannot be changed
_UUID_AND_SHA256 = b"00000000-0000-0000-0000-000000000000 " + 64 * b"0"


class PlainUsage(msgspec.Struct, frozen=True, gc=False):
    """Tokens that the model read and wrote."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    total_tokens: Annotated[int, Meta(ge=0)] | None = None


class PlainMetadata(msgspec.Struct, frozen=True, gc=False):
    """Those fields of `callbacks.ComparisonMetadata` that a run reads."""

    essay_a_id: str
    essay_b_id: str
    prompt_sha256: str
    bos_batch_id: str | None = None
    batch_id: str | None = None
    cj_request_type: str | None = None
    comparison_iteration: int | None = None
    system_prompt_sha256: _Sha256 | None = None
    prompt_templates: dict[str, _Sha256] | None = None
    cassette: bool | None = None
    replay_of: None = None
    repeat_index: Annotated[int, Meta(ge=0)] | None = None
    answer_form: Literal["json", "text"] | None = None
    cost_known: bool | None = None
    served_model: _Name | None = None
    system_fingerprint: _Name | None = None
    probability_a: Annotated[float, Meta(ge=0, le=1)] | None = None
    probability_is_bound: bool | None = None
    cached_tokens: _Tokens | None = None
    batched: bool | None = None


class PlainComparison(msgspec.Struct, frozen=True, gc=False):
    """Those fields of `callbacks.LLMComparisonResult` that a run reads.

    Attributes:
        requested_at: RFC 3339 in UTC with microseconds, such as `2027-03-02T08:00:00.000000Z`.
        completed_at: likewise.
    """

    request_id: _Text
    correlation_id: str
    winner: Literal["Essay A", "Essay B"]
    provider: _Text
    model: _Text
    response_time_ms: Annotated[int, Meta(ge=0, le=MOST_MS)]
    token_usage: PlainUsage
    cost_estimate: Annotated[float, Meta(ge=0, le=MOST_USD)]
    request_metadata: PlainMetadata
    written_requested_at: str = msgspec.field(name="requested_at")
    written_completed_at: str = msgspec.field(name="completed_at")
    justification: str | None = None
    confidence: float | None = None
    error_detail: None = None

    def __post_init__(self) -> None:
        """Check what no single field shows.

        Raises:
            ValueError: it is no plain comparison.
        """
        metadata = self.request_metadata
        if metadata.essay_a_id == metadata.essay_b_id or metadata.cassette:
            raise ValueError("not a judgement of two essays by a judge")
        if f"{self.correlation_id} {metadata.prompt_sha256}".encode().translate(_NO_HEX) != _UUID_AND_SHA256:
            raise ValueError("not a UUID and a SHA-256")

    @property
    def requested_at(self) -> str:
        """When the judge was asked."""
        return _with_microseconds(self.written_requested_at)

    @property
    def completed_at(self) -> str:
        """When its answer was complete."""
        return _with_microseconds(self.written_completed_at)


class _Message(msgspec.Struct, frozen=True, gc=False):
    data: PlainComparison


class _Arriving(msgspec.Struct, frozen=True, gc=False):
    data: PlainComparison
    event_timestamp: str


class PlainArrival(msgspec.Struct, frozen=True, gc=False):
    """The message around a comparison, with its instants (UTC).

    Attributes:
        stamped_at: when the message was made.
    """

    data: PlainComparison
    stamped_at: datetime
    requested_at: datetime
    completed_at: datetime


_DECODER = msgspec.json.Decoder(_Message)  # law: module_state - it cannot be changed
_ARRIVALS = msgspec.json.Decoder(_Arriving)  # law: module_state - it cannot be changed


def plain_comparison(raw: bytes | str) -> PlainComparison | None:
    """Read a comparison result that a run has accepted; None if it has another form than the plain one."""
    try:
        result = _DECODER.decode(raw).data
        _instants(result.written_requested_at, result.written_completed_at)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return result


def plain_arrival(raw: bytes) -> PlainArrival | None:
    """Read a comparison result that comes from a topic; None if it has another form than the plain one."""
    try:
        raw.decode()  # the decoder does not look into the fields that it skips
        message = _ARRIVALS.decode(raw)
        data = message.data
        return PlainArrival(
            data, *_instants(message.event_timestamp, data.written_requested_at, data.written_completed_at)
        )
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _instants(*written: str) -> list[datetime]:
    """Read instants of the plain form.

    Raises:
        ValueError: one has another form, or there is no such instant, as on 30 February.
    """
    together = " ".join(written)
    if together.encode().translate(_NO_DIGITS) not in _TOGETHER:
        for each in written:
            _check_form(each)
    # A look for the hour 24 in all of them: three calls of `instant_of` take twice as long.
    return list(map(instant_of if "T24" in together else datetime.fromisoformat, written))


def _check_form(written: str) -> None:
    if written.encode().translate(_NO_DIGITS) not in _INSTANTS or not written.endswith(("Z", "+00:00")):
        raise ValueError("not an instant in UTC")


def _with_microseconds(instant: str) -> str:
    if len(instant) == _WITH_MICROSECONDS and instant[-1] == "Z":
        return instant
    fraction = instant[_TO_SECONDS + 1 :].rstrip("Z").removesuffix("+00:00") if instant[_TO_SECONDS] == "." else ""
    return f"{instant[:_TO_SECONDS]}.{fraction:0<6}Z"
