"""The wall clock leaps a day ahead and back in the middle of a run, in the runner and in its stack."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.machine import leaping
from tests.support.runner import artefact, ledger_types, newest, run, start, wait_for
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock is set by Linux's loader")

DAY = 86_400
COMPARISONS = 60


def test_the_clock_leaps_a_day_ahead_and_back(study: Path, tmp_path: Path) -> None:
    """No deadline ends the run, nothing that came is disbelieved, and the ledger keeps what the clock said."""
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    process = start(
        *("--mode", "execute", "--assets", study, "--max-comparisons", COMPARISONS, "--seed", 5, "--yes"),
        cwd=tmp_path,
        env=leaping(ahead),
    )

    def received() -> int:
        return ledger_types(newest(tmp_path)).count("CallbackAccepted") if (tmp_path / "runs").exists() else 0

    wait_for(lambda: "EssayUploaded" in ledger_types(newest(tmp_path)), what="the first upload")
    ahead.write_text(str(DAY))
    wait_for(lambda: received() > 0, what="the first comparison")
    ahead.write_text("0")
    assert process.wait(120) == 0, (tmp_path / "err").read_text()

    directory = newest(tmp_path)
    assert run("verify", directory, cwd=tmp_path).code == 0
    status = artefact(directory)["runner_status"]
    assert isinstance(status, dict)
    assert status["outcome"] == "complete" and not status["partial_data"]
    instants = [
        datetime.fromisoformat(json.loads(line)["at"]) for line in (directory / "ledger.jsonl").read_text().splitlines()
    ]
    steps = [later - earlier for earlier, later in pairwise(instants)]
    assert max(steps) > timedelta(hours=23) and min(steps) < -timedelta(hours=23)
