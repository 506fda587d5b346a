"""What is left of a bug: a traceback in a file."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback


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
