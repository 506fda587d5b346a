"""What a benchmark measured against its goal; `python -m bench` lists all of them at its end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple


class Measured(NamedTuple):
    """A figure and its goal.

    Attributes:
        work: what was measured.
        value: the figure.
        goal: what it may be at most, or must be at least.
        unit: of both; a ratio says against what.
        at_least: whether more is better.
    """

    work: str
    value: float
    goal: float
    unit: str
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def remark(self) -> str:
        """What a line about the figure ends with: nothing, or that the goal is missed."""
        return "" if self.is_met else f"; goal {self.goal:g}: missed"


def print_goals(results: Sequence[Measured]) -> None:
    """One table of all goals, the missed ones marked."""
    print(f"\nGoals: {sum(each.is_met for each in results)} of {len(results)} met (load {os.getloadavg()[0]:.1f})")
    width = max(len(each.work) for each in results)
    for each in results:
        bound = "at least" if each.at_least else "at most"
        met = "met   " if each.is_met else "MISSED"
        print(f"  {met}  {each.work:{width}}  {each.value:10,.2f}, {bound} {each.goal:,g} {each.unit}")
