"""Standard error, which may be closed during a run: the terminal was closed, or the reader of a pipe has ended."""

from __future__ import annotations

import os
import sys
from io import TextIOBase
from typing import TextIO


class StandardError(TextIOBase):
    """Standard error that never fails: once it is closed, text is dropped and the run continues."""

    def __init__(self) -> None:
        # While bars are shown, rich replaces sys.stderr by a proxy that writes to our console, which would write here.
        self._stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    def write(self, text: str) -> int:
        """Write, if it is still open; returns the length of the text."""
        try:
            self._stream.write(text)
        except OSError:
            discard(self._stream)
        return len(text)

    def flush(self) -> None:
        """Flush, if it is still open."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)

    def fileno(self) -> int:
        """The file descriptor of standard error."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether standard error is a terminal."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override] # - typeshed has a variable
        """The encoding of standard error."""
        return self._stream.encoding


def discard(stream: TextIO) -> None:
    """Send everything to the null device, so that Python's buffer and other writers do not fail later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
