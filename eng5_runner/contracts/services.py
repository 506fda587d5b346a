"""The bodies of the services' HTTP requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, JsonValue

from eng5_runner.contracts.base import Instant, Lenient, WireModel
from eng5_runner.contracts.request import LLMConfigOverrides

STORAGE_ID_PATTERN = r"^[0-9a-f]{32}$"
# In characters. CJ refuses to register a shorter anchor.
ANCHOR_TEXT_MINIMUM = 100
INSTRUCTIONS_MINIMUM = 10


class StoredContent(WireModel):
    """Content Service: the answer to an upload."""

    storage_id: Annotated[str, Field(pattern=STORAGE_ID_PATTERN)]
    correlation_id: Lenient[str] = None


class ErrorBody(WireModel):
    """The value of `error` in every service's refusal."""

    error_code: str
    message: str
    correlation_id: Lenient[str] = None
    service: Lenient[str] = None
    details: Lenient[dict[str, JsonValue]] = None


class ErrorAnswer(WireModel):
    """A service's refusal."""

    error: ErrorBody


class ProviderTrouble(WireModel):
    """Our extension: a provider that gives no answer at the moment.

    Attributes:
        silent_seconds: since its last answer, or since it was first asked.
        reason: what happened last, in words.
        patience_seconds: how long a comparison is tried before it counts as failed.
    """

    silent_seconds: float
    reason: str
    patience_seconds: float


class Health(WireModel):
    """The answer to `GET /healthz`.

    Attributes:
        providers: our extension: an LLM provider service's providers that give no answer at the moment.
        calls_under_way: our extension: its calls to paid judges that wait for their answers.
        supported_options: the fields of `contracts.study_options` that a CJ service supports; `honours` in JSON.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    status: str
    service: Lenient[str] = None
    supported_options: Annotated[
        Lenient[tuple[str, ...]], Field(validation_alias="honours", serialization_alias="honours")
    ] = None
    providers: Annotated[Lenient[dict[str, ProviderTrouble]], Field(exclude_if=lambda providers: not providers)] = None
    calls_under_way: Annotated[Lenient[int], Field(exclude_if=lambda calls: not calls)] = None


class InstructionsBody(WireModel):
    """CJ admin: new instructions for an assignment or a course, exactly one of the two."""

    assignment_id: str | None = None
    course_id: str | None = None
    instructions_text: Annotated[str, Field(min_length=INSTRUCTIONS_MINIMUM)]
    grade_scale: str
    context_origin: Literal["research_experiment", "canonical_national"] = "research_experiment"
    student_prompt_storage_id: str | None = None


class Instructions(WireModel):
    """CJ admin: the instructions on record."""

    id: int
    assignment_id: str | None = None
    course_id: Lenient[str] = None
    instructions_text: str
    grade_scale: str
    context_origin: Lenient[str] = None
    student_prompt_storage_id: Lenient[str] = None
    created_at: Lenient[Instant] = None


class InstructionsPage(WireModel):
    """CJ admin: one page of the instructions on record."""

    items: tuple[Instructions, ...]
    total: int
    page: int
    page_size: int


class StudentPromptBody(WireModel):
    """CJ admin: the students' task for an assignment."""

    assignment_id: str
    prompt_text: Annotated[str, Field(min_length=INSTRUCTIONS_MINIMUM)]


class StudentPrompt(WireModel):
    """CJ admin: the students' task on record."""

    assignment_id: str
    student_prompt_storage_id: str
    prompt_text: str
    instructions_text: Lenient[str] = None
    grade_scale: Lenient[str] = None
    created_at: Lenient[Instant] = None


class AnchorBody(WireModel):
    """CJ: register an anchor; a body with a known label updates that anchor."""

    assignment_id: str
    grade: str
    anchor_label: str
    essay_text: Annotated[str, Field(min_length=ANCHOR_TEXT_MINIMUM)]


class AnchorRegistered(WireModel):
    """CJ: the answer to a registration."""

    anchor_id: int
    storage_id: str
    grade_scale: str
    status: str = "registered"


class AnchorOnRecord(WireModel):
    """CJ admin: one anchor of an assignment; `id` is the row id in the batch's anchor names."""

    id: Annotated[int, Field(ge=0, lt=10**18)]
    anchor_label: str
    grade: str
    grade_scale: str
    text_storage_id: str
    created_at: Lenient[Instant] = None


class AnchorListing(WireModel):
    """CJ admin: all anchors of an assignment."""

    assignment_id: str
    grade_scale: Lenient[str] = None
    anchor_count: Lenient[int] = None
    anchors: tuple[AnchorOnRecord, ...]
    anchor_count_total: Lenient[int] = None
    anchor_count_by_scale: Lenient[dict[str, int]] = None


# Our extension: the comparisons that one request may cancel.
CANCELLED_AT_ONCE = 1000


class PromptBlock(WireModel):
    """One part of a judge's prompt."""

    target: str = "user_content"
    content: str
    cacheable: bool = False
    ttl: str = "5m"
    content_hash: str


