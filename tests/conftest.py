"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# Where a started tool and its stack say what they do.
_SPOKEN = ("err", "log", "*.log", "run.log.jsonl")
_FILES_SHOWN, _LINES_SHOWN = 3, 15

# Before numpy is loaded: two test processes on two cores with two threads each would mostly wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A machine that is busy for a quarter of a second is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, show the end of what the tool wrote: what a test saw is often only that something never came."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for name in _SPOKEN:
            for file in sorted(filter(Path.is_file, folder.rglob(name)))[-_FILES_SHOWN:]:
                lines = file.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
                report.sections.append((f"the end of {file}", "\n".join(lines)))
    return report
