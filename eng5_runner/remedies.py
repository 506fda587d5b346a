"""Commands in remedies, so that a person can paste them."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import requires

PROGRAM = "eng5-runner"


def command(*words: object) -> str:
    """A command of this program, quoted for a shell. The command line shows it as it was called itself.

    >>> command("resume", "runs/a study")
    "eng5-runner resume 'runs/a study'"
    """
    return shlex.join((PROGRAM, *map(str, words)))


def install_command(extra: str) -> str:
    """The command that installs what one of our extras needs, into the Python that runs this.

    It names the libraries and not the extra: our own package may come from a checkout and be in no index.

    >>> install_command("compression").partition(" ")[2]
    "-m pip install 'cramjam>=2.8'"
    """
    of_extra = re.compile(rf"(?P<library>[^;]+);.*\bextra == ['\"]{re.escape(extra)}['\"]")
    matches = filter(None, map(of_extra.match, requires(PROGRAM) or ()))
    return shlex.join((sys.executable, "-m", "pip", "install", *(match["library"].strip() for match in matches)))
