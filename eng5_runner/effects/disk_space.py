"""The disk that a run is written to: whether it can be, and how much it still takes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from eng5_runner.errors import DiskError

_ELSEWHERE = "Name another folder with --output-dir, or give the right to write there."


def free_bytes(folder: Path) -> int:
    """How much is free where the folder is, or will be. What is tried there is removed again.

    Raises:
        DiskError: nothing can be written there.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".eng5-", dir=there):
            return shutil.disk_usage(there).free
    except OSError as error:
        raise DiskError(f"{folder} cannot be written: {error.strerror}.", remedy=_ELSEWHERE) from None
