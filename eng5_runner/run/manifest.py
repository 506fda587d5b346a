"""The manifest of a run directory: the checksums of its files, in two forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.effects.outputs import MANIFEST_NAME, SUMS_NAME, file_digest, read_file
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
