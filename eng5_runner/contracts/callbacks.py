"""The messages that come back for a batch: comparison results, the completion, the failure and the result.

Only the fields that a run needs are required. Any other field with a wrong value counts as missing.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from eng5_runner.contracts.base import Instant, Lenient, WireModel
from eng5_runner.contracts.events import BatchEvent, SystemMetadata
from eng5_runner.contracts.stopping import COST_LIMIT, CostStop, DecidedPairs, Look

Winner = Literal["Essay A", "Essay B"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Tokens = Annotated[int, Field(ge=0)]
Usd = Annotated[float, Field(ge=0)]
# A name that a provider gives: short and printable, so that it can be shown.
ProvidersName = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,200}$")]
# No call uses so many tokens or USD.
_MOST = 10**12


# Keys of an error's `details`, our extension.
IS_RETRYABLE, IS_INTERRUPTED = "is_retryable", "is_interrupted"
# So ends our provider's message where a call was sent and its answer was not recorded: nobody can tell here.
MAY_BE_CHARGED = "it may be charged"


class TokenUsage(WireModel):
    """Tokens that the model read and wrote for one comparison."""

    prompt_tokens: Tokens
    completion_tokens: Tokens
    total_tokens: Lenient[Tokens] = None


class ErrorDetail(WireModel):
    """Why a comparison failed. Services may add codes; a stack trace that a service adds is not read.

    Attributes:
        details: our extension: `is_retryable` is false where the same request would fail again; `is_interrupted` is
            true where the service ended while the model was asked.
    """

    error_code: str
    message: Lenient[str] = None
    correlation_id: Lenient[str] = None
    timestamp: Lenient[Instant] = None
    service: Lenient[str] = None
    operation: Lenient[str] = None
    details: Lenient[dict[str, JsonValue]] = None


class ReplayOf(WireModel):
    """The judgement that a replay repeats: its id, its time, and what it cost then.

    Attributes:
        cost_usd: None if the price was not known.
    """

    request_id: Annotated[str, Field(min_length=1)]
    recorded_at: Instant
    cost_usd: Annotated[Usd, Field(le=_MOST)] | None
    prompt_tokens: Annotated[Tokens, Field(le=_MOST)]
    completion_tokens: Annotated[Tokens, Field(le=_MOST)]


class ComparisonMetadata(WireModel):
    """The metadata that the CJ service attached to a comparison, returned unchanged.

    Attributes:
        essay_a_id: the essay shown first.
        essay_b_id: the essay shown second.
        prompt_sha256: of the exact prompt text; present on errors too.
        bos_batch_id: the batch's UUID; older services write `batch_id`.
        cj_request_type: `cj_comparison` or `cj_retry`.
        system_prompt_sha256: of the exact system prompt, if there was one.
        prompt_templates: name → sha256 of each prompt text that differs from the service's own.
        cassette: whether the judgement is a replay from the judgement cache; `replay_of` then says of what.
        repeat_index: our extension: how often the pair was compared before in this order, without retries.
        answer_form: our extension: the form that the model was asked for, where its server does not take a schema.
        cost_known: our extension: False if the cost is not known; `cost_estimate` is then the most that it can be, or 0
            if that is not known either.
        served_model: our extension: the model that the provider says it used, which can be a dated version.
        system_fingerprint: our extension: the provider's name for the state of its system.
        cached_tokens: our extension: the part of the prompt's tokens that came from the provider's cache.
        batched: our extension: whether it went to the provider's batch API, and costs what that costs.
    """

    essay_a_id: str
    essay_b_id: str
    prompt_sha256: Lenient[Sha256] = None
    bos_batch_id: Lenient[str] = None
    batch_id: Lenient[str] = None
    cj_batch_id: Lenient[str] = None
    cj_source: Lenient[str] = None
    cj_request_type: Lenient[str] = None
    comparison_iteration: Lenient[int] = None
    cj_llm_batching_mode: Lenient[str] = None
    system_prompt_sha256: Lenient[Sha256] = None
    prompt_templates: Lenient[dict[str, Sha256]] = None
    cassette: Lenient[bool] = None
    replay_of: Lenient[ReplayOf] = None
    repeat_index: Lenient[Annotated[int, Field(ge=0)]] = None
    answer_form: Lenient[Literal["json", "text"]] = None
    cost_known: Lenient[bool] = None
    served_model: Lenient[ProvidersName] = None
    system_fingerprint: Lenient[ProvidersName] = None
    probability_a: Lenient[Annotated[float, Field(ge=0, le=1)]] = None
    probability_is_bound: Lenient[bool] = None
    cached_tokens: Lenient[Tokens] = None
    batched: Lenient[bool] = None

    @property
    def batch(self) -> str | None:
        """The batch's UUID, from the field that has it."""
        return self.bos_batch_id or self.batch_id


