"""Standard error, which may go away under a run: a closed terminal, a pipe whose reader has ended."""

from __future__ import annotations

import os
import sys
from io import TextIOBase
from typing import TextIO


class StandardError(TextIOBase):
    """Where people read. Once nobody can, words go nowhere and the run goes on: ledger and log have every fact."""

    def __init__(self) -> None:
        # While bars are shown, rich puts something in its place that writes to our console, which would write here.
        self._stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    def write(self, text: str) -> int:
        """Write, if there is still somebody; gives the text's length."""
        try:
            self._stream.write(text)
        except OSError:
            self._read_by_nobody()
        return len(text)

    def flush(self) -> None:
        """Flush, if there is still somebody."""
        try:
            self._stream.flush()
        except OSError:
            self._read_by_nobody()

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

    def _read_by_nobody(self) -> None:
        """What is in Python's buffer already, and what others write there, must not fail later."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
