"""Whether the addresses in a run's ledger may be used: a run folder is data, and can have come from somebody else.

The ledger says where the services are, and a resumed run sends them essays and a token. So the addresses count if this
user began the run and the environment names no others, or if they are the environment's own.

With the embedded services the environment says where a judge's provider is. A run that began with a server of the
school's own must not send its essays elsewhere because a later shell lacks the variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from eng5_runner.app.local_checks import address_in
from eng5_runner.app.tokens import state_folder
from eng5_runner.canonical import canonical_json, sha256_hex
from eng5_runner.core.events import PreflightPassed, RunStarted
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.ledger import LedgerReading
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import DiskError, UsageError
from eng5_runner.judges.credentials import PLACES, shown_address
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
    if not isinstance(first, RunStarted):
        return ()
    if first.spec.target.stack == "embedded":
        moved = tuple(_moved_judges(run_directory, first.spec, environment))
        return () if moved and _is_over(run_directory) else moved
    theirs = _addresses(first.spec.target)
    ours = {variable: environment[variable] for variable in theirs if environment.get(variable)}
    are_ours = all(theirs[variable] == address for variable, address in ours.items())
    if are_ours and (ours.keys() == theirs.keys() or _is_remembered(first.spec, environment)):
        return ()
    return () if _is_over(run_directory) else tuple(theirs.values())


def _is_over(run_directory: Path) -> bool:
    closed = saved_run(run_directory).state.closed
    return closed is not None and closed.outcome in ("complete", "not-sent")


def _moved_judges(run_directory: Path, spec: RunSpec, environment: Mapping[str, str]) -> Iterator[str]:
    """Where providers would be asked from now on that were somewhere else when the run's checks passed."""
    named = {judge.provider_override for judge in spec.judges if judge is not None}
    providers = [provider for provider in PLACES if provider in named]
    if not providers:
        return
    passed = next((event for event in LedgerReading(run_directory) if isinstance(event, PreflightPassed)), None)
    for provider in providers:
        now = shown_address(provider, environment)
        before = next(filter(None, (address_in(check, provider) for check in passed.checks)), now) if passed else now
        if before != now:
            yield f"{now} (by {PLACES[provider].base_url}; until now {before})"


def require_trust(run_directory: Path, environment: Mapping[str, str]) -> None:
    """Refuse a run that would send essays and tokens to addresses that the user may not know.

    Raises:
        UsageError: it would; the message names the addresses.
        RunnerError: the run cannot be read.
    """
    if strange := strange_addresses(run_directory, environment):
        raise UsageError(
            f"This run uses services at {', '.join(strange)}, and it is not known that you want that.",
            remedy="If you trust these addresses, give --trust-addresses (trust_addresses=True in Python). "
            "If one was another until now, set its variable as it was.",
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
