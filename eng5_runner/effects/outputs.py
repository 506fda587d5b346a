"""Files of a run directory: written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from eng5_runner.effects.ledger import sync_directory
from eng5_runner.errors import DiskError

INPUTS_NAME = "inputs.json"
CONFIG_NAME = "config.resolved.toml"
MANIFEST_NAME = "manifest.json"
SUMS_NAME = "manifest.sha256"
STACK_FOLDER = "stack"


def write_atomically(path: Path, data: bytes) -> None:
    """Put the bytes under the name in one step, durable when this returns; readable by the owner only.

    Raises:
        DiskError: the disk is full or refuses; a file that stood there before still does.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):  # what refuses to be written may refuse to be removed
            partial.unlink()
        raise DiskError(
            f"{path} cannot be written: {error.strerror}.", remedy="Make room or check the permissions, then resume."
        ) from None


def create_run_directory(parent: Path, name: str) -> Path:
    """A new directory for a run, readable by the owner only; its name is durable when this returns.

    Raises:
        DiskError: it cannot be made.
    """
    path = parent / name
    try:
        path.mkdir(parents=True, mode=0o700)
        sync_directory(parent)
    except OSError as error:
        raise DiskError(
            f"{path} cannot be created: {error.strerror}.", remedy="Name a writable folder with --output-dir."
        ) from None
    return path


def point_latest(parent: Path, name: str) -> None:
    """Make `latest` beside the runs lead to the newest; where links cannot be made, do without."""
    link = parent / ".latest.partial"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(name, target_is_directory=True)
        link.replace(parent / "latest")
    except OSError:
        return


def read_file(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.", remedy="Check the run directory.") from None


def file_digest(path: Path) -> tuple[str, int]:
    """The file's SHA-256 and size, without holding it in memory.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.", remedy="Check the run directory.") from None
