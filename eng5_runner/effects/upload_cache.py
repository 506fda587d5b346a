"""The upload cache: which texts each Content Service has, one small file per service.

A file maps the sha256 of a text to its storage id. A line is on the disk before the upload counts, so a crash loses no
upload. A line with a wrong checksum is skipped: a cache may forget an upload, but must not invent one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.effects import durable
from eng5_runner.errors import DiskError

_LINE = re.compile(rb"^([0-9a-f]{64}) ([0-9a-f]{32}) ([0-9a-f]{8})$")
UPLOADS = ".uploads"


class UploadCache:
    """The texts that one service has. Several runs may use the cache at the same time."""

    def __init__(self, folder: Path, *, service_url: str) -> None:
        self._path = folder / f"{sha256_hex(service_url.encode())[:16]}{UPLOADS}"

    def entries(self) -> Mapping[str, str]:
        """Text sha256 → storage id; empty if the file is missing or unreadable."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return {}
        entries = {}
        for line in data.split(b"\n"):
            parts = _LINE.match(line)
            if parts and int(parts[3], 16) == zlib.crc32(line[:97]):
                entries[parts[1].decode()] = parts[2].decode()
        return entries

    async def remember(self, uploads: Mapping[str, str]) -> None:
        """Add entries; they are durable when this returns.

        Raises:
            DiskError: the entries could not be written.
        """
        if uploads:
            await _in_thread(self._append, uploads)

    async def forget(self) -> None:
        """Remove all entries, because the service has lost texts.

        Raises:
            DiskError: the entries could not be removed.
        """
        try:
            await _in_thread(self._path.unlink, missing_ok=True)
        except OSError as error:
            raise self._cannot("removed", error) from None

    def _append(self, uploads: Mapping[str, str]) -> None:
        lines = bytearray(b"\n")  # ends a line that a crash cut short
        for text_sha256, storage_id in uploads.items():
            entry = f"{text_sha256} {storage_id}".encode()
            lines += b"%s %08x\n" % (entry, zlib.crc32(entry))
        try:
            durable.append(self._path, lines)
        except OSError as error:
            raise self._cannot("written", error) from None

    def _cannot(self, be: str, error: OSError) -> DiskError:
        return DiskError(
            f"The upload cache {self._path} cannot be {be}: {error.strerror}.",
            remedy="Free disk space, or choose another folder with ENG5_CACHE_DIR.",
        )


async def _in_thread(function: Callable[..., None], *arguments: object, **options: object) -> None:
    import asyncio  # noqa: PLC0415 - here a loop runs, and a plan only reads  # law: inner_import - as above

    await asyncio.to_thread(function, *arguments, **options)
