"""The text layer of a .pdf; called only in a worker process, which limits time and memory."""

from __future__ import annotations

from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.text import MAX_TEXT_BYTES

MAX_PAGES = 200
MIN_CHARACTERS = 20
"""A PDF with fewer is taken for a scan, whose pages are pictures."""


def pdf_text(data: bytes) -> str:
    """The text of all pages, one after another.

    Raises:
        Unreadable: it is damaged, encrypted, too large, or has no text.
    """
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted:
            raise Unreadable("encrypted_document", how="encrypted")
        text = _pages(reader)
    except (PyPdfError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # pypdf raises whatever error a broken object causes.
        raise Unreadable("damaged_document", how="it is not a valid PDF") from error
    if len(text.strip()) < MIN_CHARACTERS:
        raise Unreadable("scanned_document")
    return text


def _pages(reader: PdfReader) -> str:
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable("too_large", size=f"it has more than {MAX_PAGES} pages")
    texts: list[str] = []
    size = 0
    for page in reader.pages:
        texts.append(page.extract_text())
        size += len(texts[-1])
        if size > MAX_TEXT_BYTES:
            raise Unreadable("too_large", size=f"it has more than {MAX_TEXT_BYTES:,} characters")
    return "\n".join(texts)
