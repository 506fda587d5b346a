"""Locks that processes share through a file, on every system: a process that dies loses its locks.

    file = open_lock(folder / "run.lock")
    lock(file)         # BlockingIOError: another process has it
    os.close(file)     # gives it back

They are the systems' own: `flock`, and by portalocker byte ranges on Windows. Elsewhere portalocker calls `flock`, too,
but takes as long to load as half of Typer.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from eng5_runner.systems import open_private

# What a file system answers that keeps no locks, such as NFS without a lock service.
_WITHOUT_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP))
NO_LOCKS = "this file system keeps no locks, as some network folders"
LOCAL_DISK = "Without locks two processes could work on one run. Name a folder on a local disk with --output-dir."


def open_lock(path: Path) -> int:
    """Open a lock file, which is made if it is missing.

    Raises:
        OSError: it cannot be opened.
    """
    return open_private(path, os.O_RDWR)


def lock(file: int, *, wait: bool = False, shared: bool = False) -> None:
    """Lock an open file for this process, alone or together with others that lock it `shared`.

    Raises:
        BlockingIOError: another process has the lock, and `wait` is not set.
        OSError: it cannot be locked.
    """
    # Each is there on one kind of system only, so neither is loaded before it is needed.
    if sys.platform == "win32":
        import portalocker  # noqa: PLC0415 - see above  # law: inner_import - see above

        flags = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
        try:
            portalocker.lock(file, flags if wait else flags | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.AlreadyLocked as error:
            raise BlockingIOError(errno.EAGAIN, "another process has the lock") from error
        except portalocker.LockException as error:
            cause = next((part for part in error.args if isinstance(part, OSError)), None)
            raise cause or OSError(errno.EIO, str(error)) from error
    else:
        import fcntl  # noqa: PLC0415 - see above  # law: inner_import - see above

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)


def why_not(error: OSError) -> str:
    """Why a file could not be locked or written, in words that go after a colon."""
    return NO_LOCKS if error.errno in _WITHOUT_LOCKS else error.strerror or str(error)


def keeps_locks(folder: Path) -> bool:
    """Whether files in a folder can be locked; True where none can be made there."""
    with suppress(OSError), TemporaryFile(dir=folder) as file:
        try:
            lock(file.fileno())
        except OSError as error:
            return error.errno not in _WITHOUT_LOCKS
    return True
