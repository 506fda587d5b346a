"""Whether the addresses in a run's ledger may be used: a run folder is data, and can have come from somebody else.

The ledger says where the services are, and a resumed run sends them essays and a token. So the addresses count if this
user began the run and the environment names no others, or if they are the environment's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from eng5_runner.app.tokens import state_folder
from eng5_runner.canonical import canonical_json, sha256_hex
from eng5_runner.core.events import RunStarted
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.ledger import LedgerReading
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import DiskError, UsageError
from eng5_runner.run.run_directory import saved_run

_VARIABLES = (
    ("kafka_bootstrap", "KAFKA_BOOTSTRAP_SERVERS"),
    ("content_service_url", "CONTENT_SERVICE_URL"),
    ("cj_service_url", "CJ_SERVICE_URL"),
    ("llm_provider_service_url", "LLM_PROVIDER_SERVICE_URL"),
)


def remember_run(spec: RunSpec, environment: Mapping[str, str]) -> None:
    """Note in the user's state folder that this user began the run with these addresses."""
    if spec.target.stack == "embedded":
        return
    path = _note(spec, environment)
    # Without the note a later session asks, and that is all.
    with suppress(OSError, DiskError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, _digest(spec).encode())


def strange_addresses(run_directory: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses that a session of this run would use, if it is not known that the user wants that.

    Raises:
        RunnerError: the run cannot be read.
    """
    first = next(iter(LedgerReading(run_directory)), None)  # a large ledger takes a while to read
    if not isinstance(first, RunStarted) or first.spec.target.stack == "embedded":
        return ()
    theirs = _addresses(first.spec.target)
    ours = {variable: environment[variable] for variable in theirs if environment.get(variable)}
    are_ours = all(theirs[variable] == address for variable, address in ours.items())
    if are_ours and (ours.keys() == theirs.keys() or _is_remembered(first.spec, environment)):
        return ()
    closed = saved_run(run_directory).state.closed
    is_over = closed is not None and closed.outcome in ("complete", "not-sent")
    return () if is_over else tuple(theirs.values())


def require_trust(run_directory: Path, environment: Mapping[str, str]) -> None:
    """Refuse a run that would send essays and tokens to addresses that the user may not know.

    Raises:
        UsageError: it would; the message names the addresses.
        RunnerError: the run cannot be read.
    """
    if strange := strange_addresses(run_directory, environment):
        raise UsageError(
            f"This run uses services at {', '.join(strange)}, and it is not known that you want that.",
            remedy="If you trust these addresses, give --trust-addresses (trust_addresses=True in Python).",
        )


def _addresses(target: Target) -> dict[str, str]:
    """Environment variable → address, of the services that the target names."""
    values = target.model_dump()
    return {variable: values[field] for field, variable in _VARIABLES if values[field]}


def _note(spec: RunSpec, environment: Mapping[str, str]) -> Path:
    return state_folder(environment) / "runs" / str(spec.run_id)


def _is_remembered(spec: RunSpec, environment: Mapping[str, str]) -> bool:
    try:
        return _note(spec, environment).read_text(encoding="ascii") == _digest(spec)
    except (OSError, UnicodeDecodeError):
        return False


def _digest(spec: RunSpec) -> str:
    return sha256_hex(canonical_json(spec.target.model_dump(mode="json")))
