"""What was observed of the field's services, and what the runner makes of it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.core.classify import Accepted, RawRecord, batches, classify
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import AnchorRow, PreflightPassed
from eng5_runner.core.spec import Timeouts
from eng5_runner.errors import ConfigurationError, NotAllowed, ServiceUnavailable
from eng5_runner.inventory.essay_ids import student_id
from tests.field.session import run_against
from tests.support.field import recorded
from tests.support.field.recorded import Message
from tests.support.field.services import FieldServices, as_recorded
from tests.support.run.assignments import on_the_national_scale
from tests.support.run.runs import RUN_ID, Run, make_spec
from tests.support.run.world import World, whole_story
from tests.support.servers import serving

FIXED_BODY = {"error": "Internal server error", "message": "An unexpected error occurred"}


@pytest.mark.parametrize("path", [recorded.INSTRUCTIONS, recorded.LISTING])
async def test_the_admin_sides_one_500_is_told_as_what_it_may_mean_and_not_asked_again(path, embedded, tmp_path):
    async with FieldServices(embedded) as field:
        field.answers[path] = (500, FIXED_BODY)
        with pytest.raises(ServiceUnavailable) as caught:
            await run_against(field, tmp_path)
    assert "not found, not allowed, or broken" in caught.value.message
    for named in ("assignment's id", "token and its role", "--cj-service-url", "log"):
        assert named in caught.value.remedy
    assert field.asked[f"GET {path}"] == 1
    assert field.requests == []


REFUSALS = [(401, NotAllowed), (403, NotAllowed), (404, ConfigurationError)]


@pytest.mark.parametrize(("status", "error"), REFUSALS)
async def test_a_corrected_admin_side_is_taken_at_its_word(status, error, embedded, tmp_path):
    async with FieldServices(embedded) as field:
        field.answers[recorded.INSTRUCTIONS] = (status, {"error": {"error_code": "X", "message": "No."}})
        with pytest.raises(error):
            await run_against(field, tmp_path)
    assert field.requests == []


async def test_a_judge_service_in_mock_mode_works_though_its_health_check_says_503(embedded, tmp_path):
    """That is a warning; what counts is that it knows its models."""
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/api/v1/models":
            return web.json_response({"providers": {"mock": []}, "total_models": 0})
        return web.json_response({"status": "unhealthy"}, status=503)

    async with serving(answer) as url, FieldServices(embedded) as field:
        ended = await run_against(field, tmp_path, llm_url=f"{url}/api/v1")
    assert (ended.code, asked) == (0, ["/healthz", "/api/v1/models"])
    assert any("503" in warning for warning in ended.state.preflight.warnings)


async def test_anchors_that_the_service_lacks_are_registered_over_the_wire(embedded, tmp_path):
    """Two of nine are there; the others are written, without a second row for those, and read back."""
    async with FieldServices(embedded) as field:
        field.anchors = dict(list(field.anchors.items())[:2])
        ended = await run_against(field, tmp_path, register_anchors=True)
    assert (ended.code, ended.state.judged) == (0, 24)
    assert field.asked["POST /api/v1/anchors/register"] == 7
    told = next(check for check in ended.state.preflight.checks if "registered" in check)
    assert told.startswith("7 anchors were registered and read back: ")
    assert len(ended.state.preflight.anchor_rows) == len(field.anchors) == 9


async def test_a_refused_anchor_stops_the_run_with_the_services_words(embedded, tmp_path):
    async with FieldServices(embedded) as field:
        field.anchors = {}
        field.answers["/api/v1/anchors/register"] = (400, {"error": "Grade 'A' is not on the scale"})
        with pytest.raises(Exception, match="9 of 9 anchors were refused") as caught:
            await run_against(field, tmp_path, register_anchors=True)
    assert "Grade 'A' is not on the scale" in str(caught.value)
    assert field.requests == []


async def test_failed_comparisons_are_counted_costed_at_nothing_and_told_without_their_stack_traces(embedded, tmp_path):
    """Their model is "unknown", their tokens and cost are 0."""

    def script(sent: dict) -> list[Message]:
        return [*recorded.as_of(sent, recorded.errors()), *as_recorded(sent)]

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.judged, ended.state.failed) == (0, 24, 2)
    outputs = ended.hydrated().files
    assert not [name for name, data in outputs.items() if b"hypercorn" in data or b"stack_trace" in data]
    made = json.loads(outputs["assessment_run.execute.json"])
    (unknown,) = [row for row in made["costs"]["token_counts"] if row["model"] == "unknown"]
    assert (unknown["comparisons"], unknown["usd"], unknown["prompt_tokens"]) == (2, 0, 0)
    reasons = {one["failure_reason"] for one in made["failed_comparisons"]}
    assert reasons == {"EXTERNAL_SERVICE_ERROR: Mock provider simulated error for testing"}


FAILURES = [
    (0, "Unknown assignment_id '33333333-2222-4333-8444-555555555555': missing assessment_instructions"),
    (1, "value too long for type character varying(36)"),
    (2, "low_success_rate (callbacks_received 6, completed_comparisons 2, failed_comparisons 4, success_rate 0.33, "),
]


@pytest.mark.parametrize(("number", "reason"), FAILURES)
async def test_a_recorded_failure_ends_the_run_at_once_with_its_reason_and_no_word_of_an_essay(
    number, reason, embedded, tmp_path
):
    def script(sent: dict) -> list[Message]:
        (failure,) = recorded.as_of(sent, recorded.failures()[number : number + 1])
        return [failure]

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert ended.code == 69
    (told,) = ended.state.closed.reasons
    assert reason in told
    assert not re.search("SQL|INSERT|ferry|parameters", told)


def test_the_start_of_a_recorded_failure_has_no_zone_and_is_read_all_the_same():
    value = recorded.failures()[2].value
    assert not value["data"]["system_metadata"]["started_at"].endswith("Z")


async def test_with_some_judgements_a_low_success_rate_leaves_a_partial_artefact(embedded, tmp_path):
    def script(sent: dict) -> list[Message]:
        return [*as_recorded(sent)[:6], *recorded.as_of(sent, recorded.failures()[2:])]

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.judged) == (3, 6)
    assert len(ended.hydrated().artefact.bt_summary) == 13


async def test_a_guest_run_sends_anchors_as_students_that_nobody_takes_for_anchors(embedded, tmp_path):
    """No question about an assignment; the task's reference goes along; the anchors' grades are ours."""
    field = FieldServices(embedded)
    text_of = {text: name for name, text in recorded.students().items()}
    text_of |= {row["text"]: f"ANCHOR_{row['id']}" for row in recorded.anchors()}

    def script(sent: dict) -> list[Message]:
        essays = sent["data"]["essays_for_cj"]
        every = {one["body"]["storage_id"]: one["sent"] for one in recorded.http_pairs() if one["method"] == "POST"}
        names = {text_of[(every | field.texts)[one["text_storage_id"]]]: one["essay_id"] for one in essays}
        text = json.dumps([message.value for message in recorded.callbacks()])
        for message_name in set(re.findall(r"ANCHOR_\d+_[0-9a-f]{8}", text)):
            names[message_name] = names[message_name.rpartition("_")[0]]
        return recorded.as_of(sent, recorded.callbacks(), names_of=dict(sorted(names.items(), reverse=True)))

    field.script = script
    async with field:
        ended = await run_against(field, tmp_path, assignment_id=None)
    assert (ended.code, ended.state.judged) == (0, 24)
    (sent,) = field.requests
    names = [essay["essay_id"] for essay in sent["data"]["essays_for_cj"]]
    assert len(names) == 13
    assert not [name for name in names if name.lower().startswith("anchor") or len(name) > 36]
    assert sent["data"]["student_prompt_ref"]["references"]["student_prompt_text"]["storage_id"] in field.texts
    assert sent["data"]["llm_config_overrides"]["judge_rubric_override"].startswith("Compare the two essays")
    assert not [path for path in field.asked if "/admin/" in path or path.endswith("/content/")]
    summary = ended.hydrated().artefact.bt_summary
    assert len([entry for entry in summary if entry.anchor_grade]) == 9


@pytest.mark.parametrize("topic", CALLBACK_TOPICS)
def test_no_event_type_no_correlation_and_no_order_of_fields_decides_whose_a_message_is(topic):
    """The recorded ones have the pair's correlation id, no key, and event types of their own."""
    request = recorded.request()
    rows = [AnchorRow(row_id=row["id"], anchor_id=f"anchor-{row['id']}") for row in recorded.anchors()]
    sent = {essay["essay_id"]: student_id(essay["essay_id"]) for essay in request["essays_for_cj"]}
    names = EssayNames.of(sent, rows=rows)
    messages = [*recorded.callbacks(), *recorded.as_of({"data": request}, recorded.failures())]
    tried = 0
    for message in messages:
        if message.topic != topic:
            continue
        found = []
        for event_type in (message.value["event_type"], "", *Topic):
            value = copy.deepcopy(message.value) | {"event_type": event_type, "correlation_id": str(uuid4())}
            raw = json.dumps(dict(reversed(value.items()))).encode()
            record = RawRecord(topic=topic, partition=tried, offset=tried, value=raw)
            found.append(classify(record, of=batches(UUID(request["entity_id"])), names=names, known={}.get))
        assert len(set(found)) == 1
        assert isinstance(found[0], Accepted)
        tried += 1
    assert tried >= 1
    comparisons = [message for message in messages if message.topic == Topic.COMPARISON]
    assert {message.key for message in comparisons} == {None}
    assert {message.value["event_type"] for message in comparisons} == {"LLMComparisonResultV1"}
    assert request["entity_id"] not in {message.value["correlation_id"] for message in comparisons}


