"""XML parts of a zip file (docx, xlsx) that may be a bomb: counted on really decompressed bytes, no entities."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Protocol
from xml.etree.ElementTree import ParseError
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from eng5_runner.inventory.unreadable import Unreadable

MAX_MEMBERS = 2_000
MAX_PART_BYTES = 16 * 1024 * 1024
"""Bytes of one part, decompressed."""
MAX_RATIO = 200
"""Decompressed by compressed bytes of a part above `RATIO_FROM_BYTES`; real documents stay below 60."""
RATIO_FROM_BYTES = 1024 * 1024

_CHUNK_BYTES = 64 * 1024
_ENCRYPTED_FLAG = 1
_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_SAVE_AGAIN = "Open it in a word processor and save it again, or save it as .txt."


class PartTarget(Protocol):
    """What is told of a part's elements while it is parsed; names come as `{namespace}name`."""

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
        Unreadable: it is no zip file, has too many members, or is encrypted.
    """
    if data.startswith(_OLE_MAGIC):
        raise Unreadable(
            "encrypted_document",
            "The document is protected by a password, or of the format before 2007.",
            remedy="Save it without a password in today's format.",
        )
    try:
        archive = ZipFile(BytesIO(data))
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise damaged("it is not the zip file that it must be") from error
    if len(archive.infolist()) > MAX_MEMBERS:
        raise Unreadable("too_large", f"The document has more than {MAX_MEMBERS:,} parts.", remedy=_SAVE_AGAIN)
    return archive


def parse_part(archive: ZipFile, *, name: str, target: PartTarget) -> None:
    """Feed one part to the target.

    Raises:
        Unreadable: the part is missing, damaged, too large, or has a DOCTYPE or entities.
    """
    # All of it before any is parsed, which takes a hundred times as long: a bomb is found out sooner.
    chunks = list(_chunks(archive, name))
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    try:
        for chunk in chunks:
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException as error:
        raise Unreadable(
            "forbidden_xml",
            "The document declares a DOCTYPE or entities, which no word processor writes.",
            remedy=_SAVE_AGAIN,
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise damaged(f"its part {name} is not XML") from error


def damaged(how: str) -> Unreadable:
    """The refusal of a document that is not what its suffix says."""
    return Unreadable("damaged_document", f"The document is damaged: {how}.", remedy=_SAVE_AGAIN)


def _chunks(archive: ZipFile, name: str) -> Iterator[bytes]:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise damaged(f"it has no part {name}") from error
    _check_method(info)
    total = 0
    try:
        with archive.open(info) as part:
            while chunk := part.read(_CHUNK_BYTES):
                total += len(chunk)
                _check_size(info, total)
                yield chunk
    except (BadZipFile, EOFError, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise damaged(f"its part {name} cannot be decompressed") from error


def _check_method(info: ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED_FLAG:
        raise Unreadable("encrypted_document", "The document is encrypted.", remedy="Save it without a password.")
    # Other methods decompress without a bound on each step, and no word processor uses them.
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise damaged(f"its part {info.filename} is compressed in an unusual way")


def _check_size(info: ZipInfo, total: int) -> None:
    ratio = total / max(1, info.compress_size)
    if total > MAX_PART_BYTES or (total > RATIO_FROM_BYTES and ratio > MAX_RATIO):
        raise Unreadable(
            "too_large",
            f"A part of the document is larger than {MAX_PART_BYTES // 2**20} MiB or blown up "
            f"more than {MAX_RATIO} times.",
            remedy="Save the text alone, as .txt.",
        )
