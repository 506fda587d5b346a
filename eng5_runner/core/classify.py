"""What a record of a callback topic means for a run.

Any bytes get a verdict: `Foreign`, `Accepted`, `Repeated` or `Rejected`. Nothing raises, because a broker can deliver
anything. Most records belong to other batches. A search for the run's UUID in the raw bytes sorts those out before
any JSON is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

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
from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.stopping import CostStop
from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic, batch_of, parse_callback
from eng5_runner.core.credibility import Credibility
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import LEFT_OUT, CallbackKind, Objection


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
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


class Accepted(NamedTuple):
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


class Repeated(NamedTuple):
    """The run has accepted a record with this key before; `conflict` if this one states something else."""

    key: str
    conflict: bool


class Rejected(NamedTuple):
    """The record belongs to this run and cannot be used."""

    reason: str


Verdict = Foreign | Accepted | Repeated | Rejected


def classify(
    record: RawRecord,
    *,
    run_id: UUID,
    further: Sequence[UUID] = (),
    names: EssayNames,
    known: Mapping[str, str],
    at_most_usd: float | None = None,
    credibility: Credibility | None = None,
) -> Verdict:
    """Decide what a record means for a run.

    Args:
        record: as the broker delivered it.
        run_id: the UUID of the first request's batch.
        further: the UUIDs of the batches of further requests.
        names: the run's essays, by the names that the wire uses.
        known: key → fingerprint of the callbacks accepted so far.
        at_most_usd: the most that one call of the judge can cost, if it is known.
        credibility: what the run knows about its requests; None to object to nothing.
    """
    batches = {str(batch): batch for batch in (run_id, *further)}
    if not any(batch.encode() in record.value for batch in batches):
        return Foreign()
    if record.forged:
        return Rejected("it does not have the stack's signature: somebody else wrote it")
    if len(record.value) > LARGEST_MESSAGE_BYTES:
        return Rejected(f"it has {len(record.value)} bytes; a callback has at most {LARGEST_MESSAGE_BYTES}")
    try:
        callback, flaws, stamped_at = _received(Topic(record.topic), record.value, at_most_usd=at_most_usd)
    except ValueError as error:
        return Rejected(describe(error) if isinstance(error, ValidationError) else str(error))
    batch = batches.get(batch_of(callback) or "")
    if batch is None:
        return Foreign()
    verdict = _first_time(callback, names, flaws=flaws)
    if isinstance(verdict, Rejected):
        return verdict
    if batch != run_id:
        verdict = _of_further(verdict, batch)
    if credibility is not None and isinstance(callback, LLMComparisonResult) and verdict.key not in known:
        pair = frozenset(map(names.our_id, _pair(callback)))
        objection = credibility.objection(callback, pair=pair, about=verdict.about, batch=batch, stamped_at=stamped_at)
        verdict = _with(verdict, objection)
    if verdict.key not in known:
        return verdict
    return Repeated(key=verdict.key, conflict=known[verdict.key] != verdict.fingerprint)


def _with(verdict: Accepted, objection: Objection | None) -> Accepted:
    """The verdict with an objection. One that is left out does not take the place of the true message with its id."""
    if objection not in LEFT_OUT:
        return verdict._replace(objection=objection)
    return verdict._replace(objection=objection, key=f"left-out:{verdict.key}", judged=False)


def _of_further(verdict: Accepted, batch: UUID) -> Accepted:
    """The verdict on a callback of a further request: what each batch sends once has the batch in its key."""
    key = verdict.key if verdict.kind == "comparison" else f"{verdict.key}:{batch}"
    return verdict._replace(key=key, batch_id=batch)


def _received(
    topic: Topic, raw: bytes, *, at_most_usd: float | None
) -> tuple[Callback, tuple[str, ...], datetime | None]:
    """The callback, the flaws of a comparison that can be used all the same, and when its message was made."""
    if topic is Topic.COMPARISON:
        received, flaws = receive_comparison(raw, at_most_usd=at_most_usd)
        unknown = received.data.request_metadata.cost_known is False and not received.data.cost_estimate
        if unknown and at_most_usd:
            priced = received.data.model_copy(update={"cost_estimate": at_most_usd})
            return priced, flaws, received.event_timestamp
        return received.data, flaws, received.event_timestamp
    return parse_callback(topic, raw).data, (), None


def _first_time(callback: Callback, names: EssayNames, *, flaws: tuple[str, ...]) -> Accepted | Rejected:
    """The verdict on a callback whose key the run has not seen."""
    match callback:
        case LLMComparisonResult():
            return _comparison(callback, names, flaws=flaws)
        case CJAssessmentCompleted():
            verdict = _single("completed", callback.status, stop=callback.cost_stop)
            return verdict._replace(happened_at=callback.timestamp)
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
    verdict = _single("result", looks[-1].verdict if looks else "", stop=metadata.cost_stop)
    return verdict._replace(counted=None if counted == essays * (essays - 1) // 2 else counted)


def _pair(result: LLMComparisonResult) -> tuple[str, str]:
    return result.request_metadata.essay_a_id, result.request_metadata.essay_b_id


def _comparison(result: LLMComparisonResult, names: EssayNames, *, flaws: tuple[str, ...]) -> Accepted | Rejected:
    first, second = _pair(result)
    unknown = [name for name in (first, second) if names.our_id(name) is None]
    if unknown:
        return Rejected(f"it compares {' and '.join(repr(u[:40]) for u in unknown)}, not among the run's essays")
    if names.our_id(first) == names.our_id(second):
        return Rejected(f"it compares {names.our_id(first)} with itself, under two names")
    code = result.error_detail.error_code if result.error_detail else ""
    claim = f"{first}|{second}|{result.winner}|{code}|{result.cost_estimate!r}|{result.token_usage!r}"
    return Accepted(
        kind="comparison",
        key=f"comparison:{result.request_id}",
        fingerprint=sha256_hex(claim.encode())[:16],
        judged=result.winner is not None,
        cost_usd=result.cost_estimate,
        note="; ".join(flaws),
        about=f"{first}|{second}|{result.request_metadata.repeat_index or 0}",
    )
