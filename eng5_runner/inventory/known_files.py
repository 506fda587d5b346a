"""What earlier readings found in files, so that an unchanged file is not read again.

    known = KnownFiles(Path("cache"), root=Path("/studies/may"), settings=("utf-8", "en"))
    known.find(stamp, "txt")     # the record of a file that is as it was, or None
    known.keep(stamp, record)
    known.save()

A file is as it was if its device, inode, size and its times of modification and of change are the same. One that was
changed within two seconds before it was read is not kept: it could change again within the grain of its time stamps.

There is one file per assets folder. It holds digests, counts and kinds of findings, but no text and no name. A file
that is torn, foreign or from another version of the checks counts as none. Several runs may use it at the same time:
the last one that saves wins.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import orjson

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.inputs import DoubtKind, FileFormat, FindingKind

FILES = ".files"
"""What the name of such a file ends with."""
YOUNG_NANOSECONDS = 2_000_000_000
"""The grain of time stamps on FAT, the coarsest file system in use."""
_DIGEST_BYTES = 64


class Stamp(NamedTuple):
    """By what an unchanged file is known; times in nanoseconds since 1970."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a file."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class FileRecord(NamedTuple):
    """What a reading found in the file of an essay; see `scanned.ScannedText`.

    Attributes:
        file_format: as which it was read.
        sha256: of the file.
        encoding: how plain text was decoded.
        text_sha256: of the text; likewise `word_count`, `characters`, `length` and `words_sha256`.
        doubts: kinds and facts; likewise `remarks`.
    """

    file_format: FileFormat
    sha256: str
    encoding: str | None
    text_sha256: str
    word_count: int
    characters: int
    length: Sequence[int]
    words_sha256: str
    doubts: Sequence[tuple[DoubtKind, dict[str, str | int]]]
    remarks: Sequence[tuple[FindingKind, dict[str, str]]]


class KnownFiles:
    """The records of one assets folder.

    Args:
        folder: the cache folder; None to know and keep nothing.
        root: the assets folder, resolved.
        settings: what the records depend on apart from the files.
    """

    def __init__(self, folder: Path | None, *, root: Path, settings: Sequence[str | None]) -> None:
        self._path: Path | None = None
        self._before: dict[str, list[object]] = {}
        self._now: dict[str, Sequence[object]] = {}
        self._is_new = False
        if folder is not None:
            key = orjson.dumps([os.fspath(root), *settings])
            self._path = folder / f"{sha256_hex(key)[:16]}{FILES}"
            self._before = _read(self._path)

    def find(self, stamp: Stamp, file_format: FileFormat) -> FileRecord | None:
        """The record of a file that is as it was, if it was read in the same format."""
        name = _name(stamp, file_format)
        kept = self._before.get(name)
        if kept is None:
            return None
        self._now[name] = kept
        return FileRecord._make(kept)  # the checksum shows that we wrote it

    def keep(self, stamp: Stamp, record: FileRecord, *, read_at: int) -> None:
        """Remember a file unless it was young.

        Args:
            stamp: of the file before and after it was read.
            record: what was found in it.
            read_at: when it was read, in nanoseconds since 1970.
        """
        if max(stamp.modified, stamp.changed) < read_at - YOUNG_NANOSECONDS:
            self._now[_name(stamp, record.file_format)] = tuple(record)
            self._is_new = True

    def save(self) -> None:
        """Write the records of the files that were looked for. A disk that refuses costs time later, and no more."""
        if self._path is None or not (self._is_new or len(self._now) < len(self._before)):
            return
        data = orjson.dumps({"version": _version(), "files": self._now})
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # nobody but its owner can read such a file
            handle, partial = tempfile.mkstemp(prefix=f".{self._path.stem}", suffix=".partial", dir=self._path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(sha256_hex(data).encode() + data)
                Path(partial).replace(self._path)
            except OSError:
                Path(partial).unlink(missing_ok=True)
                raise


def _name(stamp: Stamp, file_format: FileFormat) -> str:
    """All by which a file is known: one that has changed has another name."""
    return f"{stamp.device}:{stamp.inode}:{stamp.size}:{stamp.modified}:{stamp.changed}:{file_format}"


def _read(path: Path) -> dict[str, list[object]]:
    """The records of a file; none if it is not as one of this version was written."""
    with suppress(OSError, orjson.JSONDecodeError):
        data = path.read_bytes()
        body = data[_DIGEST_BYTES:]
        if data[:_DIGEST_BYTES] == sha256_hex(body).encode():
            stored = orjson.loads(body)
            if isinstance(stored, dict) and stored.get("version") == _version():
                files = stored["files"]
                assert isinstance(files, dict)
                return files
    return {}


@cache
def _version() -> str:
    """Of all that decides what a reading finds: our modules themselves, the reader of PDF, and Unicode's tables."""
    modules = sorted(Path(__file__).parent.rglob("*.py"))
    ours = sha256_hex(b"".join(module.read_bytes() for module in modules))
    return f"{ours} {version('pypdfium2')} {unicodedata.unidata_version} {sys.version_info[:3]}"
