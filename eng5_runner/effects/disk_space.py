"""The disk that a run is written to: whether it is writable, and how many bytes are free."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from eng5_runner.errors import DiskError


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet.

    Whether the folder is writable is tried out; nothing is left behind.

    Raises:
        DiskError: the folder cannot be written.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".eng5-", dir=existing):
            return shutil.disk_usage(existing).free
    except OSError as error:
        raise DiskError(
            f"{folder} cannot be written: {error.strerror}.",
            remedy="Choose another folder with --output-dir, or allow writing to this one.",
        ) from None
