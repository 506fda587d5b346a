"""A call as a row of the artefact: every field from the message, and what is absent there is absent here."""

from __future__ import annotations

import pytest

from eng5_runner.core.rounding import FIGURE_LIMIT
from tests.support.results import NOON, at, call, plain

BARE = {"response_time_ms": None, "justification": None, "confidence": None}


def test_a_judgement_has_all_that_its_message_says():
    about = {"cj_request_type": "cj_retry", "comparison_iteration": 3, "repeat_index": 1}
    row = plain(call("birk", "cleo", "cleo", number=7, about=about, confidence=4.25, justification="Its thread."))
    given = {key: value for key, value in row.items() if value is not None}
    assert given.pop("prompt_hash") == at(call("birk", "cleo", "birk"), "prompt_hash")
    assert len(given.pop("correlation_id")) == 36
    assert given == {
        "sequence": 1,
        "request_id": "queue-00007",
        "essay_a_id": "birk",
        "essay_b_id": "cleo",
        "provider": "mock",
        "model": "invented-judge-1",
        "tokens_prompt": 600,
        "tokens_completion": 40,
        "cost_usd": 0.001,
        "started_at": "2027-03-02T12:00:07.000000Z",
        "completed_at": "2027-03-02T12:00:07.250000Z",
        "response_time_ms": 250,
        "request_type": "cj_retry",
        "iteration": 3,
        "repeat_index": 1,
        "winner_id": "cleo",
        "loser_id": "birk",
        "winner_position": "B",
        "confidence": 4.25,
        "justification": "Its thread.",
        "status": "succeeded",
    }


def test_the_essay_that_was_shown_first_can_win():
    row = call("birk", "cleo", "birk")
    assert (at(row, "winner_id"), at(row, "loser_id"), at(row, "winner_position")) == ("birk", "cleo", "A")


def test_what_the_message_left_out_is_left_out():
    row = call("birk", "cleo", "birk", **BARE)
    absent = ("request_type", "iteration", "repeat_index", "replayed", *BARE)
    assert [at(row, name) for name in absent] == [None] * len(absent)


@pytest.mark.parametrize("field", ["response_time_ms", "confidence"])
def test_a_figure_that_readers_cannot_hold_counts_as_absent(field):
    most, more = (call("birk", "cleo", "birk", **{field: value}) for value in (FIGURE_LIMIT, FIGURE_LIMIT + 1))
    assert (at(most, field), at(more, field) if field == "response_time_ms" else None) == (FIGURE_LIMIT, None)


def test_zero_is_a_figure():
    row = call("birk", "cleo", "birk", response_time_ms=0, about={"repeat_index": 0, "comparison_iteration": 0})
    assert (at(row, "response_time_ms"), at(row, "repeat_index"), at(row, "iteration")) == (0, 0, 0)


@pytest.mark.parametrize(("stated", "kept"), [(1, 1), (600, 600), (601, None), (0, None)])
def test_tokens_from_the_cache_are_a_part_of_those_that_were_read(stated, kept):
    assert at(call("birk", "cleo", "birk", about={"cached_tokens": stated}), "tokens_cached") == kept


def test_a_call_of_a_batch_says_so():
    in_batch, single = (call("birk", "cleo", "birk", about={"batched": batched}) for batched in (True, False))
    assert (at(in_batch, "batched"), "batched" in plain(single)) == (True, False)


def test_a_failure_has_its_code_and_its_reason_and_no_winner():
    row = plain(call("birk", "cleo", None))
    assert (row["status"], row["failure_code"]) == ("failed", "LLM_PROVIDER_TIMEOUT")
    assert row["failure_reason"] == "LLM_PROVIDER_TIMEOUT: Too slow."
    assert row["prompt_hash"] == at(call("birk", "cleo", "birk"), "prompt_hash")
    assert not {"winner_id", "loser_id", "winner_position"} & row.keys()


@pytest.mark.parametrize(("message", "told"), [(None, "no message"), ("", "no message"), ("x" * 600, "x" * 491)])
def test_a_reason_is_never_empty_and_at_most_500_characters(message, told):
    row = call("birk", "cleo", None, error_detail={"error_code": "TIMEOUT", "message": message})
    assert at(row, "failure_reason") == f"TIMEOUT: {told}"
    assert len(at(row, "failure_reason")) <= 500


def test_a_failure_may_have_no_prompt():
    assert at(call("birk", "cleo", None, about={"prompt_sha256": None}), "prompt_hash") is None


def test_a_replay_says_what_it_repeats_and_what_that_took():
    was = {
        "request_id": "queue-then",
        "recorded_at": NOON,
        "cost_usd": 0.25,
        "prompt_tokens": 700,
        "completion_tokens": 30,
    }
    replayed = plain(call("birk", "cleo", "birk", about={"cassette": True, "replay_of": was}))["replayed"]
    assert replayed == {
        "request_id": "queue-then",
        "recorded_at": "2027-03-02T12:00:00.000000Z",
        "cost_usd": 0.25,
        "tokens_prompt": 700,
        "tokens_completion": 30,
    }
    assert plain(call("birk", "cleo", "birk", about={"cassette": True}))["replayed"] == {}
