"""The CJ service's messages: the thin completion, the rich result, the failure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from pydantic import JsonValue

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.callbacks import CJAssessmentCompleted
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.events import ProcessingStage
from eng5_runner.contracts.published import (
    PublishedAssessmentMetadata,
    PublishedCompletion,
    PublishedFailure,
    PublishedProcessingSummary,
    PublishedResult,
    PublishedSystemMetadata,
)
from eng5_runner.contracts.request import Provider
from eng5_runner.contracts.stopping import COST_LIMIT, PROCESSING_FAILED, CostStop
from eng5_runner.contracts.topics import Topic
from eng5_runner.phrases import counted
from eng5_runner.stack.cj.outcome import SUCCESS_RATE_THRESHOLD, Outcome, Scores
from eng5_runner.stack.cj.plan import BatchPlan
from eng5_runner.stack.cj.repository import Batch

SERVICE = "cj_assessment_service"
_NO_JOB = "INITIALIZATION_FAILED"
# The model of a batch that ended before any comparison had a winner.
_NO_MODEL = "unknown"
_COMPLETED, _FAILED = "cj_assessment.completed", "cj_assessment.failed"

EventT = TypeVar("EventT", bound=WireModel)


def completed(batch: Batch, *, outcome: Outcome, scores: Scores) -> bytes:
    """The thin event: the batch is complete, or it ended at its cost limit, which `error_info` then says."""
    plan, now, stop = batch.plan, datetime.now(UTC), outcome.cost_stop
    students = [e.essay_id for e in plan.essays if not e.is_anchor and plan.compares(e.essay_id)]
    failed = tuple(essay_id for essay_id in students if essay_id in scores.uncompared)
    event = PublishedCompletion(
        entity_id=plan.batch_id,
        parent_id=plan.assignment_id,
        timestamp=now,
        status="completed_with_failures" if outcome.failed or stop else "completed_successfully",
        system_metadata=_system_metadata(
            batch_id=plan.batch_id, parent_id=plan.assignment_id, event=_COMPLETED, started_at=plan.accepted_at
        ).model_copy(update={"error_info": _cost_limit(stop) if stop else {}}),
        cj_assessment_job_id=str(batch.number),
        processing_summary=PublishedProcessingSummary(
            total_essays=len(students),
            successful=len(students) - len(failed),
            failed=len(failed),
            successful_essay_ids=tuple(essay_id for essay_id in students if essay_id not in scores.uncompared),
            failed_essay_ids=failed,
            processing_time_seconds=_since(plan.accepted_at),
        ),
    )
    return _message(Topic.COMPLETED, event, correlation_id=plan.correlation_id)


def result(batch: Batch, *, outcome: Outcome, scores: Scores) -> bytes:
    """The rich event: scores, ranks, grades."""
    plan, now = batch.plan, datetime.now(UTC)
    judge = outcome.judged[0] if outcome.judged else None
    event = PublishedResult(
        entity_id=plan.batch_id,
        parent_id=plan.assignment_id,
        timestamp=now,
        batch_id=plan.batch_id,
        cj_assessment_job_id=str(batch.number),
        assignment_id=plan.assignment_id,
        model_used=judge.model if judge else plan.overrides.model_override or _NO_MODEL,
        model_provider=judge.provider if judge else (plan.overrides.provider_override or Provider.MOCK).value,
        assessed_at=now,
        essay_results=scores.essays,
        assessment_metadata=_assessment_metadata(plan, outcome=outcome, scores=scores),
    )
    return _message(Topic.RESULT, event, correlation_id=plan.correlation_id)


def _assessment_metadata(plan: BatchPlan, *, outcome: Outcome, scores: Scores) -> PublishedAssessmentMetadata:
    grades = [essay.grade for essay in plan.essays if essay.grade is not None]
    return PublishedAssessmentMetadata(
        anchor_essays_used=len(grades),
        calibration_method="anchor" if scores.summary.projections_available else None,
        anchor_grade_distribution={grade: grades.count(grade) for grade in plan.scale.grades} if plan.scale else {},
        comparison_count=len(outcome.judged),
        processing_duration_seconds=_since(plan.accepted_at),
        llm_temperature=plan.overrides.temperature_override,
        assignment_id=plan.assignment_id,
        course_code=plan.course_code,
        grade_projection_summary=scores.summary,
        stopping_looks=outcome.looks or None,
        cost_stop=outcome.cost_stop,
        decided=outcome.decided,
    )


def _since(accepted_at: datetime) -> float:
    """Seconds until now; 0 if the clock was set back meanwhile."""
    return max(0.0, (datetime.now(UTC) - accepted_at).total_seconds())


def _cost_limit(stop: CostStop) -> dict[str, JsonValue]:
    """Why a batch ended early, with the figures; a higher limit lets it continue."""
    return {
        "error_message": f"the next comparison may cost {stop.next_at_most_usd} USD and no longer fits the limit",
        "reason": COST_LIMIT,
        "details": stop.model_dump(mode="json"),
    }


def ended_at_cost_limit(closing: Sequence[tuple[str, bytes]]) -> bool:
    """Whether these are the events, (topic, message), of a batch that a higher limit lets continue."""
    thin = next((raw for topic, raw in closing if topic == Topic.COMPLETED.value), None)
    if thin is None:
        return False
    return Envelope[CJAssessmentCompleted].model_validate_json(thin, extra="ignore").data.cost_stop is not None


def failed(
    *,
    batch_id: str,
    parent_id: str | None,
    correlation_id: UUID,
    error_info: dict[str, JsonValue],
    job: int | None = None,
) -> bytes:
    """The event of a batch that ends without a result.

    Args:
        batch_id: the batch's UUID, or the text that the request had instead.
        parent_id: the assignment's id.
        correlation_id: of the request.
        error_info: why.
        job: the service's own number of the batch, if it was accepted.
    """
    event = PublishedFailure(
        entity_id=batch_id,
        parent_id=parent_id,
        timestamp=datetime.now(UTC),
        system_metadata=_system_metadata(batch_id=batch_id, parent_id=parent_id, event=_FAILED, error_info=error_info),
        cj_assessment_job_id=_NO_JOB if job is None else str(job),
    )
    return _message(Topic.FAILED, event, correlation_id=correlation_id)


def processing_error(message: str, correlation_id: UUID) -> dict[str, JsonValue]:
    """Why a batch could not be started or continued."""
    return {
        "error_code": "PROCESSING_ERROR",
        "error_message": f"{PROCESSING_FAILED}{message}",
        "correlation_id": str(correlation_id),
        "timestamp": datetime.now(UTC).isoformat(),
        "service": SERVICE,
    }


def low_success_rate(outcome: Outcome) -> dict[str, JsonValue]:
    """Why a batch with too many failed comparisons has no result, with the last error."""
    last = outcome.failed[-1].error_detail if outcome.failed else None
    last_error = f"; the last error: {last.message or 'no message'} ({last.error_code})" if last else ""
    hopeless = f"none of the judge's {counted(outcome.callbacks, 'answer')} could be used, so it was asked no more"
    what = hopeless if outcome.is_hopeless else "too many comparisons failed"
    return {
        "error_message": f"{what}{last_error}",
        "reason": "low_success_rate",
        "details": {
            "callbacks_received": outcome.callbacks,
            "completed_comparisons": len(outcome.judged),
            "failed_comparisons": len(outcome.failed),
            "success_rate": outcome.success_rate,
            "success_rate_threshold": SUCCESS_RATE_THRESHOLD,
        },
    }


def _system_metadata(
    *,
    batch_id: str,
    parent_id: str | None,
    event: str,
    started_at: datetime | None = None,
    error_info: dict[str, JsonValue] | None = None,
) -> PublishedSystemMetadata:
    now = datetime.now(UTC)
    return PublishedSystemMetadata(
        entity_id=batch_id,
        parent_id=parent_id,
        timestamp=now,
        processing_stage=ProcessingStage.COMPLETED if error_info is None else ProcessingStage.FAILED,
        started_at=started_at,
        completed_at=now if error_info is None else None,
        event=event,
        error_info=error_info or {},
    )


def _message(topic: Topic, event: EventT, *, correlation_id: UUID) -> bytes:
    return Envelope[EventT](
        event_id=uuid4(),
        event_type=topic.value,
        event_timestamp=datetime.now(UTC),
        source_service=SERVICE,
        correlation_id=correlation_id,
        data=event,
        metadata={},
    ).to_bytes()
