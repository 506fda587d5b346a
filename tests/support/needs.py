"""What a test needs from the machine and does not get."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRE = "ENG5_REQUIRE_PARTS"


def cannot_be_had(reason: str) -> NoReturn:
    """Skip the test; where `ENG5_REQUIRE_PARTS` is set, as in CI, everything must be there and the test fails."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"{reason} (and {REQUIRE} is set)")
    pytest.skip(reason)
