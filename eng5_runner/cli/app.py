"""The program itself, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from eng5_runner import __version__
from eng5_runner.cli.exit_codes import BROKEN_PIPE, BUG
from eng5_runner.cli.late_commands import Program
from eng5_runner.effects.standard_streams import StandardError, discard, open_closed_streams
from eng5_runner.errors import DiskError, RunnerError, of_the_machine

# Help is plain text: nothing is cut at 80 columns, and `--help` needs not load Rich.
app = typer.Typer(name="eng5-runner", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

# What an environment variable of a flag may say for yes.
_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))


@app.callback(cls=Program, invoke_without_command=True)
def main_command() -> int:
    """Compare essays in pairs, with language models as judges, and place them on one scale.

    \b
    To look at a study: eng5-runner --mode plan --assets FOLDER
    To run it:          eng5-runner --mode execute --assets FOLDER
    """  # noqa: D301 - click reads the character \b: these lines stay as they are
    return 0


def main() -> None:
    """Run the command line. A foreseen failure ends with a message for people and its exit code."""
    try:
        open_closed_streams()
        if any(name.endswith("_KEY_FILE") for name in os.environ):
            from eng5_runner.app.environment import load_key_files

            load_key_files()
        if Path(".env").is_file():
            from eng5_runner.app.environment import load_keys

            load_keys()
        try:
            app()
        except SystemExit:
            sys.stdout.flush()  # a full disk behind it is told here; at Python's own end nobody would catch it
            raise
    except RunnerError as error:
        _end(error)
    except BrokenPipeError:
        # The reader of our output has gone. Python must not complain about it when it ends.
        discard(sys.stdout)
        sys.exit(BROKEN_PIPE)
    except Exception as error:  # noqa: BLE001 - the one boundary: anything that was not foreseen is a bug
        if (foreseen := of_the_machine(error)) is not None:
            _end(foreseen)
        from eng5_runner.effects.bugs import keep_traceback

        kept = keep_traceback(f"eng5-runner {__version__}")
        StandardError().write(f"This is a bug of eng5-runner; please report it with {kept}\n")
        sys.exit(BUG)


def _end(error: RunnerError) -> NoReturn:
    try:
        _show(error)
        sys.stdout.flush()
    except (OSError, DiskError):  # the exit code still says it
        discard(sys.stdout)
    sys.exit(error.exit_code)


def _show(error: RunnerError) -> None:
    from eng5_runner.cli.called import Called
    from eng5_runner.core.harmless import harmless

    called = Called.now(_called_command())
    remedy = called.remedy(error.remedy)
    StandardError().write(harmless(f"{called.text(error.message)}\n{remedy}\n"))
    if "--json" in sys.argv or os.environ.get("ENG5_JSON", "").lower() in _TRUE:
        from eng5_runner.cli.output import write_json

        write_json({"event": "Error", "exit": error.exit_code, "message": error.message, "remedy": remedy})


def _called_command() -> Any:
    """The command of this call: the error has left its context."""
    command: Any = get_command(app)
    for word in sys.argv[1:]:
        if isinstance(command, TyperGroup):
            command = command.commands.get(word, command)
    return command
