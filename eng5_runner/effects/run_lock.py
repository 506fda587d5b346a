"""The lock of a run directory: only the process that holds it writes events, outputs or logs there."""

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
    """Hold the lock while the context lasts. If the process dies, the kernel releases the lock.

    Raises:
        TemporaryFailure: another process holds the lock; nothing was changed.
        DiskError: the lock file cannot be written.
    """
    lock = _locked(run_directory)
    try:
        yield
    finally:
        os.close(lock)


def is_held(run_directory: Path) -> bool:
    """Whether a process holds the lock now. Works on a disk that cannot be written."""
    try:
        lock = os.open(run_directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _locked(run_directory: Path) -> int:
    """Lock the lock file, note this process in it, and return its descriptor."""
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
            f"{run_directory} is being worked on by {holder}.", remedy="Wait until that process ends."
        ) from None
    except OSError as error:
        os.close(lock)
        raise _cannot_lock(path, error) from None
    return lock


def _cannot_lock(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"{path} cannot be written: {error.strerror or error}.",
        remedy="Free disk space or check the permissions. Nothing in the run was changed.",
    )
