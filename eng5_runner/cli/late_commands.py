"""Commands that are made when they are called: a call of one command needs not know the parameters of all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command, get_group

from eng5_runner.cli.parameters import SettingsCommand, takes_settings
from eng5_runner.cli.verbs import VERBS


class LateCommands(Mapping[str, Any]):
    """The commands of the program by their names, in the order of `VERBS`.

    LateCommands()["status"]      loads `commands.inspect` and makes the command, the first time
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _make(name: str) -> Any:
    """Typer makes commands only for a whole app: the command is the only one of an app of its own."""
    verb = VERBS[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    defined = getattr(import_module(f"eng5_runner.cli.commands.{verb.module}"), verb.name)
    if isinstance(defined, typer.Typer):
        alone.add_typer(defined, name=name, short_help=verb.help)
        return get_group(alone).commands[name]
    if verb.takes_settings:
        alone.command(name, cls=SettingsCommand)(takes_settings(defined))
    else:
        alone.command(name)(defined)
    return get_command(alone)
