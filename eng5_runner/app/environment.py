"""What the machine and the user's environment give to a run: versions, the cache folder, the Kafka password."""

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
    """The versions of runner, Python and operating system, for the record."""
    return Versions(
        runner=__version__,
        git_sha=git_sha(),
        python=platform.python_version(),
        os=platform.platform(),
    )


def git_sha() -> str:
    """The commit of this checkout, else the one that the image was built from, else `UNKNOWN`."""
    root = Path(eng5_runner.__file__).parent.parent
    if (root / ".git").exists():
        try:
            git = subprocess.run(  # noqa: S603 - a fixed command
                ("git", "-C", str(root), "rev-parse", "HEAD"),  # noqa: S607 - the git that the person uses
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "UNKNOWN"
        if git.returncode == 0:
            return git.stdout.strip()
    sha = os.environ.get("ENG5_GIT_SHA", "").lower()
    return sha if len(sha) in _SHA_LENGTHS and set(sha) <= set("0123456789abcdef") else "UNKNOWN"


def cache_folder() -> Path:
    """The folder of the upload cache and the judgement cache."""
    return Path(os.environ.get("ENG5_CACHE_DIR") or platformdirs.user_cache_path("eng5-runner"))


def kafka_password() -> SecretStr | None:
    """The Kafka user's password, from `KAFKA_SASL_PASSWORD` or the file that `KAFKA_SASL_PASSWORD_FILE` names.

    It is read for each session and written nowhere.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if password := os.environ.get("KAFKA_SASL_PASSWORD"):
        return SecretStr(password)
    path = os.environ.get("KAFKA_SASL_PASSWORD_FILE")
    if not path:
        return None
    try:
        password = Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        cause = error.strerror or "it is not a file"
    except UnicodeDecodeError:
        cause = "it is not UTF-8 text"
    else:
        return SecretStr(password) if password else None
    raise ConfigurationError(
        f"KAFKA_SASL_PASSWORD_FILE {path} cannot be read: {cause}.", remedy="Name a text file with the password alone."
    )
