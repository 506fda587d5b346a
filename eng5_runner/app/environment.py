"""What the run is made with: versions for the record, folders of the user, tokens of the services."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import platformdirs
from pydantic import SecretStr

import eng5_runner
from eng5_runner._version import __version__
from eng5_runner.core.spec import Versions
from eng5_runner.errors import ConfigurationError

_SHA_LENGTHS = range(7, 41)


def versions() -> Versions:
    """Of the runner, Python and the operating system."""
    return Versions(
        runner=__version__,
        git_sha=git_sha(),
        python=platform.python_version(),
        os=platform.platform(),
    )


def git_sha() -> str:
    """The commit of the checkout we run from, else the one baked into the image, else `UNKNOWN`."""
    root = Path(eng5_runner.__file__).parent.parent
    if (root / ".git").exists():
        try:
            asked = subprocess.run(  # noqa: S603 - a fixed command
                ("git", "-C", str(root), "rev-parse", "HEAD"),  # noqa: S607 - whichever git the person uses
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "UNKNOWN"
        if asked.returncode == 0:
            return asked.stdout.strip()
    baked = os.environ.get("ENG5_GIT_SHA", "").lower()
    return baked if len(baked) in _SHA_LENGTHS and set(baked) <= set("0123456789abcdef") else "UNKNOWN"


def cache_folder() -> Path:
    """Where the upload cache lies."""
    return Path(os.environ.get("ENG5_CACHE_DIR") or platformdirs.user_cache_path("eng5-runner"))


def kafka_password() -> SecretStr | None:
    """Of the Kafka user, from the environment or the file that it names; nowhere else, and kept nowhere.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if given := os.environ.get("KAFKA_SASL_PASSWORD"):
        return SecretStr(given)
    path = os.environ.get("KAFKA_SASL_PASSWORD_FILE")
    if not path:
        return None
    try:
        found = Path(path).read_text("utf-8")
    except OSError as error:
        cause = error.strerror or "it is no file"
    except UnicodeDecodeError:
        cause = "it is no UTF-8 text"
    else:
        return SecretStr(found.rstrip("\r\n")) if found.rstrip("\r\n") else None
    raise ConfigurationError(
        f"KAFKA_SASL_PASSWORD_FILE {path} cannot be read: {cause}.", remedy="Name a text file with the password alone."
    )
