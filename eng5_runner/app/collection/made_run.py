"""Write a run directory whose record was made elsewhere: inputs, settings, ledger, and all that follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from eng5_runner.canonical import canonical_json
from eng5_runner.core.events import Event
from eng5_runner.core.inputs import Inputs
from eng5_runner.effects.ledger import LEDGER_NAME, ledger_lines
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME, write_atomically
from eng5_runner.errors import DiskError, UsageError
from eng5_runner.run.hydrate import Hydrated, hydrate, write


def write_made_run(
    folder: Path, *, inputs: Inputs, events: Iterable[Event], settings: Mapping[str, str | float | bool]
) -> Hydrated:
    """Write the directory.

    Args:
        folder: it is made; an empty one is taken as it is.
        inputs: what the run was about.
        events: its ledger.
        settings: what is known of its settings.

    Returns:
        The outputs, which are written.

    Raises:
        UsageError: the folder has files.
        DiskError: it cannot be written.
        AssertionError: the artefact breaks its schema, which is a bug.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_taken = next(folder.iterdir(), None) is not None
    except OSError as error:
        raise DiskError(f"{folder} cannot be made: {error.strerror}.", remedy="Choose another folder.") from None
    if is_taken:
        raise UsageError(f"{folder} is not empty.", remedy="Name a new folder: nothing is mixed with other files.")
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    write_atomically(folder / CONFIG_NAME, "\n".join(["[settings]", *lines, ""]).encode())
    write_atomically(folder / INPUTS_NAME, canonical_json(inputs.model_dump(mode="json")))
    write_atomically(folder / LEDGER_NAME, ledger_lines(events))
    made = hydrate(folder)
    if made.violations:
        raise AssertionError(f"the artefact breaks its schema: {'; '.join(made.violations)}")
    write(folder, made)
    return made


def _toml(value: str | float | bool) -> str:  # noqa: FBT001 - a value of any of these types
    """A value as TOML; JSON's texts, numbers and truth values are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)
