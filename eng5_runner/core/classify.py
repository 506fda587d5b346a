"""What a record of a callback topic means for a run.

Any bytes get a verdict: `Foreign`, `Accepted`, `Repeated` or `Rejected`. Nothing raises, because a broker can deliver
anything. Most records belong to other batches. `mentioning` finds the run's among them by its UUID in the raw bytes,
before any JSON is parsed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace
from pydantic import ValidationError

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.base import describe
from eng5_runner.contracts.callbacks import (
    AssessmentResult,
    Callback,
    CJAssessmentCompleted,
    CJAssessmentFailed,
    LLMComparisonResult,
)
from eng5_runner.contracts.messages import batch_of, parse_callback
from eng5_runner.contracts.stopping import PAIRS_DECIDED, CostStop
from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic
from eng5_runner.core.arrival import Arrival, arrived
from eng5_runner.core.credibility import Credibility
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import LEFT_OUT, CallbackAccepted, CallbackKind, Objection, Position

# Values are copied for one search of all. So large ones, which a compressed record can hold, are searched one by one.
_TOGETHER_BYTES = 4 << 20


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """A Kafka record as it arrived; `topic` is without the cluster's prefix.

    `forged` says that it lacks the signature that all records of this stack have.
    """

    topic: str
    partition: int
    offset: int
    value: bytes
    forged: bool = False


class Foreign(NamedTuple):
    """The record belongs to another batch."""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The record belongs to this run and is new; the fields are those of `events.CallbackAccepted`."""

    kind: CallbackKind
    key: str
    fingerprint: str
    judged: bool
    cost_usd: float
    note: str
    limit_usd: float | None = None
    batch_id: UUID | None = None
    counted: int | None = None
    about: str | None = None
    objection: Objection | None = None
    happened_at: datetime | None = None

    def event(self, *, at: datetime, position: Position, raw: bytes) -> CallbackAccepted:
        """The event for it.

        Args:
            at: now (UTC).
            position: of the message.
            raw: the message as it arrived.
        """
        return CallbackAccepted(
            at=at,
            position=position,
            raw=raw.decode(),
            kind=self.kind,
            key=self.key,
            fingerprint=self.fingerprint,
            judged=self.judged,
            cost_usd=self.cost_usd,
            note=self.note,
            limit_usd=self.limit_usd,
            batch_id=self.batch_id,
            counted=self.counted,
            about=self.about,
            objection=self.objection,
            happened_at=self.happened_at,
        )


class Repeated(NamedTuple):
    """The run has accepted a record with this key before; `conflict` if this one states something else."""

    key: str
    conflict: bool


class Rejected(NamedTuple):
    """The record belongs to this run and cannot be used."""

    reason: str


Verdict = Foreign | Accepted | Repeated | Rejected


Batches: TypeAlias = "Mapping[bytes, UUID | None]"


def batches(run_id: UUID, *further: UUID) -> Batches:
    """A run's batches, as messages write them.

    Args:
        run_id: the batch of the first request, for which the events have None.
        further: the batches of further requests.

    >>> batches(UUID(int=1))
    {b'00000000-0000-0000-0000-000000000001': None}
    """
    return {str(run_id).encode(): None} | {str(batch).encode(): batch for batch in further}


def classify(
    record: RawRecord,
    *,
    of: Batches,
    names: EssayNames,
    known: Callable[[str], str | None],
    at_most_usd: float | None = None,
    credibility: Credibility | None = None,
) -> Verdict:
    """Decide what a record means for a run.

    Args:
        record: as the broker delivered it.
        of: the run's batches.
        names: the run's essays, by the names that the wire uses.
        known: gives the fingerprint of the callback that was accepted with a key; None if there was none.
        at_most_usd: the most that one call of the judge can cost, if it is known.
        credibility: what the run knows about its requests; None to object to nothing.
    """
    callback = _received(record, at_most_usd=at_most_usd)
    if isinstance(callback, str):
        return Rejected(callback) if mentions(record.value, of) else Foreign()
    written = (_batch_of(callback) or "").encode(errors="replace")
    if written not in of:
        return Foreign()
    verdict = _of_batch(_first_time(callback, names), of[written])
    if isinstance(verdict, Rejected):
        return verdict
    before = known(verdict.key)
    if before is None and credibility is not None and isinstance(callback, Arrival):
        pair = (names.our_id(callback.first), names.our_id(callback.second)) if credibility.knows_pairs else None
        objection = credibility.objection(callback, pair=pair, about=verdict.about, batch=verdict.batch_id)
        if objection is not None:
            verdict = _with(verdict, objection)
            before = known(verdict.key)
    return verdict if before is None else Repeated(key=verdict.key, conflict=before != verdict.fingerprint)


def mentions(value: bytes, texts: Iterable[bytes]) -> bool:
    """Whether the value holds one of these texts."""
    for text in texts:  # noqa: SIM110 - a generator would take as long as the search
        if text in value:
            return True
    return False


