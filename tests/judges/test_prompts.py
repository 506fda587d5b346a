"""What a judge is shown: the two essays in their order, the task and the criteria, and no name."""

from __future__ import annotations

import hashlib

import pytest

from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.judges.templates import CRITERIA, QUESTION, RUBRIC, SYSTEM, templates_in, text_sha256

SHOWN = {
    "task": "Write about rain.\n",
    "criteria": " Judge the language. ",
    "essay_a": "First. \n",
    "essay_b": "Second.",
}


def test_the_prompt_is_context_both_essays_and_the_question():
    assert prompt_text(prompt_blocks(**SHOWN)) == (
        "**Student Assignment:**\nWrite about rain.\n\n**Assessment Criteria:**\nJudge the language.\n\n"
        f"**Essay A:**\nFirst.\n\n**Essay B:**\nSecond.\n\n{QUESTION.text}"
    )


@pytest.mark.parametrize("task", [None, ""])
def test_without_a_task_there_is_no_heading_for_it(task):
    text = prompt_text(prompt_blocks(**SHOWN | {"task": task}))
    assert text.startswith("**Assessment Criteria:**\nJudge the language.")


@pytest.mark.parametrize("criteria", [None, ""])
def test_without_criteria_a_plain_sentence_takes_their_place(criteria):
    assert f"**Assessment Criteria:**\n{CRITERIA.text}" in prompt_text(prompt_blocks(**SHOWN | {"criteria": criteria}))


def test_what_is_the_same_for_all_pairs_may_be_cached_and_essays_may_not():
    blocks = prompt_blocks(**SHOWN)
    assert [block.cacheable for block in blocks] == [True, False, False, True]
    for block in blocks:
        assert block.content_hash == hashlib.sha256(block.content.encode()).hexdigest()
    turned = prompt_blocks(**SHOWN | {"essay_a": "Second.", "essay_b": "First."})
    assert [a == b for a, b in zip(blocks, turned, strict=True)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("prompt", "system", "found"),
    [
        ("", "", ()),
        (QUESTION.text, "", (QUESTION,)),
        ("", QUESTION.text, ()),  # a question stands in the prompt
        (SYSTEM.text, "", ()),
        ("", f"{SYSTEM.text}\n\n{RUBRIC.text}", (SYSTEM, RUBRIC)),
        (f"{CRITERIA.text} {QUESTION.text}", "own words", (CRITERIA, QUESTION)),
    ],
)
def test_templates_are_found_where_their_words_stand(prompt, system, found):
    assert templates_in(prompt, system) == found


def test_a_template_is_known_by_the_hash_of_its_exact_text():
    assert SYSTEM.sha256 == text_sha256(SYSTEM.text) == hashlib.sha256(SYSTEM.text.encode()).hexdigest()
    assert not SYSTEM.text.endswith("\n")
    assert text_sha256("ä") == hashlib.sha256("ä".encode()).hexdigest()
