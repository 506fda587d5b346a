"""The prompt that a judge is shown. It holds no essay id, because an id can contain a name or a grade.

An essay can try to speak as the prompt: end itself, begin another essay, ask the question again. So each has a fence:

    **Essay A:**
    <<<essay 5f2b1c9d0e7a4438
    The student's text.
    5f2b1c9d0e7a4438 essay>>>

The code is made from the text, so it is the same each time, and no text can be written that holds its own code.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from eng5_runner.contracts.services import PromptBlock
from eng5_runner.judges.templates import CRITERIA, QUESTION, text_sha256

_CODE_LENGTH = 16
_FENCED = "<<<essay {code}\n{text}\n{code} essay>>>"
_FENCE_LENGTH = len("<<<essay \n\n essay>>>") + 2 * _CODE_LENGTH
_FENCE = re.compile(r"<<<essay ([0-9a-f]{16})\n(.*)\n\1 essay>>>", re.DOTALL)
# Lines that look like a part of the prompt that is ours.
_IMITATION = re.compile(
    r"^(?=[ \t]*(?:\*\*[ \t]*(?:Essay [AB]\b|Student Assignment|Assessment Criteria)|<<<essay\b|.*\bessay>>>))",
    re.MULTILINE | re.IGNORECASE,
)
# Every such line has one of these characters: one character is found twenty times as fast as two or three.
_MARKS_OF_IMITATION = ("*", "<", ">")
_SOFT_HYPHEN = "\u00ad"
_ESSAYS_REMEMBERED = 4096


class EssayLength(NamedTuple):
    """How long an essay is.

    Attributes:
        characters: without white space at its ends.
        stored: bytes of UTF-8.
        shown: bytes of UTF-8 in a prompt, its fence included.
    """

    characters: int
    stored: int
    shown: int

    @classmethod
    def of(cls, essay: str) -> EssayLength:
        """The length of a text.

        >>> EssayLength.of("Ann is kind. ")
        EssayLength(characters=12, stored=13, shown=65)
        """
        inside = essay.strip()
        return cls(len(inside), len(essay.encode()), len(_quoted(inside).encode()) + _FENCE_LENGTH)


def prompt_blocks(*, task: str | None, criteria: str | None, essay_a: str, essay_b: str) -> tuple[PromptBlock, ...]:
    """The parts of the prompt for one pair, in their order.

    Args:
        task: the students' task, if it is known.
        criteria: a rubric or assessment instructions; None for the default sentence.
        essay_a: the text of the essay shown first.
        essay_b: the text of the essay shown second.
    """
    context = [f"**Student Assignment:**\n{task.strip()}"] if task else []
    context.append(f"**Assessment Criteria:**\n{(criteria or CRITERIA.text).strip()}")
    return (
        _block("\n\n".join(context), cacheable=True),
        _block(f"**Essay A:**\n{fenced(essay_a)}", cacheable=False),
        _block(f"**Essay B:**\n{fenced(essay_b)}", cacheable=False),
        _block(QUESTION.text, cacheable=True),
    )


def prompt_text(blocks: tuple[PromptBlock, ...]) -> str:
    """The parts as one text. This text is judged and hashed."""
    return "\n\n".join(block.content for block in blocks)


@lru_cache(maxsize=3 * _ESSAYS_REMEMBERED)
def _block(content: str, *, cacheable: bool) -> PromptBlock:
    return PromptBlock(content=content, cacheable=cacheable, content_hash=text_sha256(content))


@lru_cache(maxsize=_ESSAYS_REMEMBERED)
def fenced(essay: str) -> str:
    """An essay between two lines with a code that it cannot contain.

    A line that imitates the prompt is quoted with `> `. A character that nobody sees or that turns the direction of
    reading is written out, such as `[U+202E]`; soft hyphens are left out.
    """
    text = essay.strip()
    return _FENCED.format(code=text_sha256(text)[:_CODE_LENGTH], text=_quoted(text))


def _quoted(text: str) -> str:
    if not text.isascii():
        text = "".join(map(_visible, text))
    if any(mark in text for mark in _MARKS_OF_IMITATION):
        text = _IMITATION.sub("> ", text)
    return text


def unfenced(shown: str) -> str:
    """The text inside the fence; a text without a fence as it is, because other services have none."""
    match = _FENCE.fullmatch(shown)
    return match[2] if match else shown


def _visible(char: str) -> str:
    if char == _SOFT_HYPHEN:
        return ""
    return f"[U+{ord(char):04X}]" if unicodedata.category(char) == "Cf" else char
