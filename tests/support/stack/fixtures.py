"""A stack for a test: real services on free loopback ports, ended with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stack.driver import Client, running


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path / "stack") as client:
        yield client
