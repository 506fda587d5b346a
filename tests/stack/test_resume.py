"""The stack ends in the middle; a new one on the same data directory, with a new broker, goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.llm.judge import Question, Verdict
from tests.support.stack.driver import RecordingJudge, batch_id_of, request, running


@pytest.mark.parametrize("stop_after", [1, 9, 17, 28])
async def test_an_interrupted_batch_goes_on_and_judges_no_pair_twice(tmp_path: Path, stop_after: int) -> None:
    judge = RecordingJudge(stop_after=stop_after)
    async with running(tmp_path, judge=judge) as stack:
        raw = request(await stack.essays(8), metadata={"max_comparisons": 28})
        await stack.publish(raw)
        async with asyncio.timeout(30):
            await judge.reached.wait()
    assert stop_after <= len(judge.prompts) <= 28

    async with running(tmp_path, judge=judge) as stack:
        batch = await stack.run(raw)

    # Eight essays make 28 pairs, each in one order, so each prompt is another one.
    assert Counter(Counter(judge.prompts).values()) == {1: 28}
    assert len({one.request_id for one in batch.comparisons}) == 28
    assert len(batch.raw(Topic.RESULT)) == 1


async def test_callbacks_that_came_before_come_again_byte_for_byte(tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with running(tmp_path, judge=judge) as stack:
        raw = request(await stack.essays(8), metadata={"max_comparisons": 28})
        await stack.publish(raw)
        before = list((await stack.until(batch_id_of(raw), 10)).raw(Topic.COMPARISON))

    async with running(tmp_path, judge=judge) as stack:
        batch = await stack.run(raw)

    assert set(before) <= set(batch.raw(Topic.COMPARISON))
    assert len(set(batch.raw(Topic.COMPARISON))) == len(judge.prompts) == 28


async def test_a_finished_batch_is_answered_again_as_it_was(tmp_path: Path) -> None:
    judge = RecordingJudge(failures=1, share=0.3)
    found = []
    async with running(tmp_path, judge=judge) as stack:
        raw = request(await stack.essays(5), metadata={"max_comparisons": 12})
        found.append(await stack.run(raw))
    asked = len(judge.prompts)
    async with running(tmp_path, judge=judge) as stack:
        found.append(await stack.run(raw))

    for topic in (Topic.COMPARISON, Topic.COMPLETED, Topic.RESULT):
        assert Counter(found[0].raw(topic)) == Counter(found[1].raw(topic))
    assert len(judge.prompts) == asked


async def test_a_second_callback_of_the_same_asking_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        raw = request(await stack.essays(4), metadata={"max_comparisons": 6, "seed": 1})
        first = (await stack.run(raw)).raw(Topic.COMPARISON)
        for message in first:
            forged = message.replace(b'"Essay A","justification"', b'"Essay B","justification"')
            await stack.publish(forged, Topic.COMPARISON)
        # A request after them on another batch: when it is over, the forgeries have been read.
        await stack.run(request(await stack.essays(2), metadata={"max_comparisons": 1}))

    async with running(tmp_path) as stack:
        again = await stack.run(raw)

    assert {one.winner for one in again.comparisons} == {"Essay A", "Essay B"}
    assert Counter(again.raw(Topic.COMPARISON)) == Counter(first)


async def test_the_same_request_is_the_same_questions_to_the_provider_on_any_stack(tmp_path: Path) -> None:
    asked = []
    raw = b""
    for number in range(2):
        async with running(tmp_path / str(number)) as stack:
            essays = await stack.essays(4)
            event = json.loads(raw or request(essays, metadata={"max_comparisons": 6}))
            event["data"]["essays_for_cj"] = essays
            raw = json.dumps(event).encode()
            asked.append({one.correlation_id for one in (await stack.run(raw)).comparisons})

    assert asked[0] == asked[1]


async def test_a_batch_that_failed_before_it_was_accepted_is_looked_at_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        raw = request(await stack.essays(3), assignment_id="late", metadata={"max_comparisons": 3})
        assert "unknown assignment_id" in (await stack.run(raw)).failed.reason

    async with running(tmp_path) as stack:
        await stack.set_up_assignment("late", [])
        batch = await stack.run(raw)

    assert len(batch.comparisons) == 3


class _Holding(RecordingJudge):
    """From its second question on answers nothing before it may."""

    def __init__(self) -> None:
        super().__init__(stop_after=2)
        self.may = asyncio.Event()

    async def __call__(self, question: Question) -> Verdict:
        verdict = await super().__call__(question)
        if self.reached.is_set():
            await self.may.wait()
        return verdict


async def test_a_batch_that_nobody_asks_for_again_is_left_alone(tmp_path: Path) -> None:
    judge = _Holding()
    async with running(tmp_path, judge=judge) as stack:
        left = request(await stack.essays(8), metadata={"max_comparisons": 28})
        await stack.publish(left)
        async with asyncio.timeout(30):
            await judge.reached.wait()

    asked = len(judge.prompts)
    judge.may.set()
    async with running(tmp_path, judge=judge) as stack:
        batch = await stack.run(request(await stack.essays(4), metadata={"max_comparisons": 40}))
        other = await stack.until(batch_id_of(left), 0)

    assert not other.over
    # Nobody would count what its other comparisons cost.
    assert len(judge.prompts) == asked + len(batch.comparisons)
    assert not other.comparisons


async def test_the_first_judgement_stands_whatever_another_judge_would_say_later(tmp_path: Path) -> None:
    """A comparison that was answered is never asked again, also when the service comes back with another judge."""
    first = RecordingJudge(stop_after=9)
    async with running(tmp_path, judge=first) as stack:
        raw = request(await stack.essays(8), metadata={"max_comparisons": 28})
        await stack.publish(raw)
        async with asyncio.timeout(30):
            await first.reached.wait()

    second = RecordingJudge()
    async with running(tmp_path, judge=second) as stack:
        await stack.run(raw)

    assert not set(first.prompts) & set(second.prompts)
    assert len(first.prompts) + len(second.prompts) == 28