class ComparisonBody(WireModel):
    """LLM provider: judge this prompt. The answer arrives on `callback_topic`, with `metadata` unchanged."""

    user_prompt: Annotated[str, Field(min_length=1)]
    prompt_blocks: tuple[PromptBlock, ...] | None = None
    callback_topic: str
    llm_config_overrides: LLMConfigOverrides
    correlation_id: str
    user_id: str | None = None
    metadata: dict[str, JsonValue]


class ComparisonQueued(WireModel):
    """LLM provider: the comparison is queued; `queue_id` is the `request_id` of its result."""

    queue_id: str
    status: str = "queued"
    message: Lenient[str] = None
    estimated_wait_minutes: Lenient[float] = None


class CancelComparisons(WireModel):
    """LLM provider, our extension: ask no more of these comparisons, as far as a provider's batch can be cancelled."""

    correlation_ids: Annotated[tuple[str, ...], Field(max_length=CANCELLED_AT_ONCE)]


class ComparisonsCancelled(WireModel):
    """LLM provider, our extension: the answer to it.

    Attributes:
        known: those that the service was asked. Each has its result on the topic, or gets one: a verdict if the
            provider had answered it, else a failure that costs nothing.
    """

    known: tuple[str, ...]


# Our extension: the comparisons that one request may hold, and so the answers in its answer.
COMPARISONS_AT_ONCE = 100


class SeveralComparisons(WireModel):
    """LLM provider, our extension: judge these prompts; each is taken or refused by itself."""

    comparisons: Annotated[tuple[ComparisonBody, ...], Field(min_length=1, max_length=COMPARISONS_AT_ONCE)]


class ComparisonRefused(WireModel):
    """LLM provider, our extension: one of several comparisons is not taken.

    Attributes:
        status: of the answer that the comparison would have got by itself.
        retry_after: seconds until it may be taken, if the service says.
    """

    status: int
    error: ErrorBody
    retry_after: Lenient[float] = None


class SeveralQueued(WireModel):
    """LLM provider, our extension: what became of each of several comparisons, in their order."""

    answers: tuple[ComparisonQueued | ComparisonRefused, ...]


class ModelEntry(WireModel):
    """LLM provider: one model of the manifest. Prices are in USD per 1,000 tokens."""

    model_id: str
    provider: str
    display_name: Lenient[str] = None
    model_family: Lenient[str] = None
    max_tokens: Lenient[int] = None
    context_window: Lenient[int] = None
    capabilities: Lenient[dict[str, JsonValue]] = None
    cost_per_1k_input_tokens: Lenient[float] = None
    cost_per_1k_output_tokens: Lenient[float] = None
    is_deprecated: Lenient[bool] = None
    release_date: Lenient[str] = None
    recommended_for: Lenient[tuple[str, ...]] = None


class ModelManifest(WireModel):
    """LLM provider: the models that it can use.

    Attributes:
        comparisons_at_once: our extension: how many `SeveralComparisons` may hold; None if it does not take them.
    """

    providers: dict[str, tuple[ModelEntry, ...]]
    total_models: int
    comparisons_at_once: Annotated[Lenient[int], Field(exclude_if=lambda count: count is None)] = None


class JudgeRubricBody(WireModel):
    """CJ admin: a new rubric for an assignment's judge."""

    assignment_id: str
    rubric_text: Annotated[str, Field(min_length=INSTRUCTIONS_MINIMUM)]


class JudgeRubric(WireModel):
    """CJ admin: the judge's rubric on record."""

    assignment_id: str
    judge_rubric_storage_id: str
    rubric_text: str
    instructions_text: Lenient[str] = None
    grade_scale: Lenient[str] = None
    created_at: Lenient[Instant] = None


# Issuer and audience of the tokens that the services' admin sides accept, and the role that they require.
TOKEN_ISSUER = "huleedu-identity-service"  # noqa: S105 - a name, no secret
TOKEN_AUDIENCE = "huleedu-platform"  # noqa: S105 - a name, no secret
ADMIN_ROLE = "admin"
# Printable ASCII without spaces, which an HTTP header takes unchanged.
TokenText: TypeAlias = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]


class LoginBody(WireModel):
    """Identity Service: a login."""

    email: Annotated[str, Field(min_length=1, max_length=320)]
    password: Annotated[str, Field(min_length=1, max_length=1024, repr=False)]


class RefreshBody(WireModel):
    """Identity Service: exchange a refresh token for a new pair of tokens."""

    refresh_token: Annotated[TokenText, Field(repr=False)]


class TokenPair(WireModel):
    """Identity Service: the answer to a login or a refresh.

    Attributes:
        refresh_token: may be missing in the answer to a refresh; the old one then stays valid.
        expires_in: how long the access token is valid, in seconds.
    """

    access_token: Annotated[TokenText, Field(repr=False)]
    refresh_token: Annotated[Lenient[TokenText], Field(repr=False)] = None
    expires_in: Annotated[float, Field(gt=0, le=10 * 365 * 86400)]
