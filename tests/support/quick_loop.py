"""An event loop whose clock jumps over the time in which nothing happens: hours of waiting take milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def run_quickly(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of work that waits for nothing but timers."""
    with asyncio.Runner(loop_factory=_QuickLoop) as runner:
        return runner.run(work)


class _QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selects = _Selector()
        super().__init__(self._selects)

    def time(self) -> float:
        return self._selects.waited


class _Selector(selectors.DefaultSelector):
    """Notes the time for which it was to wait."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.waited += timeout
        return ready
