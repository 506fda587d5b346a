"""The embedded services for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina

from eng5_runner.transport.http import ATTEMPTS
from tests.admin.site import Site, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
def at_once() -> Iterator[None]:
    """stamina's own switch for tests: as many attempts as ever, no waiting between them."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield
