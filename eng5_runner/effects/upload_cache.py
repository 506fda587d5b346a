"""What was uploaded before: service URL and sha256 of the text → storage id, one small file for each service.

A line counts as soon as it is on the disk, so a crash loses no upload that was answered. Lines that do not fit their
checksum are passed over: a cache may forget, it may not lie.
"""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.effects.ledger import sync_directory
from eng5_runner.errors import DiskError

_LINE = re.compile(rb"^([0-9a-f]{64}) ([0-9a-f]{32}) ([0-9a-f]{8})$")
UPLOADS = ".uploads"


class UploadCache:
    """The entries of one service. Several runs may use it at the same time."""

    def __init__(self, folder: Path, *, service_url: str) -> None:
        self._path = folder / f"{sha256_hex(service_url.encode())[:16]}{UPLOADS}"

    def entries(self) -> Mapping[str, str]:
        """Text sha256 → storage id; empty if there is no usable file."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return {}
        found = {}
        for line in data.split(b"\n"):
            parts = _LINE.match(line)
            if parts and int(parts[3], 16) == zlib.crc32(line[:97]):
                found[parts[1].decode()] = parts[2].decode()
        return found

    async def remember(self, uploads: Mapping[str, str]) -> None:
        """Add entries, durable when this returns.

        Raises:
            DiskError: they could not be written.
        """
        if uploads:
            await asyncio.to_thread(self._append, uploads)

    async def forget(self) -> None:
        """Drop all entries: the service no longer has what it should.

        Raises:
            DiskError: they are still there.
        """
        try:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        except OSError as error:
            raise self._cannot("removed", error) from None

    def _append(self, uploads: Mapping[str, str]) -> None:
        lines = bytearray(b"\n")  # ends a line that a kill cut short
        for text_sha256, storage_id in uploads.items():
            entry = f"{text_sha256} {storage_id}".encode()
            lines += b"%s %08x\n" % (entry, zlib.crc32(entry))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_new = not self._path.exists()
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                left = memoryview(lines)
                while left:  # a disk that is nearly full takes a part without an error
                    left = left[os.write(file, left) :]
                os.fdatasync(file)
            finally:
                os.close(file)
            if is_new:
                sync_directory(self._path.parent)
        except OSError as error:
            raise self._cannot("written", error) from None

    def _cannot(self, what: str, error: OSError) -> DiskError:
        return DiskError(
            f"The upload cache {self._path} cannot be {what}: {error.strerror}.",
            remedy="Make room, or name another place with ENG5_CACHE_DIR.",
        )
