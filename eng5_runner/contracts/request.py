"""What the runner asks of the CJ service: ELS_CJAssessmentRequestV1."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.events import BatchEvent, SystemMetadata

# The width of the CJ service's column; a longer id ends the batch with a database error.
ESSAY_ID_LENGTH = 36
ASSIGNMENT_ID_LENGTH = 100
# No model writes so much; what is larger than 64 bits no JSON writer of the services takes.
MOST_TOKENS = 2**31 - 1
MaxTokens: TypeAlias = Annotated[int, Field(gt=0, le=MOST_TOKENS)]


class Provider(StrEnum):
    """The LLM providers that the wire knows."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"


class CourseCode(StrEnum):
    """The courses that the wire knows."""

    ENG5 = "ENG5"
    ENG6 = "ENG6"
    ENG7 = "ENG7"
    SV1 = "SV1"
    SV2 = "SV2"
    SV3 = "SV3"


class Language(StrEnum):
    """The languages that the wire knows."""

    ENGLISH = "en"
    SWEDISH = "sv"


class ReasoningEffort(StrEnum):
    """How much a model may think before it answers."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class OutputVerbosity(StrEnum):
    """How much a model may say."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class EssayRef(WireModel):
    """One essay to compare: its id and where the Content Service keeps its text."""

    essay_id: Annotated[str, Field(min_length=1, max_length=ESSAY_ID_LENGTH)]
    text_storage_id: Annotated[str, Field(min_length=1)]
    spellcheck_metrics: None = None


class StoredText(WireModel):
    """A text in the Content Service."""

    storage_id: str
    path: str = ""


class PromptReference(WireModel):
    """Where the students' task lies."""

    references: dict[str, StoredText]

    @classmethod
    def to_student_prompt(cls, storage_id: str) -> PromptReference:
        """The reference under the one name that the CJ service looks for."""
        return cls(references={"student_prompt_text": StoredText(storage_id=storage_id)})


class LLMConfigOverrides(WireModel):
    """What the judge shall do otherwise than its service's defaults; None leaves the default."""

    provider_override: Provider | None = None
    model_override: str | None = None
    temperature_override: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens_override: MaxTokens | None = None
    system_prompt_override: str | None = None
    judge_rubric_override: str | None = None
    reasoning_effort: ReasoningEffort | None = None
    output_verbosity: OutputVerbosity | None = None


class CJAssessmentRequest(BatchEvent):
    """Compare these essays. `assignment_id` None makes it a guest run: no anchors and no grades from the service."""

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


# Models of this family judge by measurable properties of the texts; they are no language models, and say so.
BASELINE_MODEL_PREFIX = "offline-baseline"
