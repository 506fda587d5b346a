"""What earlier readings found in files, so that an unchanged file is not read again.

    known = KnownFiles(Path("cache"), root=Path("/studies/may"), settings=("utf-8", "en"))
    known.find(stamp_of(status, "txt"))     # the record of a file that is as it was, or None
    known.keep(status, record, read_at=time.time_ns())
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

import msgspec
import orjson

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.inputs import DoubtKind, FileFormat, FindingKind
from eng5_runner.judges.prompts import EssayLength

FILES = ".files"
"""What the name of such a file ends with."""
YOUNG_NANOSECONDS = 2_000_000_000
"""The grain of time stamps on FAT, the coarsest file system in use."""
_DIGEST_BYTES = 64


def stamp_of(status: os.stat_result, file_format: str = "") -> str:
    """All by which an unchanged file is known. One that changed, or is of another format, has another stamp."""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{file_format}"


class FileRecord(NamedTuple):
    """What a reading found in a file.

    Attributes:
        file_format: as which it was read.
        sha256: of the file, 64 hexadecimal digits.
        encoding: how plain text was decoded.
        text_sha256: of the text's UTF-8 bytes, likewise.
        word_count: words as separated by white space.
        characters: of the text.
        length: as it is stored, and shown to a judge.
        words_sha256: of its `content_words`; "" if it has none.
        doubts: kinds and facts of what the text shows that no essay has; of an essay only.
        remarks: kinds and facts of what its reader noticed.
        size: of the file, in bytes.
    """

    file_format: FileFormat
    sha256: str
    encoding: str | None
    text_sha256: str
    word_count: int
    characters: int
    length: EssayLength
    words_sha256: str
    doubts: list[tuple[DoubtKind, dict[str, str | int]]]
    remarks: list[tuple[FindingKind, dict[str, str]]]
    size: int


class _Stored(msgspec.Struct):
    """What the file of an assets folder holds."""

    version: str
    files: dict[str, FileRecord]


class KnownFiles:
    """The records of one assets folder.

    Args:
        folder: the cache folder; None to know and keep nothing.
        root: the assets folder, resolved.
        settings: what the records depend on apart from the files.
    """

    def __init__(self, folder: Path | None, *, root: Path, settings: Sequence[str | None]) -> None:
        self._path: Path | None = None
        self._before: dict[str, FileRecord] = {}
        self._now: dict[str, FileRecord] = {}
        self._is_new = False
        if folder is not None:
            key = orjson.dumps([os.fspath(root), *settings])
            self._path = folder / f"{sha256_hex(key)[:16]}{FILES}"
            self._before = _read(self._path)

    def find(self, stamp: str) -> FileRecord | None:
        """The record of a file that is as it was, if it was read in the same format."""
        kept = self._before.get(stamp)
        if kept is not None:
            self._now[stamp] = kept
        return kept

    def keep(self, status: os.stat_result, record: FileRecord, *, read_at: int) -> None:
        """Remember a file unless it was young.

        Args:
            status: of the file before and after it was read.
            record: what was found in it.
            read_at: when it was read, in nanoseconds since 1970.
        """
        if max(status.st_mtime_ns, status.st_ctime_ns) < read_at - YOUNG_NANOSECONDS:
            self._now[stamp_of(status, record.file_format)] = record
            self._is_new = True

    def save(self) -> None:
        """Write the records of the files that were looked for. A disk that refuses costs time later, and no more."""
        if self._path is None or not (self._is_new or len(self._now) < len(self._before)):
            return
        data = msgspec.json.encode(_Stored(_version(), self._now))
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


def _read(path: Path) -> dict[str, FileRecord]:
    """The records of a file; none if it is not as one of this version was written."""
    with suppress(OSError, msgspec.DecodeError):
        data = path.read_bytes()
        body = data[_DIGEST_BYTES:]
        if data[:_DIGEST_BYTES] == sha256_hex(body).encode():
            stored = msgspec.json.decode(body, type=_Stored)
            if stored.version == _version():
                return stored.files
    return {}


@cache
def _version() -> str:
    """Of all that decides what a reading finds: our modules themselves, the reader of PDF, and Unicode's tables."""
    modules = sorted(Path(__file__).parent.rglob("*.py"))
    ours = sha256_hex(b"".join(module.read_bytes() for module in modules))
    return f"{ours} {version('pypdfium2')} {unicodedata.unidata_version} {sys.version_info[:3]}"
