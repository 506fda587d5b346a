"""The disk that a run is written to: whether it is writable and keeps locks, and how many bytes are free."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from eng5_runner.errors import DiskError
from eng5_runner.transport.file_lock import LOCAL_DISK, NO_LOCKS, keeps_locks


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet.

    Whether the folder is writable and keeps locks is tried out; nothing is left behind.

    Raises:
        DiskError: the folder cannot be written, or keeps no locks.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".eng5-", dir=existing) as tried:
            has_locks, free = keeps_locks(Path(tried)), shutil.disk_usage(existing).free
    except OSError as error:
        raise DiskError(
            f"{folder} cannot be written: {error.strerror}.",
            remedy="Choose another folder with --output-dir, or allow writing to this one.",
        ) from None
    if not has_locks:
        raise DiskError(f"{folder} cannot be used: {NO_LOCKS}.", remedy=LOCAL_DISK)
    return free
