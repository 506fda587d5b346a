"""Parameters and help of the commands that take settings, made from the option table.

Flags come as texts: `app.settings` converts and checks them together with variables and the settings file, so that
all three are refused alike. Typer parses, completes, and lists the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from eng5_runner import __version__
from eng5_runner.app.options.option import PANELS, Setting
from eng5_runner.app.options.table import CONFIG, SETTINGS

OPTIONS = (*SETTINGS, CONFIG)
# The help of a longer name is below it.
_NAME_WIDTH = 25
_SHOW_ALL = "eng5_runner.help_all"

Flags: TypeAlias = Mapping[str, object]


def option_of(name: str, *, help_text: str = "", variable: bool = True) -> Any:
    """One setting as an option of a command that takes only a few.

    Args:
        name: the field of `Settings`.
        help_text: what it means for this command, if the table's text does not say it.
        variable: whether its environment variable counts too.
    """
    setting = next(setting for setting in SETTINGS if setting.name == name)
    return typer.Option(
        "/".join(setting.flags),
        help=help_text or setting.option.help,
        metavar=setting.metavar or None,
        envvar=setting.env if variable else None,
        show_default=False,
    )


NoCacheOption = Annotated[bool, option_of("no_cache")]
VerboseOption = Annotated[bool, option_of("verbose", variable=False)]
YesOption = Annotated[bool, option_of("yes")]


def takes_settings(function: Callable[[typer.Context, Flags], int]) -> Callable[..., int]:
    """Make a command with all options of the table. The function receives the flags that were given, by key."""

    def command(context: typer.Context, **values: object) -> int:
        return function(context, {s.key: values[s.key] for s in OPTIONS if values[s.key] is not None})

    command.__doc__ = function.__doc__
    vars(command)["__signature__"] = _signature()
    return command


def _signature() -> Signature:
    parameters = [
        Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *map(_parameter, OPTIONS),
        _eager("help_all", _show_all, "Show all options, with their environment variables."),
        _eager("version", _show_version, "Show the version."),
    ]
    return Signature(parameters)


def _parameter(setting: Setting) -> Parameter:
    kind = bool if setting.kind is bool else str
    option = typer.Option(
        "/".join(setting.flags),
        metavar=setting.metavar or None,
        help=setting.option.help,
        show_default=False,
        autocompletion=(lambda: setting.choices) if setting.choices else None,
    )
    return Parameter(setting.key, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _eager(name: str, callback: Callable[..., None], help_text: str) -> Parameter:
    """A flag that ends the command before anything else is looked at, as `--help` does."""
    flag = f"--{name.replace('_', '-')}"
    option = typer.Option(flag, callback=callback, is_eager=True, help=help_text, show_default=False)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option])


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eng5-runner {__version__}")
        raise typer.Exit


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        context.meta[_SHOW_ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


class SettingsCommand(TyperCommand):
    """A command whose help has the options that most people need, and with `--help-all` all of them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options."""
        format_options(self, ctx, formatter)


def format_options(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    """Write the options that most people need, or with `--help-all` all of the table, and those for help."""
    everything = ctx.meta.get(_SHOW_ALL, False)
    if everything:
        sections = [(panel, [s for s in OPTIONS if s.option.panel == panel]) for panel in PANELS]
    else:
        sections = [("Options that most studies need", [s for s in OPTIONS if s.option.common])]
    for title, settings in sections:
        with formatter.section(title):
            formatter.write_dl([_row(s, everything=everything) for s in settings], col_max=_NAME_WIDTH)
    from_table = {setting.key for setting in OPTIONS}
    others = [parameter for parameter in command.get_params(ctx) if parameter.name not in from_table]
    shown = [p for p in others if everything or not str(p.name).endswith("completion")]
    with formatter.section("Help"):
        formatter.write_dl([row for p in shown if (row := p.get_help_record(ctx))], col_max=_NAME_WIDTH)


def _row(setting: Setting, *, everything: bool) -> tuple[str, str]:
    # A default in words, such as "the service's", is a detail that the short help leaves out.
    known = setting.default_text and (everything or setting.default is not None)
    notes = [f"default: {setting.default_text}"] if known else []
    notes += [f"env:{setting.env}"] if everything else []
    names = f"{' / '.join(setting.flags)} {setting.metavar}".strip()
    return names, " ".join([setting.option.help, *(f"[{note}]" for note in notes)])
