"""Hydrate: ledger and inputs to artefact, tables, reports and manifest. Same ledger, same bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.canonical import canonical_json
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.linear_algebra import one_thread
from eng5_runner.effects.outputs import (
    CONFIG_NAME,
    INPUTS_NAME,
    MANIFEST_NAME,
    STACK_FOLDER,
    SUMS_NAME,
    read_file,
    write_atomically,
)
from eng5_runner.effects.run_lock import LOCK_NAME
from eng5_runner.effects.schema import ArtefactCheck, artefact_schema
from eng5_runner.effects.scratch import Scratch, Unlike
from eng5_runner.errors import DiskError
from eng5_runner.reports.anchor_markdown import ANCHOR_REPORT_NAME, anchor_report
from eng5_runner.reports.html_report import REPORT_NAME, report
from eng5_runner.reports.sharing.companions import SCHEMA_NAME, companion_files
from eng5_runner.reports.sharing.crate import CRATE_NAME, crate
from eng5_runner.results.artefact import Artefact, HashedFile, sealed
from eng5_runner.results.artefact.part import RowBatch
from eng5_runner.results.artefact.record import ManifestEntry
from eng5_runner.results.judgements import gather_evidence
from eng5_runner.results.projection import project_artefact
from eng5_runner.results.runner_status import MessageRecord
from eng5_runner.results.tables import call_tables, run_tables, table_csv
from eng5_runner.run.artefact_file import artefact_name
from eng5_runner.run.manifest import entry_of, manifest_files, read_manifest
from eng5_runner.run.run_directory import impossible, opened_run

# The services' own records, the lock and what a crash left are not the run's statement.
_NOT_LISTED = (STACK_FOLDER, LOCK_NAME, MANIFEST_NAME, SUMS_NAME)


class _Output(HashedFile):
    """One file that was computed."""

    def __init__(self, standing: Path | None, *, folder: Path | None) -> None:
        self.data = Scratch(folder) if standing is None else Unlike(standing)
        super().__init__(self.data.append)


class Outputs(Mapping[str, bytes]):
    """Files that were computed: path relative to the run directory → bytes, which `pieces` gives in turn.

    Args:
        beside: a run directory; of a file that holds the same there, the bytes are not kept a second time.
        near: a run directory; large files lie there without a name, so that they need not be written a second time.
    """

    def __init__(self, *, beside: Path | None = None, near: Path | None = None) -> None:
        self._files: dict[str, _Output] = {}
        self._beside = beside
        self._near = near if near is not None and os.access(near, os.W_OK) else None

    def open(self, path: str) -> _Output:
        """A file to be written: a new one, or one that was opened before."""
        if path not in self._files:
            self._files[path] = _Output(self._beside and self._beside / path, folder=self._near)
        return self._files[path]

    def put(self, path: str, pieces: Iterable[bytes]) -> None:
        """A whole new file."""
        file = self.open(path)
        for piece in pieces:
            file.write(piece)

    def pieces(self, path: str) -> Iterator[bytes]:
        """A file's bytes, a megabyte at a time."""
        return self._files[path].data.chunks()

    def place(self, path: str, run_directory: Path) -> None:
        """Write a file into a run directory, once.

        Raises:
            DiskError: it cannot be written; what stood there before still does.
        """
        data = self._files[path].data
        file = data.file() if isinstance(data, Scratch) else None
        write_atomically(run_directory / path, data.chunks(), file=file)

    def is_beside(self, path: str) -> bool:
        """Whether the file beside this one holds the same bytes."""
        data = self._files[path].data
        return isinstance(data, Unlike) and data.is_the_file()

    def entry(self, path: str) -> ManifestEntry:
        """What the manifest says of a file."""
        file = self._files[path]
        return ManifestEntry(path=path, sha256=file.sha256.hexdigest(), bytes=file.data.size)

    def __getitem__(self, path: str) -> bytes:
        return b"".join(self.pieces(path))

    def __contains__(self, path: object) -> bool:
        # A mapping's own asks for the value, which reads the whole file into memory.
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydrated:
    """A run's outputs, not yet written.

    Attributes:
        state: the fold of the ledger.
        artefact: what the run states.
        artefact_name: its file's name.
        files: path relative to the run directory → bytes: artefact, tables, reports and request. Large ones are not in
            memory.
        violations: where the artefact breaks its schema; empty unless there is a bug.
    """

    state: RunState
    artefact: Artefact
    artefact_name: str
    files: Outputs
    violations: list[str]


