"""The strict reading of a model's answer: a winner that was said, or none."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.judges.answer_format import UnreadableAnswer, read_answer
from tests.support.judges.servers import GOOD


@pytest.mark.parametrize("confidence", [1, 5, 3.5])
def test_a_good_answer_is_read(confidence: float) -> None:
    answer = read_answer(f"\n {json.dumps(GOOD | {'confidence': confidence})} \n")

    assert (answer.winner, answer.confidence) == ("Essay B", confidence)


def test_a_long_justification_is_shortened() -> None:
    assert len(read_answer(json.dumps(GOOD | {"justification": "é" * 2000})).justification) == 500


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


@pytest.mark.parametrize(
    "change",
    [
        {"winner": None},
        {"winner": "A"},
        {"winner": "essay a"},
        {"winner": "Error"},
        {"winner": ["Essay A"]},
        {"justification": None},
        {"justification": "  "},
        {"confidence": None},
        {"confidence": 0},
        {"confidence": 5.1},
        {"confidence": "4"},
        {"confidence": True},
        {"confidence": 10**400},
    ],
)
def test_what_does_not_say_what_was_asked_is_invalid(change: dict[str, object]) -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        read_answer(json.dumps(GOOD | change))

    assert unreadable.value.error_code == "LLM_INVALID_RESPONSE"


@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.floats(), st.lists).map(str)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableAnswer):
        assert read_answer(text).winner in text
