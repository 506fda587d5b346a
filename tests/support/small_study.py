"""A small study of its own for tests of the command line, of judges and of brokers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runner import DEMO


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Eight anchors and eight students of the demo: enough for grades, and quickly judged."""
    return build_study(tmp_path / "study")


def build_study(folder: Path) -> Path:
    """Lay the small study out."""
    for name in ("instructions.md", "prompt.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((DEMO / name).read_bytes())
    for part, files in (
        ("anchor_essays", ("F+1.txt", "E-1.txt", "E+1.txt", "D-1.txt", "D+1.txt", "C-1.txt", "C+1.txt", "A1.txt")),
        ("student_essays", tuple(f"essay_{n:02}.txt" for n in (1, 2, 4, 5, 6, 7, 9, 10))),
    ):
        (folder / part).mkdir()
        for name in files:
            (folder / part / name).write_bytes((DEMO / part / name).read_bytes())
    return folder
