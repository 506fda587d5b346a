"""A provider that goes away in mid-run is said within a minute, with what happens next."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from eng5_runner.contracts.services import ProviderTrouble
from eng5_runner.run.provider_watch import ProviderWatch
from tests.support.judges.paid import PaidJudge, desk
from tests.support.judges.servers import Asked, Said, openai_error
from tests.support.runner import wait_for


class Leaving(PaidJudge):
    """Answers ten questions, then fails or hangs."""

    how: Said

    def __call__(self, asked: Asked) -> Said:
        return self.how if self.requests >= 10 else super().__call__(asked)


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
