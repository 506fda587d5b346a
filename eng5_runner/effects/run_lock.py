"""The lock of a run's directory: whoever records, writes outputs or logs there holds it, one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eng5_runner.errors import DiskError, TemporaryFailure

LOCK_NAME = "run.lock"


@contextmanager
def held(run_directory: Path) -> Iterator[None]:
    """The directory, for this process alone while the context lasts; the kernel gives it back however that ends.

    Raises:
        TemporaryFailure: another process works on the run; nothing of it was touched.
        DiskError: the lock cannot be written.
    """
    lock = _taken(run_directory)
    try:
        yield
    finally:
        os.close(lock)


def _taken(run_directory: Path) -> int:
    """`flock` on a file of its own; gives its descriptor."""
    path = run_directory / LOCK_NAME
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_lock(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
        os.close(lock)
        raise TemporaryFailure(
            f"{run_directory} is being worked on by {holder}.", remedy="Wait until that process has ended."
        ) from None
    except OSError as error:
        os.close(lock)
        raise _cannot_lock(path, error) from None
    return lock


def _cannot_lock(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"{path} cannot be written: {error.strerror or error}.",
        remedy="Make room or check the permissions; nothing of the run was touched.",
    )
