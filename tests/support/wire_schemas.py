"""The wire as JSON Schema 2020-12, for readers who do not run Python.

What is sent is described closed: every field stands there (one that is null may be left out), and no other. What is
received is described by what it must have: other fields are welcome, and an optional one that is not of the type given
here counts as absent.

The callbacks have a second schema, of the writer: what our own services publish. There nothing that the contract
requires is null or absent; further fields are welcome.
"""

from __future__ import annotations

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from eng5_runner.contracts import services
from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.callbacks import (
    AssessmentResult,
    CJAssessmentCompleted,
    CJAssessmentFailed,
    LLMComparisonResult,
)
from eng5_runner.contracts.envelope import Envelope, Received
from eng5_runner.contracts.published import (
    PublishedComparison,
    PublishedCompletion,
    PublishedFailure,
    PublishedResult,
)
from eng5_runner.contracts.request import CJAssessmentRequest, LLMConfigOverrides
from eng5_runner.contracts.topics import Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
HOME = "https://eng5-runner.dev/schemas/events/"

_SENT: tuple[tuple[str, type[WireModel]], ...] = (
    (Topic.REQUEST, Envelope[CJAssessmentRequest]),
    ("llm_config_overrides", LLMConfigOverrides),
    ("http.cj.instructions.request", services.InstructionsBody),
    ("http.cj.student_prompt.request", services.StudentPromptBody),
    ("http.cj.judge_rubric.request", services.JudgeRubricBody),
    ("http.cj.anchor.request", services.AnchorBody),
    ("http.identity.login.request", services.LoginBody),
    ("http.identity.refresh.request", services.RefreshBody),
    ("http.llm_provider.comparison.request", services.ComparisonBody),
    ("http.llm_provider.comparisons.request", services.SeveralComparisons),
    ("http.llm_provider.comparisons.cancel.request", services.CancelComparisons),
)

_PUBLISHED: tuple[tuple[str, type[WireModel]], ...] = (
    (f"{Topic.COMPARISON}.writer", Envelope[PublishedComparison]),
    (f"{Topic.COMPLETED}.writer", Envelope[PublishedCompletion]),
    (f"{Topic.FAILED}.writer", Envelope[PublishedFailure]),
    (f"{Topic.RESULT}.writer", Envelope[PublishedResult]),
)

_RECEIVED: tuple[tuple[str, type[WireModel]], ...] = (
    (Topic.COMPARISON, Received[LLMComparisonResult]),
    (Topic.COMPLETED, Received[CJAssessmentCompleted]),
    (Topic.FAILED, Received[CJAssessmentFailed]),
    (Topic.RESULT, Received[AssessmentResult]),
    ("http.error.response", services.ErrorAnswer),
    ("http.health.response", services.Health),
    ("http.content.upload.response", services.StoredContent),
    ("http.cj.instructions.response", services.Instructions),
    ("http.cj.instructions_page.response", services.InstructionsPage),
    ("http.cj.student_prompt.response", services.StudentPrompt),
    ("http.cj.judge_rubric.response", services.JudgeRubric),
    ("http.cj.anchor.response", services.AnchorRegistered),
    ("http.cj.anchors.response", services.AnchorListing),
    ("http.identity.tokens.response", services.TokenPair),
    ("http.llm_provider.comparison.response", services.ComparisonQueued),
    ("http.llm_provider.comparisons.response", services.SeveralQueued),
    ("http.llm_provider.comparisons.cancel.response", services.ComparisonsCancelled),
    ("http.llm_provider.models.response", services.ModelManifest),
)


def wire_schemas() -> dict[str, dict[str, JsonValue]]:
    """The schema of every message and body of the wire, by file name."""
    sent = {name: _schema(name, model, mode="serialization") for name, model in _SENT}
    published = {
        name: _schema(name, model, mode="serialization", generator=_WriterSchema) for name, model in _PUBLISHED
    }
    received = {name: _schema(name, model, mode="validation") for name, model in _RECEIVED}
    return {f"{name}.schema.json": schema for name, schema in sorted({**sent, **published, **received}.items())}


class _WireSchema(GenerateJsonSchema):
    """Pydantic's generator, with what its types alone do not say about the wire."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: object) -> bool:
        """No title repeats the field's name."""
        return False

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """What is sent has all of its fields that are not null."""
        inner = field["schema"]
        if self.mode == "serialization" and inner["type"] == "default":
            return inner.get("default") is not None or "default_factory" in inner
        return super().field_is_required(field, total)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """What is sent has a zone; received are also HTTP dates and instants without a zone."""
        if self.mode == "serialization":
            return super().datetime_schema(schema)
        return {"type": "string", "description": "ISO 8601 (UTC where no zone is given) or an HTTP date."}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Received objects are open; a comparison result has a winner or an error."""
        found = super().model_schema(schema)
        if self.mode == "validation":
            found.pop("additionalProperties", None)
        if issubclass(schema["cls"], LLMComparisonResult):
            found.update(_either_winner_or_error())
        return found


class _WriterSchema(_WireSchema):
    """What our services publish: every field that is not null, and perhaps more."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """An object may have further fields: the client's metadata come back, and the real services add some."""
        found = super().model_schema(schema)
        found.pop("additionalProperties", None)
        if issubclass(schema["cls"], LLMComparisonResult):
            found["allOf"] = [_a_winner_has_a_confidence()]
        return found


def _a_winner_has_a_confidence() -> JsonSchemaValue:
    won: JsonSchemaValue = {"required": ["winner"], "properties": {"winner": {"type": "string"}}}
    confidence: JsonSchemaValue = {"type": "number", "minimum": 1, "maximum": 5}
    justification: JsonSchemaValue = {"type": "string", "maxLength": 500}
    properties: JsonSchemaValue = {"confidence": confidence, "justification": justification}
    return {"if": won, "then": {"required": [*properties], "properties": properties}}


def _either_winner_or_error() -> JsonSchemaValue:
    won: JsonSchemaValue = {"required": ["winner"], "properties": {"winner": {"type": "string"}}}
    failed: JsonSchemaValue = {"required": ["error_detail"], "properties": {"error_detail": {"type": "object"}}}
    hashed: JsonSchemaValue = {"required": ["prompt_sha256"], "properties": {"prompt_sha256": {"type": "string"}}}
    return {"oneOf": [won, failed], "if": won, "then": {"properties": {"request_metadata": hashed}}}


def _schema(
    name: str, model: type[WireModel], *, mode: JsonSchemaMode, generator: type[_WireSchema] = _WireSchema
) -> dict[str, JsonValue]:
    found = model.model_json_schema(mode=mode, schema_generator=generator)
    head: dict[str, JsonValue] = {"$schema": DIALECT, "$id": f"{HOME}{name}.schema.json"}
    return {**head, **found, "title": name}
