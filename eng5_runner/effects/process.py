"""How this process computes, and who may read what it writes. Every call loads it, so it loads nothing."""

from __future__ import annotations

import gc
import os
import sys

# Objects between two looks for cycles, by generation. Python's own 700, 10, 10 cost the services a quarter of their
# computing time: each look goes through thousands of objects of requests that wait, and finds nothing.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)


def prepare() -> None:
    """Set what holds for the whole process of the program."""
    # One thread for linear algebra: the same order of sums on every machine, and a core for the embedded stack.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pydantic would look for plugins of its own in the metadata of every installed package, and run them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    # Whatever a library writes for us is private, too; our own files are in any process (`systems.open_private`).
    os.umask(0o077)
    sys.unraisablehook = _note_unraisable


def _note_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """A library's error while it tidied up after another error, such as too many open files, is for the log."""
    if (logging := sys.modules.get("logging")) is not None:  # else there is no log
        logging.getLogger(__name__).info("ignored: %r in %r", unraisable.exc_value, unraisable.object)
