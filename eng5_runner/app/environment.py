"""What the process's environment says: versions for the record, folders, passwords, judges' keys, and the trace.

trace_of(os.environ).headers  # {"traceparent": "00-…"} where the run is part of a trace
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from pydantic import SecretStr

from eng5_runner import __version__
from eng5_runner.core.harmless import harmless
from eng5_runner.core.spec import RunSpec, Versions
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.credentials import PLACES
from eng5_runner.judges.manifest import USERS_FILE

DOTENV_NAME = ".env"
_SHA_LENGTHS = range(7, 41)
_OTHERS_MAY_READ = 0o044
# W3C Trace Context.
_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS, _LONGEST = 32, 512


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
    root = Path(__file__).parents[2]
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
    """The folder of all caches: of judgements, uploads and files."""
    return Path(os.environ.get("ENG5_CACHE_DIR") or platformdirs.user_cache_path("eng5-runner"))


def kafka_password() -> SecretStr | None:
    """The Kafka user's password, from `KAFKA_SASL_PASSWORD` or the file that `KAFKA_SASL_PASSWORD_FILE` names.

    It is read for each session and written nowhere.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if password := os.environ.get("KAFKA_SASL_PASSWORD"):
        return SecretStr(password)
    password = _secret_in("KAFKA_SASL_PASSWORD_FILE")
    return SecretStr(password) if password else None


def _secret_in(variable: str) -> str:
    """The text of the file that the variable names, without its line end; empty if the variable is not set.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    path = os.environ.get(variable)
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        cause = error.strerror or "it is not a file"
    except UnicodeDecodeError:
        cause = "it is not UTF-8 text"
    raise ConfigurationError(
        f"{variable} {path} cannot be read: {cause}.", remedy="Name a text file with the secret alone."
    )


def load_key_files() -> None:
    """Put each judge's key that is in a file, such as a container's secret, into the environment.

    A key that is in the environment already stays. An empty file is no key.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    for place in PLACES.values():
        if not os.environ.get(place.key) and (key := _secret_in(place.key_file)):
            os.environ[place.key] = key


def load_keys() -> None:
    """Put the judges' keys and addresses from `.env` into the environment, where they are not there already.

    Everything else in the file is left alone: it may be for another program, and settings have a file of their own. A
    warning goes to standard error if other users can read the file, and for each address that is not used.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - few folders have such a file  # law: inner_import - as above

    path = Path(DOTENV_NAME)
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigurationError(
            f"{path.resolve()} cannot be read: {cause}.", remedy="Correct it, or start elsewhere."
        ) from None
    taken, left = keys_in(values, os.environ)
    os.environ.update(taken)
    for name, key in left.items():
        text = f"{path.resolve()}: {name} is not used, because {key} is not from the same file\n"
        sys.stderr.write(harmless(text))
    if taken and mode & _OTHERS_MAY_READ:
        sys.stderr.write(harmless(f"{path.resolve()} holds keys and others can read it: chmod 600 {DOTENV_NAME}\n"))


def keys_in(file: Mapping[str, str | None], environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What a `.env` adds to the environment, and what in it is not used.

    A file that came with a stranger's study must not send this person's key to the stranger's address. So an address
    counts only if the provider's key is from the same file, or there is none; a file of models only if no key at all is
    from elsewhere.

    Returns:
        The variables to add; and each variable that is not used, with the key that is from elsewhere.
    """
    elsewhere = [place.key for place in PLACES.values() if environment.get(place.key)]
    keys: dict[str, str | None] = {place.key: None for place in PLACES.values()}
    addresses = {place.base_url: place.key if place.key in elsewhere else None for place in PLACES.values()}
    foreign = keys | addresses | {USERS_FILE: elsewhere[0] if elsewhere else None}
    given = {name: value for name, value in file.items() if name in foreign and value and not environment.get(name)}
    left = {name: key for name in given if (key := foreign[name])}
    return {name: value for name, value in given.items() if name not in left}, left


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The trace that a run is part of.

    The runner makes no spans of its own and passes the context on as it came: as headers of its HTTP requests and of
    the record that it publishes, and as `trace_id` on each line of its log.

    Attributes:
        headers: `traceparent`, and `tracestate` where there is one; empty if we are part of no trace.
        trace_id: 32 hexadecimal digits, or None.
        ignored: the variables that were set and cannot be used.
    """

    headers: Mapping[str, str]
    trace_id: str | None = None
    ignored: tuple[str, ...] = ()


def trace_of(environment: Mapping[str, str]) -> Trace:
    """The context in `TRACEPARENT` and `TRACESTATE`; what is malformed is left out."""
    parent, state = environment.get("TRACEPARENT", "").strip(), environment.get("TRACESTATE", "").strip()
    trace_id = _trace_id(parent)
    if trace_id is None:
        return Trace(headers={}, ignored=("TRACEPARENT",) if parent else ())
    if not state:
        return Trace(headers={"traceparent": parent}, trace_id=trace_id)
    if not _is_state(state):
        return Trace(headers={"traceparent": parent}, trace_id=trace_id, ignored=("TRACESTATE",))
    return Trace(headers={"traceparent": parent, "tracestate": state}, trace_id=trace_id)


def log_identity(spec: RunSpec, environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What each line of a run's log has, and the variables of a trace that are malformed."""
    trace = trace_of(environment)
    identity = {"batch_id": spec.label, "mode": spec.mode.value, "correlation_id": str(spec.correlation_id)}
    return identity if trace.trace_id is None else identity | {"trace_id": trace.trace_id}, trace.ignored


def _trace_id(parent: str) -> str | None:
    """Version 00 has four fields; a later one may have more, and is read as far as we know it."""
    match = _PARENT.fullmatch(parent) if parent.isprintable() and len(parent) <= _LONGEST else None
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    return match["trace"] if int(match["trace"], 16) and int(match["span"], 16) else None


def _is_state(state: str) -> bool:
    members = [member.strip() for member in state.split(",")]
    return (
        len(state) <= _LONGEST
        and len(members) <= _MOST_MEMBERS
        and all(_MEMBER.fullmatch(member) or not member for member in members)
    )
