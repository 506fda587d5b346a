"""A page of HTML as a tree of elements: whatever a text holds, it stays text.

The tree is the standard library's; it escapes on the way out, so no name or message can become markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str"
# What the page may do: nothing but look as its own style says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element; `class_` is the attribute class, an underscore in a name a hyphen."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): _shown(value) for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + _shown(child)
        else:
            last.tail = (last.tail or "") + _shown(child)
    return made


def table(
    heads: Sequence[str], lines: Iterable[Sequence[Child]], *, caption: str, class_: str = "", figures: int = 0
) -> Element:
    """A table whose first cells head their rows; the last `figures` columns hold numbers."""
    first_figure = len(heads) - figures

    def cells(tag: str, line: Sequence[Child]) -> list[Element]:
        return [
            cell
            if isinstance(cell, Element) and cell.tag == "td"
            else _cell(tag, cell, index=index, is_figure=index >= first_figure)
            for index, cell in enumerate(line)
        ]

    head = element("thead", element("tr", *cells("th", heads)))
    body = element("tbody", *(element("tr", *cells("td", line)) for line in lines))
    return element("div", element("table", element("caption", caption), head, body, class_=class_), class_="wide")


def _cell(tag: str, cell: Child, *, index: int, is_figure: bool) -> Element:
    made = element(tag, cell)
    if is_figure:
        made.set("class", "n")
    if tag == "th":
        made.set("scope", "col")
    elif index == 0:
        made.tag = "th"
        made.set("scope", "row")
    return made


def page(*content: Child, title: str, style: str) -> bytes:
    """A whole document in UTF-8, with nothing to fetch and nothing to run."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    document = element("html", head, element("body", element("main", *content)), lang="en")
    return b"<!doctype html>\n" + tostring(document, encoding="unicode", method="html").encode() + b"\n"


def _shown(text: str) -> str:
    """Without what no page may hold: control characters and halves of characters."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
