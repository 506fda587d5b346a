"""Strict in what is sent: a value that the wire does not know cannot be built."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.callbacks import ComparisonMetadata, LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.events import ProcessingStage, SystemMetadata
from eng5_runner.contracts.request import (
    CJAssessmentRequest,
    EssayRef,
    LLMConfigOverrides,
    PromptReference,
    Provider,
    StoredText,
)
from eng5_runner.contracts.services import (
    AnchorBody,
    ComparisonBody,
    ComparisonQueued,
    InstructionsBody,
    PromptBlock,
    StoredContent,
    StudentPromptBody,
)
from tests.contracts.messages import altered, message, raw, text

CANARY = "canary-51c0-do-not-show"

ESSAY = {"essay_id": "heron-01", "text_storage_id": "0a"}
ANCHOR = {"assignment_id": "a", "grade": "A", "anchor_label": "l", "essay_text": "t" * 100}
INSTRUCTIONS = {"assignment_id": "a", "instructions_text": "t" * 10, "grade_scale": "g"}
PROMPT = {"assignment_id": "a", "prompt_text": "t" * 10}
COMPARISON = {
    "user_prompt": "p",
    "callback_topic": "t",
    "llm_config_overrides": LLMConfigOverrides(),
    "correlation_id": "c",
    "metadata": {},
}


@pytest.mark.parametrize(
    ("model", "least"),
    [
        (EssayRef, ESSAY),
        (LLMConfigOverrides, {}),
        (AnchorBody, ANCHOR),
        (InstructionsBody, INSTRUCTIONS),
        (StudentPromptBody, PROMPT),
        (ComparisonBody, COMPARISON),
        (SystemMetadata, {}),
    ],
)
def test_a_field_that_the_wire_does_not_know_cannot_be_sent(model, least):
    model(**least)
    with pytest.raises(ValidationError) as caught:
        model(**least, a_typo=CANARY)
    assert describe(caught.value) == "a_typo: is not known"


@pytest.mark.parametrize(
    ("model", "sound", "broken"),
    [
        (EssayRef, ESSAY, {"essay_id": "e" * 37}),
        (EssayRef, ESSAY, {"essay_id": ""}),
        (EssayRef, ESSAY, {"text_storage_id": ""}),
        (EssayRef, ESSAY, {"spellcheck_metrics": CANARY}),
        (LLMConfigOverrides, {}, {"provider_override": CANARY}),
        (LLMConfigOverrides, {}, {"provider_override": "Anthropic"}),
        (LLMConfigOverrides, {}, {"temperature_override": 2.01}),
        (LLMConfigOverrides, {}, {"temperature_override": -0.01}),
        (LLMConfigOverrides, {}, {"temperature_override": float("nan")}),
        (LLMConfigOverrides, {}, {"max_tokens_override": 0}),
        (LLMConfigOverrides, {}, {"max_tokens_override": 1.5}),
        (LLMConfigOverrides, {}, {"reasoning_effort": CANARY}),
        (LLMConfigOverrides, {}, {"output_verbosity": "none"}),
        (AnchorBody, ANCHOR, {"essay_text": "t" * 99}),
        (InstructionsBody, INSTRUCTIONS, {"instructions_text": "t" * 9}),
        (InstructionsBody, INSTRUCTIONS, {"context_origin": CANARY}),
        (StudentPromptBody, PROMPT, {"prompt_text": "t" * 9}),
        (ComparisonBody, COMPARISON, {"user_prompt": ""}),
        (SystemMetadata, {}, {"processing_stage": CANARY}),
        (SystemMetadata, {}, {"timestamp": CANARY}),
        (SystemMetadata, {}, {"error_info": {"path": object()}}),
        (StoredContent, {"storage_id": "0" * 32}, {"storage_id": "0" * 31 + "G"}),
        (ComparisonQueued, {"queue_id": "q"}, {"estimated_wait_minutes": CANARY}),
    ],
    ids=lambda value: ",".join(f"{k}={str(v)[:12]}" for k, v in value.items()) if isinstance(value, dict) else None,
)
def test_a_value_outside_the_wire_s_range_cannot_be_sent(model, sound, broken):
    model(**sound)
    with pytest.raises(ValidationError) as caught:
        model(**{**sound, **broken})
    told = describe(caught.value)
    assert told.startswith(next(iter(broken)))
    assert CANARY not in told


def test_the_limits_themselves_can_be_sent():
    assert EssayRef(essay_id="e" * 36, text_storage_id="0").essay_id == "e" * 36
    for edge in (0.0, 2.0):
        assert LLMConfigOverrides(temperature_override=edge, max_tokens_override=1).temperature_override == edge


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("course_code", "ENG4"),
        ("language", "no"),
        ("assignment_id", "a" * 101),
        ("event_name", "cj_assessment.completed"),
        ("parent_id", 17),
        ("user_id", None),
    ],
)
def test_a_request_outside_the_contract_cannot_be_built(field, broken):
    with pytest.raises(ValidationError) as caught:
        Envelope[CJAssessmentRequest].model_validate(json.loads(altered("request", {("data", field): broken})))
    assert describe(caught.value).startswith(f"data.{field}")


@pytest.mark.parametrize(
    "metadata",
    [{"label": object()}, {1: "one"}, ["label"], {"budget": float("nan")}],
    ids=["object", "key", "list", "nan"],
)
def test_metadata_that_json_cannot_hold_is_an_error_and_not_dropped_in_silence(metadata):
    """The budget of a run travels in the metadata: a request that lost it would cost money."""
    sound = Envelope[CJAssessmentRequest].model_validate_json(text("request"))
    with pytest.raises(ValidationError) as caught:
        Envelope[CJAssessmentRequest](**{**dict(sound), "metadata": metadata})
    assert describe(caught.value).startswith("metadata")


def test_what_is_received_in_json_is_forgiven_what_is_built_to_be_sent_is_not():
    received = SystemMetadata.model_validate_json(raw({"processing_stage": "resting", "timestamp": "soon"}))
    assert received == SystemMetadata()
    with pytest.raises(ValidationError):
        SystemMetadata(processing_stage="resting")


def test_the_request_on_the_wire_is_its_message_field_by_field():
    found = Envelope[CJAssessmentRequest].model_validate_json(text("request"))
    assert json.loads(found.to_bytes()) == message("request")


def test_bytes_are_the_same_for_the_same_request():
    first, second = (Envelope[CJAssessmentRequest].model_validate_json(text("request")) for _ in range(2))
    assert first == second
    assert first.to_bytes() == second.to_bytes()


def test_text_outside_ascii_goes_as_utf_8():
    value = altered("request", {("data", "user_id"): "Åsa Öberg 🐦"})
    found = Envelope[CJAssessmentRequest].model_validate_json(value)
    assert "Åsa Öberg 🐦".encode() in found.to_bytes()


def test_a_message_cannot_be_changed_after_it_is_built():
    found = Envelope[CJAssessmentRequest].model_validate_json(text("request"))
    with pytest.raises(ValidationError, match="frozen"):
        found.data.essays_for_cj[0].essay_id = "other"


def test_enumerations_are_lower_case_values_on_the_wire():
    sent = LLMConfigOverrides(provider_override=Provider.OPENROUTER).model_dump_json()
    assert json.loads(sent)["provider_override"] == "openrouter"
    assert (
        json.loads(SystemMetadata(processing_stage=ProcessingStage.PENDING).model_dump_json())["processing_stage"]
        == "pending"
    )


def test_the_student_prompt_has_the_one_name_that_the_service_looks_for():
    assert PromptReference.to_student_prompt("id").references == {"student_prompt_text": StoredText(storage_id="id")}


def test_a_comparison_result_without_winner_and_error_cannot_be_sent_either():
    """The embedded provider builds the same model that the runner reads."""
    value = message("comparison_won")["data"]
    value["winner"] = None
    with pytest.raises(ValidationError, match="neither a winner nor an error"):
        LLMComparisonResult(**value)


def test_a_naive_instant_is_sent_as_utc():
    sent = SystemMetadata(timestamp=datetime(2027, 3, 2, 8, 15)).model_dump_json()  # noqa: DTZ001 - the case under test
    assert json.loads(sent)["timestamp"] == "2027-03-02T08:15:00Z"


def test_a_prompt_block_has_the_service_s_defaults():
    block = PromptBlock(content="c", content_hash="h")
    assert (block.target, block.cacheable, block.ttl) == ("user_content", False, "5m")


def test_an_envelope_carries_version_1_and_its_ids_as_text():
    sent = json.loads(Envelope[CJAssessmentRequest].model_validate_json(text("request")).to_bytes())
    assert sent["schema_version"] == 1
    assert str(UUID(sent["event_id"])) == sent["event_id"]


def test_a_comparison_s_metadata_knows_no_field_but_the_wire_s():
    with pytest.raises(ValidationError):
        ComparisonMetadata(essay_a_id="a", essay_b_id="b", essay_c_id=CANARY)
