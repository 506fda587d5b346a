"""Two people, or one in two terminals, plan the same sweep: the second finds that the first has worked on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.app.plan import read_study
from eng5_runner.app.sweeps.file import read_sweep_file
from eng5_runner.app.sweeps.plan import PlannedSweep, plan_sweep
from eng5_runner.app.sweeps.sweep import run_sweep
from eng5_runner.errors import TemporaryFailure
from tests.support.small_study import build_study

SWEEP = """
max_cost = {limit}
[base]
assets = "{folder}/study"
output_dir = "{folder}/runs"
mode = "anchor-align"
max_comparisons = 14
[[judges]]
name = "baseline"
llm_provider = "mock"
"""


def planned(folder: Path) -> PlannedSweep:
    file = folder / "sweep.toml"
    file.write_text(SWEEP.format(folder=folder, limit=5))
    return plan_sweep(read_sweep_file(file), read=read_study, environment={})


def ignore(*_: object) -> None:
    """No progress is watched."""


def test_a_sweep_that_another_has_worked_on_since_it_was_planned_sends_nothing(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    early, first = planned(tmp_path), planned(tmp_path)
    done = run_sweep(first, emit=ignore)
    assert done.complete
    with pytest.raises(TemporaryFailure, match="has worked on the sweep"):
        run_sweep(early, emit=ignore)
    assert len(list(done.path.glob("2*/ledger.jsonl"))) == 1
    again = run_sweep(planned(tmp_path), emit=ignore)
    assert again.complete and again.leaderboard == done.leaderboard
