"""The manifest of a run directory: the checksums of its files, in two forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.effects.outputs import MANIFEST_NAME, SUMS_NAME, file_digest, read_file
from eng5_runner.errors import DiskError
from eng5_runner.results.artefact.part import Part, to_bytes
from eng5_runner.results.artefact.record import ManifestEntry


class _Manifest(Part):
    """The content of `manifest.json`."""

    files: tuple[ManifestEntry, ...]


def manifest_files(entries: Sequence[ManifestEntry]) -> dict[str, bytes]:
    """The manifest in both forms; `sha256sum -c manifest.sha256` checks the second with stock tools."""
    document = to_bytes(_Manifest(files=tuple(entries)))
    listed = [*((entry.sha256, entry.path) for entry in entries), (sha256_hex(document), MANIFEST_NAME)]
    lines = "".join(f"{sha256}  {path}\n" for sha256, path in listed)
    return {MANIFEST_NAME: document, SUMS_NAME: lines.encode()}


def entry_of(run_directory: Path, path: str) -> ManifestEntry:
    """A manifest entry of a file on disk.

    Raises:
        DiskError: it cannot be read.
    """
    sha256, size = file_digest(run_directory / path)
    return ManifestEntry(path=path, sha256=sha256, bytes=size)


def read_manifest(run_directory: Path) -> tuple[ManifestEntry, ...]:
    """The manifest's entries.

    Raises:
        ValueError: it is not a manifest.
        DiskError: it cannot be read.
    """
    return _Manifest.model_validate_json(read_file(run_directory / MANIFEST_NAME)).files


def is_still_there(run_directory: Path, path: str) -> bool:
    """Whether a file that only ever grows begins with what the manifest lists of it.

    True, too, where no manifest can be trusted: there is none, or it was altered.

    Raises:
        DiskError: a file cannot be read.
    """
    manifest = run_directory / MANIFEST_NAME
    if not manifest.is_file():
        return True
    try:
        entries = read_manifest(run_directory)
        signed = all(read_file(run_directory / name) == data for name, data in manifest_files(entries).items())
    except (ValueError, DiskError):
        return True
    listed = next((entry for entry in entries if entry.path == path), None)
    if not signed or listed is None:
        return True
    return file_digest(run_directory / path, first=listed.bytes) == (listed.sha256, listed.bytes)
