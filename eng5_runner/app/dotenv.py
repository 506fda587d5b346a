"""The judges' keys from a `.env` in the working directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.credentials import PLACES
from eng5_runner.judges.manifest import USERS_FILE

FILE_NAME = ".env"
_OTHERS_MAY_READ = 0o044


def load_keys() -> None:
    """Put the judges' keys and addresses from `.env` into the environment, where they are not there already.

    Whatever else is in the file is left alone: it may be meant for somebody else, and settings have a file of their
    own. If others can read the file, that is said.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    path = Path(FILE_NAME)
    ours = {USERS_FILE, *(name for place in PLACES.values() for name in (place.key, place.base_url))}
    try:
        found = dotenv_values(path, interpolate=False, encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigurationError(
            f"{path.resolve()} cannot be read: {cause}.", remedy="Correct it, or start elsewhere."
        ) from None
    taken = {name: value for name, value in found.items() if name in ours and value and not os.environ.get(name)}
    os.environ.update(taken)
    if taken and mode & _OTHERS_MAY_READ:
        sys.stderr.write(f"{path.resolve()} holds keys and others can read it: chmod 600 {FILE_NAME}\n")
