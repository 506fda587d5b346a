"""The terminal of this process, also where its standard streams go to pipes or files.

answer_of("Send this request: 210 comparisons for 0.01–0.04 USD?")     # True, False; None if nobody can be asked
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from eng5_runner.effects.standard_streams import StandardError

_TERMINAL = "/dev/tty"


_YES = frozenset(("y", "yes"))


def answer_of(question: str) -> bool | None:
    """Whether the person at the terminal says yes; None if nobody can be asked.

    Raises:
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    with _terminal() as streams:
        if streams is None:
            return None
        read, write = streams
        write.write(f"{question} [y/N]: ")
        write.flush()
        line = ""
        try:
            line = read.readline()
        finally:
            if not line.endswith("\n"):  # Ctrl-D or Ctrl-C
                write.write("\n")
        return line.strip().lower() in _YES


def show_cursor() -> None:
    """Show the cursor again, which bars hide, where the process ends at once."""
    stream = StandardError()
    if stream.isatty():
        stream.write("\x1b[?25h\n")
        stream.flush()


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, TextIO] | None]:
    """To read from and to write to; None if there is no terminal, or if it belongs to another job than this one."""
    try:
        handle = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except (OSError, AttributeError):  # no controlling terminal; Windows has neither the file nor the flag
        has_both = sys.stdin is not None and sys.stdin.isatty() and StandardError().isatty()
        yield (sys.stdin, sys.stderr) if has_both else None
        return
    with open(handle, "rb", buffering=0) as raw:  # noqa: PTH123 - a descriptor
        # A job in the background would be stopped when it reads.
        if os.tcgetpgrp(handle) != os.getpgrp():
            yield None
            return
        with (
            open(os.dup(raw.fileno()), encoding="utf-8", errors="replace") as read,  # noqa: PTH123 - a descriptor
            open(os.dup(raw.fileno()), "w", encoding="utf-8", errors="replace") as write,  # noqa: PTH123 - a descriptor
        ):
            yield read, write
