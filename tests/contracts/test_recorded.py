"""Messages of the real services, where their recordings lie beside the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from eng5_runner.contracts.callbacks import AssessmentResult, CJAssessmentFailed, LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.messages import batch_of, parse_callback
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.services import AnchorListing, ComparisonBody, ComparisonQueued, Instructions, StoredContent
from eng5_runner.contracts.topics import Topic
from tests.support.wire_schemas import wire_schemas

RECORDED = Path(__file__).parents[2].parent / "shared" / "contracts" / "recorded"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings of the real services are not here")


def records(pattern):
    lines = b"\n".join(path.read_bytes() for path in sorted(RECORDED.glob(pattern))).split(b"\n")
    return [json.loads(line) for line in lines if line.strip()]


def messages(topic):
    found = [one for one in records("*.jsonl") if one.get("topic") == topic]
    assert found
    return found


def body(value):
    return json.dumps(value).encode()


def callbacks():
    return [one for one in records("*.jsonl") if one.get("topic") not in {None, Topic.REQUEST}]


def test_every_callback_is_read_and_belongs_to_the_batch_it_names_whatever_its_key():
    assert len(callbacks()) > 20
    for one in callbacks():
        data = one["value"]["data"]
        named = data["entity_id"] if "entity_id" in data else data["request_metadata"]["bos_batch_id"]
        assert batch_of(parse_callback(Topic(one["topic"]), body(one["value"])).data) == named


def test_every_callback_obeys_our_schema():
    validators = {name: Draft202012Validator(schema) for name, schema in wire_schemas().items()}
    for one in callbacks():
        errors = list(validators[f"{one['topic']}.schema.json"].iter_errors(one["value"]))
        assert errors == []


def test_comparisons_have_a_winner_or_an_error_and_the_figures_of_the_message():
    for one in messages(Topic.COMPARISON):
        found = parse_callback(Topic.COMPARISON, body(one["value"])).data
        assert isinstance(found, LLMComparisonResult)
        data = one["value"]["data"]
        assert (found.winner, found.confidence, found.cost_estimate) == (
            data["winner"],
            data["confidence"],
            data["cost_estimate"],
        )
        assert (found.error_detail and found.error_detail.error_code) == (
            data["error_detail"] and data["error_detail"]["error_code"]
        )
        assert found.request_metadata.prompt_sha256 == data["request_metadata"]["prompt_sha256"]


def test_every_failure_says_why_in_one_short_line():
    for one in messages(Topic.FAILED):
        found = parse_callback(Topic.FAILED, body(one["value"])).data
        assert isinstance(found, CJAssessmentFailed)
        assert found.reason != "no reason given"
        assert len(found.reason) <= 600
        assert "\n" not in found.reason


def test_the_result_keeps_every_essay_in_order():
    for one in messages(Topic.RESULT):
        found = parse_callback(Topic.RESULT, body(one["value"])).data
        assert isinstance(found, AssessmentResult)
        assert [essay.essay_id for essay in found.essay_results] == [
            essay["essay_id"] for essay in one["value"]["data"]["essay_results"]
        ]


def test_the_request_in_use_today_is_one_of_ours_field_by_field():
    for one in messages(Topic.REQUEST):
        found = Envelope[CJAssessmentRequest].model_validate_json(body(one["value"]))
        assert json.loads(found.to_bytes()) == one["value"]
        validator = Draft202012Validator(wire_schemas()[f"{Topic.REQUEST}.schema.json"])
        assert list(validator.iter_errors(json.loads(found.to_bytes()))) == []


@pytest.mark.parametrize(
    ("service", "part", "model"),
    [
        ("content", "/v1/content", StoredContent),
        ("cj", "/assessment-instructions/assignment/", Instructions),
        ("cj", "/anchors/assignment/", AnchorListing),
        ("llm_provider", "/api/v1/comparison", ComparisonQueued),
    ],
)
def test_the_services_answers_are_read(service, part, model):
    answers = [
        one["response"]["body"]
        for one in records("http.jsonl")
        if one["service"] == service and part in one["request"]["path"] and isinstance(one["response"]["body"], dict)
    ]
    assert answers
    for answer in answers:
        assert model.model_validate_json(body(answer), extra="ignore")


def test_the_bodies_that_cj_sends_to_the_judge_are_read():
    asked = [one["request"]["body"] for one in records("http.jsonl") if one["service"] == "llm_provider"]
    assert asked
    for one in asked:
        assert ComparisonBody.model_validate_json(body(one), extra="ignore")
