"""Commands that are made when they are called: a call of one command needs not know the parameters of all others."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.main import get_command, get_group
from typer.models import CommandInfo, TyperInfo


class LateCommands(Mapping[str, Any]):
    """The commands of a Typer app by their names, in the order in which they were added.

    LateCommands(verbs)["status"]         makes the command `status`, the first time
    LateCommands(verbs).help_of("status")     "Show how far a run has come."
    """

    def __init__(self, verbs: typer.Typer) -> None:
        self._app = verbs
        infos: list[CommandInfo | TyperInfo] = [*verbs.registered_commands, *verbs.registered_groups]
        self._infos = {info.name or getattr(info.callback, "__name__", ""): info for info in infos}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(self._infos[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def help_of(self, name: str) -> str:
        """The line of a command in the list of all: its short help, or the first line of its docstring."""
        info = self._infos[name]
        return info.short_help or (inspect.getdoc(info.callback) or "").partition("\n")[0]

    def _make(self, info: CommandInfo | TyperInfo) -> Any:
        """Typer makes commands only for a whole app: the command is the only one of an app of its own."""
        alone = typer.Typer(add_completion=False, rich_markup_mode=self._app.rich_markup_mode)
        if isinstance(info, CommandInfo):
            alone.registered_commands.append(info)
            return get_command(alone)
        alone.registered_groups.append(info)
        (group,) = get_group(alone).commands.values()
        return group
