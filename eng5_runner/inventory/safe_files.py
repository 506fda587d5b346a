"""Reading files of a folder that may hold anything: nothing outside of it is opened, and nothing blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from eng5_runner.core.inputs import Finding
from eng5_runner.inventory.essay_ids import fold
from eng5_runner.inventory.findings import Unreadable, finding
from eng5_runner.inventory.known_files import stamp_of
from eng5_runner.inventory.pseudonyms import FileNames
from eng5_runner.systems import flags

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Bytes of one file; an essay with pictures stays below."""

_JUNK_NAMES = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_JUNK_PREFIXES = (".", "~$")
# O_NONBLOCK: if a FIFO takes the file's place after it was listed, opening it must not block.
_OPEN_FLAGS = os.O_RDONLY | flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")


class AssetPath(NamedTuple):
    """A file or folder in the assets folder.

    Attributes:
        source_path: under which it is shown: relative to the assets folder, with `/`.
        name: the name that it has, without its folder.
        place: where it is on the disk, inside the assets folder too; None if it must not be opened, which a finding
            explains.
        suffix: the lower-case one of its name, without a dot.
        stamp: by which it was known when it was found; None if it was not looked at.
    """

    source_path: str
    name: str
    place: str | None
    suffix: str
    stamp: str | None = None

    @property
    def path(self) -> Path | None:
        """The same place. It is made when it is asked for, since most files are not opened again."""
        return None if self.place is None else Path(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayFolder:
    """The entries of a folder of essays.

    Attributes:
        essays: files that can be essays, by name.
        findings: about entries that cannot.
        junk: how many lock files, dot files and the like were passed over.
    """

    essays: tuple[AssetPath, ...] = ()
    findings: tuple[Finding, ...] = ()
    junk: int = 0


def list_essays(root: Path, folder: AssetPath, *, suffixes: Collection[str], names: FileNames) -> EssayFolder:
    """The files of one folder, without those of its own folders.

    Args:
        root: the assets folder, resolved.
        folder: the folder.
        suffixes: the kinds of file that are essays, lower case, without a dot.
        names: under which the files are shown.
    """
    essays: list[AssetPath] = []
    findings: list[Finding] = []
    entries = _names(folder, findings)
    files = [name for name in entries if not _is_junk(name)]
    names.prepare(files)
    for name in files:
        source_path, suffix = f"{folder.source_path}/{names.shown(name)}", suffix_of(name)
        try:
            if not name.isascii():
                _check_name(name)
            entry = _entry(root, f"{folder.place}/{name}", name=name, suffix=suffix, shown=source_path)
        except Unreadable as refusal:
            findings.append(refusal.finding(source_path))
            continue
        if entry is None:
            findings.append(finding("ignored_folder", source_path))
        elif suffix not in suffixes:
            formats = suffixes_in_words(suffixes)
            findings.append(finding("unsupported_format", source_path, severity="warning", formats=formats))
        else:
            essays.append(entry)
    return EssayFolder(essays=tuple(essays), findings=tuple(findings), junk=len(entries) - len(files))


def _entry(root: Path, place: str, *, name: str, suffix: str, shown: str) -> AssetPath | None:
    """What `find_file` gives for an entry of a resolved folder; None for a folder.

    Only a link has to be resolved, which takes ten times as long as all else.
    """
    try:
        status = os.lstat(place)
    except (OSError, ValueError):
        status = None
    if status is not None and stat.S_ISREG(status.st_mode):
        return AssetPath(shown, name, place, suffix, stamp_of(status, suffix))
    entry = find_file(root, place, shown=shown)
    return None if entry.path is None or entry.path.is_dir() else entry


def folder_names(folder: Path, *, source_path: str, findings: list[Finding]) -> list[str]:
    """The names in a folder, sorted, without lock files, hidden files and the like.

    Args:
        folder: the folder.
        source_path: what to call it in a finding.
        findings: gets an error if the folder cannot be read.
    """
    names = _names(AssetPath(source_path, folder.name, os.fspath(folder), ""), findings)
    return [name for name in names if not _is_junk(name)]


def existing_path(root: Path, source_path: str) -> str | None:
    """The path as it is on the disk: names match without regard to case and Unicode form, the same name goes first.

    Args:
        root: the assets folder, resolved.
        source_path: relative to it, with `/`.

    Returns:
        The path, or None if nothing is there. A path that leads out of the folder is returned as it is.

    Raises:
        Unreadable: no file can have such a name.
    """
    if "\0" in source_path:
        raise Unreadable("unreadable_file", reason="no file can have this name")
    parts = PurePosixPath(source_path).parts
    if ".." in parts or source_path.startswith("/"):
        return source_path if os.path.lexists(root / source_path) else None
    path = PurePosixPath()
    for part in parts:
        name = part if os.path.lexists(root / path / part) else _alike(root / path, part)
        if name is None:
            return None
        path /= name
    return path.as_posix()


def find_file(root: Path, place: str, *, shown: str) -> AssetPath:
    """The regular file or folder at a place in the assets folder; links are followed only within it.

    Args:
        root: the assets folder, resolved.
        place: relative to it, with `/`.
        shown: the place as it is shown.

    Raises:
        Unreadable: it does not exist, leads out of the folder, or is a pipe or a device.
    """
    try:
        path = (root / place).resolve(strict=True)
        status = path.lstat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = "it is a broken or circular link, or its path is not accessible"
        raise Unreadable("unreadable_file", reason=reason) from error
    if not path.is_relative_to(root):
        raise Unreadable("outside_folder")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise Unreadable("not_a_regular_file")
    name = PurePosixPath(place).name
    suffix = suffix_of(name)
    return AssetPath(shown, name, os.fspath(path), suffix, stamp_of(status, suffix))


def read_bytes(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a regular file.

    Args:
        path: as `find_file` gives it.
        limit: the most bytes that are read.

    Raises:
        Unreadable: it is too large, no longer a regular file, not readable, or changed while it was read.
    """
    return read_stamped(path, limit=limit)[0]


def read_stamped(path: str | Path, *, limit: int = MAX_FILE_BYTES) -> tuple[bytes, os.stat_result]:
    """All bytes of a regular file as `read_bytes` gives them, and its status, the same before and after."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = _status(descriptor, limit)
            size = status.st_size
            data = os.read(descriptor, size + 1)
            while len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
                data += more
            is_same = len(data) == size and _changes(status) == _changes(os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable("unreadable_file", reason=str(error.strerror)) from error
    if not is_same:
        raise Unreadable("unreadable_file", reason="it changed while it was read")
    return data, status


def suffixes_in_words(suffixes: Collection[str]) -> str:
    """The kinds of file for people, such as `.csv, .xlsx`."""
    return ", ".join(f".{suffix}" for suffix in sorted(suffixes))


def suffix_of(name: str) -> str:
    """The lower-case suffix of a name, without its dot."""
    stem, _, suffix = name.rpartition(".")
    return suffix.lower() if stem else ""


def _status(descriptor: int, limit: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not_a_regular_file")
    if status.st_size > limit:
        raise Unreadable("too_large", size=f"it has {status.st_size:,} bytes, and at most {limit:,} are read")
    return status


def _changes(status: os.stat_result) -> tuple[int, int, int]:
    """What differs when an open file was changed."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _names(folder: AssetPath, findings: list[Finding]) -> list[str]:
    if folder.place is None:
        return []
    try:
        return sorted(os.listdir(folder.place))  # noqa: PTH208 - names are needed, not a Path for each
    except OSError as error:
        findings.append(finding("unreadable_file", folder.source_path, reason=error.strerror))
        return []


def _alike(folder: Path, name: str) -> str | None:
    """The first name in the folder that differs only in case and Unicode form."""
    names = os.listdir(folder) if folder.is_dir() else ()  # noqa: PTH208 - names are needed, not a Path for each
    return min((each for each in names if fold(each) == fold(name)), default=None)


def _is_junk(name: str) -> bool:
    return name.startswith(_JUNK_PREFIXES) or name.casefold() in _JUNK_NAMES


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("undecodable_name") from error
