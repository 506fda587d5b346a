"""A study folder to fill in, with comments in the places where they do not reach the judge."""

from __future__ import annotations

import shutil
from pathlib import Path

from eng5_runner.errors import DiskError, UsageError

_TEMPLATE = Path(__file__).parent / "starter"
_ESSAYS = ("anchor_essays", "student_essays")


def write_starter_study(folder: Path) -> tuple[str, ...]:
    """Write the folder; it is made if it is missing.

    Returns:
        What it holds, by name.

    Raises:
        UsageError: the folder is not empty, or it is a file.
        DiskError: it cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is not an empty folder.", remedy="Name a new folder; nothing was written.")
        shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True)
        for name in _ESSAYS:
            (folder / name).mkdir()
        return tuple(sorted(path.name + "/" * path.is_dir() for path in folder.iterdir()))
    except OSError as error:  # shutil's own Error is one
        raise DiskError(
            f"{folder} cannot be written: {error.strerror or error}.", remedy="Choose another folder."
        ) from None