def mentioning(values: Sequence[bytes], texts: Collection[bytes]) -> list[int]:
    """The places of the values that hold one of these texts, in their order: one search for all of them.

    >>> mentioning([b"of a", b"of b", b"of a and b"], [b"a"])
    [0, 2]
    """
    ends = list(accumulate(map(len, values)))
    if not (values and all(texts)) or ends[-1] > _TOGETHER_BYTES:
        return [place for place, value in enumerate(values) if mentions(value, texts)]
    joined = b"".join(values)
    places = set()
    for text in texts:
        at = joined.find(text)
        while at >= 0:
            place = bisect_right(ends, at)
            if at + len(text) <= ends[place]:
                places.add(place)
                at = joined.find(text, ends[place])
            else:  # it begins in one value and ends in another
                at = joined.find(text, at + 1)
    return sorted(places)


def _with(verdict: Accepted, objection: Objection) -> Accepted:
    """The verdict with an objection. One that is left out does not take the place of the true message with its id."""
    if objection not in LEFT_OUT:
        return replace(verdict, objection=objection)
    return replace(verdict, objection=objection, key=f"left-out:{verdict.key}", judged=False)


def _of_batch(verdict: Accepted | Rejected, batch: UUID | None) -> Accepted | Rejected:
    """The verdict on a callback of a batch: what each further one sends once has the batch in its key."""
    if batch is None or isinstance(verdict, Rejected):
        return verdict
    key = verdict.key if verdict.kind == "comparison" else f"{verdict.key}:{batch}"
    return replace(verdict, key=key, batch_id=batch)


def _received(record: RawRecord, *, at_most_usd: float | None) -> Arrival | Callback | str:
    """The callback, or why it cannot be used."""
    if record.forged:
        return "it does not have the stack's signature: somebody else wrote it"
    if len(record.value) > LARGEST_MESSAGE_BYTES:
        return f"it has {len(record.value)} bytes; a callback has at most {LARGEST_MESSAGE_BYTES}"
    try:
        if record.topic == Topic.COMPARISON:
            return arrived(record.value, at_most_usd=at_most_usd)
        return parse_callback(Topic(record.topic), record.value).data
    except ValueError as error:
        return describe(error) if isinstance(error, ValidationError) else str(error)


def _batch_of(callback: Arrival | Callback) -> str | None:
    return callback.batch if isinstance(callback, Arrival) else batch_of(callback)


def _first_time(callback: Arrival | Callback, names: EssayNames) -> Accepted | Rejected:
    """The verdict on a callback whose key the run has not seen."""
    match callback:
        case Arrival():
            return _comparison(callback, names)
        case LLMComparisonResult():
            raise AssertionError("a comparison is read as an arrival")
        case CJAssessmentCompleted():
            verdict = _single("completed", callback.status, stop=callback.cost_stop)
            return replace(verdict, happened_at=callback.timestamp)
        case CJAssessmentFailed():
            return _single("failed", names.with_our_ids(callback.reason))
        case AssessmentResult():
            return _result(callback)


def _single(kind: CallbackKind, note: str, *, stop: CostStop | None = None) -> Accepted:
    """A callback that a batch sends once, and once more for each cost limit at which it stopped.

    The services may repeat it with another time stamp. That is no conflict, so the fingerprint is the kind alone.
    """
    limit = stop.max_cost_usd if stop else None
    key = kind if limit is None else f"{kind}@{limit!r}"
    return Accepted(kind=kind, key=key, fingerprint=kind, judged=False, cost_usd=0.0, note=note, limit_usd=limit)


def _result(result: AssessmentResult) -> Accepted:
    """The verdict on a result, with the service's last look at a target and its count of comparisons.

    The real service counts n(n − 1)/2 comparisons of n essays, however many it made: that says nothing.
    """
    metadata = result.assessment_metadata
    if metadata is None:
        return _single("result", "")
    essays, counted = len(result.essay_results), metadata.comparison_count
    looks = metadata.stopping_looks or ()
    note = looks[-1].verdict if looks else PAIRS_DECIDED if metadata.decided else ""
    verdict = _single("result", note, stop=metadata.cost_stop)
    return replace(verdict, counted=None if counted == essays * (essays - 1) // 2 else counted)


def _comparison(arrival: Arrival, names: EssayNames) -> Accepted | Rejected:
    first, second = arrival.first, arrival.second
    ours = names.our_id(first), names.our_id(second)
    if None in ours:
        unknown = [name for name, essay_id in zip((first, second), ours, strict=True) if essay_id is None]
        return Rejected(f"it compares {' and '.join(repr(u[:40]) for u in unknown)}, not among the run's essays")
    if ours[0] == ours[1]:
        return Rejected(f"it compares {ours[0]} with itself, under two names")
    claim = f"{first}|{second}|{arrival.winner}|{arrival.error_code}|{arrival.cost_usd!r}|{arrival.usage}"
    return Accepted(
        "comparison",
        f"comparison:{arrival.request_id}",
        sha256_hex(claim.encode())[:16],
        arrival.winner is not None,
        arrival.cost_usd,
        "; ".join(arrival.flaws),
        about=f"{first}|{second}|{arrival.repeat or 0}",
    )
