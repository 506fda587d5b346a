"""The services' answers, read from bodies as they would come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from eng5_runner.contracts import services
from eng5_runner.contracts.base import describe
from tests.contracts.messages import message, raw

CANARY = "canary-b9e2-do-not-show"
BODIES = message("bodies")
MODELS = {
    "http.content.upload.response": services.StoredContent,
    "http.error.response": services.ErrorAnswer,
    "http.health.response": services.Health,
    "http.cj.instructions.response": services.Instructions,
    "http.cj.instructions_page.response": services.InstructionsPage,
    "http.cj.student_prompt.response": services.StudentPrompt,
    "http.cj.judge_rubric.response": services.JudgeRubric,
    "http.identity.tokens.response": services.TokenPair,
    "http.cj.anchor.response": services.AnchorRegistered,
    "http.cj.anchors.response": services.AnchorListing,
    "http.llm_provider.comparison.response": services.ComparisonQueued,
    "http.llm_provider.models.response": services.ModelManifest,
}


@pytest.mark.parametrize("name", BODIES)
def test_each_answer_is_read_with_fields_of_next_year(name):
    read = MODELS[name].model_validate_json(raw({**BODIES[name], "of_next_year": [CANARY]}), extra="ignore")
    assert read == MODELS[name].model_validate_json(raw(BODIES[name]), extra="ignore")


@pytest.mark.parametrize("name", BODIES)
def test_an_empty_answer_is_refused_and_each_missing_field_is_named(name):
    needed = [key for key, field in MODELS[name].model_fields.items() if field.is_required()]
    with pytest.raises(ValidationError) as caught:
        MODELS[name].model_validate_json(b"{}", extra="ignore")
    assert describe(caught.value, most=9) == "; ".join(f"{key}: is missing" for key in needed)


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_answer_is_refused_without_showing_it(name):
    for wrong in (raw(CANARY), raw([CANARY]), f"<html>{CANARY}</html>".encode(), raw({"error": CANARY})):
        with pytest.raises(ValidationError) as caught:
            MODELS[name].model_validate_json(wrong, extra="ignore")
        assert CANARY not in describe(caught.value)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("storage_id", ["", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n", "../../etc/passwd"])
def test_a_storage_id_is_exactly_32_hexadecimal_digits(storage_id):
    with pytest.raises(ValidationError, match="storage_id"):
        services.StoredContent.model_validate_json(raw({"storage_id": storage_id}))


def test_both_forms_of_created_at_are_the_same_moment():
    first, second = BODIES["http.cj.instructions.response"], BODIES["http.cj.student_prompt.response"]
    http_date = services.Instructions.model_validate_json(raw(first)).created_at
    iso = services.StudentPrompt.model_validate_json(raw(second)).created_at
    assert http_date == iso == datetime(2027, 3, 2, 8, tzinfo=UTC)
