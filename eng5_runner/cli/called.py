"""How the program was called: printed commands can be pasted, and texts name only options that the command takes.

Other packages write commands as `eng5-runner resume RUN` and options as `--max-cost`. Here they get their last form:

    Called.now().text("eng5-runner verify runs/latest")     ".venv/bin/eng5-runner verify runs/latest"
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from eng5_runner.cli.verbs import VERBS
from eng5_runner.errors import PROGRAM

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
        from_environment: whether the command has its settings from the environment, as the services have.
    """

    program: str
    taken: frozenset[str] | None = None
    from_environment: bool = False

    @classmethod
    def now(cls, command: Any = None) -> Called:
        """This call, of this command of Typer; the program itself takes all options, and a group none."""
        program = program_of(sys.argv[0], interpreter=sys.orig_argv[0])
        if command is None or isinstance(command, TyperGroup):
            return cls(program=program)
        taken = frozenset(flag for each in command.params for flag in (*each.opts, *each.secondary_opts))
        return cls(program=program, taken=taken, from_environment=command.name in ("up", "serve"))

    def text(self, text: str) -> str:
        """A text for people, with commands as this program was called and with options of this command only."""
        return _COMMAND.sub(lambda _: self.program, text if self.taken is None else re.sub(_NAMES, self._name, text))

    def _name(self, match: re.Match[str]) -> str:
        """An option of a run's settings: by its variable, or by its key in `config.resolved.toml`."""
        from eng5_runner.app.options.table import SETTINGS

        setting = next((s for s in SETTINGS if match["flag"] in s.flags or match["env"] == s.env), None)
        if setting is None or self.taken is None or not self.taken.isdisjoint(setting.flags):
            return match[0]
        return setting.env if self.from_environment else setting.key


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
