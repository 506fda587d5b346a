"""What differs between operating systems, in one place: POSIX has it, Windows or macOS may not.

    os.open(path, os.O_RDONLY | flags("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"))
    open_private(path, os.O_WRONLY | os.O_APPEND)
    sync_data(file)

Locks are in `transport.file_lock`. Where a system lacks something, the runner does without: Windows has no limits of
memory and computing time for the process that reads documents, no owner-only files, and no SIGHUP.
"""

from __future__ import annotations

import math
import os
import signal
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment] # - a module or nothing

if TYPE_CHECKING:
    # The process that reads documents starts without it.
    import asyncio

_OTHERS = 0o077


def flags(*names: str) -> int:
    """Flags of `os.open` that not every system has; such as it lacks are left out. O_BINARY is one of Windows."""
    return sum(getattr(os, name, 0) for name in set(names))


def opens_directories() -> bool:
    """Whether a directory can be opened, as syncing it takes."""
    return hasattr(os, "O_DIRECTORY")


def sync_data(file: int) -> None:
    """Make the bytes of an open file durable.

    Raises:
        OSError: the disk refused.
    """
    getattr(os, "fdatasync", os.fsync)(file)


def open_private(path: Path, access: int) -> int:
    """Open a file to write it, which is made if it is missing; nobody but its owner can read it.

    Everything that a run and its services write is opened here or by `make_private`, whatever the umask and the folder.

    Args:
        path: of the file.
        access: such as `os.O_WRONLY | os.O_APPEND`.

    Raises:
        OSError: it cannot be opened.
    """
    file = os.open(path, access | os.O_CREAT | flags("O_CLOEXEC", "O_BINARY"), 0o600)
    make_private(path)  # an earlier version or another program may have made it
    return file


def make_private(path: Path) -> None:
    """Let nobody but its owner read a file that is there; where the system refuses that, it stays as it is."""
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & _OTHERS:  # a device such as /dev/null is everybody's
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def is_mine_alone(status: os.stat_result) -> bool:
    """Whether nobody else may read or own the file; True on systems that have no such owners."""
    owner = getattr(os, "getuid", None)
    return owner is None or (not stat.S_IMODE(status.st_mode) & _OTHERS and status.st_uid == owner())


def signals(*names: str) -> Iterable[signal.Signals]:
    """The signals of these names that the system has."""
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


def on_signal(number: signal.Signals, call: Callable[[], object], *, loop: asyncio.AbstractEventLoop) -> None:
    """Call a function in the loop when the process gets a signal."""
    try:
        loop.add_signal_handler(number, call)
    except NotImplementedError:  # the loop of Windows
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(call))


def limit_memory(size: int) -> None:
    """Let the system refuse this process more memory (bytes), and keep no core file, which would hold essays.

    Where it cannot (macOS, Windows), the limit of time and those of decompression remain.
    """
    if resource is not None:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (size, size))


def limit_cpu_time(seconds: float) -> None:
    """Let the system end this process when it has used so many more CPU seconds, even if its parent is gone."""
    if resource is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
