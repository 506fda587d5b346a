"""The strict reading of a model's answer: a winner that was said, or none."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.verdicts import UnreadableAnswer, beginning, read_answer
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


JSON = json.dumps(GOOD)
OTHER = json.dumps(GOOD | {"winner": "Essay A"})


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{JSON}\n```",
        f"```\n{JSON}\n```",
        f"Sure! Here is my {{verdict}}:\n\n{JSON}\n\nIs there anything else?",
        f"\ufeff{JSON}",
        f"<think>\nFirst {OTHER}, or {{half an object\n</think>\n{JSON}",
        f"<think></think>\n\n<think>again</think>{JSON}",
        f"[THINK]Hm.[/THINK]{JSON}",
        f"The prompt had the opening tag. {OTHER}? No. </think>\n{JSON}",
        '{"winner": "Essay B", "justification": "Line one.\nLine\ttwo.", "confidence": 4}',
        f"{JSON[:-1]},\n}}",
        JSON.replace("Essay B", "essay b"),
        JSON.replace("Essay B", " B. "),
        JSON.replace("Essay B", "**Essay B**"),
        JSON.replace("Essay B", "essay_b"),
        JSON.replace("4", '"4"'),
        JSON.replace("4", '" 4.0 "'),
        JSON.replace("winner", "Winner"),
        f'{{"verdict": {JSON}, "notes": {{}}}}',
        f'{{"plan": "compare them"}}\n{JSON}',
        '{"winner": "Essay B", "justification": "Says {\\"winner\\": \\"Essay A\\"} and </think>.", "confidence": 4}',
    ],
)
def test_what_stands_around_a_verdict_does_not_change_it(text: str) -> None:
    answer = read_answer(text)

    assert (answer.winner, answer.confidence) == ("Essay B", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no verdict"),
        ("Essay A", "holds no verdict"),
        ("null", "holds no verdict"),
        ("[]", "holds no verdict"),
        ("{}", "holds no verdict"),
        ('"Essay A"', "holds no verdict"),
        (f"<think>{JSON}", "holds no verdict"),
        (f"<think>{JSON}</think>", "holds no verdict"),
        (JSON * 2, "holds more than one verdict"),
        (f"{JSON} Or rather: {OTHER}", "holds more than one verdict"),
        (f'{{"first": {JSON}, "second": {OTHER}}}', "holds more than one verdict"),
        (f"[{JSON}]", "is a list"),
        (f"[ {JSON}, {OTHER}]", "is a list"),
        (JSON[:-1], "holds no readable JSON object"),
        (JSON[:-5], "holds no readable JSON object"),
        (f'{JSON[:-1]}, "more": [{{"a": 1}}', "holds no readable JSON object"),
        (f"{JSON[:-1]},,}}", "holds no readable JSON object"),
        (JSON.replace("4", "NaN"), "holds no readable JSON object"),
        (f'{{"winner": "Essay A", {JSON[1:]}', "holds no readable JSON object"),
        (f'{{"WINNER": "Essay A", {JSON[1:]}', "holds no readable JSON object"),
        (f'{{"winner": "Essay A", "justification": "q </think> {JSON}', "holds no readable JSON object"),
        ('{"a":' * 30_000, "holds no readable JSON object"),
        ("[" * 100_000, "holds no verdict"),
        ('{"\\"' * 40_000, "holds no readable JSON object"),
        ("x" * 200_001, "is far too long"),
    ],
    ids=range(25),
)
def test_without_exactly_one_verdict_there_is_no_winner(text: str, message: str) -> None:
    with pytest.raises(UnreadableAnswer) as unreadable:
        read_answer(text)

    assert unreadable.value.error_code == "LLM_PARSING_ERROR"
    assert unreadable.value.message == str(unreadable.value) == f"the answer {message}"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("winner", [None, "", "C", "A or B", "AB", "Error", "Essay A is better", ["Essay A"], {"A": 1}]),
        ("justification", [None, "  ", 7]),
        ("confidence", [None, 0, 0.8, 5.1, "4/5", "high", "6", "0.5", "1e1", True, [3], 10**400]),
    ],
)
def test_what_does_not_say_what_was_asked_is_invalid(field: str, values: list[object]) -> None:
    """And the message says what is wrong, for it is what people see of it."""
    told = {
        "winner": "the answer's winner is neither Essay A nor Essay B",
        "justification": "the answer's verdict has no justification",
        "confidence": "the answer's confidence is not a number from 1 to 5",
    }
    for value in values:
        with pytest.raises(UnreadableAnswer) as unreadable:
            read_answer(json.dumps(GOOD | {field: value}))
        assert (unreadable.value.error_code, unreadable.value.message) == ("LLM_INVALID_RESPONSE", told[field])


@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.floats(), st.lists).map(str)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableAnswer):
        assert read_answer(text).winner in {"Essay A", "Essay B"}


# Words that hold no brace and no tag.
WORDS = st.text(st.characters(exclude_characters="{}[]<>")).filter(lambda words: not words.lstrip().startswith("`"))
JUSTIFICATIONS = st.text(min_size=1).filter(str.strip)


@given(
    before=WORDS,
    after=WORDS,
    thinking=st.text().filter(lambda text: "</" not in text and "[/" not in text),
    winner=st.sampled_from(["Essay A", "Essay B", "essay a", "B"]),
    justification=JUSTIFICATIONS,
    confidence=st.integers(1, 5),
    as_text=st.booleans(),
)
def test_whatever_a_model_thinks_and_says_around_it_the_verdict_is_its_own(
    before: str, after: str, thinking: str, winner: str, justification: str, confidence: int, *, as_text: bool
) -> None:
    rating = str(confidence) if as_text else confidence
    verdict = {"winner": winner, "justification": justification, "confidence": rating}
    answer = read_answer(f"<think>{thinking}</think>{before}{json.dumps(verdict, ensure_ascii=False)}{after}")

    assert (answer.winner[-1], answer.confidence) == (winner[-1].upper(), confidence)


@given(
    st.lists(
        st.sampled_from([JSON, OTHER, "{}", " or ", "```", "\n", '"', "{", "}", ",", "</think>", "<think>"]), max_size=8
    )
)
def test_two_different_verdicts_never_give_a_winner_unless_one_was_a_thought(parts: list[str]) -> None:
    text = "".join(parts)
    with contextlib.suppress(UnreadableAnswer):
        won = read_answer(text).winner
        assert (JSON if won == "Essay B" else OTHER) in text
        assert "think>" in text or not (JSON in text and OTHER in text)


PROMPT = "Compare.\n\n**Essay A:**\nMy mother and I went to the market on a rainy day.\n\n**Essay B:**\nOther."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("I cannot decide.", '"I cannot decide."'),
        ("No \x1b[31mred\x07 \u202e \n\n lines", '"No [31mred lines"'),
        ("x" * 90, f'"{"x" * 80}…"'),
        ("Essay: My  mother and\nI went to the market on a", '"Essay:…"'),
        ("MY MOTHER AND I WENT TO THE MARKET", '"…"'),
        ("y" * 70 + " my mother and I went to the market", f'"{"y" * 70}…"'),
        ("The key is sk-secret, so", '"The key is…"'),
        ("It ends: on a rainy day. **E", '"It ends:…"'),  # the last 20 characters
        ("It ends: on a rainy day. **", '"It ends: on a rainy day. **"'),
    ],
)
def test_the_beginning_of_an_answer_can_be_shown_without_essays_secrets_and_escape_sequences(
    text: str, shown: str
) -> None:
    assert beginning(text, prompt=PROMPT, secret="sk-secret") == shown


@given(st.text(max_size=200))
def test_a_beginning_is_one_short_printable_line(text: str) -> None:
    shown = beginning(text, prompt=PROMPT, secret="")

    assert shown.isprintable() and len(shown) <= 83


@pytest.mark.parametrize("marks", ["\ufeff", "\u200b", "\r\n\ufeff \t"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD | {"justification": "It quotes </think> as a word."}),
        f"<think>{OTHER}</think><thinking>{OTHER}</thinking>{JSON}",
    ],
)
def test_marks_in_front_hide_neither_an_object_nor_a_thought(marks: str, text: str) -> None:
    assert read_answer(marks + text) == read_answer(text)
    assert read_answer(text).winner == GOOD["winner"]
