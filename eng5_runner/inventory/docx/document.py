"""The text of a .docx as a reader sees it.

Included: paragraphs with their automatic numbers, tables, content controls, links, fields' results, formulas' letters,
symbols, tracked insertions and moves, text boxes (after the paragraph that holds them, once), footnotes and endnotes
(after the body), web pages, plain text and other documents inside.
Left out: tracked deletions, the source of a tracked move, comments, headers and footers (which often name the writer).
Left out and counted in a remark: text that is hidden, tiny, transparent or in the colour of its ground, text inside a
field's code, and notes without a mark in the text.
"""

from __future__ import annotations

import posixpath

from eng5_runner.inventory.document_text import DocumentText, HiddenPassages, Remark
from eng5_runner.inventory.docx.names import NAMES
from eng5_runner.inventory.docx.numbering import Numbering
from eng5_runner.inventory.docx.package import ElementReader, Package, Relations
from eng5_runner.inventory.docx.reader import Context, TextReader
from eng5_runner.inventory.docx.styles import Styles

_DEEPEST = 1
"""Documents inside documents that are read."""


def docx_text(data: bytes) -> DocumentText:
    """The text of a document, paragraphs by newline, table cells by tab.

    Raises:
        Unreadable: it is damaged, encrypted or too large, declares entities, or has text in another file.
    """
    return _Document(data, depth=0).read()


class _Document:
    def __init__(self, data: bytes, *, depth: int) -> None:
        self._package = Package(data)
        self._depth = depth
        self._remarks: list[Remark] = []

    def read(self) -> DocumentText:
        package, relations = self._package, Relations.of(self._package, self._package.main)
        settings = _Settings()
        styles, numbering = Styles(), Numbering()
        parts: tuple[tuple[str, ElementReader], ...] = (
            ("styles", styles),
            ("numbering", numbering),
            ("settings", settings),
        )
        for kind, reader in parts:
            if kind in relations.inside and package.has(relations.inside[kind]):
                package.parse(relations.inside[kind], reader)
        context = Context(
            styles=styles,
            numbering=numbering,
            hidden=HiddenPassages(),
            shows_background=settings.shows_background,
            embedded=lambda relation: self._embedded(relations.by_id.get(relation, "")),
        )
        texts = [self._part(package.main, context)]
        # The notes come after the body has shown which of them have a mark.
        texts += [
            self._part(relations.inside[kind], context).strip()
            for kind in ("footnotes", "endnotes")
            if kind in relations.inside
        ]
        package.close()
        if relations.outside:
            self._remarks.append(Remark("external_content", {"what": ", ".join(dict.fromkeys(relations.outside))}))
        if context.unknown_symbols:
            self._remarks.append(Remark("unknown_symbols", {"count": str(context.unknown_symbols)}))
        text = "\n".join(text.rstrip("\n") for text in texts if text.strip())
        return DocumentText(text, (*context.hidden.remarks(), *self._remarks))

    def _part(self, part: str, context: Context) -> str:
        reader = TextReader(context)
        self._package.parse(part, reader)
        return reader.text()

    def _embedded(self, part: str) -> str:
        """The text of another file inside, with a remark about it."""
        # Few documents have one, and what reads web pages takes a sixtieth of a plan to load.
        from eng5_runner.inventory.docx import embedded  # noqa: PLC0415 - as above  # law: inner_import - as above

        ending = posixpath.splitext(part)[1].casefold()
        text: str | None = None
        if ending in {".htm", ".html", ".xhtml"}:
            text = embedded.web_page_text(self._package.read(part))
        elif ending in {".mht", ".mhtml"}:
            text = embedded.archived_page_text(self._package.read(part))
        elif ending == ".txt":
            text = embedded.plain(self._package.read(part))
        elif ending in {".docx", ".docm"} and self._depth < _DEEPEST:
            inner = _Document(self._package.read(part), depth=self._depth + 1).read()
            self._remarks += inner.remarks
            text = inner.text
        treated = "its text is not read" if text is None else "its text is read"
        what = f"a {ending}" if ending else "of unknown kind"
        self._remarks.append(Remark("embedded_content", {"what": what, "treated": treated}))
        return text or ""


class _Settings(ElementReader):
    def __init__(self) -> None:
        self.shows_background = False

    def start(self, tag: str, _attributes: dict[str, str], /) -> None:
        self.shows_background |= NAMES.get(tag) == "displayBackgroundShape"
