"""This process: how it computes, what it writes for others to read, and what is left of a bug."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import traceback

# Objects between two looks for cycles, by generation. Python's own 700, 10, 10 cost the services a quarter of their
# computing time: each look goes through thousands of objects of requests that wait, and finds nothing.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)


def prepare() -> None:
    """Set what holds for the whole process of the program."""
    # One thread for linear algebra: the same order of sums on every machine, and a core for the embedded stack.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    # Whatever a library writes for us is private, too; our own files are in any process (`systems.open_private`).
    os.umask(0o077)
    sys.unraisablehook = _note_unraisable


def _note_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """A library's error while it tidied up after another error, such as too many open files, is for the log."""
    logging.getLogger(__name__).info("ignored: %r in %r", unraisable.exc_value, unraisable.object)


def keep_traceback(program: str) -> str:
    """Where the traceback is, which is no text for the terminal: it can be long, and hold what is private.

    Args:
        program: its name and version.
    """
    try:
        handle, name = tempfile.mkstemp(prefix="eng5-runner-bug-", suffix=".log")
        with os.fdopen(handle, "w") as file:
            file.write(f"{program}, Python {sys.version}\n")
            traceback.print_exc(file=file)
    except OSError as error:
        return f"what you did; its traceback could not be kept ({error.strerror})"
    return name
