"""What marks the tests that need a real PostgreSQL, and keeps them in one worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.postgres.fixtures import database as database  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.postgres.fixtures import postgres_server as postgres_server  # noqa: PLC0414 - likewise


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.postgres)
            item.add_marker(pytest.mark.xdist_group("postgres"))
