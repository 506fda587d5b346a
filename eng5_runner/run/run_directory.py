"""Read a run directory: the ledger, the state that it adds up to, and the inputs that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from eng5_runner.core.events import RunStarted
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import ImpossibleLedgerError, RunState, fold
from eng5_runner.effects.ledger import LEDGER_NAME, LedgerReading
from eng5_runner.effects.outputs import INPUTS_NAME, MANIFEST_NAME, has_what_was_listed, read_file
from eng5_runner.errors import InputsInvalid, InputsMissing, RunnerError


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run as it was read; its parts belong together.

    Attributes:
        events: the ledger.
        state: the fold of the events.
        inputs: the inputs that the run began with.
    """

    events: LedgerReading
    state: RunState
    inputs: Inputs


def opened_run(run_directory: Path) -> tuple[LedgerReading, Inputs]:
    """The ledger and the inputs of a run. Nothing is written, and of the ledger one event is read.

    A ledger only ever grows, so it begins with what the manifest lists of it.

    Raises:
        InputsMissing: the directory is no run directory, or the run ended before its first event.
        InputsInvalid: the ledger or the inputs are damaged, or do not belong together.
        DiskError: a file cannot be read.
    """
    events = LedgerReading(run_directory)
    if not has_what_was_listed(run_directory, LEDGER_NAME):
        raise InputsInvalid(
            f"{run_directory / LEDGER_NAME} does not begin with the ledger that {MANIFEST_NAME} lists.",
            remedy="It was changed, or belongs to another run: restore it from a copy. If it is right as it is, "
            f"move {MANIFEST_NAME} away first.",
        )
    first = next(iter(events), None)
    if first is None:
        raise InputsMissing(
            f"{run_directory}: the run ended before its first event. Nothing was sent, and nothing was paid.",
            remedy="Start a new run.",
        )
    path = run_directory / INPUTS_NAME
    try:
        inputs = Inputs.model_validate_json(read_file(path))
    except ValidationError:
        raise InputsInvalid(
            f"{path} is damaged.", remedy="Restore it from a copy of the run. Nothing was changed."
        ) from None
    if isinstance(first, RunStarted) and first.inputs_sha256 != inputs.digest():
        raise InputsInvalid(
            f"{path} is not what the run began with.",
            remedy="Restore it from a copy of the run.",
        )
    return events, inputs


def saved_run(run_directory: Path) -> SavedRun:
    """A run and the state that its ledger adds up to. Nothing is written.

    Raises:
        InputsMissing: the directory is no run directory, or the run ended before its first event.
        InputsInvalid: the ledger or the inputs are damaged, or do not belong together.
        DiskError: a file cannot be read.
    """
    events, inputs = opened_run(run_directory)
    try:
        return SavedRun(events=events, state=fold(events), inputs=inputs)
    except ImpossibleLedgerError as error:
        raise impossible(run_directory, error) from None


def impossible(run_directory: Path, error: ImpossibleLedgerError) -> InputsInvalid:
    """The error for a ledger that contradicts itself."""
    return InputsInvalid(
        f"{run_directory / LEDGER_NAME}: {error}.", remedy="The file was changed; restore it from a copy."
    )


def has_begun(run_directory: Path) -> bool:
    """Whether the ledger has an event, so that the run can be resumed."""
    try:
        return next(iter(LedgerReading(run_directory)), None) is not None
    except RunnerError:
        return False
