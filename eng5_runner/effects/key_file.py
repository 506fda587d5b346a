"""The file of a key table of pseudonyms, which several runs may share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from eng5_runner.effects import durable
from eng5_runner.errors import DiskError
from eng5_runner.transport.file_lock import lock, open_lock, why_not


def read_key_file(path: Path) -> bytes:
    """The file's bytes; none if there is no such file. Other users lose the right to read it, where that can be done.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        with suppress(PermissionError):
            path.chmod(0o600)
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _cannot(path, "read", error=error) from None


def update_key_file(path: Path, change: Callable[[bytes], bytes]) -> bytes:
    """Change the file while no other process does; it is durable when this returns, and only its owner can read it.

    Args:
        path: of the file; a link is followed.
        change: the file's bytes → its new bytes.

    Returns:
        The new bytes.

    Raises:
        DiskError: it cannot be read or written. An older file is still there.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open_lock(target.with_name(f".{target.name}.lock"))
        try:
            lock(file, wait=True)
            before = read_key_file(target)
            after = change(before)
            if after != before:
                durable.replace(target, after)
        finally:
            os.close(file)
    except OSError as error:
        raise _cannot(path, "written", error=error) from None
    return after


def _cannot(path: Path, be: str, *, error: OSError) -> DiskError:
    return DiskError(
        f"The key table {path} cannot be {be}: {why_not(error)}.",
        remedy="Check the folder and its permissions, or name another file with --pseudonyms.",
    )
