"""Where a run's directory holds its artefact, and reading it: `assessment_run.<mode>.json`.

    load_artefact(Path("runs/latest")).runner_status.outcome    "complete"

A file that is not the one that the manifest lists is refused; `verify` is what proves it.
"""

from __future__ import annotations

from pathlib import Path

from eng5_runner.core.spec import Mode
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.effects.outputs import MANIFEST_NAME, has_what_was_listed, read_file
from eng5_runner.errors import InputsInvalid, InputsMissing, command
from eng5_runner.results.artefact import Artefact, parse_artefact


def artefact_name(mode: Mode) -> str:
    """The name of the artefact's file in a run's directory."""
    return f"assessment_run.{mode.value}.json"


def load_artefact(run_directory: Path) -> Artefact:
    """The artefact of a run in any mode, by any version.

    Raises:
        InputsMissing: there is none; the message says why and what to do.
        InputsInvalid: it is damaged, or not what the manifest lists, or there are several.
        DiskError: it cannot be read.
    """
    path = artefact_path(run_directory)
    if not has_what_was_listed(run_directory, path.name):
        raise InputsInvalid(
            f"{path} is not the artefact that {MANIFEST_NAME} lists: it was changed, or belongs to another run.",
            remedy=f"Write it again from the run's ledger: {command('hydrate', run_directory)}",
        )
    try:
        return parse_artefact(read_file(path))
    except ValueError as error:
        raise InputsInvalid(
            f"{path} is not an artefact that this version can read: {error}.",
            remedy=f"Write it again from the run's ledger: {command('hydrate', run_directory)}",
        ) from None


def artefact_path(run_directory: Path) -> Path:
    """The artefact's file.

    Raises:
        InputsMissing: there is none; the message says why and what to do.
        InputsInvalid: there are several.
    """
    paths = [path for mode in Mode if (path := run_directory / artefact_name(mode)).is_file()]
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise InputsInvalid(
            f"{run_directory} has the artefacts of several runs: {names}.",
            remedy="Keep the one that belongs to the ledger, or name another run.",
        )
    if paths:
        return paths[0]
    require_ledger(run_directory)
    raise InputsMissing(
        f"{run_directory} has no artefact yet: the run is still going on, or it was stopped before its end.",
        remedy=f"Finish the run with: {command('resume', run_directory)}\n"
        f"Or write what there is with: {command('hydrate', run_directory)}",
    )
