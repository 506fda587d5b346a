"""From lines in reading order to the paragraphs that the writer typed. Pure.

A PDF keeps lines, not paragraphs. A line end is the writer's own where the next word would have fitted on the line,
where the next line is indented or further away than usual, or where the size of the letters changes. All other line
ends are the page's, and are replaced by a space. An empty line stays an empty line.

A word that is cut by a hyphen at such a line end is joined when it continues in lower case, or is in capitals,
except

- when the same text has the word with its hyphen elsewhere, and not without it;
- when its first part usually stands before a hyphen (`well-known`, `self-esteem`, `twenty-five`) and the second is
  not a mere ending (`long-er`), or when both parts are words elsewhere in the same text;
- when the second part has a hyphen of its own (`mother-in-law`).

A hyphen that the text itself marks as soft (U+00AD) always goes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from eng5_runner.inventory.pdf.layout import Line

_SPACE_EM = 0.25
_INDENT_EM = 0.7
_FURTHER = 1.25
"""A line this many times the usual distance below the last begins a paragraph."""
_EMPTY_LINE = 1.75
"""The same, with an empty line between."""
_OTHER_SIZE = 0.15
_OTHER_WIDTH = 0.3
_APART_EM = 0.7
"""A running head stands at least so far from the text."""
_LONG_BLOCK = 4
"""Lines of a block that show how far its lines reach."""

_BULLET = re.compile(r"[•‣◦▪●○■□–*-] ")
_NUMBERED = re.compile(r"\(?(\d{1,2}|[a-z])[.)] ")
_END = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|sida|sid|s|p)\b\W*)?(\d{1,4})(?:\W*(?:of|av|/|\()\W*\d{1,4}\)?)?\W*", re.IGNORECASE
)
_CUT = re.compile(r"(\w+)([-\u2010\u00ad])$")
_WORD = re.compile(r"\w+(?:[-\u2010'’]\w+)*")
_BEFORE_A_HYPHEN = re.compile(
    "anti|best|better|cross|double|easy|eight|eighty|ever|fifty|first|five|forty|four|full|good|half|hard|high|ill|last|"
    "left|long|low|multi|never|nine|ninety|non|old|one|open|right|second|self|semi|seven|seventy|short|single|six|"
    "sixty|third|thirty|three|time|twelve|twenty|two|ultra|vice|well|wide|world"
)
_ENDINGS = frozenset(("ed", "en", "er", "est", "ful", "hood", "ing", "less", "ly", "ment", "ness", "ship"))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line and its surroundings.

    Attributes:
        line: the line.
        starts: it is the first of its block.
        left: of the block; likewise `right`, how far its lines reach.
        pitch: the usual distance of the block's lines.
    """

    line: Line
    starts: bool
    left: float
    right: float
    pitch: float


def paragraphs(pages: Sequence[Sequence[Sequence[Line]]]) -> str:
    """The text of a document, paragraphs separated by line ends.

    Page numbers are left out. A line that is repeated at the edge of pages, such as a running head, does not
    interrupt the paragraph around it.

    Args:
        pages: of each page the blocks in reading order, each block a list of lines.
    """
    pages = _without_page_numbers(pages)
    asides = _repeated_at_edges(pages)
    pages = [[part for block in page for part in _apart(block, asides)] for page in pages]
    placed = list(_placed(pages))
    joins = _joiner([each.line.text for each in placed])
    done: list[str] = []
    text = ""
    last: _Placed | None = None
    for each in placed:
        if id(each.line) in asides:
            done.append(each.line.text)
        elif last is None:
            text, last = each.line.text, each
        else:
            end = _line_end(last, each)
            if end:
                done.append(text + end[1:])
                text = each.line.text
            else:
                text = joins(text, each.line.text)
            last = each
    return "\n".join([*done, text] if text else done)


def _line_end(last: _Placed, this: _Placed) -> str:
    """What stands between two lines: nothing if the paragraph goes on, else one line end or two."""
    one, two = last.line, this.line
    em = min(one.em, two.em)
    distance = two.bottom - one.bottom
    if one.is_alone or two.is_alone:
        return "\n"
    if not this.starts and distance > _FURTHER * this.pitch:
        return "\n\n" if distance > _EMPTY_LINE * this.pitch else "\n"
    widths = (last.right - last.left, this.right - this.left)
    is_other_block = this.starts and max(widths) - min(widths) > _OTHER_WIDTH * min(widths)
    if abs(one.em - two.em) > _OTHER_SIZE * em or is_other_block or _BULLET.match(two.text):
        return "\n"
    if _would_have_fitted(last, two) or _is_indented(last, this, em=em):
        return "\n"
    ended = _END.search(one.text) is not None
    begins = ended and not two.text[0].islower()
    return "\n" if begins and (this.starts or _NUMBERED.match(two.text)) else ""


def _would_have_fitted(last: _Placed, line: Line) -> bool:
    if _CUT.search(last.line.text) and line.text[0].islower():
        return False
    return last.line.right + (_SPACE_EM + 0.1) * line.em + line.first <= last.right


