"""The text layer of a .pdf; only ever called in a worker process, which bounds its time and memory."""

from __future__ import annotations

from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from eng5_runner.inventory.text import MAX_TEXT_BYTES
from eng5_runner.inventory.unreadable import Unreadable

MAX_PAGES = 200
MIN_CHARACTERS = 20
"""Less is taken for a scan, whose pages are pictures."""


def pdf_text(data: bytes) -> str:
    """The text of all pages, one after another.

    Raises:
        Unreadable: it is damaged, encrypted, too large, or has no text.
    """
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted:
            raise Unreadable("encrypted_document", "The PDF is encrypted.", remedy="Save it without a password.")
        text = _pages(reader)
    except (PyPdfError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # pypdf lets broken objects surface as whatever error they cause.
        raise Unreadable(
            "damaged_document", "The PDF is damaged.", remedy="Make it anew, or save the text as .txt."
        ) from error
    if len(text.strip()) < MIN_CHARACTERS:
        raise Unreadable(
            "scanned_document",
            "The PDF has no text; its pages are pictures.",
            remedy="Run text recognition on it and see that the text is right, or give the text as .txt.",
        )
    return text


def _pages(reader: PdfReader) -> str:
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable(
            "too_large", f"The PDF has more than {MAX_PAGES} pages.", remedy="Keep the essay's pages only."
        )
    texts: list[str] = []
    size = 0
    for page in reader.pages:
        texts.append(page.extract_text())
        size += len(texts[-1])
        if size > MAX_TEXT_BYTES:
            raise Unreadable(
                "too_large",
                f"The PDF has more than {MAX_TEXT_BYTES:,} characters.",
                remedy="See whether the right file is in its place.",
            )
    return "\n".join(texts)
