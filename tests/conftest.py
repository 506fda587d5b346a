"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.support.processes import MEASURES

# Under `make coverage`: what these tests start is whole runs, whose code the tests of each part reach too. A measured
# process takes half as long again.
_UNMEASURED = frozenset({"browser", "containers", "design", "docs", "faults", "field", "guard", "kafka"})
# Where a started tool and its stack say what they do.
_SPOKEN = ("err", "log", "*.log", "run.log.jsonl")
_FILES_SHOWN, _LINES_SHOWN = 3, 15

# Before numpy is loaded: two test processes on two cores with two threads each would mostly wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A machine that is busy for a quarter of a second is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A traceback with all local variables, which is structlog's own choice, takes a quarter of a second.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let no process be measured that a test of certain folders starts, or a fixture that it is the first to need."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    measuring = os.environ.pop(MEASURES, None) if folder in _UNMEASURED else None
    try:
        return (yield)
    finally:
        if measuring is not None:
            os.environ[MEASURES] = measuring


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
