"""What the runs of a sweep would do and cost, and how far those that have begun have come.

plan.usd_left                       the likely price of all that is to come
price_of(plan.cells[:2])            of two runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.core.next_step import is_at_cost_limit
from eng5_runner.core.state import RunState
from eng5_runner.planning.plan import Plan
from eng5_runner.planning.pricing import Interval

_FREE = Interval(low=0.0, high=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of a sweep.

    Attributes:
        judge: the judge's name.
        design: the design's name.
        seed: of the pairing.
        settings: by key, those of judge and design over those of all runs.
    """

    judge: str
    design: str
    seed: int
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """What the run is called where people read."""
        return f"{self.judge}, {self.design}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run that has begun has come.

    Attributes:
        directory: of the run.
        outcome: how it ended; None while it is open.
        answered: comparisons with and without a winner.
        spent_usd: so far.
        unpriced: calls whose price is not known: `spent_usd` lacks them.
        limit_usd: the most that it may spend; None without a limit.
    """

    directory: Path
    outcome: str | None
    answered: int
    spent_usd: float
    unpriced: int
    limit_usd: float | None
    at_limit: bool

    @classmethod
    def of(cls, directory: Path, state: RunState) -> Progress:
        """How far a run has come, by its ledger."""
        return cls(
            directory=directory,
            outcome=None if state.closed is None else state.closed.outcome,
            answered=state.judged + state.failed,
            spent_usd=state.cost_usd,
            unpriced=state.unpriced,
            limit_usd=state.spec.budget.max_cost_usd,
            at_limit=state.closed is not None and is_at_cost_limit(state),
        )

    @property
    def ended(self) -> bool:
        """Whether it spends no more unless its limit is raised."""
        return self.outcome == "complete" or self.at_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A run of a sweep as it is planned.

    Attributes:
        key: of what it asks whom.
        plan: of the whole run.
        progress: None if it has not begun.
    """

    cell: Cell
    key: str
    plan: Plan
    progress: Progress | None

    @property
    def comparisons_left(self) -> int:
        """Comparisons that are still to come."""
        if self.progress is None:
            return self.plan.comparisons
        return 0 if self.progress.outcome == "complete" else max(self.plan.comparisons - self.progress.answered, 0)

    @property
    def usd_left(self) -> Interval | None:
        """The likely price of what is left; None if the price is not known."""
        judge = self.plan.judge
        if self.plan.costs_nothing or not self.comparisons_left:
            return _FREE
        if judge is None or judge.usd is None:
            return None
        return _with_test(judge.usd.times(self._share_left), self.plan)

    @property
    def at_most_usd(self) -> float | None:
        """The most that all of the run can cost; None if that is not known."""
        judge = self.plan.judge
        if self.plan.costs_nothing:
            return 0.0
        if judge is None or judge.usd_at_most is None:
            return None
        return judge.usd_at_most + (judge.call_at_most_usd or 0.0 if self.plan.test_answer else 0.0)

    @property
    def at_most_left(self) -> float | None:
        """The most that what is left can cost."""
        most = self.at_most_usd
        return None if most is None else most * self._share_left

    @property
    def seconds_left(self) -> Interval:
        """How long what is left is likely to take by itself."""
        judge = self.plan.judge
        return _FREE if judge is None else judge.seconds.times(self._share_left)

    @property
    def _share_left(self) -> float:
        return self.comparisons_left / max(self.plan.comparisons, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """A sweep before its runs.

    Attributes:
        name: of the sweep.
        folder: of its runs.
        runs_at_once: how many runs are worked on at the same time.
        max_cost: in USD, of all runs together; None without a limit.
        cells: its runs, in the order of the file.
        warnings: about the assets, judges and designs.
    """

    name: str
    folder: Path
    runs_at_once: int
    max_cost: float | None
    cells: tuple[PlannedCell, ...]
    warnings: tuple[str, ...]

    @property
    def left(self) -> tuple[PlannedCell, ...]:
        """The runs that are not complete."""
        return tuple(cell for cell in self.cells if not _is_complete(cell))

    @property
    def costs_nothing(self) -> bool:
        """Whether it is known that what is left costs nothing."""
        return all(cell.plan.costs_nothing for cell in self.left)

    @property
    def usd_left(self) -> Interval | None:
        """The likely price of what is left; None if a price is not known."""
        return price_of(self.left)

    @property
    def at_most_usd(self) -> float | None:
        """The most that what is left can cost by the judges' prices; None if that is not known."""
        return most_of(self.left)

    @property
    def seconds_left(self) -> Interval:
        """How long what is left is likely to take."""
        return seconds_of(self.left, at_once=self.runs_at_once)


def price_of(cells: Sequence[PlannedCell]) -> Interval | None:
    """The likely price of what is left of these runs; None if one is not known."""
    prices = [cell.usd_left for cell in cells]
    known = [price for price in prices if price is not None]
    return _sum(known) if len(known) == len(prices) else None


def most_of(cells: Sequence[PlannedCell]) -> float | None:
    """The most that what is left of these runs can cost; None if that is not known."""
    bounds = [cell.at_most_left for cell in cells]
    known = [bound for bound in bounds if bound is not None]
    return sum(known) if len(known) == len(bounds) else None


def seconds_of(cells: Sequence[PlannedCell], *, at_once: int) -> Interval:
    """Between the time of the longest judge, and that of so many judges at once; the runs of one follow each other."""
    by_judge: dict[str, list[Interval]] = {}
    for cell in cells:
        by_judge.setdefault(cell.cell.judge, []).append(cell.seconds_left)
    times = [_sum(each) for each in by_judge.values()]
    if not times:
        return _FREE
    longest = Interval(low=max(time.low for time in times), high=max(time.high for time in times))
    return Interval(low=longest.low, high=max(longest.high, _sum(times).high / min(at_once, len(times))))


def _with_test(usd: Interval, plan: Plan) -> Interval:
    return usd if plan.test_answer is None else usd.plus(plan.test_answer)


def _sum(intervals: Sequence[Interval]) -> Interval:
    return Interval(low=sum(each.low for each in intervals), high=sum(each.high for each in intervals))


def _is_complete(cell: PlannedCell) -> bool:
    return cell.progress is not None and cell.progress.outcome == "complete"
