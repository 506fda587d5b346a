"""A sweep: its plan, with a row for each judge with each design and the sum, and its runs as they happen.

show_sweep_plan(console, planned)
view = SweepView(console, planned)
with view.live():
    view.show(cell, event)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from eng5_runner.core.events import CallbackAccepted, Event, RunClosed, RunResumed, RunStarted
from eng5_runner.phrases import counted
from eng5_runner.planning.pricing import Interval
from eng5_runner.planning.sweep import PlannedCell, SweepPlan, most_of, price_of, seconds_of
from eng5_runner.reports.figures import UNKNOWN, in_range, in_time, in_usd, number
from eng5_runner.reports.terminal.table import show_named

_HEADS = ("", "judge and design", "runs", "of", "left", "reliability", "likely USD", "at most", "time")


def show_sweep_plan(console: Console, planned: SweepPlan) -> None:
    """Show what each judge with each design would do and cost, and what all would."""
    for warning in planned.warnings:
        console.print(warning, style="yellow", markup=False)
    groups: dict[tuple[str, str], list[PlannedCell]] = {}
    for cell in planned.cells:
        groups.setdefault((cell.cell.judge, cell.cell.design), []).append(cell)
    rows = [(str(place), *_cells(cells)) for place, cells in enumerate(groups.values(), start=1)]
    show_named(console, _HEADS, rows=rows, title=f"Sweep {planned.name}")
    console.print(f"folder: {planned.folder}", markup=False)
    console.print(
        "Of: comparisons of each run; left, likely USD, at most and time: of all that is to come. Reliability: of the "
        "judge's own order, for essays of a narrow to a wide spread. At most: each answer takes all the tokens that it "
        "may, each comparison all its attempts.",
        style="dim",
        soft_wrap=False,
    )
    console.print(f"{sweep_in_words(planned)}, {_in_time(planned.seconds_left)}", style="bold", markup=False)


def _cells(cells: Sequence[PlannedCell]) -> tuple[str, ...]:
    """Of the runs of one judge with one design, which differ in their seeds."""
    first = cells[0]
    reliabilities = [forecast.reliability for forecast in first.plan.precision]
    price, most = price_of(cells), most_of(cells)
    return (
        f"{first.cell.judge}, {first.cell.design}",
        str(len(cells)),
        str(first.plan.comparisons),
        str(sum(cell.comparisons_left for cell in cells)),
        f"{number(min(reliabilities))}–{number(max(reliabilities))}" if reliabilities else "–",
        UNKNOWN if price is None else in_range(price, in_usd),
        UNKNOWN if most is None else in_usd(most),
        _in_time(seconds_of(cells, at_once=1)),
    )


def cell_facts(cell: PlannedCell) -> dict[str, object]:
    """A run, for JSON."""
    price, progress = cell.usd_left, cell.progress
    return {
        "event": "PlannedRun",
        "judge": cell.cell.judge,
        "design": cell.cell.design,
        "seed": cell.cell.seed,
        "run_directory": None if progress is None else str(progress.directory),
        "outcome": None if progress is None else progress.outcome,
        "comparisons": cell.plan.comparisons,
        "comparisons_left": cell.comparisons_left,
        "usd": None if price is None else [price.low, price.high],
        "usd_at_most": cell.at_most_left,
        "seconds": [cell.seconds_left.low, cell.seconds_left.high],
        "reliability": [forecast.reliability for forecast in cell.plan.precision],
    }


def sweep_facts(planned: SweepPlan) -> dict[str, object]:
    """All runs together, for JSON."""
    price = planned.usd_left
    return {
        "event": "SweepPlan",
        "folder": str(planned.folder),
        "runs": len(planned.cells),
        "runs_left": len(planned.left),
        "comparisons_left": sum(cell.comparisons_left for cell in planned.left),
        "usd": None if price is None else [price.low, price.high],
        "usd_at_most": planned.at_most_usd,
        "max_cost": planned.max_cost,
        "seconds": [planned.seconds_left.low, planned.seconds_left.high],
    }


def sweep_in_words(planned: SweepPlan) -> str:
    """What is left, and its price."""
    left = planned.left
    comparisons = sum(cell.comparisons_left for cell in left)
    price, most = planned.usd_left, planned.at_most_usd
    told = "at an unknown price" if price is None else f"for {in_range(price, in_usd)} USD"
    bound = "" if most is None or planned.costs_nothing else f", at most {in_usd(most)}"
    limit = "" if planned.max_cost is None else f", within the limit of {planned.max_cost:g} USD"
    return (
        f"{len(left)} of {counted(len(planned.cells), 'run')} are left: {counted(comparisons, 'comparison')} "
        f"{told}{bound}{limit}"
    )


def _in_time(seconds: Interval) -> str:
    return in_range(seconds, in_time)


class SweepView:
    """Several runs that go on at the same time, on a console: lines with the run's name, and one bar for all."""

    def __init__(self, console: Console, planned: SweepPlan) -> None:
        self._console = console
        self._total = sum(cell.comparisons_left for cell in planned.cells)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show a bar while the context lasts, if there is a terminal to show it on."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("comparisons"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as self._progress:
            self._task = self._progress.add_task("", total=self._total)
            yield

    def say(self, planned: PlannedCell, text: str, *, style: str | None = None) -> None:
        """A line of a run."""
        self._console.print(escape(f"{planned.cell.name}: {text}"), style=style)

    def show(self, planned: PlannedCell, event: Event) -> None:
        """What comes by the hundred is counted; beginnings and ends become lines."""
        match event:
            case RunStarted():
                self.say(planned, "begins")
            case RunResumed():
                self.say(planned, "goes on where its last session ended")
            case CallbackAccepted(kind="comparison", is_left_out=False) if self._progress and self._task is not None:
                self._progress.advance(self._task)
            case RunClosed():
                self.say(planned, ": ".join(filter(None, (event.outcome, "; ".join(event.reasons)))))
            case _:
                return
