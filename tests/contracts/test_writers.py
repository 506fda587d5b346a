"""What our services publish is stricter than what the runner reads."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import EssayResult
from eng5_runner.contracts.published import PublishedEssayResult
from eng5_runner.contracts.topics import Topic
from tests.support.field import recorded
from tests.support.wire_schemas import wire_schemas

WRITERS = {
    topic: Draft202012Validator(wire_schemas()[f"{topic}.writer.schema.json"])
    for topic in (Topic.COMPARISON, Topic.COMPLETED, Topic.FAILED, Topic.RESULT)
}
RECORDED = [*recorded.callbacks(), *recorded.errors(), *recorded.failures()]


def breaches(topic: str, value: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in WRITERS[Topic(topic)].iter_errors(value)]


def test_the_messages_of_the_real_services_fit_the_writers_schemas():
    assert {message.topic for message in RECORDED} == set(WRITERS)
    for message in RECORDED:
        assert breaches(message.topic, message.value) == []


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        (Topic.RESULT, ("essay_results", 0, "letter_grade")),
        (Topic.RESULT, ("essay_results", 0, "normalized_score")),
        (Topic.RESULT, ("essay_results", 0, "confidence_score")),
        (Topic.RESULT, ("essay_results", 0, "confidence_label")),
        (Topic.RESULT, ("essay_results", 0, "bt_score")),
        (Topic.RESULT, ("model_used",)),
        (Topic.COMPLETED, ("processing_summary", "failed_essay_ids")),
        (Topic.FAILED, ("system_metadata", "error_info")),
        (Topic.COMPARISON, ("confidence",)),
        (Topic.COMPARISON, ("token_usage", "total_tokens")),
    ],
)
def test_a_null_or_a_gap_breaks_the_writer_s_schema(topic: Topic, path: tuple[Any, ...]):
    value = copy.deepcopy(next(message.value for message in RECORDED if message.topic == topic))
    place = value["data"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = None
    assert breaches(topic, value)
    del place[path[-1]]
    assert breaches(topic, value)


def test_empty_maps_stand_for_projections_that_are_not_there():
    value = copy.deepcopy(next(message.value for message in RECORDED if message.topic == Topic.RESULT))
    maps = ("primary_grades", "confidence_labels", "confidence_scores", "grade_probabilities", "calibration_info")
    summary: dict[str, Any] = {"projections_available": False, "bt_stats": {}} | {name: {} for name in maps}
    value["data"]["assessment_metadata"]["grade_projection_summary"] = summary
    assert breaches(Topic.RESULT, value) == []
    summary["grade_probabilities"] = None
    assert breaches(Topic.RESULT, value)


def test_a_writer_cannot_leave_out_what_a_reader_does_without():
    assert EssayResult(essay_id="student_1").rank is None
    with pytest.raises(ValidationError, match="bt_score"):
        PublishedEssayResult(essay_id="student_1", rank=1, is_anchor=False)  # type: ignore[call-arg] # - under test
    with pytest.raises(ValidationError, match="letter_grade"):
        PublishedEssayResult(essay_id="student_1", bt_score=0.0, rank=1, is_anchor=False, letter_grade="7")
