"""One cost limit for several runs: what each may spend, so that all together never spend more.

    money = SharedLimit(1.0, weights={"a": 3.0, "b": 1.0})
    money.begin("a")                                0.75
    money.note("a", limit=.75, spent=.2, ended=True)
    money.begin("b")                                0.8, as a has spent only 0.2

A run that has begun holds its whole limit until it has ended: it may be resumed and spend the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PLACES = 1e6  # a limit has at most so many parts of a USD


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    limit: float
    spent: float
    ended: bool

    @property
    def held(self) -> float:
        return self.spent if self.ended else max(self.limit, self.spent)


class SharedLimit:
    """Shares a cost limit out among runs.

    Attributes:
        limit: in USD, of all runs together.
    """

    def __init__(self, limit: float, *, weights: Mapping[str, float], other_spent: float = 0.0) -> None:
        """Share the limit.

        Args:
            limit: in USD, of all runs together.
            weights: run → how much it may need, in any unit; 0 for a run that costs nothing.
            other_spent: what is spent already and belongs to none of these runs.
        """
        self.limit, self._weights = limit, weights
        self._other = other_spent
        self._accounts: dict[str, _Account] = {}

    @property
    def left(self) -> float:
        """USD that no run has spent or holds; below 0 if more is held than the limit."""
        return self.limit - self._other - math.fsum(account.held for account in self._accounts.values())

    def note(self, run: str, *, limit: float, spent: float, ended: bool) -> None:
        """Note how a run stands: its own limit, what it has spent, and whether it will spend no more by itself."""
        self._accounts[run] = _Account(limit=limit, spent=spent, ended=ended)

    def begin(self, run: str) -> float | None:
        """The limit of a run that begins, and hold it: its share of what is left for the runs that have not begun.

        None for a run that costs nothing, and 0 if nothing is left.
        """
        if not self._weights[run]:
            return None
        waiting = [weight for other, weight in self._weights.items() if other not in self._accounts]
        share = _rounded_down(self.left * self._weights[run] / math.fsum(waiting))
        if share:
            self.note(run, limit=share, spent=0.0, ended=False)
        return share

    def raises(self, runs: Sequence[str], *, at_least: Mapping[str, float]) -> dict[str, float]:
        """Higher limits for ended runs that stopped at theirs, from what is left.

        Args:
            runs: that stopped at their limits.
            at_least: run → USD that are of use to it: what the next comparison may cost.
        """
        weights = math.fsum(self._weights[run] for run in runs)
        limits: dict[str, float] = {}
        for run in runs:
            account = self._accounts[run]
            limit = _rounded_down(account.spent + self.left * self._weights[run] / weights)
            if limit > account.limit and limit - account.spent >= at_least[run]:
                limits[run] = limit
        return limits


def _rounded_down(amount: float) -> float:
    return max(0.0, math.floor(amount * _PLACES) / _PLACES)
