"""The one event loop of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from eng5_runner.errors import RunnerError

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run until `main` ends.

    Raises:
        RunnerError: it did, or the first of several tasks that did at once.
    """
    try:
        return asyncio.run(main)
    except ExceptionGroup as several:
        foreseen, unforeseen = several.split(RunnerError)
        if foreseen is None or unforeseen is not None:
            raise
        raise _first(foreseen) from several


def _first(several: ExceptionGroup[RunnerError]) -> RunnerError:
    found = several.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found
