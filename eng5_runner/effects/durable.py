"""Writing that survives a power cut: the bytes are on the disk before the name, and the name before a function returns.

All functions raise OSError; the caller knows what the file is for, and says so.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from eng5_runner.systems import flags, open_private, opens_directories, sync_data

# What a file system answers to fsync of a directory where it has no such thing; EIO and ENOSPC are failures.
_NOT_OFFERED = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF))


def write_all(file: int, data: bytes | bytearray) -> None:
    """Write all bytes to an open file. A disk that is nearly full takes a part of them without an error."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Without this a new file can lose its name in a power cut.

    Windows and some network folders (SMB, VirtualBox, WSL) offer no such thing; there the names are as durable as that
    system makes them.
    """
    if not opens_directories():
        return
    handle = os.open(directory, os.O_RDONLY | flags("O_DIRECTORY"))
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(handle)


def replace(path: Path, data: bytes | bytearray | Iterable[bytes]) -> None:
    """Put a file at the path in one step, readable by its owner only. After an error, the old file is still there.

    Args:
        path: of the file.
        data: its content, whole or in pieces.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open_private(partial, os.O_WRONLY | os.O_TRUNC)
        try:
            for piece in [data] if isinstance(data, bytes | bytearray) else data:
                write_all(file, piece)
            os.fsync(file)
        finally:
            os.close(file)
        partial.replace(path)
        sync_directory(path.parent)
    except OSError:
        with suppress(OSError):  # a disk that refuses to be written may refuse this too
            partial.unlink()
        raise


def name_file(path: Path, file: int) -> bool:
    """Put an open file without a name at the path in one step, like `replace`, but without writing its bytes again.

    False where the system or the file system cannot do that. Then nothing was changed.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        if os.fstat(file).st_nlink:  # it was named before
            return False
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.unlink(missing_ok=True)
        # With a folder's number Python follows the link to the open file (AT_SYMLINK_FOLLOW); the path needs none.
        os.link(f"/proc/self/fd/{file}", partial, src_dir_fd=file, follow_symlinks=True)
    except (OSError, NotImplementedError):
        return False
    try:
        os.fsync(file)
        partial.replace(path)
        sync_directory(path.parent)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    return True


def append(path: Path, data: bytes | bytearray) -> None:
    """Add bytes to the end of a file, which may be new; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_new = not path.exists()
    file = open_private(path, os.O_WRONLY | os.O_APPEND)
    try:
        write_all(file, data)
        sync_data(file)
    finally:
        os.close(file)
    if is_new:
        sync_directory(path.parent)
