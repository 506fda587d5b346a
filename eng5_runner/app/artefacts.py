"""Reading the artefact of a run that is done."""

from __future__ import annotations

import json
from pathlib import Path

from eng5_runner.canonical import Json
from eng5_runner.errors import InputsInvalid, InputsMissing

ARTEFACT_NAME = "assessment_run.execute.json"


def read_artefact(run_directory: Path) -> dict[str, Json]:
    """The artefact as it stands on the disk; `verify` is what proves it.

    Raises:
        InputsMissing: there is none.
        InputsInvalid: it is damaged.
    """
    path = run_directory / ARTEFACT_NAME
    try:
        found: Json = json.loads(path.read_bytes())
    except OSError as error:
        raise InputsMissing(
            f"{path} cannot be read: {error.strerror}.", remedy="Name the directory of a run that is closed."
        ) from None
    except ValueError:
        raise InputsInvalid(f"{path} is damaged.", remedy="`hydrate` writes it anew.") from None
    if not isinstance(found, dict):
        raise InputsInvalid(f"{path} is no artefact.", remedy="`hydrate` writes it anew.")
    return found
