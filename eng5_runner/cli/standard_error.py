"""Standard error, which may go away under a run: a closed terminal, a pipe whose reader has ended."""

from __future__ import annotations

import os
import sys
from io import TextIOBase


class StandardError(TextIOBase):
    """Where people read. Once nobody can, words go nowhere and the run goes on: ledger and log have every fact."""

    def write(self, text: str) -> int:
        """Write, if there is still somebody; gives the text's length."""
        try:
            sys.stderr.write(text)
        except OSError:
            _read_by_nobody()
        return len(text)

    def flush(self) -> None:
        """Flush, if there is still somebody."""
        try:
            sys.stderr.flush()
        except OSError:
            _read_by_nobody()

    def fileno(self) -> int:
        """The file descriptor of standard error."""
        return sys.stderr.fileno()

    def isatty(self) -> bool:
        """Whether standard error is a terminal."""
        return sys.stderr.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override] # - typeshed has a variable
        """The encoding of standard error."""
        return sys.stderr.encoding


def _read_by_nobody() -> None:
    """What is in Python's buffer already, and what others write there, must not fail later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
