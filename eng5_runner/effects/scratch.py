"""Bytes for the time of a computation: in memory while they are few, then in a temporary file without a name."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

from eng5_runner.errors import DiskError

_IN_MEMORY = 8 << 20
_CHUNK = 1 << 20


class Scratch:
    """Bytes that are added at the end and read anywhere. The system removes the file when the process ends.

    Attributes:
        size: in bytes.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed when its last user has gone
        weakref.finalize(self, self._file.close)
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
            self._file.write(data)
        except OSError as error:
            raise _failed(error) from None
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
            raise _failed(error) from None

    def chunks(self) -> Iterator[bytes]:
        """All bytes, a megabyte at a time.

        Raises:
            DiskError: they cannot be read.
        """
        for start in range(0, self.size, _CHUNK):
            yield self.read(start, _CHUNK)


def _failed(error: OSError) -> DiskError:
    return DiskError(
        f"A temporary file in {tempfile.gettempdir()} cannot be used: {error.strerror}.",
        remedy="Free space there, or name another folder in the environment variable TMPDIR.",
    )
