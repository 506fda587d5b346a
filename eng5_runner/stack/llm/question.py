"""From a queued comparison to the question that its judge is asked, and what is told of it beside the answer."""

from __future__ import annotations

from typing import TypeGuard

from pydantic import JsonValue

from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.judges.templates import templates_in, text_sha256
from eng5_runner.stack.llm.judge import JudgeEntry, Question
from eng5_runner.stack.llm.queue import Entry
from eng5_runner.stack.llm.results import Metadata
from eng5_runner.stack.platform.web import invalid


def repeat_index(body: ComparisonBody) -> int:
    """Which asking of its pair in this order a comparison is: 0 for the first, also where the asker does not say.

    Raises:
        Refusal: 400, it says something else than a whole number.
    """
    told = body.metadata.get("repeat_index", 0)
    if not _is_index(told):
        raise invalid("metadata.repeat_index must be a whole number from 0")
    return told


def question_of(entry: Entry) -> Question:
    """What the judge is asked."""
    body = entry.body
    return Question(
        prompt=body.user_prompt,
        blocks=tuple(block.content for block in body.prompt_blocks or ()) or (body.user_prompt,),
        overrides=body.llm_config_overrides,
        repeat_index=repeat_index(body),
        request_id=entry.queue_id,
    )


def metadata_of(judge: JudgeEntry, question: Question) -> Metadata:
    """What the result's metadata says of the words that the judge is shown."""
    system = judge.system(question)
    templates: dict[str, JsonValue] = {
        template.name: template.sha256 for template in templates_in(question.prompt, system or "")
    }
    hashes: Metadata = {} if system is None else {"system_prompt_sha256": text_sha256(system)}
    return hashes | {"prompt_templates": templates}


def _is_index(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
