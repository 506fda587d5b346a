"""Setting up: CPU time of `make setup`, against a bare venv with the same packages from the same place."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.goals import Measured

ROOT = Path(__file__).parents[1]
# `make setup` renews pip first, so that a known version checks the hashes.
GOAL = 1.3


def main() -> list[Measured]:
    """Print CPU seconds and the ratio; packages come from pip's cache or its index."""
    with tempfile.TemporaryDirectory() as folder:
        pip = (f"{folder}/bare/bin/python", "-m", "pip", "install", "--quiet", "--no-deps")
        try:
            bare = (
                _cpu(sys.executable, "-m", "venv", f"{folder}/bare")
                + _cpu(*pip, "-r", "requirements.lock")  # the first of the two fills pip's cache, if it is empty
                + _cpu(*pip, "--editable", ".")
            )
            ours = _cpu("make", "setup", f"VENV={folder}/ours", f"PYTHON={sys.executable}")
        except subprocess.CalledProcessError as error:
            print(f"  not measured: {error.stderr[-500:]}")
            return []
    result = Measured("make setup", ours / bare, GOAL, "of a bare venv and pip install")
    print(
        f"  {ours:.1f} s CPU, bare {bare:.1f} s: {result.value:.2f} of it{result.remark} "
        f"(load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return [result]


def _cpu(*words: str) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
