"""A small study for the runs among the judges' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import build_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Eight anchors and eight students."""
    return build_study(tmp_path / "study")
