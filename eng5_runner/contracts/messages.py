"""What the callback topics carry: messages parsed into events."""

from __future__ import annotations

from eng5_runner.contracts.callbacks import (
    AssessmentResult,
    Callback,
    CJAssessmentCompleted,
    CJAssessmentFailed,
    LLMComparisonResult,
)
from eng5_runner.contracts.envelope import Envelope, Received
from eng5_runner.contracts.topics import Topic

# Kept in variables because pydantic takes milliseconds to build such a class again.
ComparisonEnvelope = Envelope[LLMComparisonResult]
_Comparison = Received[LLMComparisonResult]
_Completed = Received[CJAssessmentCompleted]
_Failed = Received[CJAssessmentFailed]
_Result = Received[AssessmentResult]


def parse_callback(topic: Topic, raw: bytes) -> _Comparison | _Completed | _Failed | _Result:
    """Parse a message into its typed event, in one pass.

    Raises:
        pydantic.ValidationError: the bytes are not such an event.
        ValueError: the topic carries no callbacks.
    """
    match topic:
        case Topic.COMPARISON:
            return _Comparison.model_validate_json(raw, extra="ignore")
        case Topic.COMPLETED:
            return _Completed.model_validate_json(raw, extra="ignore")
        case Topic.FAILED:
            return _Failed.model_validate_json(raw, extra="ignore")
        case Topic.RESULT:
            return _Result.model_validate_json(raw, extra="ignore")
        case Topic.REQUEST:
            raise ValueError(f"{topic} carries no callbacks")


def batch_of(callback: Callback) -> str | None:
    """The UUID of the batch that a callback belongs to, from its data.

    Keys, order and event types cannot be trusted: the real services write what they like there.
    """
    if isinstance(callback, LLMComparisonResult):
        return callback.request_metadata.batch
    if isinstance(callback, AssessmentResult):
        return callback.batch_id or callback.entity_id
    return callback.entity_id
