"""The callbacks as our own services publish them: nothing that the contract requires is null.

A reader accepts more than a writer may send. These models are the writer's side of `callbacks`, so what is built from
them can be read by every client of the contract: an essay without a grade has the grade "U" with confidence 0, and a
map without entries is empty.

    >>> PublishedEssayResult(essay_id="student_1", bt_score=0.4, rank=1, is_anchor=False).letter_grade
    'U'
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from eng5_runner.contracts.base import Instant
from eng5_runner.contracts.callbacks import (
    AssessmentMetadata,
    AssessmentResult,
    BTStats,
    CJAssessmentCompleted,
    CJAssessmentFailed,
    ComparisonMetadata,
    ErrorDetail,
    EssayResult,
    GradeProjectionSummary,
    LLMComparisonResult,
    ProcessingSummary,
    Sha256,
    Tokens,
    TokenUsage,
)
from eng5_runner.contracts.events import ProcessingStage, SystemMetadata

UNGRADED = "U"
LETTER_GRADE = r"^([A-F][+-]?|U)$"
LetterGrade = Annotated[str, Field(pattern=LETTER_GRADE)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
ConfidenceLabel = Literal["HIGH", "MID", "LOW"]


class PublishedSystemMetadata(SystemMetadata):
    """The record of a batch in our events."""

    entity_id: str
    entity_type: Literal["batch"] = "batch"
    timestamp: Instant
    processing_stage: ProcessingStage
    event: str
    error_info: dict[str, JsonValue]


class PublishedTokenUsage(TokenUsage):
    """The tokens of a comparison, with their sum."""

    total_tokens: Tokens


class PublishedErrorDetail(ErrorDetail):
    """Why a comparison failed, with every field that a reader may show."""

    message: str
    correlation_id: str
    timestamp: Instant
    service: str
    operation: str
    details: dict[str, JsonValue]


class PublishedComparisonMetadata(ComparisonMetadata):
    """The client's metadata, with the hash of the prompt that the provider adds."""

    prompt_sha256: Sha256


class PublishedComparison(LLMComparisonResult):
    """One comparison, as our LLM Provider Service publishes it."""

    correlation_id: str
    response_time_ms: Count
    token_usage: PublishedTokenUsage
    error_detail: PublishedErrorDetail | None = None
    request_metadata: PublishedComparisonMetadata


class PublishedProcessingSummary(ProcessingSummary):
    """How many essays of a batch were assessed; every field is set."""

    total_essays: Count
    successful: Count
    failed: Count
    successful_essay_ids: tuple[str, ...]
    failed_essay_ids: tuple[str, ...]
    processing_time_seconds: Seconds


class PublishedCompletion(CJAssessmentCompleted):
    """The thin event, as our CJ service publishes it."""

    event_name: Literal["cj_assessment.completed"] = "cj_assessment.completed"
    entity_type: Literal["batch"] = "batch"
    timestamp: Instant
    status: Literal["completed_successfully", "completed_with_failures"]
    system_metadata: PublishedSystemMetadata
    cj_assessment_job_id: str
    processing_summary: PublishedProcessingSummary


class PublishedFailure(CJAssessmentFailed):
    """The event of a batch that ends without a result, as our CJ service publishes it."""

    event_name: Literal["cj_assessment.failed"] = "cj_assessment.failed"
    entity_type: Literal["batch"] = "batch"
    timestamp: Instant
    status: Literal["failed_critically"] = "failed_critically"
    system_metadata: PublishedSystemMetadata
    cj_assessment_job_id: str


class PublishedEssayResult(EssayResult):
    """The figures of one essay; an anchor and an essay without a projected grade keep the defaults.

    Attributes:
        letter_grade: the contract knows letters only; a grade of a scale of numbers is in the projection summary.
        normalized_score: the expected position on the grade scale, from 0 (lowest) to 1 (highest).
        confidence_score: the probability of the grade.
    """

    normalized_score: Share = 0.0
    letter_grade: LetterGrade = UNGRADED
    confidence_score: Share = 0.0
    confidence_label: ConfidenceLabel = "LOW"
    bt_score: float
    rank: Annotated[int, Field(ge=1)]
    is_anchor: bool


class PublishedBTStats(BTStats):
    """An essay's position and its standard error, in logits."""

    bt_mean: float
    bt_se: float


class PublishedProjections(GradeProjectionSummary):
    """The projected grades by essay id; empty maps where nothing is projected."""

    projections_available: bool
    primary_grades: dict[str, str] = Field(default_factory=dict)
    confidence_labels: dict[str, ConfidenceLabel] = Field(  # type: ignore[assignment] # - a dict is invariant
        default_factory=dict
    )
    confidence_scores: dict[str, Share] = Field(default_factory=dict)
    grade_probabilities: dict[str, dict[str, Share]] = Field(default_factory=dict)
    calibration_info: dict[str, JsonValue] = Field(default_factory=dict)
    bt_stats: dict[str, PublishedBTStats]  # type: ignore[assignment] # - a dict is invariant


class PublishedAssessmentMetadata(AssessmentMetadata):
    """Figures of the assessment as a whole; the real service leaves the projections out when there are none."""

    anchor_essays_used: Count
    anchor_grade_distribution: dict[str, Count]
    comparison_count: Count
    processing_duration_seconds: Seconds
    course_code: str
    grade_projection_summary: PublishedProjections | None = None


class PublishedResult(AssessmentResult):
    """The rich event, as our CJ service publishes it."""

    event_name: Literal["assessment.result.published"] = "assessment.result.published"
    entity_id: str
    entity_type: Literal["batch"] = "batch"
    timestamp: Instant
    batch_id: str
    cj_assessment_job_id: str
    assessment_method: Literal["cj_assessment"] = "cj_assessment"
    model_used: str
    model_provider: str
    assessed_at: Instant
    essay_results: tuple[PublishedEssayResult, ...]
    assessment_metadata: PublishedAssessmentMetadata
