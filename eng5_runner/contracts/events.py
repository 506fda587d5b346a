"""Fields that the events about a batch share."""

from __future__ import annotations

from enum import StrEnum

from pydantic import JsonValue

from eng5_runner.contracts.base import Instant, Lenient, WireModel


class ProcessingStage(StrEnum):
    """The stage of a batch, in `system_metadata`."""

    PENDING = "pending"
    INITIALIZED = "initialized"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SystemMetadata(WireModel):
    """The services' record of a batch; `error_info` says why it failed."""

    entity_id: Lenient[str] = None
    entity_type: Lenient[str] = "batch"
    parent_id: Lenient[str] = None
    timestamp: Lenient[Instant] = None
    processing_stage: Lenient[ProcessingStage] = None
    started_at: Lenient[Instant] = None
    completed_at: Lenient[Instant] = None
    event: Lenient[str] = None
    error_info: Lenient[dict[str, JsonValue]] = None


class BatchEvent(WireModel):
    """The fields of every event except the comparison result.

    Attributes:
        event_name: the event's short name, such as `cj_assessment.completed`.
        entity_id: the batch's UUID.
        parent_id: the assignment's id, or None for a guest run.
        timestamp: when it happened (UTC).
    """

    event_name: Lenient[str] = None
    entity_id: Lenient[str] = None
    entity_type: Lenient[str] = "batch"
    parent_id: Lenient[str] = None
    timestamp: Lenient[Instant] = None
