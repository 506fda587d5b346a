"""Whatever a broker delivers, reading it gives an event or a ValidationError and nothing else."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.callbacks import (
    AssessmentResult,
    BTStats,
    CJAssessmentCompleted,
    ComparisonMetadata,
    ErrorDetail,
    EssayResult,
    LLMComparisonResult,
    ProcessingSummary,
    TokenUsage,
)
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.events import ProcessingStage, SystemMetadata
from eng5_runner.contracts.messages import batch_of, parse_callback
from eng5_runner.contracts.request import (
    CJAssessmentRequest,
    CourseCode,
    EssayRef,
    Language,
    LLMConfigOverrides,
    OutputVerbosity,
    PromptReference,
    Provider,
    ReasoningEffort,
)
from eng5_runner.contracts.services import AnchorListing, ErrorAnswer, Instructions, ModelManifest, StoredContent
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from tests.contracts.messages import CALLBACKS, altered, message, paths, text

if TYPE_CHECKING:
    from eng5_runner.contracts.base import WireModel

DEPTH = 100_000

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
odd_texts = st.sampled_from(
    ["Sun, 1 Jan 1 00:00:00 +2359", "Mon, 9999999999999999999999", "9999-12-31T23:59:59-23:59", "Essay A", "0" * 64,
     "1e400", "\x00", "\x1b[31m", "\u2028", "a,", "-1", "P1D"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | strings | odd_texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4), max_leaves=12
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=8,
)
instants = st.datetimes(
    datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC) | st.timezones()  # noqa: DTZ001 - Hypothesis adds the zone
)  # fmt: skip


def maybe(strategy):
    return st.none() | strategy


def read(topic: Topic, value: bytes) -> None:
    """Read as a run does; only a ValidationError may come of it, and it can be told."""
    try:
        told = batch_of(parse_callback(topic, value).data)
    except ValidationError as error:
        told = describe(error) or pytest.fail("the refusal says nothing")
    assert isinstance(told, str | None)


topics = st.sampled_from(CALLBACK_TOPICS)


@given(topic=topics, value=st.binary(max_size=300))
@example(topic=Topic.COMPARISON, value=b"")
@example(topic=Topic.COMPARISON, value=b"\xff\xfe{")
@example(topic=Topic.RESULT, value=b"\xef\xbb\xbf{}")
@example(topic=Topic.RESULT, value=b'{"event_id":"\\ud800"}')
def test_arbitrary_bytes_are_refused(topic, value):
    with pytest.raises(ValidationError):
        parse_callback(topic, value)


@given(topic=topics, value=anything)
def test_arbitrary_json_is_read_or_refused(topic, value):
    read(topic, json.dumps(value).encode())


@settings(max_examples=400)
@given(data=st.data())
def test_a_sound_message_with_anything_in_any_place_is_read_or_refused(data):
    name, topic = data.draw(st.sampled_from(CALLBACKS))
    path = data.draw(st.sampled_from([path for path in paths(message(name)) if path]))
    read(topic, altered(name, {path: data.draw(anything)}))


@given(data=st.data())
def test_a_message_cut_anywhere_is_refused(data):
    name, topic = data.draw(st.sampled_from(CALLBACKS))
    whole = text(name).rstrip()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValidationError):
        parse_callback(topic, whole[:cut])


@pytest.mark.parametrize("topic", CALLBACK_TOPICS)
@pytest.mark.parametrize(
    "value",
    [b"[" * DEPTH + b"]" * DEPTH, b"[" * DEPTH, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, b'{"data":' * DEPTH],
    ids=["arrays", "open arrays", "objects", "open objects"],
)
def test_nesting_of_any_depth_is_refused_and_not_a_recursion_error(topic, value):
    with pytest.raises(ValidationError):
        parse_callback(topic, value)


@pytest.mark.parametrize(
    "blob", ["[" * DEPTH + "]" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH, "9" * 10_000, "1e400", "NaN", "-Infinity"]
)
def test_hostile_json_in_a_free_field_is_read_or_refused(blob):
    whole = text("comparison_won").decode()
    value = whole.replace('"metadata": null', f'"metadata": {{"x": {blob}}}')
    assert value != whole
    read(Topic.COMPARISON, value.encode())


@given(model=st.sampled_from([AnchorListing, ErrorAnswer, Instructions, ModelManifest, StoredContent]), value=anything)
def test_arbitrary_http_bodies_are_read_or_refused(model: type[WireModel], value):
    with contextlib.suppress(ValidationError):
        model.model_validate_json(json.dumps(value), extra="ignore")


overrides = st.builds(
    LLMConfigOverrides,
    provider_override=maybe(st.sampled_from(Provider)),
    model_override=maybe(strings),
    temperature_override=maybe(st.floats(0, 2)),
    max_tokens_override=maybe(st.integers(1, 100_000)),
    system_prompt_override=maybe(strings),
    judge_rubric_override=maybe(strings),
    reasoning_effort=maybe(st.sampled_from(ReasoningEffort)),
    output_verbosity=maybe(st.sampled_from(OutputVerbosity)),
)
bookkeeping = st.builds(
    SystemMetadata,
    entity_id=maybe(strings),
    timestamp=maybe(instants),
    processing_stage=maybe(st.sampled_from(ProcessingStage)),
    error_info=maybe(st.dictionaries(strings, json_values, max_size=3)),
)
requests = st.builds(
    CJAssessmentRequest,
    entity_id=strings,
    parent_id=maybe(strings),
    timestamp=maybe(instants),
    system_metadata=bookkeeping,
    essays_for_cj=st.lists(
        st.builds(
            EssayRef,
            essay_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=36),
            text_storage_id=strings.filter(bool),
        ),
        max_size=4,
    ).map(tuple),
    language=st.sampled_from(Language),
    course_code=st.sampled_from(CourseCode),
    student_prompt_ref=maybe(st.builds(PromptReference.to_student_prompt, strings)),
    llm_config_overrides=maybe(overrides),
    assignment_id=maybe(strings),
    user_id=strings,
    org_id=maybe(strings),
)
common = {
    "request_id": strings.filter(bool),
    "correlation_id": strings,
    "justification": maybe(strings),
    "confidence": maybe(finite),
    "provider": strings,
    "model": strings,
    "response_time_ms": maybe(st.integers(0, 10**6)),
    "token_usage": st.builds(
        TokenUsage, prompt_tokens=st.integers(0, 10**6), completion_tokens=st.integers(0, 10**6), total_tokens=st.none()
    ),
    "cost_estimate": st.floats(0, 1e6),
    "requested_at": instants,
    "completed_at": instants,
    "request_metadata": st.builds(
        ComparisonMetadata,
        essay_a_id=strings.map("a{}".format),
        essay_b_id=strings.map("b{}".format),
        prompt_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
        bos_batch_id=maybe(strings),
        batch_id=maybe(strings),
        comparison_iteration=maybe(st.integers(0, 99)),
    ),
}
details = st.builds(
    ErrorDetail,
    error_code=strings,
    message=maybe(strings),
    timestamp=maybe(instants),
    details=maybe(st.dictionaries(strings, json_values, max_size=3)),
)
comparisons = st.builds(
    LLMComparisonResult, winner=st.sampled_from(["Essay A", "Essay B"]), error_detail=st.none(), **common
) | st.builds(LLMComparisonResult, winner=st.none(), error_detail=details, **common)
ends = st.builds(
    CJAssessmentCompleted,
    event_name=strings,
    entity_id=strings,
    status=strings,
    system_metadata=maybe(bookkeeping),
    processing_summary=maybe(
        st.builds(ProcessingSummary, total_essays=maybe(st.integers(0, 99)), failed_essay_ids=st.just(("a", "b")))
    ),
)
results = st.builds(
    AssessmentResult,
    event_name=strings,
    entity_id=strings,
    batch_id=maybe(strings),
    assessed_at=maybe(instants),
    essay_results=st.lists(
        st.builds(
            EssayResult,
            essay_id=strings,
            bt_score=maybe(finite),
            rank=maybe(st.integers(1, 99)),
            is_anchor=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
)


def enveloped(model, event):
    return st.builds(
        Envelope[model],
        event_id=st.uuids(),
        event_type=strings,
        event_timestamp=instants,
        source_service=strings,
        correlation_id=st.uuids(),
        data=event,
        metadata=maybe(st.dictionaries(strings, json_values, max_size=3)),
    )


def survived(received, sent) -> bool:
    """Whether all that was sent came through."""
    return all(getattr(received, name) == getattr(sent, name) for name in type(sent).model_fields)


@given(sent=enveloped(CJAssessmentRequest, requests))
def test_a_request_survives_the_wire(sent):
    assert Envelope[CJAssessmentRequest].model_validate_json(sent.to_bytes()) == sent


@given(sent=enveloped(LLMComparisonResult, comparisons))
def test_a_comparison_survives_the_wire(sent):
    assert survived(parse_callback(Topic.COMPARISON, sent.to_bytes()), sent)


@given(sent=enveloped(CJAssessmentCompleted, ends))
def test_a_completion_survives_the_wire(sent):
    assert survived(parse_callback(Topic.COMPLETED, sent.to_bytes()), sent)


@given(sent=enveloped(AssessmentResult, results))
def test_a_result_survives_the_wire(sent):
    assert survived(parse_callback(Topic.RESULT, sent.to_bytes()), sent)


@given(mean=finite, error=st.none() | finite)
def test_a_missing_standard_error_stays_missing(mean, error):
    sent = BTStats(bt_mean=mean, bt_se=error)
    assert BTStats.model_validate_json(sent.model_dump_json()) == sent


@given(moment=instants)
def test_an_instant_is_the_same_moment_after_the_wire_whatever_its_zone(moment):
    sent = SystemMetadata(timestamp=moment)
    received = SystemMetadata.model_validate_json(sent.model_dump_json())
    assert received.timestamp is not None
    assert abs(received.timestamp - moment) == timedelta(0)
