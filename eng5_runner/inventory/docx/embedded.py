"""The text of a web page or plain text inside a .docx."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser

_BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"),
    )
)
_UNSEEN = frozenset(("head", "script", "style", "template", "title", "noscript"))


def web_page_text(data: bytes) -> str:
    r"""The visible text of a page of HTML, blocks separated by line ends.

    >>> web_page_text(b"<title>x</title><p>One &amp;\n two.</p><p>Three.</p>")
    'One & two.\nThree.'
    """
    parser = _WebPage()
    parser.feed(plain(data))
    parser.close()
    lines = ("".join(parser.pieces)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


def archived_page_text(data: bytes) -> str:
    """The text of a web page that was saved with its pictures as one message (.mht)."""
    page = message_from_bytes(data, policy=default).get_body(("html", "plain"))
    content = b"" if page is None else page.get_payload(decode=True)
    return web_page_text(content) if isinstance(content, bytes) else ""


def plain(data: bytes) -> str:
    """Text whose encoding is not stated: UTF-8 or UTF-16 by its mark, else UTF-8, else that of Western Windows."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


class _WebPage(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        self._unseen += tag in _UNSEEN

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in _UNSEEN and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))
