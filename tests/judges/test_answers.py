"""The strict reading of a model's answer: a winner that was said, or none."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.judges.answer_format import UnreadableAnswer, answer_schema, read_answer
from tests.support.judges.servers import GOOD


@pytest.mark.parametrize("confidence", [1, 5, 3.5])
def test_a_good_answer_is_read(confidence: float) -> None:
    answer = read_answer(f"\n {json.dumps(GOOD | {'confidence': confidence})} \n")

    assert (answer.winner, answer.confidence) == ("Essay B", confidence)


def test_either_essay_can_win() -> None:
    assert [read_answer(json.dumps(GOOD | {"winner": f"Essay {side}"})).winner for side in "AB"] == [
        "Essay A",
        "Essay B",
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("é" * 500, "é" * 500),
        ("é" * 501, "é" * 499 + "…"),
        ("  Its thread.\n\nAnd its words.\n", "Its thread.\n\nAnd its words."),
        ("a\x1b[31mb\tc\x00d", "a [31mb c d"),
    ],
)
def test_a_justification_is_kept_to_500_characters_that_can_be_shown(given: str, kept: str) -> None:
    assert read_answer(json.dumps(GOOD | {"justification": given})).justification == kept


def test_the_form_of_an_answer_is_the_one_that_is_read() -> None:
    """Each provider is sent exactly this; what it allows is what can be read."""
    assert answer_schema() == {
        "type": "object",
        "properties": {
            "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
            "justification": {"type": "string"},
            "confidence": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        },
        "required": ["winner", "justification", "confidence"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Essay A",
        "null",
        "[]",
        '"Essay A"',
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Sure! {json.dumps(GOOD)}",
        json.dumps(GOOD) * 2,
        json.dumps(GOOD)[:-1],
        '{"winner": "Essay A", "winner": "Essay B", "justification": "x", "confidence": 3}',
        '{"winner": "Essay A", "justification": "x", "confidence": NaN}',
        "[" * 100_000,
    ],
)
def test_what_is_not_one_object_is_not_parsed(text: str) -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        read_answer(text)

    assert unreadable.value.error_code == "LLM_PARSING_ERROR"
    assert unreadable.value.message == str(unreadable.value) == "the answer is not one JSON object"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("winner", [None, "A", "essay a", "Error", ["Essay A"]]),
        ("justification", [None, "  ", 7]),
        ("confidence", [None, 0, 5.1, "4", True, 10**400]),
    ],
)
def test_what_does_not_say_what_was_asked_is_invalid(field: str, values: list[object]) -> None:
    """And the message says what is wrong, for it is what people see of it."""
    told = {
        "winner": "the answer's winner is neither Essay A nor Essay B",
        "justification": "the answer has no justification",
        "confidence": "the answer's confidence is not a number from 1 to 5",
    }
    for value in values:
        with pytest.raises(UnreadableAnswer) as unreadable:
            read_answer(json.dumps(GOOD | {field: value}))
        assert (unreadable.value.error_code, unreadable.value.message) == ("LLM_INVALID_RESPONSE", told[field])


@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.floats(), st.lists).map(str)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableAnswer):
        assert read_answer(text).winner in text
