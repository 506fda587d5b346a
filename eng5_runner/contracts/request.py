"""The request that the runner sends to the CJ service: ELS_CJAssessmentRequestV1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.choices import (
    MOST_TOKENS,
    BatchingMode,
    CourseCode,
    Language,
    MaxTokens,
    OutputVerbosity,
    Provider,
    ReasoningEffort,
    Temperature,
)
from eng5_runner.contracts.events import BatchEvent, SystemMetadata

# The choices are part of this module's models, so they can be imported with them.
__all__ = (
    "ASSIGNMENT_ID_LENGTH",
    "BASELINE_MODEL_PREFIX",
    "BATCHING_HINT",
    "BATCHING_MODE",
    "ESSAY_ID_LENGTH",
    "MOST_TOKENS",
    "READS_TO_END",
    "BatchingMode",
    "CJAssessmentRequest",
    "CourseCode",
    "EssayRef",
    "LLMConfigOverrides",
    "Language",
    "MaxTokens",
    "OutputVerbosity",
    "PromptReference",
    "Provider",
    "ReasoningEffort",
    "StoredText",
    "batching_mode",
    "reads_to_end",
)

# The width of the CJ service's column. A longer id ends the batch with a database error.
ESSAY_ID_LENGTH = 36
ASSIGNMENT_ID_LENGTH = 100


class EssayRef(WireModel):
    """One essay to compare: its id and the storage id of its text in the Content Service."""

    essay_id: Annotated[str, Field(min_length=1, max_length=ESSAY_ID_LENGTH)]
    text_storage_id: Annotated[str, Field(min_length=1)]
    spellcheck_metrics: None = None


class StoredText(WireModel):
    """A text in the Content Service."""

    storage_id: str
    path: str = ""


class PromptReference(WireModel):
    """Where the students' task is stored."""

    references: dict[str, StoredText]

    @classmethod
    def to_student_prompt(cls, storage_id: str) -> PromptReference:
        """Build the reference, under the name that the CJ service looks for."""
        return cls(references={"student_prompt_text": StoredText(storage_id=storage_id)})


class LLMConfigOverrides(WireModel):
    """Overrides of the judge's default settings; None keeps the default."""

    provider_override: Provider | None = None
    model_override: str | None = None
    temperature_override: Temperature | None = None
    max_tokens_override: MaxTokens | None = None
    system_prompt_override: str | None = None
    judge_rubric_override: str | None = None
    reasoning_effort: ReasoningEffort | None = None
    output_verbosity: OutputVerbosity | None = None


class CJAssessmentRequest(BatchEvent):
    """Compare these essays.

    Attributes:
        assignment_id: None makes a guest run: the service adds no anchors and projects no grades.
    """

    event_name: Literal["els.cj_assessment.requested"] = "els.cj_assessment.requested"
    entity_id: str
    entity_type: Literal["batch"] = "batch"
    system_metadata: SystemMetadata
    essays_for_cj: tuple[EssayRef, ...]
    language: Language
    course_code: CourseCode
    student_prompt_ref: PromptReference | None = None
    llm_config_overrides: LLMConfigOverrides | None = None
    assignment_id: Annotated[str, Field(max_length=ASSIGNMENT_ID_LENGTH)] | None = None
    user_id: str
    org_id: str | None = None


# The keys under which the batching mode travels: in the request's metadata, and in a comparison's.
BATCHING_HINT = "llm_batching_mode_hint"
BATCHING_MODE = "cj_llm_batching_mode"


def batching_mode(value: JsonValue) -> BatchingMode | None:
    """The mode that a value names; None for no mode and for one that is not known: it is a hint."""
    try:
        return BatchingMode(value) if isinstance(value, str) else None
    except ValueError:
        return None


# The key of the request's metadata, our extension, with which a client says that it goes on reading after the result
# until it has every callback. A service need not wait for such a client before it publishes the result.
READS_TO_END = "reads_to_end"


def reads_to_end(metadata: Mapping[str, JsonValue] | None) -> bool:
    """Whether the client of a request reads all callbacks, also those that it gets after the result."""
    return metadata is not None and metadata.get(READS_TO_END) is True


# Models whose name begins so are no language models: they judge by measurable properties of the texts.
BASELINE_MODEL_PREFIX = "offline-baseline"
