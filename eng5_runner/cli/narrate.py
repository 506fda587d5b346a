"""Updates in words: each becomes a line for people or a JSON line.

A command gives `Narrator.emit` to the application:

    narrator = Narrator(console=people(), json_lines=False)
    with narrator.live():
        start_run(planned, directory, watch=Watch(emit=narrator.emit, owns_process=True))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import IO, Any, cast

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from eng5_runner.cli.called import Called
from eng5_runner.core.events import event_facts
from eng5_runner.core.harmless import harmless_json
from eng5_runner.effects.standard_streams import StandardError, discard
from eng5_runner.errors import DiskError
from eng5_runner.reports.terminal.safe_console import SafeConsole
from eng5_runner.reports.terminal.session import SessionView
from eng5_runner.run.ports import FOR_PEOPLE_ONLY, Lag, Notice, Update, WorkLeft

# Columns of a table where there is no terminal whose width is known.
PLAIN_WIDTH = 110
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


class Narrator:
    """Shows a session's updates as they happen."""

    def __init__(self, *, console: Console, json_lines: bool) -> None:
        self.json_lines = json_lines
        self._view = SessionView(console)

    def live(self) -> AbstractContextManager[None]:
        """Show bars while the context lasts, if there is a terminal to show them on."""
        return nullcontext() if self.json_lines else self._view.live()

    def emit(self, update: Update) -> None:
        """Show one event or notice; how far reading is behind is for the metrics."""
        match update:
            case Lag():
                return
            case WorkLeft():
                self._view.expect(texts=update.texts, comparisons=update.comparisons)
            case Notice():
                if self.json_lines and update.kind not in FOR_PEOPLE_ONLY:
                    write_json({"event": "Notice", "kind": update.kind, "text": update.text})
                self.say(update.text, style=_STYLES[update.kind])
            case _ if self.json_lines:
                facts = event_facts(update)
                write_json({"event": facts.pop("type")} | facts)
            case _:
                self._view.show(update)

    def say(self, text: str, *, style: str = "") -> None:
        """A line for people."""
        if not self.json_lines:
            self._view.say(text, style=style)


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
