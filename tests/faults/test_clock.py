"""The wall clock leaps a day ahead and back in the middle of a run, in the runner and in its stack."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.judges.paid import PaidJudge, desk, wait_until
from tests.support.judges.servers import Asked, Said
from tests.support.machine import leaping
from tests.support.runner import artefact, ledger_types, newest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock is set by Linux's loader")

DAY = 86_400
COMPARISONS = 60
BEFORE_THE_LEAP_BACK = 20


async def test_the_clock_leaps_a_day_ahead_and_back(tmp_path: Path) -> None:
    """No deadline ends the run, nothing that came is disbelieved, and the ledger keeps what the clock said."""
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    steady, leapt_back = PaidJudge(moody=False), asyncio.Event()

    def judge(asked: Asked) -> Said:
        said = steady(asked)
        return replace(said, until=leapt_back) if steady.requests > BEFORE_THE_LEAP_BACK else said

    def written(event: str) -> bool:
        return (tmp_path / "runs").exists() and event in ledger_types(newest(tmp_path))

    async with desk(tmp_path, judge) as plain:
        at_desk = replace(plain, environ={**plain.environ, **leaping(ahead)})
        process = at_desk.start("--max-comparisons", COMPARISONS, "--yes")
        await wait_until(lambda: written("EssayUploaded"))
        ahead.write_text(str(DAY))
        await wait_until(lambda: written("CallbackAccepted"))
        ahead.write_text("0")
        leapt_back.set()
        assert await asyncio.to_thread(process.wait, 120) == 0, (tmp_path / "err").read_text()
        directory = newest(tmp_path)
        assert (await at_desk.run("verify", directory)).code == 0

    status = artefact(directory)["runner_status"]
    assert isinstance(status, dict)
    assert status["outcome"] == "complete" and not status["partial_data"]
    instants = [
        datetime.fromisoformat(json.loads(line)["at"]) for line in (directory / "ledger.jsonl").read_text().splitlines()
    ]
    steps = [later - earlier for earlier, later in pairwise(instants)]
    assert max(steps) > timedelta(hours=23) and min(steps) < -timedelta(hours=23)
    times = [
        float(line.split()[-1])
        for line in (directory / "metrics.prom").read_text().splitlines()
        if line.startswith("eng5_stage_seconds{")
    ]
    assert len(times) > 1 and min(times) >= 0.0
