"""A provider that goes away in mid-run is said within a minute, with what happens next."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from eng5_runner.contracts.services import ModelEntry, ProviderTrouble
from eng5_runner.run.provider_watch import ProviderWatch
from eng5_runner.stack.llm.judge import BaselineJudge
from eng5_runner.stack.llm.providers.entries import JudgeEntry, calls_under_way, offline_baseline
from tests.support.judges.paid import PaidJudge, desk
from tests.support.judges.servers import Asked, Said, openai_error
from tests.support.runner import wait_for


class Leaving(PaidJudge):
    """Answers ten questions, then fails or hangs."""

    how: Said

    def __call__(self, asked: Asked) -> Said:
        return self.how if self.requests >= 10 else super().__call__(asked)


class Hanging(PaidJudge):
    """Answers ten questions, then none until it is let."""

    hangs = True
    hanging = 0

    def __call__(self, asked: Asked) -> Said:
        if not self.hangs or self.requests < 10:
            return super().__call__(asked)
        self.hanging += 1
        return Said(body={}, after=1000)


@pytest.mark.parametrize("how", [openai_error(503), Said(body={}, after=1000)], ids=["refuses", "hangs"])
async def test_a_provider_that_goes_away_is_said_within_a_minute(how: Said, tmp_path: Path) -> None:
    judge = Leaving(moody=False)
    judge.how = how
    async with desk(tmp_path, judge, limits="concurrency = 4\npatience_seconds = 600") as at:
        process = at.start("--max-comparisons", 40)
        err = tmp_path / "err"
        await asyncio.to_thread(wait_for, lambda: judge.requests >= 10, what="ten answers")
        await asyncio.to_thread(wait_for, lambda: "has given no answer for" in err.read_text(), what="the sentence")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 143
    said = " ".join(err.read_text().split())
    assert "openai has given no answer for" in said and "tried for up to 600 s" in said and "resume" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_stops_a_run_is_told_how_many_calls_are_under_way(number: signal.Signals, tmp_path: Path) -> None:
    judge = Hanging(moody=False)
    async with desk(tmp_path, judge, limits="concurrency = 3\npatience_seconds = 600") as at:
        process = at.start("--max-comparisons", 40)
        await asyncio.to_thread(wait_for, lambda: judge.hanging == 3, what="three calls that hang")
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, 60) == 128 + number
        said = " ".join((tmp_path / "err").read_text().split())
        judge.hangs = False
        resumed = await at.run("resume", at.directory, "--yes")
    assert "3 calls to the judge are under way and may be charged." in said
    assert "3 calls have no recorded answer and may have been charged" in " ".join(resumed.err.split())


async def test_a_run_that_ends_at_its_deadline_says_how_many_calls_are_under_way(tmp_path: Path) -> None:
    """They are paid as those are that were under way when a person stops a run."""
    judge = Hanging(moody=False)
    async with desk(tmp_path, judge, limits="concurrency = 3\npatience_seconds = 600") as at:
        ended = await at.execute("--max-comparisons", 40, "--idle-timeout", 5)
    said = " ".join(ended.err.split())
    assert ended.code == 3 and "idle deadline after 5 s" in said
    assert "3 calls to the judge are under way and may be charged." in said


def test_calls_of_a_free_judge_are_not_said_to_be_charged() -> None:
    def entry(price: float | None, calls: int, provider: str = "openai") -> JudgeEntry:
        model = ModelEntry(
            model_id="a", provider=provider, cost_per_1k_input_tokens=price, cost_per_1k_output_tokens=price
        )
        return JudgeEntry(model, BaselineJudge(), calls=lambda: calls)

    assert calls_under_way([entry(0, 5), offline_baseline()]) == 0
    assert calls_under_way([entry(0.1, 5), entry(0.2, 5), entry(None, 2, "google")]) == 7


def trouble(seconds: float = 40, reason: str = "the provider answered 503") -> dict[str, ProviderTrouble]:
    return {"openai": ProviderTrouble(silent_seconds=seconds, reason=reason, patience_seconds=600)}


def test_a_trouble_is_said_at_once_then_each_minute_and_its_end_once() -> None:
    watch = ProviderWatch()
    said = [[notice.kind for notice in watch.note(now)] for now in (*[trouble()] * 6, {}, {}, trouble())]
    assert said == [["trouble"], [], [], [], ["trouble"], [], ["relief"], [], ["trouble"]]


def test_a_reason_never_carries_control_characters() -> None:
    (notice,) = ProviderWatch().note(trouble(reason="\x1b[2Jgone"))
    assert "\x1b" not in notice.text and "gone" in notice.text


def test_a_service_that_does_not_answer_is_said_from_the_second_time_on_and_its_end_once() -> None:
    watch = ProviderWatch()
    said = [[notice.kind for notice in watch.silent("connection refused")] for _ in range(6)]
    assert said == [[], ["trouble"], [], [], [], ["trouble"]]
    assert [notice.kind for notice in watch.note({})] == ["relief"] and not list(watch.note({}))


def test_a_service_that_missed_one_question_is_not_mentioned() -> None:
    watch = ProviderWatch()
    assert not [*watch.silent("connection refused"), *watch.note({})]
