"""Text of a file of any format: of the assets folder, or one that a person names, such as `--rubric rubric.docx`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from eng5_runner.core.inputs import FileFormat, shown
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.docx.document import docx_text
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.safe_files import read_bytes
from eng5_runner.inventory.text import normalised, plain_text

FORMATS: Mapping[str, FileFormat] = MappingProxyType({"txt": "txt", "md": "md", "docx": "docx", "pdf": "pdf"})
"""The format of a text by the ending of its file, lower case, without a dot."""
MAX_DOCX_HERE_BYTES = 1024 * 1024
"""Bytes; a larger docx is parsed in a worker process. Decompression limits bound a smaller one."""

_CONTENTS = (
    (b"PK\x03\x04", "docx", "a .docx or another zip file"),
    (b"%PDF-", "pdf", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "docx", "an Office file that is encrypted or from before 2007"),
    (b"\x89PNG", "", "a picture"),
    (b"\xff\xd8\xff", "", "a picture"),
    (b"{\\rtf", "txt", "RTF"),
)
_STARTS = tuple(start for start, _, _ in _CONTENTS)


def text_of(
    data: bytes, file_format: FileFormat, *, extraction: Extraction, encoding: str | None
) -> tuple[DocumentText, str | None]:
    """The normalised text of a file.

    Args:
        data: the file.
        file_format: txt, md, docx or pdf.
        extraction: reads what may be dangerous or slow.
        encoding: of plain text that has no byte-order mark and is not UTF-8, as a person states it.

    Returns:
        The text, and how plain text was decoded; None for a document.

    Raises:
        Unreadable: it cannot be read.
    """
    is_plain = file_format in {"txt", "md"}
    for start, at_home, content in _CONTENTS if data.startswith(_STARTS) else ():
        if data.startswith(start) and at_home != ("txt" if is_plain else file_format):
            raise Unreadable("other_format", content=content)
    if is_plain:
        return plain_text(data, given=encoding)
    if file_format == "docx" and len(data) < MAX_DOCX_HERE_BYTES:
        return normalised(docx_text(data)), None
    return extraction.text(data, file_format), None


def read_text(path: Path, *, name: str, encoding: str | None = None) -> str:
    """The text of a file that a person names: .docx, .pdf, or else plain text.

    Args:
        path: of the file.
        name: what to call it in an error, such as `--rubric rubric.docx`.
        encoding: of plain text that has no byte-order mark and is not UTF-8, as a person states it.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it cannot be read, or has no text.
    """
    try:
        with Extraction() as extraction:
            file_format = FORMATS.get(path.suffix[1:].lower(), "txt")
            data = read_bytes(path.resolve())
            text = text_of(data, file_format, extraction=extraction, encoding=encoding)[0].text
    except Unreadable as refusal:
        if isinstance(refusal.__cause__, FileNotFoundError):
            raise InputsMissing(f"{shown(name)} does not exist.", remedy="Correct its name.") from None
        raise _unusable(name, refusal) from None
    if not text.strip():
        raise _unusable(name, Unreadable("empty_text"))
    return text


def _unusable(name: str, refusal: Unreadable) -> InputsInvalid:
    found = refusal.finding(name)
    return InputsInvalid(f"{found.file} cannot be used: {found.message}", remedy=found.remedy)
