"""Liberal in what is received: only what a run needs is asked for."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.callbacks import AssessmentResult, CJAssessmentFailed, LLMComparisonResult
from eng5_runner.contracts.events import SystemMetadata
from eng5_runner.contracts.messages import batch_of, parse_callback
from eng5_runner.contracts.services import AnchorListing, Instructions
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from tests.contracts.messages import BATCH, CALLBACKS, altered, at, message, paths, raw, text, without
from tests.support.wire_schemas import wire_schemas

CANARY = "canary-7f3a-do-not-show"

COMPARISON = (
    ("data",),
    ("data", "request_id"),
    ("data", "provider"),
    ("data", "model"),
    ("data", "token_usage"),
    ("data", "token_usage", "prompt_tokens"),
    ("data", "token_usage", "completion_tokens"),
    ("data", "cost_estimate"),
    ("data", "requested_at"),
    ("data", "completed_at"),
    ("data", "request_metadata"),
    ("data", "request_metadata", "essay_a_id"),
    ("data", "request_metadata", "essay_b_id"),
)
NEEDED = {
    "comparison_won": COMPARISON,
    "comparison_failed": COMPARISON,
    "completed": (("data",), ("data", "entity_id"), ("data", "status")),
    "failed": (("data",), ("data", "entity_id")),
    "result": (("data",), ("data", "essay_results"), ("data", "essay_results", 0, "essay_id")),
}
TOPIC_OF = dict(CALLBACKS)
EACH_NEEDED = [(name, path) for name, needed in NEEDED.items() for path in needed]

# Objects whose keys are data (ids, grades, free details): an unknown key there is an entry, not a field.
MAPS = {
    "metadata", "details", "error_info", "primary_grades", "confidence_labels", "confidence_scores",
    "grade_probabilities", "calibration_info", "bt_stats", "anchor_grade_distribution",
}  # fmt: skip


def refusal(name: str, value: bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        parse_callback(TOPIC_OF[name], value)
    return describe(caught.value)


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
def test_every_callback_is_read_and_says_its_batch(name, topic):
    assert batch_of(parse_callback(topic, text(name)).data) == BATCH


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
def test_unknown_fields_change_nothing_wherever_they_stand(name, topic):
    value = message(name)
    for path in list(paths(value)):
        inner = at(value, path)
        if isinstance(inner, dict) and not MAPS & set(path):
            inner["a_field_of_next_year"] = {"deep": [1, None]}
    assert parse_callback(topic, raw(value)) == parse_callback(topic, text(name))


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
@pytest.mark.parametrize("event_type", ["", "something.else", "huleedu.els.cj_assessment.requested.v1"])
def test_the_event_type_decides_nothing(name, topic, event_type):
    found = parse_callback(topic, altered(name, {("event_type",): event_type}))
    assert found.data == parse_callback(topic, text(name)).data


@pytest.mark.parametrize("code", ["TIMEOUT", "LLM_COST_LIMIT_EXCEEDED", "A_CODE_OF_NEXT_YEAR", ""])
def test_the_set_of_error_codes_is_open(code):
    value = altered("comparison_failed", {("data", "error_detail", "error_code"): code})
    found = parse_callback(Topic.COMPARISON, value).data
    assert isinstance(found, LLMComparisonResult)
    assert found.error_detail is not None
    assert found.error_detail.error_code == code


@pytest.mark.parametrize("grade", ["0", "7", "9", "U", "F+", "A"])
def test_a_grade_of_any_scale_is_kept_as_it_is(grade):
    value = altered("result", {("data", "essay_results", 0, "letter_grade"): grade})
    found = parse_callback(Topic.RESULT, value).data
    assert isinstance(found, AssessmentResult)
    assert found.essay_results[0].letter_grade == grade


@pytest.mark.parametrize("newer", [None, "", 17], ids=repr)
def test_an_older_producer_names_the_batch_batch_id(newer):
    at_metadata = ("data", "request_metadata")
    value = altered("comparison_won", {(*at_metadata, "bos_batch_id"): newer, (*at_metadata, "batch_id"): "older"})
    assert batch_of(parse_callback(Topic.COMPARISON, value).data) == "older"


def test_a_comparison_that_names_no_batch_belongs_to_none():
    value = without("comparison_won", ("data", "request_metadata", "bos_batch_id"))
    assert batch_of(parse_callback(Topic.COMPARISON, value).data) is None


def test_a_result_belongs_to_the_batch_that_it_names():
    value = altered("result", {("data", "batch_id"): "the batch", ("data", "entity_id"): "the entity"})
    assert batch_of(parse_callback(Topic.RESULT, value).data) == "the batch"


def test_a_result_without_batch_id_belongs_to_its_entity():
    value = altered("result", {("data", "batch_id"): None, ("data", "entity_id"): "the entity"})
    assert batch_of(parse_callback(Topic.RESULT, value).data) == "the entity"


@pytest.mark.parametrize(
    "written",
    [
        "2027-03-02T08:16:09.500000Z",
        "2027-03-02T08:16:09.500000",
        "2027-03-02T09:16:09.500000+01:00",
        "2027-03-02 08:16:09.5Z",
    ],
)
def test_iso_instants_are_read_as_utc_with_or_without_a_zone(written):
    found = parse_callback(Topic.COMPARISON, altered("comparison_won", {("data", "requested_at"): written})).data
    assert isinstance(found, LLMComparisonResult)
    assert found.requested_at == datetime(2027, 3, 2, 8, 16, 9, 500_000, tzinfo=UTC)
    assert found.requested_at.tzinfo is UTC


def test_an_instant_without_a_zone_is_utc_on_a_machine_in_another_zone(monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = SystemMetadata.model_validate_json(raw({"timestamp": "2027-03-02T08:16:09"}))
    time.tzset()
    assert found.timestamp == datetime(2027, 3, 2, 8, 16, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    ["Tue, 02 Mar 2027 08:16:09 GMT", "Tue, 02 Mar 2027 09:16:09 +0100", "Tue, 02 Mar 2027 08:16:09 -0000"],
)
def test_http_dates_are_read_as_utc(written):
    found = Instructions.model_validate_json(
        raw({"id": 1, "instructions_text": "t", "grade_scale": "g", "created_at": written})
    )
    assert found.created_at == datetime(2027, 3, 2, 8, 16, 9, tzinfo=UTC)


def test_the_failed_event_s_start_without_a_zone_is_utc():
    found = parse_callback(Topic.FAILED, text("failed")).data
    assert isinstance(found, CJAssessmentFailed)
    assert found.system_metadata is not None
    assert found.system_metadata.started_at == datetime(2027, 3, 2, 8, 15, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        CANARY,
        f"Tue, {CANARY}",
        "Tue, 99 Mar 2027 08:16:09 GMT",
        "Tue, 02 Mar 2027 08:16:09 +9999",
        "Tue, 02 Mar 99999999999999999999 08:16:09 GMT",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        ", ,",
        1e300,
    ],
)
def test_an_impossible_date_is_refused_by_name_where_needed_and_absent_where_not(written):
    told = refusal("comparison_won", altered("comparison_won", {("data", "requested_at"): written}))
    assert told.startswith("data.requested_at: ")
    assert str(written) not in told
    lenient = altered("comparison_failed", {("data", "error_detail", "timestamp"): written})
    found = parse_callback(Topic.COMPARISON, lenient).data
    assert isinstance(found, LLMComparisonResult)
    assert found.error_detail is not None
    assert found.error_detail.timestamp is None


@pytest.mark.parametrize(("name", "path"), EACH_NEEDED)
def test_a_needed_field_that_is_missing_is_named(name, path):
    assert refusal(name, without(name, path)) == f"{'.'.join(map(str, path))}: is missing"


@pytest.mark.parametrize(("name", "path"), EACH_NEEDED)
def test_a_needed_field_that_is_null_is_named(name, path):
    assert refusal(name, altered(name, {path: None})).startswith(".".join(map(str, path)))


@pytest.mark.parametrize("wrong", [[CANARY], {"inner": CANARY}], ids=["list", "object"])
@pytest.mark.parametrize(("name", "path"), EACH_NEEDED)
def test_a_needed_field_of_the_wrong_type_is_named_and_its_value_not_shown(name, path, wrong):
    told = refusal(name, altered(name, {path: wrong}))
    assert told.startswith(".".join(map(str, path)))
    assert CANARY not in told


def test_the_fields_named_here_as_needed_are_all_that_the_schemas_require():
    for name, topic in CALLBACKS:
        schema = wire_schemas()[f"{topic}.schema.json"]
        assert set(_required(schema, schema)) == set(NEEDED[name])


def _required(schema, node, here=()):
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for name in node.get("required", ()):
        yield (*here, name)
        yield from _required(schema, node["properties"][name], (*here, name))
    if node.get("type") == "array":
        yield from _required(schema, node["items"], (*here, 0))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({("data", "error_detail"): {"error_code": CANARY}}, "data: the result has both"),
        ({("data", "winner"): None}, "data: the result has neither"),
        ({("data", "winner"): CANARY}, "data.winner: "),
        ({("data", "winner"): "essay a"}, "data.winner: "),
        ({("data", "request_metadata", "prompt_sha256"): CANARY}, "request_metadata.prompt_sha256: no usable hash"),
        ({("data", "request_metadata", "essay_a_id"): "heron-02"}, "an essay was compared with itself"),
        ({("data", "request_id"): ""}, "data.request_id: "),
        ({("data", "cost_estimate"): -1}, "data.cost_estimate: "),
        ({("data", "cost_estimate"): float("inf")}, "data.cost_estimate: "),
        ({("data", "cost_estimate"): float("nan")}, "data.cost_estimate: "),
        ({("data", "token_usage", "prompt_tokens"): -3}, "data.token_usage.prompt_tokens: "),
        ({("data", "token_usage", "prompt_tokens"): 1.5}, "data.token_usage.prompt_tokens: "),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_a_comparison_that_contradicts_itself_is_refused_with_the_reason(changes, told):
    found = refusal("comparison_won", altered("comparison_won", changes))
    assert told in found
    assert CANARY not in found


def test_an_error_needs_no_hash_of_the_prompt():
    assert "prompt_sha256" not in message("comparison_failed")["data"]["request_metadata"]
    assert parse_callback(Topic.COMPARISON, text("comparison_failed"))


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
def test_each_field_that_is_not_needed_may_be_anything(name, topic):
    """A run is not lost for a field that it can do without; such a field counts as absent."""
    needed = set(NEEDED[name])
    fixed = {("data", "winner"), ("data", "error_detail")}
    hashed = ("data", "request_metadata", "prompt_sha256")
    for path in paths(message(name)):
        parents = {path[:length] for length in range(1, len(path) + 1)}
        inside_a_result = path[:2] == ("data", "essay_results") and len(path) < 4
        if not path or parents & (fixed | {hashed}) or path in needed or inside_a_result or path[-1] == "essay_id":
            continue
        for odd in (CANARY, [17], {"odd": True}, None, False, -1):
            assert parse_callback(topic, altered(name, {path: odd})), path


def test_what_does_not_fit_counts_as_absent_and_is_not_zero():
    place = ("data", "essay_results", 0)
    value = altered("result", {(*place, "bt_score"): "high", (*place, "rank"): 0, (*place, "is_anchor"): "perhaps"})
    found = parse_callback(Topic.RESULT, value).data
    assert isinstance(found, AssessmentResult)
    essay = found.essay_results[0]
    assert (essay.bt_score, essay.rank, essay.is_anchor) == (None, None, None)


def test_a_failure_s_reason_is_one_line_in_the_service_s_words():
    found = parse_callback(Topic.FAILED, text("failed")).data
    assert isinstance(found, CJAssessmentFailed)
    assert found.reason == "Nobody knows the task of the tide."


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"reason": "low_success_rate", "details": {"ok": 3, "of": 9, "note": "x"}}, "low_success_rate (ok 3, of 9)"),
        ({"error_message": "x" * 350 + "the cause".rjust(300, "y")}, "x" * 299 + "…" + "y" * 291 + "the cause"),
        ({"error_message": "No. [SQL: INSERT …] [parameters: ('an essay')]"}, "No."),
        ({"error_message": "No.\nTraceback (most recent call last):"}, "No."),
        ({"error_message": "x" * 600}, "x" * 600),
        ({}, "no reason given"),
        (None, "no reason given"),
        ("odd", "no reason given"),
    ],
    ids=["counts", "long", "a statement", "a trace", "just fits", "empty", "null", "no object"],
)
def test_a_failure_s_reason_is_short_and_never_absent(info, reason):
    found = parse_callback(Topic.FAILED, altered("failed", {("data", "system_metadata", "error_info"): info})).data
    assert isinstance(found, CJAssessmentFailed)
    assert found.reason == reason


def test_nothing_of_ours_comes_on_the_request_topic():
    with pytest.raises(ValueError, match="carries no callbacks"):
        parse_callback(Topic.REQUEST, text("request"))
    assert set(CALLBACK_TOPICS) == set(Topic) - {Topic.REQUEST}


def test_describe_tells_the_first_breaches_and_counts_the_rest():
    with pytest.raises(ValidationError) as caught:
        parse_callback(Topic.COMPARISON, b'{"data": {}}')
    told = "data.request_id: is missing; data.provider: is missing; and 6 more"
    assert describe(caught.value, most=2) == told


def test_describe_names_the_message_where_there_is_no_field():
    assert refusal("completed", f'"{CANARY}'.encode()).startswith("message: is no JSON")


def test_a_listing_with_an_odd_anchor_date_keeps_its_anchor():
    body = json.loads(text("bodies"))["http.cj.anchors.response"]
    body["anchors"][0]["created_at"] = "yesterday"
    found = AnchorListing.model_validate_json(raw(body), extra="ignore")
    assert (found.anchors[0].id, found.anchors[0].created_at) == (5, None)
