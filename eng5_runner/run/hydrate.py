"""Hydrate: ledger and inputs to artefact, tables and manifest; and verify: the same again, compared byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.canonical import Json, canonical_json, sha256_hex
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.outputs import (
    CONFIG_NAME,
    INPUTS_NAME,
    MANIFEST_NAME,
    STACK_FOLDER,
    SUMS_NAME,
    file_digest,
    read_file,
    write_atomically,
)
from eng5_runner.effects.run_lock import LOCK_NAME
from eng5_runner.effects.schema import violations
from eng5_runner.errors import DiskError
from eng5_runner.reports.anchor_markdown import ANCHOR_REPORT_NAME, anchor_report
from eng5_runner.reports.html_report import REPORT_NAME, report
from eng5_runner.results.projection import project_artefact
from eng5_runner.results.tables import tables
from eng5_runner.run.run_directory import impossible, saved_run

# The services' own records, the lock and what a crash left are not the run's statement.
_ENTRY_KEYS = frozenset({"path", "sha256", "bytes"})
_NOT_LISTED = (STACK_FOLDER, LOCK_NAME, MANIFEST_NAME, SUMS_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydrated:
    """A run's outputs, not yet written.

    Attributes:
        state: the fold of the ledger.
        artefact: as an object.
        files: path relative to the run directory → bytes, artefact and tables and request.
        violations: where the artefact breaks its schema; empty unless there is a bug.
    """

    state: RunState
    artefact: Mapping[str, Json]
    artefact_name: str
    files: Mapping[str, bytes]
    violations: list[str]


def hydrate(run_directory: Path) -> Hydrated:
    """Compute a run's outputs from its ledger. Nothing is written.

    Raises:
        InputsMissing: it is not a run's directory.
        InputsInvalid: ledger or inputs are damaged, or do not belong together.
        DiskError: a file cannot be read.
    """
    saved = saved_run(run_directory)
    state, spec = saved.state, saved.state.spec
    requests = _requests(state)
    sources = list(_sources(run_directory, requests))
    try:
        artefact = project_artefact(saved.inputs, saved.events, state=state, manifest=sources)
    except ImpossibleLedgerError as error:
        raise impossible(run_directory, error) from None
    name = f"assessment_run.{spec.mode.value}.json"
    files = {name: canonical_json(artefact), **requests}
    files |= {f"tables/{table}": data for table, data in tables(artefact).items()}
    files |= {ANCHOR_REPORT_NAME: anchor_report(artefact)} if spec.mode.anchors_only else {}
    files[REPORT_NAME] = report(artefact)
    return Hydrated(state=state, artefact=artefact, artefact_name=name, files=files, violations=violations(artefact))


def write(run_directory: Path, hydrated: Hydrated) -> None:
    """Write the outputs, each atomically, the manifest last: a run with a manifest that fits is a whole one.

    Raises:
        DiskError: a file cannot be written; what stood there before still does.
    """
    for name, data in hydrated.files.items():
        write_atomically(run_directory / name, data)
    entries = [entry_of(run_directory, path) for path in listed_files(run_directory)]
    for name, data in manifest_files(entries).items():
        write_atomically(run_directory / name, data)


def is_written(run_directory: Path, hydrated: Hydrated) -> bool:
    """Whether these outputs are on the disk, with a manifest that vouches for them and for the ledger as it is."""
    try:
        entries = read_manifest(run_directory)
        on_disk = [*(entry_of(run_directory, path) for path in (LEDGER_NAME, *hydrated.files))]
        manifest = all(read_file(run_directory / name) == data for name, data in manifest_files(entries).items())
    except (ValueError, DiskError):
        return False
    ours = [_entry(path, data) for path, data in hydrated.files.items()]
    return manifest and on_disk[1:] == ours and all(entry in entries for entry in on_disk)


def manifest_files(entries: list[dict[str, Json]]) -> dict[str, bytes]:
    """The manifest in both forms; `sha256sum -c manifest.sha256` checks the second with stock tools."""
    document = canonical_json({"files": entries})
    listed = [*((str(e["sha256"]), str(e["path"])) for e in entries), (sha256_hex(document), MANIFEST_NAME)]
    lines = "".join(f"{sha256}  {path}\n" for sha256, path in listed)
    return {MANIFEST_NAME: document, SUMS_NAME: lines.encode()}


def listed_files(run_directory: Path) -> list[str]:
    """The files that the manifest vouches for, relative to the run directory, sorted."""
    found = (
        path.relative_to(run_directory) for path in run_directory.rglob("*") if path.is_file() and not path.is_symlink()
    )
    return sorted(path.as_posix() for path in found if not _is_private(path))


def _is_private(path: Path) -> bool:
    return path.parts[0] in _NOT_LISTED or path.parts[0].startswith(("ledger.torn.", "."))


def entry_of(run_directory: Path, path: str) -> dict[str, Json]:
    """A manifest entry of a file on disk.

    Raises:
        DiskError: it cannot be read.
    """
    sha256, size = file_digest(run_directory / path)
    return {"path": path, "sha256": sha256, "bytes": size}


def _entry(path: str, data: bytes) -> dict[str, Json]:
    return {"path": path, "sha256": sha256_hex(data), "bytes": len(data)}


def _sources(run_directory: Path, requests: Mapping[str, bytes]) -> Iterator[dict[str, Json]]:
    """What the artefact rests on."""
    for name in (CONFIG_NAME, INPUTS_NAME, LEDGER_NAME):
        yield entry_of(run_directory, name)
    for name, data in requests.items():
        yield _entry(name, data)


def _requests(state: RunState) -> dict[str, bytes]:
    """The request as it was sent, byte for byte."""
    prepared = state.prepared
    return {} if prepared is None else {f"requests/{prepared.event_id}.json": prepared.payload.encode()}


def read_manifest(run_directory: Path) -> list[dict[str, Json]]:
    """The manifest's entries.

    Raises:
        ValueError: it is not a manifest.
        DiskError: it cannot be read.
    """
    found = json.loads(read_file(run_directory / MANIFEST_NAME))
    if not isinstance(found, dict) or not isinstance(found.get("files"), list):
        raise ValueError("it has no list of files")  # noqa: TRY004 - the caller treats every damage alike
    if not all(isinstance(entry, dict) and entry.keys() == _ENTRY_KEYS for entry in found["files"]):
        raise ValueError("an entry does not say path, sha256 and bytes")
    return [dict(entry) for entry in found["files"]]
