"""What a test needs from the machine and does not get."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_be_had(reason: str) -> NoReturn:
    """Skip the test; where `ENG5_TEST_ALL` is set, as in CI, everything must be there and the test fails."""
    if os.environ.get("ENG5_TEST_ALL"):
        pytest.fail(f"{reason} (and ENG5_TEST_ALL is set)")
    pytest.skip(reason)
