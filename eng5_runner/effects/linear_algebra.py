"""Linear algebra in one thread, for the time of a computation.

    with one_thread():
        hydrated = hydrate(run_directory)

Our matrices are small. On a busy machine, threads that wait for each other made the fit of 240 essays take a hundred
times its computing time. The program has one thread from its start (`__main__`); in a notebook the process is not ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy and scipy use one thread; afterwards as many as before."""
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        yield
        return
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded; to find them takes as long as two fits."""
    return ThreadpoolController()
