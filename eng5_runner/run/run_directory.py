"""A run as its directory holds it: the ledger, what it adds up to, and the inputs that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import ImpossibleLedgerError, RunState, fold
from eng5_runner.effects.ledger import LEDGER_NAME, LedgerReading
from eng5_runner.effects.outputs import INPUTS_NAME, read_file
from eng5_runner.errors import InputsInvalid, InputsMissing, RunnerError


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """What there is of a run, checked to belong together.

    Attributes:
        state: the fold of the events.
        inputs: those that the run began with.
    """

    events: LedgerReading
    state: RunState
    inputs: Inputs


def saved_run(run_directory: Path) -> SavedRun:
    """Read a run. Nothing is written.

    Raises:
        InputsMissing: it is not a run's directory, or the run ended before anything of it was recorded.
        InputsInvalid: ledger or inputs are damaged, or do not belong together.
        DiskError: a file cannot be read.
    """
    events = LedgerReading(run_directory)
    try:
        state = fold(events)
    except ImpossibleLedgerError as error:
        raise impossible(run_directory, error) from None
    if state.started is None:
        raise InputsMissing(
            f"{run_directory} ended before anything of it was recorded: nothing was sent, and nothing paid.",
            remedy="Start a new run.",
        )
    inputs = _inputs(run_directory)
    if state.started.inputs_sha256 != inputs.digest():
        raise InputsInvalid(
            f"{run_directory / INPUTS_NAME} is not what the run began with.",
            remedy="Restore it from a copy of the run.",
        )
    return SavedRun(events=events, state=state, inputs=inputs)


def impossible(run_directory: Path, error: ImpossibleLedgerError) -> InputsInvalid:
    """What people hear of a ledger that contradicts itself."""
    return InputsInvalid(
        f"{run_directory / LEDGER_NAME}: {error}.", remedy="The file was changed; restore it from a copy."
    )


def _inputs(run_directory: Path) -> Inputs:
    """The run's inputs as they were saved when it began."""
    path = run_directory / INPUTS_NAME
    try:
        return Inputs.model_validate_json(read_file(path))
    except ValidationError:
        raise InputsInvalid(
            f"{path} is damaged.", remedy="Restore it from a copy of the run; nothing was altered."
        ) from None


def has_begun(run_directory: Path) -> bool:
    """Whether anything of the run is recorded, so that there is something to resume."""
    try:
        return next(iter(LedgerReading(run_directory)), None) is not None
    except RunnerError:
        return False
