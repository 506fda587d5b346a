"""The one place that starts an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, TypeVar

from eng5_runner.errors import RunnerError, of_the_machine

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run until `main` ends, in this thread.

    Raises:
        RunnerError: `main` raised it, or it is the first of several that tasks raised at once; also for a limit of the
            machine, such as a full disk.
    """
    try:
        return asyncio.run(main)
    except RunnerError:
        raise
    except Exception as error:  # a limit of the machine can be in an error of any kind, and in a group of them
        main.close()  # where no loop could be made, it has not begun
        foreseen = _foreseen(error)
        if foreseen is None:
            raise
        raise foreseen from error


def run_in_thread(main: Coroutine[Any, Any, T], *, on_interrupt: Callable[[], None]) -> T:
    """Run until `main` ends, in a thread with a loop of its own: a notebook's thread has a running loop already.

    Args:
        main: what to run; it sees the caller's context variables.
        on_interrupt: called in this thread for each KeyboardInterrupt; it must bring `main` to its end.

    Raises:
        KeyboardInterrupt: it was interrupted, and `main` has ended.
        RunnerError: `main` raised it.
    """
    interrupted: KeyboardInterrupt | None = None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="eng5-runner") as pool:
        future = pool.submit(copy_context().run, run_loop, main)
        while not future.done():
            try:
                wait([future])
            except KeyboardInterrupt as error:
                interrupted = error
                on_interrupt()
    if interrupted is not None:
        raise interrupted from future.exception()
    return future.result()


def _foreseen(error: Exception) -> RunnerError | None:
    """The error for people, if every cause was foreseen: of several, the first."""
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, ExceptionGroup):
        causes = [_foreseen(each) for each in error.exceptions]
        return None if None in causes else causes[0]
    return of_the_machine(error)
