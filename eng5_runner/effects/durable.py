"""Writing that survives a power cut: the bytes are on the disk before the name, and the name before a function returns.

All functions raise OSError; the caller knows what the file is for, and says so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_all(file: int, data: bytes | bytearray) -> None:
    """Write all bytes to an open file. A disk that is nearly full takes a part of them without an error."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Without this a new file can lose its name in a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, data: bytes | bytearray) -> None:
    """Put a file at the path in one step, readable by its owner only. After an error, the old file is still there."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        partial.replace(path)
        sync_directory(path.parent)
    except OSError:
        with suppress(OSError):  # a disk that refuses to be written may refuse this too
            partial.unlink()
        raise


def append(path: Path, data: bytes | bytearray) -> None:
    """Add bytes to the end of a file, which may be new; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_new = not path.exists()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        write_all(file, data)
        os.fdatasync(file)
    finally:
        os.close(file)
    if is_new:
        sync_directory(path.parent)
