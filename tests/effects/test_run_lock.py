"""The lock of a run's directory, between real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eng5_runner.effects.run_lock import LOCK_NAME, held
from eng5_runner.errors import DiskError, TemporaryFailure
from tests.support.processes import line, python, tell
from tests.support.small_disk import SmallDisk

HOLDER = """
import sys
from pathlib import Path
from eng5_runner.effects.run_lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


def test_a_second_process_is_told_who_holds_the_run_and_gets_it_afterwards(tmp_path: Path) -> None:
    with python(HOLDER, tmp_path) as holder:
        assert line(holder) == "held"
        told = rf"process {holder.pid} on {os.uname().nodename}\."
        with pytest.raises(TemporaryFailure, match=told), held(tmp_path):
            pass
        tell(holder, "go on")
        assert line(holder) == "done"
    with held(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / LOCK_NAME).read_text()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    with python(HOLDER, tmp_path) as holder:
        assert line(holder) == "held"
        holder.kill()
        holder.wait()
        with held(tmp_path):
            pass


def test_the_same_process_cannot_hold_a_run_twice(tmp_path: Path) -> None:
    with held(tmp_path):
        with pytest.raises(TemporaryFailure, match=f"process {os.getpid()} "), held(tmp_path):
            pass
        with pytest.raises(TemporaryFailure), held(tmp_path):  # the refusal gave nothing back
            pass


def test_a_full_disk_is_a_disk_error_and_keeps_no_lock(small_disk: SmallDisk) -> None:
    run = small_disk.root / "run"
    run.mkdir()
    small_disk.fill()
    with pytest.raises(DiskError, match="No space left on device"), held(run):
        pass
    small_disk.free()
    with held(run):
        pass
