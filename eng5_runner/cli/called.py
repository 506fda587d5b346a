"""How the program was called: printed commands can be pasted, and options are named as the command knows them.

Other packages write commands as `eng5-runner resume RUN` and options as `--max-cost`. Here they get their last form:

    Called.now().text("eng5-runner verify runs/latest")     ".venv/bin/eng5-runner verify runs/latest"
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from typer.core import TyperGroup

from eng5_runner.cli.verbs import VERBS
from eng5_runner.errors import PROGRAM

if TYPE_CHECKING:
    from eng5_runner.app.options.option import Setting

Settings: TypeAlias = Literal["begun", "file", "environment"]
_SETTINGS_OF: Mapping[str, Settings] = MappingProxyType({"up": "environment", "serve": "environment", "sweep": "file"})
_CALL = rf"(?<![\w./-]){PROGRAM}(?= (?:--|(?:{'|'.join(VERBS)})\b))"
_COMMAND = re.compile(_CALL)
# A whole command stays as it is: its options are its own. A variable in brackets behind an option goes with it.
_NAMES = rf"{_CALL}(?: [^\s`]+)*|(?P<flag>--[a-z][a-z-]*[a-z])(?: \([A-Z0-9_]+\))?|\b(?P<env>[A-Z0-9_]+)\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """How one call was made.

    Attributes:
        program: what stands for `eng5-runner`.
        taken: the options of the command; None where that is not known.
        settings: from where the command has a run's settings that are not its options: the options of the run's
            beginning, a file, or the environment.
    """

    program: str
    taken: frozenset[str] | None = None
    settings: Settings = "begun"

    @classmethod
    def now(cls, command: Any = None) -> Called:
        """This call, of this command of Typer; the program itself takes all options, and a group none."""
        program = program_of(sys.argv[0], interpreter=sys.orig_argv[0])
        if command is None or isinstance(command, TyperGroup):
            return cls(program=program)
        taken = frozenset(flag for each in command.params for flag in (*each.opts, *each.secondary_opts))
        return cls(program=program, taken=taken, settings=_SETTINGS_OF.get(command.name, "begun"))

    def text(self, text: str) -> str:
        """A text for people, with commands as this program was called and options as the command knows them."""
        named = text if self.settings == "begun" else re.sub(_NAMES, self._name, text)
        return _COMMAND.sub(lambda _: self.program, named)

    def remedy(self, text: str) -> str:
        """The same of what to do, with whatever only a new run takes."""
        if self.taken is None or self.settings != "begun":
            return self.text(text)
        others = [match["flag"] or match["env"] for match in re.finditer(_NAMES, text) if self._other(match)]
        if not others:
            return self.text(text)
        return f"{self.text(text)} A new run takes {' and '.join(dict.fromkeys(others))}; this command does not."

    def _other(self, match: re.Match[str]) -> Setting | None:
        """The setting of a run that it names, where that is no option of the command."""
        from eng5_runner.app.options.table import SETTINGS

        setting = next((s for s in SETTINGS if match["flag"] in s.flags or match["env"] == s.env), None)
        is_other = setting is not None and self.taken is not None and self.taken.isdisjoint(setting.flags)
        return setting if is_other else None

    def _name(self, match: re.Match[str]) -> str:
        setting = self._other(match)
        if setting is None:
            return match[0]
        return setting.env if self.settings == "environment" else setting.key


def program_of(script: str, *, interpreter: str) -> str:
    """What a person types to call the program so again, quoted for a shell.

    Args:
        script: `sys.argv[0]`.
        interpreter: `sys.orig_argv[0]`, the Python that was called.
    """
    path = Path(script)
    if path.name == "__main__.py":
        return f"{shlex.quote(interpreter)} -m eng5_runner"
    on_path = shutil.which(path.name) if path.name else None
    if len(path.parts) < 2 or (on_path is not None and path.exists() and path.samefile(on_path)):  # noqa: PLR2004 - a bare name
        return path.name or PROGRAM
    return shlex.quote(script)