class LLMComparisonResult(WireModel):
    """One comparison by one judge. It has either a winner or an error.

    Attributes:
        request_id: the provider's queue id; duplicates are recognised by it.
        correlation_id: the pair's id.
        confidence: 1 to 5; can have many decimals.
        response_time_ms: how long the model took to answer, in milliseconds.
        cost_estimate: in USD.
    """

    request_id: Annotated[str, Field(min_length=1)]
    correlation_id: Lenient[str] = None
    winner: Winner | None = None
    justification: Lenient[str] = None
    confidence: Lenient[float] = None
    error_detail: ErrorDetail | None = None
    provider: str
    model: str
    response_time_ms: Lenient[Annotated[int, Field(ge=0)]] = None
    token_usage: TokenUsage
    cost_estimate: Usd
    requested_at: Instant
    completed_at: Instant
    trace_id: Lenient[str] = None
    request_metadata: ComparisonMetadata

    @model_validator(mode="after")
    def _either_winner_or_error(self) -> Self:
        if (self.winner is None) == (self.error_detail is None):
            both = "both a winner and an error" if self.winner else "neither a winner nor an error"
            raise ValueError(f"the result has {both}")
        if self.winner is not None and self.request_metadata.prompt_sha256 is None:
            raise ValueError("request_metadata.prompt_sha256: no usable hash of the prompt that was judged")
        if self.request_metadata.essay_a_id == self.request_metadata.essay_b_id:
            raise ValueError("request_metadata: an essay was compared with itself")
        return self


class ProcessingSummary(WireModel):
    """How many essays of a batch were assessed."""

    total_essays: Lenient[int] = None
    successful: Lenient[int] = None
    failed: Lenient[int] = None
    successful_essay_ids: Lenient[tuple[str, ...]] = None
    failed_essay_ids: Lenient[tuple[str, ...]] = None
    processing_time_seconds: Lenient[float] = None


class CJAssessmentCompleted(BatchEvent):
    """The batch is done. Its figures come in a message of their own, `AssessmentResult`."""

    entity_id: str
    status: str
    system_metadata: Lenient[SystemMetadata] = None
    cj_assessment_job_id: Lenient[str] = None
    processing_summary: Lenient[ProcessingSummary] = None

    @property
    def cost_stop(self) -> CostStop | None:
        """Where the batch stopped, if its cost limit stopped it: `error_info` then has the reason and the figures."""
        info = (self.system_metadata and self.system_metadata.error_info) or {}
        if info.get("reason") != COST_LIMIT:
            return None
        try:
            return CostStop.model_validate(info.get("details"), extra="ignore")
        except ValidationError:
            return None


