"""A page of HTML as a tree of elements: whatever a text holds, it stays text.

The tree is the standard library's; it escapes on the way out, so no name or message can become markup.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str"
# A table of so many rows is not broken between two pages of paper.
_SHORT = 25


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


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head.

    Attributes:
        name: what it says.
        keys: `filter` where the page's script offers to show one value of the column alone.
    """

    name: str
    keys: str = ""


def table(
    heads: Sequence[str | Head],
    lines: Iterable[Sequence[Child]],
    *,
    caption: str,
    class_: str = "",
    figures: int = 0,
    search: str = "",
) -> Element:
    """A table whose first cells head their rows.

    Args:
        heads: of the columns.
        lines: the cells; one that is a `td` already stays as it is.
        caption: what the table holds.
        class_: its style; `sortable` lets the page's script sort it.
        figures: so many columns at the end hold numbers.
        search: what the rows are, where the page's script offers to search them.
    """
    first_figure = len(heads) - figures

    def cells(tag: str, line: Sequence[Child]) -> list[Element]:
        return [
            cell
            if isinstance(cell, Element) and cell.tag == "td"
            else _cell(tag, cell, index=index, is_figure=index >= first_figure)
            for index, cell in enumerate(line)
        ]

    columns = [head if isinstance(head, Head) else Head(head) for head in heads]
    names = cells("th", [head.name for head in columns])
    for cell, head in zip(names, columns, strict=True):
        if head.keys:
            cell.set(f"data-{head.keys}", "")
    rows = [element("tr", *cells("td", line)) for line in lines]
    body = element("tbody", *rows)
    made = element("table", element("caption", caption), element("thead", element("tr", *names)), body, class_=class_)
    if search:
        made.set("data-search", search)
    return element("div", made, class_="wide short" if len(rows) <= _SHORT else "wide")


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


def page(*content: Child, title: str, style: str, script: str = "") -> bytes:
    """A whole document in UTF-8, with nothing to fetch, and nothing to run but a script of ours at its end.

    Args:
        content: of the page's main part.
        title: of its window.
        style: its CSS.
        script: its JavaScript; both are written as they are, and the page's policy names their hashes.
    """
    scripts = f"; script-src {_hashed(script)}" if script else ""
    policy = f"default-src 'none'; style-src {_hashed(style)}{scripts}; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    last = (element("script", script),) if script else ()
    document = element("html", head, element("body", element("main", *content), *last), lang="en")
    return b"<!doctype html>\n" + tostring(document, encoding="unicode", method="html").encode() + b"\n"


def _hashed(source: str) -> str:
    """The source of a style or a script as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _shown(text: str) -> str:
    """Without what no page may hold: control characters and halves of characters."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
