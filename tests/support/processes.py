"""Other processes, for what only another process can show: locks, kills, limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURES = "COVERAGE_PROCESS_CONFIG"
"""With this variable a Python process writes, at its end, what of the package it ran; `coverage` sets it."""
MEASURING: Mapping[str, str] = {name: os.environ[name] for name in (MEASURES,) if name in os.environ}
"""It and its value at the start of the tests; while some of them run it is not set."""


@contextmanager
def python(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process with this program; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """These variables for a process that is killed, or whose disk or limits fail, so that nothing could be saved."""
    return {name: value for name, value in environment.items() if name != MEASURES}


def line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], word: str) -> None:
    """Give it a line to read."""
    assert process.stdin is not None
    print(word, file=process.stdin, flush=True)


def in_memory() -> str | None:
    """A folder of the machine's memory, if it has one."""
    folder = "/dev/shm"
    return folder if os.access(folder, os.W_OK) else None
