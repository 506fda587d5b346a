"""The standard streams, which may be closed: from the start, or once the terminal or the reader of a pipe has gone.

StandardError().write("a line")     # never fails
write_line('{"event": "Plan"}')     # on standard output
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOBase
from typing import TextIO

from eng5_runner.errors import DiskError

_STANDARD_ERROR = 2  # its file descriptor


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


def write_line(line: str) -> None:
    """A line of JSON on standard output.

    Raises:
        DiskError: what is behind standard output, such as a full disk, takes nothing any more.
    """
    try:
        line.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # as of a pipe on Windows: JSON can say every character in ASCII
        line = json.dumps(json.loads(line))
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise DiskError(
            f"Standard output cannot be written: {error.strerror}.", remedy="Free disk space, or send it elsewhere."
        ) from None


def discard(stream: TextIO) -> None:
    """Send everything to the null device, so that Python's buffer and other writers do not fail later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed_streams() -> None:
    """Give the null device the places of standard streams that are closed.

    Otherwise the next file that is opened, such as the ledger, would get such a place, and what a library writes to
    standard error would go into it.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        continue
    os.close(file)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
