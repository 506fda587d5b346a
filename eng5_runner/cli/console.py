"""The console for people, for tables and colours; `output.say` writes a line without loading Rich."""

from __future__ import annotations

from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from eng5_runner.cli.called import Called
from eng5_runner.effects.standard_streams import StandardError
from eng5_runner.reports.terminal.safe_console import SafeConsole

# Columns of a table where there is no terminal whose width is known.
PLAIN_WIDTH = 110


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
