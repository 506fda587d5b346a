"""Files of a folder whose contents nobody vouches for: nothing outside of it is opened, nothing hangs."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from eng5_runner.core.inputs import Finding, shown
from eng5_runner.inventory.findings import finding_of
from eng5_runner.inventory.unreadable import Unreadable

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Bytes of one file; an essay with pictures stays below."""

_JUNK_NAMES = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_JUNK_PREFIXES = (".", "~$")
# O_NONBLOCK: a FIFO that took the file's place after it was listed must not hold us up.
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file of the assets folder.

    Attributes:
        source_path: relative to the assets folder, with `/`.
        path: where its bytes are, inside the folder too; None where it must not be opened, which a finding tells.
    """

    source_path: str
    path: Path | None

    @property
    def suffix(self) -> str:
        """The lower-case suffix without its dot."""
        return PurePosixPath(self.source_path).suffix[1:].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a folder of essays holds.

    Attributes:
        files: those that can be essays, by name.
        findings: entries that cannot.
        junk: how many lock files, dot files and the like were passed over.
    """

    files: tuple[FoundFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    junk: int = 0


def list_essays(root: Path, folder: FoundFile, *, suffixes: Collection[str]) -> Listing:
    """The files of one folder, not of the folders in it.

    Args:
        root: the assets folder, resolved.
        folder: the folder.
        suffixes: the kinds of file that are essays, lower case, without a dot.
    """
    files: list[FoundFile] = []
    findings: list[Finding] = []
    junk = 0
    for name in _names(folder, findings):
        source_path = f"{folder.source_path}/{name}"
        if name.startswith(_JUNK_PREFIXES) or name.casefold() in _JUNK_NAMES:
            junk += 1
            continue
        try:
            _check_name(name)
            found = find_file(root, source_path)
        except Unreadable as refusal:
            findings.append(finding_of(refusal, source_path))
            continue
        unused = _unused(found, suffixes)
        if unused is None:
            files.append(found)
        else:
            findings.append(unused)
    return Listing(files=tuple(files), findings=tuple(findings), junk=junk)


def find_file(root: Path, source_path: str) -> FoundFile:
    """The regular file or folder at a place in the assets folder; links are followed within it only.

    Args:
        root: the assets folder, resolved.
        source_path: relative to it, with `/`.

    Raises:
        Unreadable: it is not there, leads out of the folder, or is a pipe or a device.
    """
    try:
        path = (root / source_path).resolve(strict=True)
        mode = path.lstat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        raise Unreadable(
            "unreadable_file",
            "The path leads nowhere (a link without an end, or no permission).",
            remedy="Put the file itself there, readable.",
        ) from error
    if not path.is_relative_to(root):
        raise Unreadable(
            "outside_folder",
            "The path leads out of the assets folder; it is not followed.",
            remedy="Copy the file into the assets folder.",
        )
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise Unreadable(
            "not_a_regular_file",
            "This is a pipe, a device or a socket, not a file.",
            remedy="Remove it, or put a file there.",
        )
    return FoundFile(source_path=source_path, path=path)


def read_bytes(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a regular file.

    Args:
        path: as `find_file` gave it.
        limit: the most bytes that are taken.

    Raises:
        Unreadable: it is too large, no longer a regular file, not allowed, or changed while it was read.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            size = _size(descriptor, limit)
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable(
            "unreadable_file",
            f"The file cannot be read ({error.strerror}).",
            remedy="Allow reading it, or remove it.",
        ) from error
    if len(data) != size:
        raise Unreadable(
            "unreadable_file", "The file changed while it was read.", remedy="Start again when it is at rest."
        )
    return data


def _size(descriptor: int, limit: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not_a_regular_file", "This is not a file.", remedy="Put a file there.")
    if status.st_size > limit:
        raise Unreadable(
            "too_large",
            f"The file has {status.st_size:,} bytes; at most {limit:,} are read.",
            remedy="Save it without pictures, or as .txt.",
        )
    return status.st_size


def _names(folder: FoundFile, findings: list[Finding]) -> list[str]:
    if folder.path is None:
        return []
    try:
        return sorted(os.listdir(folder.path))  # noqa: PTH208 - names are wanted, a Path for each is not
    except OSError as error:
        refusal = Unreadable(
            "unreadable_file",
            f"The folder cannot be listed ({error.strerror}).",
            remedy="Make it a folder that can be read.",
        )
        findings.append(finding_of(refusal, folder.source_path))
        return []


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Unreadable(
            "undecodable_name",
            "The file's name is not in the encoding of this system (UTF-8).",
            remedy="Rename the file.",
        ) from error


def _unused(found: FoundFile, suffixes: Collection[str]) -> Finding | None:
    if found.path is not None and found.path.is_dir():
        return Finding(
            severity="warning",
            kind="ignored_folder",
            file=shown(found.source_path),
            message="Folders within an essay folder are not read.",
            remedy="Move the essays up into the essay folder.",
        )
    if found.suffix in suffixes:
        return None
    return Finding(
        severity="warning",
        kind="unsupported_format",
        file=shown(found.source_path),
        message="This kind of file is not read.",
        remedy=f"Save it as one of {', '.join(f'.{suffix}' for suffix in sorted(suffixes))}.",
    )
