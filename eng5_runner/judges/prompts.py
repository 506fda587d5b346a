"""The prompt that a judge is shown. It holds no essay id, because an id can contain a name or a grade."""

from __future__ import annotations

from eng5_runner.contracts.services import PromptBlock
from eng5_runner.judges.templates import CRITERIA, QUESTION, text_sha256


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
        _block(f"**Essay A:**\n{essay_a.strip()}", cacheable=False),
        _block(f"**Essay B:**\n{essay_b.strip()}", cacheable=False),
        _block(QUESTION.text, cacheable=True),
    )


def prompt_text(blocks: tuple[PromptBlock, ...]) -> str:
    """The parts as one text. This text is judged and hashed."""
    return "\n\n".join(block.content for block in blocks)


def _block(content: str, *, cacheable: bool) -> PromptBlock:
    return PromptBlock(content=content, cacheable=cacheable, content_hash=text_sha256(content))