@one_thread()
def hydrate(run_directory: Path, *, beside: Path | None = None) -> Hydrated:
    """Compute a run's outputs from its ledger. Nothing is written.

    Args:
        run_directory: of the run.
        beside: see `Outputs`.

    Raises:
        InputsMissing: it is not a run's directory.
        InputsInvalid: ledger or inputs are damaged, or do not belong together.
        DiskError: a file cannot be read.
    """
    events, inputs = opened_run(run_directory)
    state, messages = RunState(), MessageRecord()
    try:
        evidence = gather_evidence(inputs, messages.noting(events), state=state, store=Scratch)
    except ImpossibleLedgerError as error:
        raise impossible(run_directory, error) from None
    spec = state.spec
    files, name = Outputs(beside=beside, near=run_directory), artefact_name(spec.mode)
    for request in state.requests:
        files.put(f"requests/{request.prepared.event_id}.json", [request.prepared.payload.encode()])
    sources = tuple(_sources(run_directory, files))
    blank = project_artefact(inputs, evidence, state=state, messages=messages, manifest=sources)
    check = ArtefactCheck()
    by_list = call_tables(blank)

    def seen(which: str, batch: RowBatch) -> None:
        check.rows(which, batch)
        table = by_list[which]
        file = files.open(_table_path(table.name))
        file.write(table.lines(batch) if batch.first else table.heading() + table.lines(batch))

    artefact = sealed(blank, files.open(name), seen=seen)
    for table in run_tables(artefact):
        if (path := _table_path(table.name)) not in files:
            files.put(path, table_csv(table))
    if spec.mode.anchors_only:
        files.put(ANCHOR_REPORT_NAME, [anchor_report(artefact)])
    files.put(REPORT_NAME, [report(artefact)])
    if artefact.metadata.origin is not None and artefact.metadata.origin.kind == "public-copy":
        _put_companions(files, artefact, sources=sources)
    return Hydrated(
        state=state, artefact=artefact, artefact_name=name, files=files, violations=check.violations(artefact)
    )


def _table_path(name: str) -> str:
    return f"tables/{name}.csv"


def _put_companions(files: Outputs, artefact: Artefact, *, sources: Sequence[ManifestEntry]) -> None:
    """Add what only a public copy has; the crate, which lists all others, at the end."""
    files.put(SCHEMA_NAME, [canonical_json(artefact_schema())])
    for name, data in companion_files(artefact).items():
        files.put(name, [data])
    listed = {entry.path: entry for entry in (*sources, *map(files.entry, files))}
    files.put(CRATE_NAME, [crate(artefact, list(listed.values()))])


def write(run_directory: Path, hydrated: Hydrated) -> None:
    """Write the outputs, each atomically, the manifest last: a run with a manifest that fits is a whole one.

    Raises:
        DiskError: a file cannot be written; what stood there before still does.
    """
    files = hydrated.files
    for name in files:
        files.place(name, run_directory)
    known = {entry.path: entry for entry in hydrated.artefact.validation.manifest} | {
        path: files.entry(path) for path in files
    }
    entries = [known.get(path) or entry_of(run_directory, path) for path in listed_files(run_directory)]
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
    ours = [hydrated.files.entry(path) for path in hydrated.files]
    return manifest and on_disk[1:] == ours and all(entry in entries for entry in on_disk)


def listed_files(run_directory: Path) -> list[str]:
    """The files that the manifest vouches for, relative to the run directory, sorted."""
    found = (
        path.relative_to(run_directory) for path in run_directory.rglob("*") if path.is_file() and not path.is_symlink()
    )
    return sorted(path.as_posix() for path in found if not _is_private(path))


def _is_private(path: Path) -> bool:
    return path.parts[0] in _NOT_LISTED or path.parts[0].startswith(("ledger.torn.", "."))


def _sources(run_directory: Path, requests: Outputs) -> Iterator[ManifestEntry]:
    """The files that the artefact is computed from: the requests as they were sent, byte for byte."""
    for name in (CONFIG_NAME, INPUTS_NAME, LEDGER_NAME):
        yield entry_of(run_directory, name)
    yield from map(requests.entry, requests)
