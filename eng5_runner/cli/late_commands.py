"""Commands that are made when they are called: a call of one command needs not know the parameters of all others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from eng5_runner.cli.verbs import VERBS
from eng5_runner.errors import ConfigurationError, RunnerError, UsageError

if TYPE_CHECKING:
    from eng5_runner.cli.parameters import Flags


class LateCommands(Mapping[str, Any]):
    """The commands of the program by their names, in the order of `VERBS`.

    LateCommands()["status"]      loads `commands.inspect` and makes the command, the first time
    """

    def __getitem__(self, name: str) -> Any:
        return _make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


@cache
def _make(name: str) -> Any:
    """Typer makes commands only for a whole app: the command is the only one of an app of its own."""
    verb = VERBS[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    defined = getattr(import_module(f"eng5_runner.cli.commands.{verb.module}"), verb.name)
    if isinstance(defined, typer.Typer):
        alone.add_typer(defined, name=name, short_help=verb.help)
        return get_group(alone).commands[name]
    if verb.takes_settings:
        from eng5_runner.cli.parameters import SettingsCommand, takes_settings

        alone.command(name, cls=SettingsCommand)(takes_settings(defined))
    else:
        alone.command(name)(defined)
    return get_command(alone)


def _start(context: typer.Context, flags: Flags) -> int:
    """What the program does itself, without a command: a plan, or a run."""
    if context.invoked_subcommand is not None:
        return 0
    from eng5_runner.app.settings import resolve
    from eng5_runner.cli.run import run

    return run(resolve(flags, environment=os.environ))


@cache
def _itself() -> Any:
    """The program without a command, as a command of Typer with all options of the table and those of completion."""
    from eng5_runner.cli.parameters import takes_settings

    alone = typer.Typer(rich_markup_mode=None)
    alone.command()(takes_settings(_start))
    return get_command(alone)


def _misfit(refused: Any) -> RunnerError:
    """The error for a value that does not fit, under the name by which it was given."""
    from eng5_runner.contracts.base import in_our_words

    parameter, context, why = refused.param, refused.ctx, in_our_words(refused.message).rstrip(".")
    why, remedy = f"{' ' if why.startswith('must ') else ': '}{why}.", f"See {context.command_path} --help."
    if context.get_parameter_source(parameter.name).name == "ENVIRONMENT":
        return ConfigurationError(f"{parameter.envvar}{why}", remedy=remedy)
    name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar
    return UsageError(f"{name}{why}", remedy=remedy)


class Program(TyperGroup):
    """The program itself. Each command returns its exit code."""

    commands: Any  # `LateCommands`

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = LateCommands()

    def invoke(self, ctx: Any) -> NoReturn:
        """Call the command, and exit with its code."""
        try:
            raise typer.Exit(super().invoke(ctx))
        except typer.BadParameter as refused:
            if not refused.message:  # the parameter is missing
                raise
            raise _misfit(refused) from None
        except typer.Abort:
            raise KeyboardInterrupt from None  # at a question

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Make the program's own options only if the call does not begin with a command, which takes none."""
        if args and args[0] in VERBS:
            self.params = []
        else:
            self.params, self.callback = _itself().params, _itself().callback
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - of the class above
        """The names of all commands."""
        return list(self.commands)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names of commands and options. It is the last that is asked, and needs no command but its name."""
        self.commands = {name: TyperCommand(name, short_help=verb.help) for name, verb in VERBS.items()}
        return super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - of the class above
        """Write the list of commands, without making them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        from eng5_runner.cli.parameters import format_options

        self.format_commands(ctx, formatter)
        format_options(self, ctx, formatter)
