"""A field that caps, ends early, loses callbacks or a batch, over the real Kafka protocol, and the command line."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.field import recorded
from tests.support.field.recorded import Message
from tests.support.field.services import FieldServices
from tests.support.run.habits import Habits
from tests.support.runner import Ran, artefact, newest, run, start, wait_for

KILLS = int(os.environ.get("ENG5_KILLS", "6"))
"""Of the test that kills the runner again and again; `ENG5_KILLS=50` is its long form."""
GUEST = ("--mode", "execute", "--batch-id", "topped-up", "--yes", "--llm-provider", "openai", "--llm-model", "gpt-5.1")


def with_habits(bootstrap: str, habits: Habits, *, pace: float = 0.0) -> FieldServices:
    """The services of the field, whose CJ has these habits."""

    def script(sent: dict) -> list[Message]:
        return [
            Message(topic=one.topic, partition=one.partition, key=None, value=json.loads(one.value))
            for one in habits.answer(sent)
        ]

    return FieldServices(bootstrap, script=script, pace=pace)


async def execute(field: FieldServices, folder: Path, *more: object) -> Ran:
    """A guest run of the recorded essays, thirteen with the anchors."""
    assets = recorded.assets(folder / "assets")
    return await asyncio.to_thread(run, *GUEST, "--assets", assets, *more, cwd=folder, env=field.environment)


async def resume(field: FieldServices, folder: Path) -> Ran:
    return await asyncio.to_thread(run, "resume", newest(folder), "--yes", cwd=folder, env=field.environment)


def asked(field: FieldServices) -> list[int]:
    return [sent["metadata"]["max_comparisons"] for sent in field.requests]


def judged(folder: Path) -> list[str]:
    return sorted(row["request_id"] for row in artefact(newest(folder))["llm_comparisons"])


async def test_a_service_that_caps_its_requests_makes_all_comparisons_in_several(
    bootstrap: str, tmp_path: Path
) -> None:
    """With doubles, and callbacks of the first request that come during the second; the plan's own total is asked."""
    habits = Habits(cap=60, late=5, doubles=True)
    async with with_habits(bootstrap, habits) as field:
        ran = await execute(field, tmp_path)
    assert ran.code == 0, ran.err
    assert asked(field) == [130, 75, 10]
    assert judged(tmp_path) == sorted(habits.made)
    assert "request 2 asks for the other 75" in ran.err
    status = artefact(newest(tmp_path))["runner_status"]
    assert (status["outcome"], status["comparisons"]["asked"], status["comparisons"]["missing"]) == ("complete", 130, 0)
    assert len(list((newest(tmp_path) / "requests").iterdir())) == 3
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0
    told = run("status", newest(tmp_path), "--json", cwd=tmp_path).lines[0]
    assert (told["comparisons_asked"], told["comparisons_missing"], told["requests"]) == (130, 0, 3)


async def test_without_a_top_up_the_cap_ends_the_run_partial_and_preflight_said_so(
    embedded: str, tmp_path: Path
) -> None:
    async with with_habits(embedded, Habits()) as field:
        ran = await execute(field, tmp_path, "--no-top-up")
    assert ran.code == 3, ran.err
    assert "at most 120 comparisons a request unless its operator raised" in ran.err
    assert "partial: 120 of 130 comparisons judged, 0 failed, 10 missing" in ran.err
    assert "10 of the 130 comparisons asked for are missing" in ran.err
    assert "120 comparisons buy a reliability of" in ran.err
    assert "eng5-runner resume" not in ran.err, "it could bring nothing"
    again = run("report", newest(tmp_path), cwd=tmp_path)
    assert again.code == 0
    assert "120 of 130 judged, 0 failed, 10 missing" in (newest(tmp_path) / "report.html").read_text()


def test_the_plan_says_how_many_come_if_a_given_service_caps(tmp_path: Path) -> None:
    words = ("--mode", "plan", "--assets", recorded.assets(tmp_path / "assets"), "--kafka-bootstrap", "127.0.0.1:9")
    few = run(*words, "--no-top-up", cwd=tmp_path)
    assert "with one request, as --no-top-up has it, 120 of the 130 come" in few.err
    many = run(*words, "--max-comparisons", 1300, cwd=tmp_path)
    assert "with 10 requests, 1200 of the 1300 come" in many.err
    assert "may make at most" not in run(*words, cwd=tmp_path).err, "two requests bring all 130"


