"""The request that the runner sends to the CJ service: ELS_CJAssessmentRequestV1."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.events import BatchEvent, SystemMetadata

# The width of the CJ service's column. A longer id ends the batch with a database error.
ESSAY_ID_LENGTH = 36
ASSIGNMENT_ID_LENGTH = 100
# No model writes so many. The services' JSON writers refuse numbers of more than 64 bits.
MOST_TOKENS = 2**31 - 1
MaxTokens: TypeAlias = Annotated[int, Field(gt=0, le=MOST_TOKENS)]


class Provider(StrEnum):
    """The LLM providers of the contract."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"


class CourseCode(StrEnum):
    """The courses of the contract."""

    ENG5 = "ENG5"
    ENG6 = "ENG6"
    ENG7 = "ENG7"
    SV1 = "SV1"
    SV2 = "SV2"
    SV3 = "SV3"


class Language(StrEnum):
    """The languages of the contract."""

    ENGLISH = "en"
    SWEDISH = "sv"


class ReasoningEffort(StrEnum):
    """How much a model may reason before it answers."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class OutputVerbosity(StrEnum):
    """How long a model's answer may be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


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
    temperature_override: Annotated[float, Field(ge=0, le=2)] | None = None
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


# Models whose name begins so are no language models: they judge by measurable properties of the texts.
BASELINE_MODEL_PREFIX = "offline-baseline"
