"""Where a run stands, from its ledger and its lock. It loads no statistics, so that `status` is quick."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.core.progress import comparisons_per_second
from eng5_runner.core.run_status import RunStatus, status_of
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.outputs import is_listed_whole
from eng5_runner.effects.run_lock import is_held
from eng5_runner.run.run_directory import SavedRun


def describe_status(saved: SavedRun, run_directory: Path) -> RunStatus:
    """Where a run stands, from its ledger and its lock."""
    return status_of(
        saved.state,
        saved.inputs,
        rate=comparisons_per_second(saved.events),
        is_running=is_held(run_directory),
        now=SystemClock().now(),
        is_written=is_listed_whole(run_directory, LEDGER_NAME),
    )
