"""A stack on a Kafka that other services use too: it answers its own requests, and no others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eng5_runner.contracts.request import READS_TO_END
from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.launch import Secrets
from eng5_runner.stack.platform.broker import embedded_broker
from tests.support.stack.driver import Client, RecordingJudge, batch_id_of, request, running

UNKNOWN = "0123456789abcdef0123456789abcdef"
FOREIGN = [{"essay_id": name, "text_storage_id": UNKNOWN} for name in ("one", "two")]


@pytest.fixture
async def kafka() -> AsyncIterator[str]:
    async with embedded_broker() as bootstrap:
        yield bootstrap


async def topics_of(stack: Client, raw: bytes) -> list[Topic]:
    """The topics with a message of the batch, when a later batch of this stack is over."""
    await stack.run(request(await stack.essays(2), metadata={"max_comparisons": 1}))
    return [message.topic for message in (await stack.until(batch_id_of(raw), 0)).messages]


async def test_requests_from_before_its_start_are_left_alone_until_they_come_again(tmp_path: Path, kafka: str) -> None:
    """The texts are its own, so only the time of the request tells."""
    judge = RecordingJudge()
    async with running(tmp_path, judge=judge) as elsewhere:
        old = request(await elsewhere.essays(3), metadata={"max_comparisons": 3})
    async with running(tmp_path / "other", kafka_bootstrap=kafka) as other:
        await other.publish(old)

    async with running(tmp_path, judge=judge, kafka_bootstrap=kafka) as stack:
        assert await topics_of(stack, old) == []
        assert len(judge.prompts) == 1
        again = await stack.run(old)

    assert len(again.comparisons) == 3


async def test_a_batch_is_finished_after_a_restart_without_a_second_request(tmp_path: Path, kafka: str) -> None:
    judge = RecordingJudge(stop_after=5)
    async with running(tmp_path, judge=judge, kafka_bootstrap=kafka) as stack:
        raw = request(await stack.essays(8), metadata={"max_comparisons": 28})
        await stack.publish(raw)
        async with asyncio.timeout(30):
            await judge.reached.wait()

    async with running(tmp_path, judge=judge, kafka_bootstrap=kafka) as stack:
        batch = await stack.outcome(batch_id_of(raw))

    assert len({one.request_id for one in batch.comparisons}) == 28


@pytest.mark.parametrize(
    "foreign",
    [
        request(FOREIGN),
        request(FOREIGN, assignment_id="known-elsewhere"),
        request([]),
        request(FOREIGN, course_code="ENG9"),
        request(FOREIGN, system_metadata={"error_info": {"n": 10**20}}),
    ],
    ids=["guest", "assignment", "no essays", "another contract", "no digest"],
)
async def test_a_request_without_a_text_of_ours_is_not_failed(tmp_path: Path, kafka: str, foreign: bytes) -> None:
    async with running(tmp_path, kafka_bootstrap=kafka) as stack:
        await stack.publish(foreign)

        assert await topics_of(stack, foreign) == []


async def test_a_request_with_a_text_of_ours_is_failed_with_the_reason(tmp_path: Path, kafka: str) -> None:
    async with running(tmp_path, kafka_bootstrap=kafka) as stack:
        essays = [*FOREIGN[:1], *(await stack.essays(2))]
        lost = await stack.run(request(essays))
        invalid = await stack.run(request(essays, course_code="ENG9"))

    assert f"unknown storage ids: {UNKNOWN} (essay one)" in lost.failed.reason
    assert "data.course_code" in invalid.failed.reason


async def test_a_client_that_stops_at_the_result_has_time_to_read_the_comparisons(stack: Client) -> None:
    waited = {}
    for reads_on in (True, False):
        metadata = {"max_comparisons": 2, READS_TO_END: reads_on}
        batch = await stack.run(request(await stack.essays(3), metadata=metadata))
        last = max(message.sent_at_ms for message in batch.messages if message.topic is Topic.COMPARISON)
        closing = [message.sent_at_ms for message in batch.messages if message.topic is not Topic.COMPARISON]
        waited[reads_on] = min(closing) - last

    assert waited[False] >= 1000
    assert waited[True] < 1500


async def test_stacks_with_one_secret_take_each_other_s_tokens(tmp_path: Path) -> None:
    secret = "a secret of at least 32 characters, for tests"
    body = json.dumps(
        {"assignment_id": "a", "instructions_text": "Judge the content.", "grade_scale": "swedish_8_anchor"}
    )
    answered = {}
    for there in (secret, None):
        async with (
            running(tmp_path / "one", secrets=Secrets(tokens=secret)) as one,
            running(tmp_path / "other", secrets=Secrets(tokens=there)) as other,
            other.http.post(
                f"{other.at.cj_service_url}/admin/v1/assessment-instructions",
                data=body,
                headers=one.admin | {"Content-Type": "application/json"},
            ) as response,
        ):
            answered[there] = response.status

    assert answered == {secret: 200, None: 401}
