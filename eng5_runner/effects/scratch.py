"""Bytes for the time of a computation: in memory while they are few, then in a temporary file without a name."""

from __future__ import annotations

import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from eng5_runner.errors import DiskError

_IN_MEMORY = 8 << 20
_CHUNK = 1 << 20


class Scratch:
    """Bytes that are added at the end and read anywhere. The system removes the file when the process ends.

    Args:
        folder: for the file; None for that of the system.

    Attributes:
        size: in bytes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file: IO[bytes] = BytesIO()
        self._at_end = True
        self.size = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            DiskError: the folder for temporary files is full.
        """
        try:
            if not self._at_end:
                self._file.seek(0, 2)
                self._at_end = True
            if self.size <= _IN_MEMORY < self.size + len(data):
                known, self._file = self.read(0, self.size), _without_name(self._folder or Path(tempfile.gettempdir()))
                weakref.finalize(self, self._file.close)
                self._file.write(known)
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from None
        self.size += len(data)

    def read(self, start: int, size: int) -> bytes:
        """The bytes from a place on.

        Raises:
            DiskError: they cannot be read.
        """
        try:
            self._at_end = False
            self._file.seek(start)
            return self._file.read(size)
        except OSError as error:
            raise self._failed(error) from None

    def file(self) -> int | None:
        """The open file that has all bytes; None while they are in memory.

        Raises:
            DiskError: the folder is full.
        """
        if self.size <= _IN_MEMORY:
            return None
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None
        return self._file.fileno()

    def chunks(self) -> Iterator[bytes]:
        """All bytes, a megabyte at a time.

        Raises:
            DiskError: they cannot be read.
        """
        for start in range(0, self.size, _CHUNK):
            yield self.read(start, _CHUNK)

    def _failed(self, error: OSError) -> DiskError:
        elsewhere = "" if self._folder else ", or name another folder in the environment variable TMPDIR"
        return DiskError(
            f"A temporary file in {self._folder or tempfile.gettempdir()} cannot be used: {error.strerror}.",
            remedy=f"Free space there{elsewhere}.",
        )


class Unlike:
    """Bytes beside a file that may hold the same: they are kept only from where the two differ.

    Attributes:
        size: in bytes.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._kept: Scratch | None = None
        self._file: IO[bytes]
        try:
            self._file = path.open("rb")
        except OSError:
            self._file, self._kept = BytesIO(), Scratch()
        weakref.finalize(self, self._file.close)

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            DiskError: the file cannot be read, or the folder for temporary files is full.
        """
        if self._kept is None and self._read(self.size, len(data)) != data:
            self._kept = Scratch()
            for start in range(0, self.size, _CHUNK):
                self._kept.append(self._read(start, min(_CHUNK, self.size - start)))
        if self._kept is not None:
            self._kept.append(data)
        self.size += len(data)

    def is_the_file(self) -> bool:
        """Whether the file holds these bytes and no others.

        Raises:
            DiskError: the file cannot be read.
        """
        return self._kept is None and not self._read(self.size, 1)

    def chunks(self) -> Iterator[bytes]:
        """All bytes, a megabyte at a time.

        Raises:
            DiskError: they cannot be read.
        """
        if self._kept is not None:
            return self._kept.chunks()
        starts = range(0, self.size, _CHUNK)
        return (self._read(start, min(_CHUNK, self.size - start)) for start in starts)

    def _read(self, start: int, size: int) -> bytes:
        try:
            self._file.seek(start)
            return self._file.read(size)
        except OSError as error:
            raise DiskError(
                f"{self._file.name} cannot be read: {error.strerror}.", remedy="Check the run directory."
            ) from None


def _without_name(folder: Path) -> IO[bytes]:
    """An open file that goes with the process."""
    if sys.platform == "linux":
        # A file of `tempfile` can never get a name (O_EXCL).
        with suppress(OSError):
            return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")
    # Windows shows it while it is open, and what begins with a dot is no part of a run.
    return tempfile.TemporaryFile(dir=folder, prefix=".scratch.")