class CJAssessmentFailed(BatchEvent):
    """The batch ended without a result; `system_metadata.error_info` says why."""

    entity_id: str
    status: Lenient[str] = None
    system_metadata: Lenient[SystemMetadata] = None
    cj_assessment_job_id: Lenient[str] = None

    @property
    def reason(self) -> str:
        """Why, in the service's words, in one line of at most 600 characters.

        A database error includes its statement and the values, which can be an essay. That part is left out.
        """
        info = (self.system_metadata and self.system_metadata.error_info) or {}
        message = info.get("error_message") or info.get("reason") or "no reason given"
        details = info.get("details")
        if isinstance(details, dict) and "reason" in info:
            message = f"{message} ({_counts(details)})"
        line = " ".join(re.split(r"\[SQL: |\[parameters: |\nTraceback ", str(message))[0].split())
        # A chain of errors has its cause at the end.
        return line if len(line) <= 600 else f"{line[:299]}…{line[-300:]}"  # noqa: PLR2004 - as the docstring promises


def _counts(details: dict[str, JsonValue]) -> str:
    figures = {k: v for k, v in details.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return ", ".join(f"{name} {round(value, 2)}" for name, value in figures.items())


class EssayResult(WireModel):
    """The service's figures for one essay; a missing figure is None, not zero."""

    essay_id: str
    normalized_score: Lenient[float] = None
    letter_grade: Lenient[str] = None
    confidence_score: Lenient[float] = None
    confidence_label: Lenient[str] = None
    bt_score: Lenient[float] = None
    rank: Lenient[Annotated[int, Field(ge=1)]] = None
    is_anchor: Lenient[bool] = None
    feedback_uri: Lenient[str] = None
    metrics_uri: Lenient[str] = None
    display_name: Lenient[str] = None


class BTStats(WireModel):
    """The service's estimate of an essay's position on the logit scale."""

    bt_mean: Lenient[float] = None
    bt_se: Lenient[float] = None


class GradeProjectionSummary(WireModel):
    """The grades that the service projects, by essay id."""

    projections_available: Lenient[bool] = None
    primary_grades: Lenient[dict[str, str]] = None
    confidence_labels: Lenient[dict[str, str]] = None
    confidence_scores: Lenient[dict[str, float]] = None
    grade_probabilities: Lenient[dict[str, dict[str, float]]] = None
    calibration_info: Lenient[dict[str, JsonValue]] = None
    bt_stats: Lenient[dict[str, BTStats]] = None


class AssessmentMetadata(WireModel):
    """Figures of the assessment as a whole.

    Attributes:
        comparison_count: in the real service's messages this is not the number of comparisons made.
        stopping_looks: our extension: each check whether the study could end.
        cost_stop: our extension: where the batch stopped, if its cost limit stopped it.
        decided: our extension: what was saved because pairs of a boundary design were decided.
    """

    anchor_essays_used: Lenient[int] = None
    calibration_method: Lenient[str] = None
    anchor_grade_distribution: Lenient[dict[str, int]] = None
    comparison_count: Lenient[int] = None
    processing_duration_seconds: Lenient[float] = None
    llm_temperature: Lenient[float] = None
    assignment_id: Lenient[str] = None
    course_code: Lenient[str] = None
    grade_projection_summary: Lenient[GradeProjectionSummary] = None
    stopping_looks: Lenient[tuple[Look, ...]] = None
    cost_stop: Lenient[CostStop] = None
    decided: Lenient[DecidedPairs] = None


class AssessmentResult(BatchEvent):
    """The result of a batch: scores, ranks and grades, anchors included."""

    batch_id: Lenient[str] = None
    cj_assessment_job_id: Lenient[str] = None
    assignment_id: Lenient[str] = None
    assessment_method: Lenient[str] = None
    model_used: Lenient[str] = None
    model_provider: Lenient[str] = None
    model_version: Lenient[str] = None
    assessed_at: Lenient[Instant] = None
    essay_results: tuple[EssayResult, ...]
    assessment_metadata: Lenient[AssessmentMetadata] = None


Callback = LLMComparisonResult | CJAssessmentCompleted | CJAssessmentFailed | AssessmentResult
