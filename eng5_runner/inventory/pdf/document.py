"""The text of a .pdf; called only in a worker process, which limits time and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pypdfium2
import pypdfium2.raw as pdfium

from eng5_runner.inventory.document_text import DocumentText, HiddenPassages, Remark, listed_pages
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.pdf.layout import Line, pieces, reading_order
from eng5_runner.inventory.pdf.page import PageContent, PageReader
from eng5_runner.inventory.pdf.paragraphs import paragraphs
from eng5_runner.inventory.text import MAX_TEXT_BYTES

MAX_PAGES = 200

_PICTURE_SHARE = 0.4
"""A page that pictures cover so far is a picture, if it has few words."""
_PICTURE_SHAPES = 200
"""The same of a page that has so many shapes: letters can be drawn as lines."""
_FEW_WORDS = 50
"""A typed page has 300 words; a photograph's caption or the line of a scanning program has fewer than this."""
_COVER_WORDS = 150
"""Where half of the pages are pictures and the others have fewer words in all, these are a cover sheet."""
_END_BYTES = 2048


def pdf_text(data: bytes) -> DocumentText:
    """The text of all pages, one after another, as a reader sees it.

    Raises:
        Unreadable: it is damaged, needs a password, is too large, is a dynamic form, or is mostly pictures.
    """
    with _opened(data) as document:
        if len(document) > MAX_PAGES:
            raise Unreadable("too_large", size=f"it has more than {MAX_PAGES} pages")
        if len(document) == 0:
            raise Unreadable("damaged_document", how="it has no pages")
        if document.get_formtype() == pdfium.FORMTYPE_XFA_FULL:
            # Its pages say "Please wait"; what was typed into it only Adobe's programs show.
            raise Unreadable(
                "unsupported_format", formats="PDF without a dynamic form (print it to a PDF), .docx, .txt"
            )
        document.init_forms()
        contents = list(_contents(document))
    pages = [_blocks(content) for content in contents]
    pictures = _picture_pages(contents, pages)
    text = paragraphs(pages)
    return DocumentText(
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), (*_remarks(contents), *pictures)
    )


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        match error.err_code:
            case pdfium.FPDF_ERR_PASSWORD:
                raise Unreadable("encrypted_document", how="encrypted, and needs a password") from error
            case pdfium.FPDF_ERR_SECURITY:
                raise Unreadable("encrypted_document", how="encrypted in a way that cannot be read") from error
            case _:
                raise Unreadable("damaged_document", how="it is not a valid PDF") from error
    # PDFium reads what is left of a file that was cut off, and does not say that the rest is missing.
    if b"%%EOF" not in data[-_END_BYTES:]:
        document.close()
        raise Unreadable("damaged_document", how="its end is missing")
    return document


def _contents(document: pypdfium2.PdfDocument) -> Iterator[PageContent]:
    size = 0
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError as error:
            raise Unreadable("damaged_document", how=f"its page {number + 1} cannot be read") from error
        content = PageReader(page).read()
        page.close()
        size += content.characters + sum(len(line.text) for line in content.typed)
        if size > MAX_TEXT_BYTES:
            raise Unreadable("too_large", size=f"it has more than {MAX_TEXT_BYTES:,} characters")
        yield content


def _blocks(content: PageContent) -> list[list[Line]]:
    """The lines of a page in reading order, typed-on texts before the first line that begins below them."""
    blocks = reading_order(pieces(content.glyphs))
    for typed in sorted(content.typed, key=lambda line: (line.top, line.left)):
        place = next(
            (
                (block, index)
                for block in blocks
                for index, line in enumerate(block)
                if line.middle > typed.top + min(typed.bottom - typed.top, 2 * line.em) and not line.is_alone
            ),
            None,
        )
        if place is None:
            blocks.append([typed])
        else:
            place[0].insert(place[1], typed)
    return blocks


def _picture_pages(contents: Sequence[PageContent], pages: Sequence[Sequence[Sequence[Line]]]) -> Iterator[Remark]:
    """A warning that names the pages that are pictures.

    Raises:
        Unreadable: they are most of the document, or there is no text at all.
    """
    words = [sum(len(line.text.split()) for block in page for line in block) for page in pages]
    pictures = [
        number
        for number, (content, count) in enumerate(zip(contents, words, strict=True), 1)
        if count < _FEW_WORDS and (content.picture_share >= _PICTURE_SHARE or content.shapes >= _PICTURE_SHAPES)
    ]
    others = [count for number, count in enumerate(words, 1) if count and number not in pictures]
    if len(pictures) > len(others) or (pictures and len(pictures) == len(others) and sum(others) < _COVER_WORDS):
        raise Unreadable("scanned_document", pages=listed_pages(pictures))
    if pictures:
        yield Remark("picture_pages", {"pages": listed_pages(pictures)})


def _remarks(contents: Sequence[PageContent]) -> Iterator[Remark]:
    hidden = HiddenPassages()
    for content in contents:
        for text, reason in content.hidden:
            hidden.add(text, reason)
    yield from hidden.remarks()
    if recognised := [number for number, content in enumerate(contents, 1) if content.recognised]:
        yield Remark("recognised_text", {"pages": listed_pages(recognised)})
    if unknown := sum(content.unknown_symbols for content in contents):
        yield Remark("unknown_symbols", {"count": str(unknown)})
