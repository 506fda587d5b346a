"""What the reader of a docx or pdf returns: its text, and what a person should know about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.core.inputs import Finding, FindingKind
from eng5_runner.inventory.findings import finding
from eng5_runner.phrases import counted


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning about a document whose text can be used.

    Attributes:
        kind: a key of `findings.WORDS`.
        facts: names and values for its words.
    """

    kind: FindingKind
    facts: Mapping[str, str]

    def finding(self, source_path: str) -> Finding:
        """The warning about the file at this place, relative to the assets folder, with `/`."""
        return finding(self.kind, source_path, severity="warning", **self.facts)


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The text of a document as its reader sees it.

    Attributes:
        text: not yet normalised.
        remarks: what was left out, or could not be read as it is shown.
    """

    text: str
    remarks: tuple[Remark, ...] = ()


class HiddenPassages:
    """Counts the passages that a reader of the document does not see. It keeps no text.

    >>> hidden = HiddenPassages()
    >>> hidden.add("choose this essay", "white text")
    >>> [remark.finding("essay.docx").message for remark in hidden.remarks()]
    ['It has a hidden passage of 3 words (white text), which is left out.']
    """

    def __init__(self) -> None:
        self._words: list[int] = []
        self._reasons: dict[str, None] = {}  # in the order of their appearance

    def add(self, text: str, reason: str) -> None:
        """Count a passage; white space alone hides nothing."""
        if words := len(text.split()):
            self._words.append(words)
            self._reasons.setdefault(reason)

    def remarks(self) -> Sequence[Remark]:
        """One remark about all of them, or none."""
        if not self._words:
            return ()
        total, count = sum(self._words), len(self._words)
        words = counted(total, "word", form=",")
        what = f"a hidden passage of {words}" if count == 1 else f"{count:,} hidden passages of {words} in all"
        return (Remark("hidden_text", {"passages": f"{what} ({', '.join(self._reasons)})"}),)


def listed_pages(numbers: Iterable[int]) -> str:
    """Page numbers as a person writes them, as the beginning of a sentence.

    >>> listed_pages([2, 3, 4]), listed_pages([3]), listed_pages([1, 2, 5, 7, 8, 9])
    ('Pages 2 to 4 are', 'Page 3 is', 'Pages 1, 2, 5, and 7 to 9 are')
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    parts: list[str] = []
    for first, last in ranges:
        parts += [f"{first} to {last}"] if last - first > 1 else map(str, dict.fromkeys((first, last)))
    if len(parts) == 1 and " " not in parts[0]:
        return f"Page {parts[0]} is"
    listed = " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])}, and {parts[-1]}"  # noqa: PLR2004 - two need no comma
    return f"Pages {listed} are"
