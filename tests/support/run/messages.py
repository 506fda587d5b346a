"""What the services send, as plain JSON made by hand: no model of ours stands between a test and the wire."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid5

from eng5_runner.contracts.topics import Topic

JUDGE = ("mock", "invented-judge-1")
SENT = {
    "anchor-a1": "6-essay-c0ffee00",
    "anchor-b1": "5-essay-c0ffee00",
    "anchor-e1": "2-essay-c0ffee00",
    "birk": "1-essay-c0ffee00",
    "cleo": "3-essay-c0ffee00",
    "dag": "4-essay-c0ffee00",
}
"""What the guest run of `tests.support.run.runs` calls its essays on the wire."""


@dataclass(frozen=True)
class Callback:
    """One record for a callback topic, without a place in it yet."""

    topic: str
    value: bytes
    partition: int = 0


def envelope(name: str, data: dict[str, object], *, at: str = "2027-03-02T08:16:10.250000Z") -> dict[str, object]:
    """The envelope around an event; the same name gives the same event id."""
    return {
        "event_id": str(uuid5(NAMESPACE_OID, name)),
        "event_type": "not-to-be-trusted",
        "event_timestamp": at,
        "source_service": "some_service",
        "schema_version": 1,
        "correlation_id": str(uuid5(NAMESPACE_OID, f"{name}/trace")),
        "data": data,
        "metadata": None,
    }


def raw(message: dict[str, object]) -> bytes:
    """The message as it stands in the topic."""
    return json.dumps(message).encode()


def comparison_message(run_id: UUID, number: int, pair: tuple[str, str], *, winner: str | None) -> dict[str, object]:
    """A comparison's result: `winner` is "Essay A", "Essay B" or None for a failed one.

    An essay of the guest run may be given by our id.
    """
    pair = (SENT.get(pair[0], pair[0]), SENT.get(pair[1], pair[1]))
    queue_id = f"queue-{number:04d}"
    error = {"error_code": "LLM_PROVIDER_RATE_LIMIT", "message": "Slow down.", "stack_trace": "/srv/secret.py"}
    data: dict[str, object] = {
        "request_id": queue_id,
        "correlation_id": str(uuid5(NAMESPACE_OID, queue_id)),
        "provider": JUDGE[0],
        "model": JUDGE[1] if winner else "unknown",
        "response_time_ms": 100 + number,
        "token_usage": {"prompt_tokens": 600 + number, "completion_tokens": 40, "total_tokens": 640 + number},
        "cost_estimate": 0.001 + number / 10_000 if winner else 0.0,
        "requested_at": f"2027-03-02T08:{number // 60:02d}:{number % 60:02d}.000000Z",
        "completed_at": f"2027-03-02T09:{number // 60:02d}:{number % 60:02d}.500000Z",
        "request_metadata": {
            "essay_a_id": pair[0],
            "essay_b_id": pair[1],
            "prompt_sha256": hashlib.sha256("|".join(pair).encode()).hexdigest(),
            "bos_batch_id": str(run_id),
            "cj_request_type": "cj_comparison",
            "comparison_iteration": 1,
        },
    }
    told = {"winner": winner, "justification": "It keeps its thread.", "confidence": 3.5} if winner else {}
    return envelope(queue_id, data | (told or {"error_detail": error}))


def comparison(run_id: UUID, number: int, pair: tuple[str, str], *, winner: str | None) -> Callback:
    """The same as a record."""
    return Callback(Topic.COMPARISON, raw(comparison_message(run_id, number, pair, winner=winner)))


def _batch_event(run_id: UUID, name: str, **more: object) -> dict[str, object]:
    base = {"event_name": name, "entity_id": str(run_id), "entity_type": "batch", "parent_id": None}
    return base | {"timestamp": "2027-03-02T10:00:00Z"} | more


def completed(run_id: UUID, status: str = "completed_successfully") -> Callback:
    """The thin event."""
    data = _batch_event(run_id, "cj_assessment.completed", status=status, cj_assessment_job_id="7")
    return Callback(Topic.COMPLETED, raw(envelope("completed", data)))


def failed(run_id: UUID, reason: str = "The task is unknown.") -> Callback:
    """The failure event."""
    system = {"processing_stage": "failed", "error_info": {"error_code": "X", "error_message": reason}}
    data = _batch_event(run_id, "cj_assessment.failed", status="failed_critically", system_metadata=system)
    return Callback(Topic.FAILED, raw(envelope("failed", data)))


def result(run_id: UUID, essays: list[str]) -> Callback:
    """The rich event."""
    rows = [
        {
            "essay_id": SENT.get(essay, essay),
            "rank": rank,
            "bt_score": 1.0 - rank / 10,
            "letter_grade": "B",
            "normalized_score": 0.5,
        }
        for rank, essay in enumerate(essays, start=1)
    ]
    data = _batch_event(run_id, "assessment.result.published", batch_id=str(run_id), essay_results=rows)
    data |= {"cj_assessment_job_id": "7", "model_used": JUDGE[1]}
    return Callback(Topic.RESULT, raw(envelope("result", data)))
