"""Tests that share a server run in one worker; a pytest that its xdist does not know starts one for each worker."""

from __future__ import annotations

import os

import pytest

GROUP = "of this test"


@pytest.mark.xdist_group(GROUP)
def test_groups_are_kept_together(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("there is one process only")
    assert request.node.nodeid.endswith(f"@{GROUP}")
