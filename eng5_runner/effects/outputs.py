"""The files of a run directory except its ledger. Each is written completely or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.effects import durable
from eng5_runner.errors import DiskError

INPUTS_NAME = "inputs.json"
CONFIG_NAME = "config.resolved.toml"
MANIFEST_NAME = "manifest.json"
SUMS_NAME = "manifest.sha256"
STACK_FOLDER = "stack"
_PIECE = 1 << 20  # bytes


def write_atomically(path: Path, data: bytes | Iterable[bytes], *, file: int | None = None) -> None:
    """Write a file, whole or in pieces, in one step; it is durable when this returns, and its owner's only.

    Args:
        path: of the file.
        data: its content.
        file: an open file without a name that holds the data already: it gets the path where the system can do that.

    Raises:
        DiskError: the disk is full, or the file cannot be written. An older file is still there.
    """
    try:
        if file is None or not durable.name_file(path, file):
            durable.replace(path, data)
    except OSError as error:
        raise DiskError(
            f"{path} cannot be written: {error.strerror}.",
            remedy="Free disk space or check the permissions.",
        ) from None


def create_run_directory(parent: Path, name: str) -> Path:
    """Create a run directory, readable by its owner only; its name is durable when this returns.

    Raises:
        DiskError: the directory cannot be created.
    """
    path = parent / name
    try:
        path.mkdir(parents=True, mode=0o700)
        durable.sync_directory(parent)
    except OSError as error:
        raise DiskError(
            f"{path} cannot be created: {error.strerror}.", remedy="Choose a writable folder with --output-dir."
        ) from None
    return path


def point_latest(parent: Path, name: str) -> None:
    """Point the link `latest` at the newest run. A file system without links gets none; a file of that name stays."""
    link, latest = parent / ".latest.partial", parent / "latest"
    try:
        if latest.exists() and not latest.is_symlink():
            return
        link.unlink(missing_ok=True)
        link.symlink_to(name, target_is_directory=True)
        link.replace(latest)
    except OSError:
        return


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        DiskError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.", remedy="Check the run directory.") from None


def file_digest(path: Path, *, first: int | None = None) -> tuple[str, int]:
    """A file's SHA-256 and its size in bytes. The file is not held in memory.

    Args:
        path: of the file.
        first: only so many bytes of it, from its beginning.

    Raises:
        DiskError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if first is None:
                return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            digest = hashlib.sha256()
            while part := file.read(min(first - file.tell(), _PIECE)):
                digest.update(part)
            return digest.hexdigest(), file.tell()
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.", remedy="Check the run directory.") from None


def has_what_was_listed(run_directory: Path, path: str) -> bool:
    """Whether a file is what the manifest lists of it, or begins with it, as one that only ever grows does.

    True, too, where no manifest can be trusted: there is none, or it was altered.

    Raises:
        DiskError: the file cannot be read.
    """
    listed = _listed(run_directory, path)
    return listed is None or file_digest(run_directory / path, first=listed[1]) == listed


def is_listed_whole(run_directory: Path, path: str) -> bool:
    """Whether the manifest lists a file that only ever grows with the size that it has now."""
    listed = _listed(run_directory, path)
    try:
        return listed is not None and (run_directory / path).stat().st_size == listed[1]
    except OSError:
        return False


def _listed(run_directory: Path, path: str) -> tuple[str, int] | None:
    """A file's SHA-256 and size in the manifest; None where no manifest lists it, or it was altered."""
    try:
        document = (run_directory / MANIFEST_NAME).read_bytes()
        if sha256_hex(document) not in (run_directory / SUMS_NAME).read_text():
            return None
        files = json.loads(document)["files"]
        return next((one["sha256"], one["bytes"]) for one in files if one["path"] == path)
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None
