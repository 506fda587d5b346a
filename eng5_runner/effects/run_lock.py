"""The lock of a run directory: only the process that holds it writes events, outputs or logs there."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eng5_runner.errors import DiskError, TemporaryFailure
from eng5_runner.systems import flags
from eng5_runner.transport.file_lock import LOCAL_DISK, NO_LOCKS, lock, open_lock, why_not

LOCK_NAME = "run.lock"


@contextmanager
def held(run_directory: Path) -> Iterator[None]:
    """Hold the lock while the context lasts. If the process dies, the kernel releases the lock.

    Raises:
        TemporaryFailure: another process holds the lock; nothing was changed.
        DiskError: the lock file cannot be written.
    """
    file = _locked(run_directory)
    try:
        yield
    finally:
        os.close(file)


def is_held(run_directory: Path) -> bool:
    """Whether a process holds the lock now. Works on a disk that cannot be written."""
    try:
        file = os.open(run_directory / LOCK_NAME, os.O_RDONLY | flags("O_CLOEXEC"))
    except OSError:
        return False
    try:
        lock(file, shared=True)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def _locked(run_directory: Path) -> int:
    """Lock the lock file, note this process in it, and return its descriptor."""
    path = run_directory / LOCK_NAME
    try:
        file = open_lock(path)
    except OSError as error:
        raise _cannot_lock(path, error) from None
    try:
        lock(file)
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}\n".encode())
    except BlockingIOError:
        holder = _holder(file)
        os.close(file)
        raise TemporaryFailure(
            f"{run_directory} is being worked on by {holder}.", remedy="Wait until that process ends."
        ) from None
    except OSError as error:
        os.close(file)
        raise _cannot_lock(path, error) from None
    return file


def _holder(file: int) -> str:
    try:
        return os.read(file, 100).decode(errors="replace").strip() or "another process"
    except OSError:  # Windows lets nobody read what is locked
        return "another process"


def _cannot_lock(path: Path, error: OSError) -> DiskError:
    cause = why_not(error)
    remedy = "Free disk space or check the permissions. Nothing in the run was changed."
    return DiskError(f"{path} cannot be locked: {cause}.", remedy=LOCAL_DISK if cause == NO_LOCKS else remedy)
