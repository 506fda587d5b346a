"""XML parts of a zip file (docx, xlsx) that may be a bomb.

The limits count bytes that are really decompressed, and entities are refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Protocol
from xml.etree.ElementTree import ParseError
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from eng5_runner.inventory.findings import Unreadable

MAX_MEMBERS = 2_000
MAX_PART_BYTES = 16 * 1024 * 1024
"""Bytes of one part, decompressed."""
MAX_RATIO = 200
"""Decompressed by compressed bytes of a part above `RATIO_FROM_BYTES`; real documents stay below 60."""
RATIO_FROM_BYTES = 1024 * 1024

_CHUNK_BYTES = 64 * 1024
_ENCRYPTED_FLAG = 1
_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")


class PartTarget(Protocol):
    """Receives a part's elements while it is parsed; names come as `{namespace}name`."""

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """An element begins."""

    def end(self, tag: str, /) -> None:
        """An element ends."""

    def data(self, text: str, /) -> None:
        """Characters, in pieces of any length."""

    def close(self) -> None:
        """The part is over."""


def open_archive(data: bytes) -> ZipFile:
    """Open a docx or xlsx.

    Raises:
        Unreadable: it is not a zip file, has too many members, or is encrypted.
    """
    if data.startswith(_OLE_MAGIC):
        raise Unreadable("encrypted_document", how="encrypted, or in an Office format from before 2007")
    try:
        archive = ZipFile(BytesIO(data))
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable("damaged_document", how="it is not a zip file") from error
    if len(archive.infolist()) > MAX_MEMBERS:
        raise Unreadable("too_large", size=f"it has more than {MAX_MEMBERS:,} parts")
    return archive


def parse_part(archive: ZipFile, *, name: str, target: PartTarget) -> None:
    """Feed one part to the target.

    Raises:
        Unreadable: the part is missing, damaged, too large, or has a DOCTYPE or entities.
    """
    # Decompress all before parsing, which takes a hundred times as long: a bomb is noticed sooner.
    chunks = list(_chunks(archive, name))
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    try:
        for chunk in chunks:
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException as error:
        raise Unreadable("forbidden_xml") from error
    except (ParseError, ValueError, LookupError) as error:
        raise _damaged(f"its part {name} is not XML") from error


def read_part(archive: ZipFile, *, name: str) -> bytes:
    """The bytes of one part.

    Raises:
        Unreadable: the part is missing, damaged or too large.
    """
    return b"".join(_chunks(archive, name))


def _damaged(how: str) -> Unreadable:
    return Unreadable("damaged_document", how=how)


def _chunks(archive: ZipFile, name: str) -> Iterator[bytes]:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise _damaged(f"it has no part {name}") from error
    _check_method(info)
    total = 0
    try:
        with archive.open(info) as part:
            while chunk := part.read(_CHUNK_BYTES):
                total += len(chunk)
                _check_size(info, total)
                yield chunk
    except (BadZipFile, EOFError, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _damaged(f"its part {name} cannot be decompressed") from error


def _check_method(info: ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED_FLAG:
        raise Unreadable("encrypted_document", how="encrypted")
    # Other methods cannot be decompressed in bounded steps, and no word processor uses them.
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise _damaged(f"its part {info.filename} is compressed in an unusual way")


def _check_size(info: ZipInfo, total: int) -> None:
    ratio = total / max(1, info.compress_size)
    if total > MAX_PART_BYTES or (total > RATIO_FROM_BYTES and ratio > MAX_RATIO):
        raise Unreadable(
            "too_large",
            size=f"a part decompresses to more than {MAX_PART_BYTES // 2**20} MiB, or to {MAX_RATIO} times its size",
        )
