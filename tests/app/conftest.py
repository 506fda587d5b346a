"""One run of the small study, made through the library inside a running event loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import eng5_runner as eng5
from tests.support.small_study import build_study


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The run, and the updates that `emit` got."""
    folder = tmp_path_factory.mktemp("library")
    study, updates = build_study(folder / "study"), []
    kept = os.environ.get("ENG5_CACHE_DIR")
    os.environ["ENG5_CACHE_DIR"] = str(folder / "cache")

    async def in_a_running_loop() -> eng5.Run:
        return eng5.execute(
            assets=study, max_comparisons=160, seed=3, output_dir=folder / "runs", batch_id="small", emit=updates.append
        )

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    run = asyncio.run(in_a_running_loop())
    left = root.level
    root.setLevel(level)
    yield SimpleNamespace(run=run, updates=updates, study=study, folder=folder, level_left=left)
    os.environ.pop("ENG5_CACHE_DIR")
    if kept is not None:
        os.environ["ENG5_CACHE_DIR"] = kept
