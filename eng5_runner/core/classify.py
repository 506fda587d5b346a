"""What a record of a callback topic means for a run. Any bytes get a verdict; nothing raises.

Most records are somebody else's. They are told apart by the batch's UUID in the raw bytes, before any parse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from eng5_runner.contracts.stopping import CostStop
from eng5_runner.contracts.topics import Topic, batch_of, parse_callback
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import CallbackKind
from eng5_runner.core.rounding import FIGURE_LIMIT

# Above this a record is hostile or broken; the services' own limit is lower.
RECORD_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """A Kafka record as it came; `topic` without the cluster's prefix."""

    topic: str
    partition: int
    offset: int
    value: bytes


class Foreign(NamedTuple):
    """Somebody else's."""


class Accepted(NamedTuple):
    """Ours and new."""

    kind: CallbackKind
    key: str
    fingerprint: str
    judged: bool
    cost_usd: float
    note: str
    limit_usd: float | None = None


class Repeated(NamedTuple):
    """Ours and known; `conflict` if it now claims something else."""

    key: str
    conflict: bool


class Rejected(NamedTuple):
    """Ours and unusable."""

    reason: str


Verdict = Foreign | Accepted | Repeated | Rejected


def classify(record: RawRecord, *, run_id: UUID, names: EssayNames, known: Mapping[str, str]) -> Verdict:
    """The verdict on a record.

    Args:
        record: as it came from the broker.
        run_id: the batch's UUID.
        names: the essays of the run under the names that the wire uses.
        known: key → fingerprint of the callbacks accepted so far.
    """
    if str(run_id).encode() not in record.value:
        return Foreign()
    if len(record.value) > RECORD_LIMIT:
        return Rejected(f"{len(record.value)} bytes, more than any callback can have ({RECORD_LIMIT})")
    try:
        callback = parse_callback(Topic(record.topic), record.value).data
    except ValidationError as error:
        return Rejected(describe(error))
    except ValueError as error:
        return Rejected(str(error))
    if batch_of(callback) != str(run_id):
        return Foreign()
    accepted = _verdict_on(callback, names)
    if isinstance(accepted, Rejected) or accepted.key not in known:
        return accepted
    return Repeated(key=accepted.key, conflict=known[accepted.key] != accepted.fingerprint)


def _verdict_on(callback: Callback, names: EssayNames) -> Accepted | Rejected:
    match callback:
        case LLMComparisonResult():
            return _comparison(callback, names)
        case CJAssessmentCompleted():
            return _single("completed", callback.status, stop=callback.cost_stop)
        case CJAssessmentFailed():
            return _single("failed", names.retold(callback.reason))
        case AssessmentResult():
            about = callback.assessment_metadata
            return _single("result", "", stop=about.cost_stop if about else None)


def _single(kind: CallbackKind, note: str, *, stop: CostStop | None = None) -> Accepted:
    """A batch has one of these, and one for each cost limit that it stopped at.

    The services may send it again with another time stamp, which is no conflict.
    """
    limit = stop.max_cost_usd if stop else None
    key = kind if limit is None else f"{kind}@{limit!r}"
    return Accepted(kind=kind, key=key, fingerprint=kind, judged=False, cost_usd=0.0, note=note, limit_usd=limit)


def _unstatable(result: LLMComparisonResult) -> str:
    """Why an artefact could not hold this comparison, or nothing."""
    if not (result.provider and result.model):
        return "it does not name its provider and model"
    if result.error_detail is not None and not result.error_detail.error_code:
        return "it has neither a winner nor the code of an error"
    usage = result.token_usage
    if max(usage.prompt_tokens, usage.completion_tokens, result.cost_estimate) > FIGURE_LIMIT:
        return f"its tokens or cost are beyond anything that a call can take ({FIGURE_LIMIT:.0e})"
    return ""


def _comparison(result: LLMComparisonResult, names: EssayNames) -> Accepted | Rejected:
    first, second = result.request_metadata.essay_a_id, result.request_metadata.essay_b_id
    strangers = [name for name in (first, second) if names.ours(name) is None]
    if strangers:
        return Rejected(f"it compares {' and '.join(repr(s[:40]) for s in strangers)}, not among the run's essays")
    if names.ours(first) == names.ours(second):
        return Rejected(f"it compares {names.ours(first)} with itself, under two names")
    if reason := _unstatable(result):
        return Rejected(reason)
    code = result.error_detail.error_code if result.error_detail else ""
    claim = f"{first}|{second}|{result.winner}|{code}|{result.cost_estimate!r}|{result.token_usage!r}"
    return Accepted(
        kind="comparison",
        key=f"comparison:{result.request_id}",
        fingerprint=sha256_hex(claim.encode())[:16],
        judged=result.winner is not None,
        cost_usd=result.cost_estimate,
        note="",
    )
