"""Updates in words: each becomes a line for people or a JSON line.

A command gives `Narrator.emit` to the application:

    narrator = Narrator(console=people(), json_lines=False)
    with narrator.live():
        start_run(planned, directory, watch=Watch(emit=narrator.emit, owns_process=True))
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any, cast

import orjson
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
from rich.text import Text

from eng5_runner.cli.called import Called
from eng5_runner.cli.safe_console import SafeConsole
from eng5_runner.cli.standard_error import StandardError, discard
from eng5_runner.core.credibility import OBJECTIONS
from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    DeadlineReached,
    EssayUploaded,
    Event,
    HumanJudgementsAdded,
    Objection,
    OffsetsLost,
    PreflightPassed,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.core.harmless import harmless_json
from eng5_runner.errors import DiskError
from eng5_runner.run.ports import FOR_PEOPLE_ONLY, Lag, Notice, Update, WorkLeft, event_facts

# Without a terminal: at most one line in this time for things that come by the hundred (seconds).
PLAIN_EVERY = 5.0
# Columns of a table where there is no terminal whose width is known.
PLAIN_WIDTH = 110
# Of a bar, so that its figures fit into 80 columns.
_BAR_WIDTH = 12
_STYLES: Mapping[str, str] = MappingProxyType({
    "trouble": "yellow", "overspent": "yellow", "relief": "green", "stage": "dim", "waiting": "dim",
    "repaired": "yellow", "remark": "",
})  # fmt: skip


class _People(SafeConsole):
    """A console that shows each text, in tables too, as it suits the way in which the program was called."""

    def __init__(self, called: Called) -> None:
        super().__init__(file=cast(IO[str], StandardError()), highlight=False, soft_wrap=True)
        self._called = called

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(self._called.text(text), **options)


def people(called: Called | None = None) -> Console:
    """The console where people read: standard error, never standard output.

    Args:
        called: for a command that shows texts with options that it does not take.
    """
    console = _People(called or Called.now())
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


@dataclass(slots=True)
class _Count:
    """Progress of one thing that comes by the hundred."""

    name: str
    total: int | None = None
    done: int = 0
    failed: int = 0
    cost_usd: float = 0.0
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
        cost = f", {self.cost_usd:.4f} USD so far" if self.name == "comparisons" else ""
        return f"{self.name}: {self.done}{total}{self.failures()} ({rate:.0f}/s{left}{cost})"

    def failures(self) -> str:
        """The calls that failed, if there are any: each failed comparison takes up to three."""
        return f", {self.failed} calls failed" if self.failed else ""


class Narrator:
    """Shows a session's updates as they happen."""

    def __init__(self, *, console: Console, json_lines: bool) -> None:
        self._console = console
        self.json_lines = json_lines
        self._uploads = _Count("texts stored")
        self._objections: set[Objection] = set()
        self._comparisons = _Count("comparisons")
        self._progress: Progress | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show bars while the context lasts, if there is a terminal to show them on."""
        if not self._console.is_terminal or self.json_lines:
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

    def emit(self, update: Update) -> None:
        """Show one event or notice; how far reading is behind is for the metrics."""
        match update:
            case Lag():
                return
            case WorkLeft():
                self._uploads.total, self._comparisons.total = update.texts, update.comparisons
            case Notice():
                self._notice(update)
            case _:
                self._event(update)

    def _event(self, event: Event) -> None:
        if self.json_lines:
            facts = event_facts(event)
            write_json({"event": facts.pop("type")} | facts)
        self._human(event)

    def _notice(self, notice: Notice) -> None:
        if self.json_lines and notice.kind not in FOR_PEOPLE_ONLY:
            write_json({"event": "Notice", "kind": notice.kind, "text": notice.text})
        self.say(notice.text, style=_STYLES[notice.kind])

    def say(self, text: str, *, style: str = "") -> None:
        """A line for people."""
        if not self.json_lines:
            self._console.print(escape(text), style=style or None)

    def _human(self, event: Event) -> None:
        match event:
            case EssayUploaded():
                self._advance(self._uploads)
            case CallbackAccepted(kind="comparison"):
                self._comparisons.cost_usd += event.cost_usd
                self._object(event.objection)
                if not event.is_left_out:
                    self._advance(self._comparisons, failed=not event.judged)
            case CallbackAccepted():
                self.say(_ending(event))
            case CallbackRejected():
                self.say(f"a message of this run cannot be used: {event.reason}", style="yellow")
            case CallbackRepeated(conflict=True):
                self.say(f"a message contradicts an earlier one: {event.key}", style="yellow")
            case OffsetsLost():
                self.say(f"{event.count} records were lost before they were read", style="red")
            case _:
                for line in _lines(event):
                    self.say(line)

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
            cost = f", {count.cost_usd:.4f} USD" if count.name == "comparisons" else ""
            extra = f"{count.rate():.0f}/s{cost}{count.failures()}"
            self._progress.update(count.task, completed=count.done, extra=extra)
        elif count.done == count.total or now - count.shown_at >= PLAIN_EVERY:
            count.shown_at = now
            self.say(count.line())


def _ending(event: CallbackAccepted) -> str:
    """A message about the whole batch, in words."""
    if event.kind == "failed":
        return f"the CJ service failed: {event.note}"
    if event.kind == "result":
        return "the result is in"
    if event.limit_usd is not None:
        return f"the CJ service has stopped at the cost limit of {event.limit_usd} USD"
    return "the CJ service has completed"


def _lines(event: Event) -> Iterator[str]:
    """The events that come once, in words."""
    match event:
        case RunStarted():
            yield f"run {event.spec.run_id} ({event.spec.label}), mode {event.spec.mode.value}"
        case RunResumed():
            yield "continuing where the last session ended"
        case BudgetRaised():
            yield f"the cost limit is now {event.max_cost_usd} USD"
        case HumanJudgementsAdded():
            yield f"{sum(row.count for row in event.judgements)} human judgements from {event.file_name}"
        case CheckGradesAdded():
            yield f"teachers' grades of {len(event.grades)} students from {event.file_name}, for checking only"
        case PreflightPassed():
            yield from event.checks
            yield from (f"warning: {warning}" for warning in event.warnings)
        case RequestPublished():
            where = f"{event.position.topic} [{event.position.partition}] @ {event.position.offset}"
            yield f"the request {'was already' if event.found else 'is'} in {where}; waiting for comparisons"
        case DeadlineReached():
            yield f"the {event.kind} deadline is reached after {event.waited:.0f} s"
        case RunClosed():
            reasons = f": {'; '.join(event.reasons)}" if event.reasons else ""
            yield f"closed, {event.outcome}{reasons}"
        case _:
            return


def write_json(value: object) -> None:
    """One JSON line on standard output.

    Raises:
        DiskError: what is behind standard output, such as a full disk, takes nothing any more.
    """
    line = harmless_json(orjson.dumps(value).decode())
    try:
        line.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # as of a pipe on Windows: JSON can say every character in ASCII
        line = json.dumps(json.loads(line))
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise DiskError(
            f"Standard output cannot be written: {error.strerror}.", remedy="Free disk space, or send it elsewhere."
        ) from None


def inventory_progress(console: Console) -> tuple[Progress | None, Callable[[int, int], None] | None]:
    """A bar for reading the assets, where there is a terminal."""
    if not console.is_terminal:
        return None, None
    progress = Progress(
        TextColumn("reading assets"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
    task = progress.add_task("assets", total=None)
    return progress, lambda done, total: progress.update(task, completed=done, total=total)
