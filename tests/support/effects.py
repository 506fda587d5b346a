"""Fixtures of several folders: a small disk that fills up, and the proof that a test left nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.processes import in_memory
from tests.support.small_disk import SmallDisk


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """The loop heard of no error, and no task, connection or client outlives the test."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    heard: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: heard.append(context))
    yield
    gc.collect(1)  # what was not closed says so now
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert (heard, left) == ([], set())


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """A file system of 1 MB; only root can make one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting needs root")
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder where syncing costs nothing, for tests that sync thousands of times."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        yield Path(folder)
