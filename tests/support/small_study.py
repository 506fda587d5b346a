"""A small study of its own for tests of the command line, of judges and of brokers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runner import DEMO


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Eight anchors and eight students of the demo: enough for grades, and quickly judged."""
    return build_study(tmp_path / "study")


_ANCHORS = ("F+1", "E-1", "E+1", "D-1", "D+1", "C-1", "C+1", "A1")
_STUDENTS = (1, 2, 4, 5, 6, 7, 9, 10)


def build_study(folder: Path, *, anchors: tuple[str, ...] = _ANCHORS, students: tuple[int, ...] = _STUDENTS) -> Path:
    """Lay the small study out, or one of these essays of the demo."""
    for name in ("instructions.md", "prompt.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((DEMO / name).read_bytes())
    for part, files in (
        ("anchor_essays", tuple(f"{name}.txt" for name in anchors)),
        ("student_essays", tuple(f"essay_{number:02}.txt" for number in students)),
    ):
        (folder / part).mkdir()
        for name in files:
            (folder / part / name).write_bytes((DEMO / part / name).read_bytes())
    return folder