async def test_lost_callbacks_end_a_run_partial_or_are_asked_for_again(embedded: str, tmp_path: Path) -> None:
    for option, code, came in (("--no-top-up", 3, 42), ("--top-up", 0, 60)):
        folder = tmp_path / option
        folder.mkdir()
        async with with_habits(embedded, Habits(loses=range(10, 28))) as field:
            ran = await execute(field, folder, "--max-comparisons", 60, option)
        assert ran.code == code, ran.err
        assert len(set(judged(folder))) == came


async def test_a_lost_batch_is_named_and_resume_asks_for_the_rest(embedded: str, tmp_path: Path) -> None:
    habits = Habits(brings={1: 20}, silent={1})
    async with with_habits(embedded, habits) as field:
        ran = await execute(field, tmp_path, "--max-comparisons", 60, "--idle-timeout", 2)
        assert ran.code == 3, ran.err
        assert "eng5-runner resume" in ran.err
        again = await resume(field, tmp_path)
    assert again.code == 0, again.err
    assert "the service has lost this batch" in again.err
    assert asked(field) == [60, 40]
    assert judged(tmp_path) == sorted(habits.made)


async def test_a_lost_batch_without_a_top_up_is_accepted_as_it_is(embedded: str, tmp_path: Path) -> None:
    async with with_habits(embedded, Habits(brings={1: 20}, silent={1})) as field:
        await execute(field, tmp_path, "--max-comparisons", 60, "--idle-timeout", 2, "--no-top-up")
        again = await resume(field, tmp_path)
    assert again.code == 3, again.err
    assert "the service has lost this batch" in again.err
    assert "nothing more will come for this run; the outputs hold what came" in again.err
    assert "eng5-runner resume" not in again.err
    assert run("hydrate", newest(tmp_path), cwd=tmp_path).code == 0


async def test_a_second_request_that_fails_leaves_the_first_ones_results(embedded: str, tmp_path: Path) -> None:
    async with with_habits(embedded, Habits(cap=40, brings={2: 0}, fails={2})) as field:
        ran = await execute(field, tmp_path, "--max-comparisons", 60)
        assert ran.code == 3, ran.err
        assert "the CJ service reported a failure: the judge is away" in ran.err
        assert "asks for the 20 comparisons that are missing" in ran.err
        assert len(judged(tmp_path)) == 40
        again = await resume(field, tmp_path)
    assert again.code == 0, again.err
    assert len(set(judged(tmp_path))) == 60


@pytest.mark.slow
async def test_killed_again_and_again_it_loses_nothing_and_asks_nothing_twice(embedded: str, tmp_path: Path) -> None:
    """By SIGKILL, in requests and between them, while the service goes on sending."""
    total, cap = (90, 30) if KILLS < 20 else (600, 60)
    habits = Habits(cap=cap)
    async with with_habits(embedded, habits, pace=0.02) as field:
        words = (*GUEST, "--assets", recorded.assets(tmp_path / "assets"), "--max-comparisons", total)
        for _ in range(KILLS):
            await asyncio.to_thread(_killed, words, tmp_path, field.environment)
            words = ("resume", newest(tmp_path), "--yes")
        ran = await resume(field, tmp_path)
    assert ran.code == 0, ran.err
    assert asked(field) == list(range(total, 0, -cap))
    assert max(Counter(sent["event_id"] for sent in field.requests).values()) == 1
    assert judged(tmp_path) == sorted(habits.made)
    assert len(habits.made) == total
    assert artefact(newest(tmp_path))["runner_status"]["sessions"] == KILLS + 1
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def _killed(words: tuple[object, ...], folder: Path, environment: dict[str, str]) -> None:
    """Start a session and kill it once it has written two events more, the first of which says that it began."""
    before = _events(folder)
    process = start(*words, cwd=folder, env=environment)
    try:
        wait_for(lambda: _events(folder) >= before + 2 or process.poll() is not None, what="events in the ledger")
    finally:
        process.kill()
        process.wait(30)


def _events(folder: Path) -> int:
    ledger = newest(folder) / "ledger.jsonl"
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0
