"""What the comparisons of a batch came to, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.stopping import CostStop, Look

SUCCESS_RATE_THRESHOLD = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the comparisons of a batch came to.

    Attributes:
        results: each pair's last result, in the order of the pairs.
        callbacks: results in all, retried ones included.
        wanted: the pairs of the plan, or those that were asked where the study ended before.
        looks: at whether the study may end, each after a whole wave.
        cost_stop: where it stands, if it ended at its cost limit.
    """

    results: tuple[LLMComparisonResult, ...]
    callbacks: int
    wanted: int
    looks: tuple[Look, ...] = ()
    cost_stop: CostStop | None = None

    @property
    def judged(self) -> tuple[LLMComparisonResult, ...]:
        """The results with a winner."""
        return tuple(result for result in self.results if result.winner is not None)

    @property
    def failed(self) -> tuple[LLMComparisonResult, ...]:
        """The last errors of the pairs that failed every time."""
        return tuple(result for result in self.results if result.winner is None)

    @property
    def success_rate(self) -> float:
        """The share of the pairs answered so far that have a winner."""
        return len(self.judged) / max(len(self.results), 1)

    @property
    def too_many_failed(self) -> bool:
        """Whether the batch has no result for its failures' sake; one that goes on with more money has time to tell."""
        return self.cost_stop is None and beyond_hope(len(self.failed), wanted=self.wanted)


def beyond_hope(failed: int, *, wanted: int) -> bool:
    """Whether so many of the wanted comparisons failed for good that the success rate cannot reach 0.8 any more."""
    return (wanted - failed) / wanted < SUCCESS_RATE_THRESHOLD
