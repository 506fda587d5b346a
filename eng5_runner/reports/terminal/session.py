"""A session as it happens: bars on a terminal, else a line every few seconds, and lines for single events.

view = SessionView(console)
with view.live():
    view.show(event)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from eng5_runner.core.events import OBJECTIONS, CallbackAccepted, EssayUploaded, Event, Objection
from eng5_runner.phrases import counted
from eng5_runner.reports.figures import known_part
from eng5_runner.reports.terminal.events import in_words

# Without a terminal: at most one line in this time for things that come by the hundred (seconds).
PLAIN_EVERY = 5.0
# Of a bar, so that its figures fit into 80 columns.
_BAR_WIDTH = 12


@dataclass(slots=True)
class _Count:
    """Progress of one thing that comes by the hundred."""

    name: str
    total: int | None = None
    done: int = 0
    failed: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    task: TaskID | None = None
    shown_at: float = 0.0
    began_at: float = 0.0

    def rate(self) -> float:
        """How many a second, on average."""
        return self.done / max(time.monotonic() - self.began_at, 1e-3)

    def line(self) -> str:
        """For a plain line."""
        total = "" if self.total is None else f" of {self.total}"
        rate = self.rate()
        left = "" if self.total is None or not rate else f", about {max(self.total - self.done, 0) / rate:.0f} s left"
        cost = self.cost(" so far")
        return f"{self.name}: {self.done}{total}{self.failures()} ({rate:.0f}/s{left}{cost})"

    def cost(self, until: str = "") -> str:
        """What the calls cost; nothing where they are free."""
        if not self.cost_usd and not self.unpriced:
            return ""
        return f", {known_part(self.cost_usd, unpriced=self.unpriced)}{until}"

    def failures(self) -> str:
        """The calls that failed, if there are any: each failed comparison takes up to three."""
        return f", {counted(self.failed, 'call')} failed" if self.failed else ""


class SessionView:
    """A session on a console, with bars where that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._uploads = _Count("texts stored")
        self._objections: set[Objection] = set()
        self._comparisons = _Count("comparisons")
        self._progress: Progress | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show bars while the context lasts, if there is a terminal to show them on."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=_BAR_WIDTH),
            MofNCompleteColumn(),
            TextColumn("{task.fields[extra]}"),
            TextColumn("after"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=False) as progress:
            self._progress = progress
            try:
                yield
            finally:
                self._progress = None

    def expect(self, *, texts: int, comparisons: int) -> None:
        """How many there are to store and to make."""
        self._uploads.total, self._comparisons.total = texts, comparisons

    def say(self, text: str, *, style: str = "") -> None:
        """A line for people."""
        self._console.print(escape(text), style=style or None)

    def show(self, event: Event) -> None:
        """What comes by the hundred is counted; the rest becomes lines."""
        match event:
            case EssayUploaded():
                self._advance(self._uploads)
            case CallbackAccepted(kind="comparison"):
                self._comparisons.cost_usd += event.cost_usd
                self._comparisons.unpriced += event.is_unpriced
                self._object(event.objection)
                if not event.is_left_out:
                    self._advance(self._comparisons, failed=not event.judged)
            case _:
                for line, style in in_words(event):
                    self.say(line, style=style)

    def _object(self, objection: Objection | None) -> None:
        """Say once of each kind what speaks against comparisons: there can be thousands."""
        if objection is not None and objection not in self._objections:
            self._objections.add(objection)
            self.say(f"there are {OBJECTIONS[objection]}", style="yellow")

    def _advance(self, count: _Count, *, failed: bool = False) -> None:
        now = time.monotonic()
        if not count.began_at:
            count.began_at = count.shown_at = now
        count.done, count.failed = count.done + (not failed), count.failed + failed
        if self._progress is not None:
            if count.task is None:
                count.task = self._progress.add_task(count.name, total=count.total, extra="")
            extra = f"{count.rate():.0f}/s{count.cost()}{count.failures()}"
            self._progress.update(count.task, completed=count.done, extra=extra)
        elif count.done == count.total or now - count.shown_at >= PLAIN_EVERY:
            count.shown_at = now
            self.say(count.line())


def inventory_progress(console: Console) -> tuple[Progress, Callable[[int, int], None]]:
    """A bar for reading the assets, for a terminal."""
    progress = Progress(
        TextColumn("reading assets"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
    task = progress.add_task("assets", total=None)
    return progress, lambda done, total: progress.update(task, completed=done, total=total)