def test_waves_with_minutes_of_silence_between_them_are_waited_for(tmp_path):
    """The service's monitor looks every five minutes; the default patience is above that, in each gap anew."""
    world = World()

    def script(run_id: UUID, essays: list[str]) -> list:
        story = whole_story(run_id, essays)
        for start in range(0, len(story), 3):
            wave = story[start : start + 3]
            world.later([lambda: world.clock.advance(420), *(lambda one=one: world.say(one) for one in wave)])
        return []

    world.cj.script = script
    run = Run(tmp_path / "run", world, make_spec(timeouts=Timeouts(total=10_000)))
    state = run.start()
    assert (exit_code(state), state.judged) == (0, 15)
    assert world.clock.elapsed > 2000


def test_on_the_national_scale_the_run_is_complete_with_our_estimates(tmp_path: Path):
    """The completion comes, the result never does: warned of beforehand, and not waited for."""
    run = on_the_national_scale(tmp_path)
    run.world.cj.script = lambda run_id, essays: whole_story(run_id, essays)[:-1]
    state = run.start()
    assert (exit_code(state), state.closed.outcome, state.closed.reasons) == (0, "complete", ())
    assert run.world.clock.elapsed < 20
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    assert any("national scale" in warning for warning in passed.warnings)
    artefact = run.artefact()
    assert artefact["service_result"] is None
    assert {entry["anchor_grade"] for entry in artefact["bt_summary"] if entry["is_anchor"]} == {"9", "6", "3"}
    assert str(RUN_ID)[:8] not in json.dumps(artefact["bt_summary"])