def _is_indented(last: _Placed, this: _Placed, *, em: float) -> bool:
    one, two = last.line, this.line
    if this.starts or last.starts:
        # Two blocks, or the beginning of one: compare with the block's own edge.
        return two.left - this.left > _INDENT_EM * em and (this.starts or one.left - last.left < _INDENT_EM * em)
    is_item = _BULLET.match(one.text) or _NUMBERED.match(one.text)
    return two.left - one.left > _INDENT_EM * em and not is_item


def _placed(pages: Sequence[Sequence[Sequence[Line]]]) -> Iterator[_Placed]:
    blocks = [[line for line in block if not line.is_alone] for page in pages for block in page]
    long = [
        (min(line.left for line in block), max(line.right for line in block))
        for block in blocks
        if len(block) >= _LONG_BLOCK
    ]
    for page in pages:
        for block in page:
            own = [line for line in block if not line.is_alone] or list(block)
            left, right = min(line.left for line in own), max(line.right for line in own)
            if len(own) < _LONG_BLOCK:
                # A short block does not show how far its lines may reach; a long one at the same edge does.
                reach = [far for near, far in long if abs(near - left) < own[0].em and far >= right]
                right = min(reach, default=right)
            pitch = _pitch(own)
            for index, line in enumerate(block):
                yield _Placed(line, index == 0, left, right, pitch)


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance of lines: the distance within paragraphs, which are the nearest."""
    distances = sorted(two.bottom - one.bottom for one, two in pairwise(lines))
    distances = [distance for distance in distances if distance > 0]
    em = median(line.em for line in lines)
    return distances[len(distances) // 4] if distances else 1.2 * em


def _edges(page: Sequence[Sequence[Line]], *, apart: bool = False) -> list[Line]:
    """The highest and the lowest line of a page; on demand only where they stand apart from the others."""
    lines = sorted((line for block in page for line in block if not line.is_alone), key=lambda line: line.middle)
    if not lines:
        return []
    edges = [(lines[0], lines[1:2]), (lines[-1], lines[-2:-1])]
    return [edge for edge, next_to in edges if not apart or all(_gap(edge, line) > _APART_EM for line in next_to)]


def _gap(one: Line, other: Line) -> float:
    """The space between two lines in em."""
    return (max(one.top, other.top) - min(one.bottom, other.bottom)) / one.em


def _without_page_numbers(pages: Sequence[Sequence[Sequence[Line]]]) -> list[list[list[Line]]]:
    """Leave out numbers at the edge of two pages or more that grow as the pages do."""
    found: dict[int, list[tuple[int, Line]]] = {}
    for index, page in enumerate(pages):
        for line in _edges(page):
            if match := _PAGE_NUMBER.fullmatch(line.text):
                found.setdefault(int(match[1]) - index, []).append((index, line))
    numbers = {id(line) for lines in found.values() if len({index for index, _ in lines}) > 1 for _, line in lines}
    kept = [[[line for line in block if id(line) not in numbers] for block in page] for page in pages]
    return [[block for block in page if block] for page in kept]


def _repeated_at_edges(pages: Sequence[Sequence[Sequence[Line]]]) -> set[int]:
    """The running heads and feet, by the identity of the line: the same text, numbers apart, on two pages or more."""
    edges = [
        (re.sub(r"\d+", "0", line.text), line, index)
        for index, page in enumerate(pages)
        for line in _edges(page, apart=True)
    ]
    counts = Counter({(text, index) for text, _, index in edges})
    seen = Counter(text for text, _ in counts)
    return {id(line) for text, line, _ in edges if seen[text] > 1}


def _apart(block: Sequence[Line], asides: set[int]) -> list[list[Line]]:
    """The block without its asides, which become blocks of their own."""
    return [list(lines) for _, lines in groupby(block, key=lambda line: id(line) in asides)]


def _joiner(lines: Sequence[str]) -> Callable[[str, str], str]:
    """A function that joins two lines of a paragraph, which knows the words of the whole text."""
    words = Counter(word.lower() for line in lines for word in _WORD.findall(line))

    def join(text: str, line: str) -> str:
        cut = _CUT.search(text)
        if cut is None or not line[0].isalpha():
            return f"{text} {line}"
        rest = _WORD.match(line)
        assert rest is not None
        if cut[2] == "\u00ad":
            return text[:-1] + line
        goes_on = line[0].islower() or (cut[1].isupper() and rest[0].isupper() and len(cut[1]) > 1)
        if not goes_on or _keeps_hyphen(words, first=cut[1].lower(), rest=rest[0].lower()):
            return text + line
        return text[:-1] + line

    return join


def _keeps_hyphen(words: Counter[str], *, first: str, rest: str) -> bool:
    if words[first + rest] or rest in _ENDINGS:
        return False
    if words[f"{first}-{rest}"] or "-" in rest or first.isdigit():
        return True
    # The cut itself shows each part once more than the text does.
    return _BEFORE_A_HYPHEN.fullmatch(first) is not None or (words[first] > 1 and words[rest] > 1)
