"""A run that is killed after some event."""

from __future__ import annotations

from eng5_runner.run.ports import Notice, Update


class Killed(Exception):
    """The process ended here."""


def dies_after(count: int, kind: type[object] = object):
    """An observer that kills the run once it has seen so many events of a kind."""
    left = iter(range(count - 1))

    def observe(told: Update) -> None:
        if not isinstance(told, Notice) and isinstance(told, kind) and next(left, None) is None:
            raise Killed

    return observe
