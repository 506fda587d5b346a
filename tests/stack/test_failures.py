"""Whatever keeps a batch from its result is told by a failure event with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.contracts.topics import Topic
from tests.support.stack.driver import Client, RecordingJudge, request, running
from tests.support.stack.texts import essay

UNKNOWN = "0123456789abcdef0123456789abcdef"


async def reason(stack: Client, raw: bytes) -> str:
    batch = await stack.run(raw)
    assert [message.topic for message in batch.messages] == [Topic.FAILED]
    assert batch.failed.status == "failed_critically"
    assert batch.failed.system_metadata is not None
    assert batch.failed.system_metadata.processing_stage == "failed"
    return batch.failed.reason


async def test_an_unknown_assignment_is_named(stack: Client) -> None:
    told = await reason(stack, request(await stack.essays(3), assignment_id="nobody-knows"))

    assert "unknown assignment_id 'nobody-knows'" in told


async def test_unknown_storage_ids_are_named(stack: Client) -> None:
    essays = [*await stack.essays(2), {"essay_id": "lost", "text_storage_id": UNKNOWN}]

    assert f"unknown storage ids: {UNKNOWN} (essay lost)" in await reason(stack, request(essays))


async def test_an_essay_without_text_is_named(stack: Client) -> None:
    essays = [*await stack.essays(2), {"essay_id": "blank", "text_storage_id": await stack.upload(" \n ")}]

    assert "essays without text: blank" in await reason(stack, request(essays))


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([], "no essays"),
        (["one"], "1 essay and 0 anchors: nothing to compare"),
        (["one", "two", "one"], "essay ids that occur twice: one"),
        (["one", "ANCHOR_7"], "essay ids that look like anchors': ANCHOR_7"),
        (["one", "x" * 37], "data.essays_for_cj.1.essay_id"),
    ],
)
async def test_essays_that_cannot_be_compared_are_refused(stack: Client, ids: list[str], told: str) -> None:
    essays = [{"essay_id": essay_id, "text_storage_id": UNKNOWN} for essay_id in ids]

    assert told in await reason(stack, request(essays))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"language": "xx"}, "data.language"),
        ({"llm_config_overrides": {"provider_override": "nobody"}}, "provider_override"),
        ({"llm_config_overrides": {"provider_override": "openai"}}, "no judge for openai; this service has mock/"),
        ({"llm_config_overrides": {"model_override": "gpt"}}, "no judge for mock/gpt; this service has mock/"),
        ({"llm_config_overrides": {"max_tokens_override": 10**20}}, "max_tokens_override"),
        ({"system_metadata": {"error_info": {"n": 10**20}}}, "data: Integer exceeds 64-bit range"),
        ({"entity_id": "not-a-uuid"}, "entity_id is not a UUID"),
        ({"student_prompt_ref": {"references": {"student_prompt_text": {"storage_id": UNKNOWN}}}}, UNKNOWN),
    ],
)
async def test_requests_that_nobody_can_serve_are_refused(stack: Client, change: dict[str, Any], told: str) -> None:
    assert told in await reason(stack, request(await stack.essays(2), **change))


@pytest.mark.parametrize(
    ("metadata", "told"), [({"seed": -1}, "seed is negative"), ({"max_comparisons": 0}, "max_comparisons")]
)
async def test_metadata_that_makes_no_sense_is_refused(stack: Client, metadata: dict[str, int], told: str) -> None:
    assert told in await reason(stack, request(await stack.essays(2), metadata=metadata))


async def test_a_rubric_override_is_refused_on_a_national_assignment(stack: Client) -> None:
    body = {
        "assignment_id": "national",
        "instructions_text": "The national instructions.",
        "grade_scale": "eng5_np_legacy_9_step",
        "context_origin": "canonical_national",
    }
    url = f"{stack.at.cj_service_url}/admin/v1/assessment-instructions"
    async with stack.http.post(url, json=body, headers=stack.admin) as response:
        assert response.status == 200
    overrides = {"judge_rubric_override": "Judge by length."}

    raw = request(await stack.essays(2), assignment_id="national", llm_config_overrides=overrides)

    assert "rubric override is not allowed" in await reason(stack, raw)


async def test_a_batch_id_belongs_to_one_request(stack: Client) -> None:
    raw = request(await stack.essays(2), metadata={"max_comparisons": 1})
    await stack.run(raw)
    other = json.loads(raw) | {"event_id": UNKNOWN}

    assert "belongs to another request" in await reason(stack, json.dumps(other).encode())


async def test_noise_on_the_request_topic_harms_nobody(stack: Client) -> None:
    for noise in (b"", b"\xff\xfe", b"[]", b"{}", b'{"data": {}}', b"null", b"[" * 5000):
        await stack.publish(noise)

    batch = await stack.run(request(await stack.essays(2), metadata={"max_comparisons": 2}))

    assert len(batch.comparisons) == 2


async def test_too_many_failed_comparisons_end_the_batch_with_counts_and_the_last_error(tmp_path: Path) -> None:
    async with running(tmp_path, judge=RecordingJudge(failures=-1)) as stack:
        batch = await stack.run(request(await stack.essays(4), metadata={"max_comparisons": 20}))

    assert batch.failed.system_metadata is not None
    info = batch.failed.system_metadata.error_info
    assert info is not None
    assert info["reason"] == "low_success_rate"
    # Five of twenty may not fail. Those that are asked by then, three times each, are in the counts too.
    details = info["details"]
    failed, received = details.pop("failed_comparisons"), details.pop("callbacks_received")
    assert 5 <= failed <= 20 and received == len(batch.comparisons) <= 60
    assert details == {"completed_comparisons": 0, "success_rate": 0.0, "success_rate_threshold": 0.8}
    assert "the judge slept (LLM_PROVIDER_TIMEOUT)" in batch.failed.reason


@pytest.mark.parametrize("code", ["LLM_PARSING_ERROR", "LLM_CONTENT_TOO_LONG", "LLM_INVALID_RESPONSE"])
async def test_a_judge_whose_answers_are_never_of_use_is_asked_no_more(tmp_path: Path, code: str) -> None:
    judge = RecordingJudge(failures=-1, code=code)
    async with running(tmp_path, judge=judge) as stack:
        batch = await stack.run(request(await stack.essays(40), metadata={"max_comparisons": 700}))

    # The first 256 are under way when the first answer comes; a success rate of 0.8 is out of reach after 420 and more.
    assert len(batch.comparisons) == len(judge.prompts) < 320
    assert f"none of the judge's {len(judge.prompts)} answers could be used" in batch.failed.reason


async def test_a_few_failed_comparisons_leave_a_result_with_failures(tmp_path: Path) -> None:
    async with running(tmp_path, judge=RecordingJudge(failures=-1, share=0.1)) as stack:
        batch = await stack.run(request(await stack.essays(8), metadata={"max_comparisons": 28, "seed": 3}))

    metadata = batch.rich.assessment_metadata
    assert metadata is not None
    assert metadata.comparison_count is not None
    assert 23 <= metadata.comparison_count < 28
    assert batch.thin.status == "completed_with_failures"
    assert essay(0) not in batch.rich.model_dump_json()
