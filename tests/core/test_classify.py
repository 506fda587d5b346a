"""Any bytes get a verdict, and what is accepted can be stated."""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.plain import plain_arrival
from eng5_runner.contracts.topics import CALLBACK_TOPICS, LARGEST_MESSAGE_BYTES, Topic
from eng5_runner.core.arrival import arrived, of_result
from eng5_runner.core.classify import (
    Accepted,
    Batches,
    Foreign,
    RawRecord,
    Rejected,
    Repeated,
    Verdict,
    batches,
    classify,
    mentioning,
    mentions,
)
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import AnchorRow
from eng5_runner.core.rounding import FIGURE_LIMIT
from tests.support.run import messages

RUN_ID = UUID("c0ffee00-1111-4222-8333-444455556666")
OURS = str(RUN_ID).encode()
NAMES = EssayNames.of(
    {messages.SENT["birk"]: "birk", messages.SENT["cleo"]: "cleo"},
    rows=[AnchorRow(row_id=1, anchor_id="anchor-a1"), AnchorRow(row_id=2, anchor_id="anchor-a1")],
)
PAIR = ("birk", "cleo")
STORY = [
    messages.comparison(RUN_ID, 1, PAIR, winner="Essay A"),
    messages.comparison(RUN_ID, 2, PAIR, winner=None),
    messages.completed(RUN_ID),
    messages.failed(RUN_ID),
    messages.result(RUN_ID, ["birk", "cleo"]),
]
DEPTH = 10_000


def verdict(value: bytes, *, topic: str = Topic.COMPARISON, known: dict[str, str] | None = None) -> Verdict:
    record = RawRecord(topic=topic, partition=0, offset=0, value=value)
    return classify(record, of=batches(RUN_ID), names=NAMES, known=(known or {}).get)


def altered(*path: str, value: object, winner: str | None = "Essay A") -> bytes:
    """A comparison of ours with another value at a path below `data`."""
    message = copy.deepcopy(messages.comparison_message(RUN_ID, 1, PAIR, winner=winner))
    where = message["data"]
    for step in path[:-1]:
        where = where[step]
    where[path[-1]] = value
    return messages.raw(message)


topics = st.sampled_from([*CALLBACK_TOPICS, Topic.REQUEST, "no.such.topic"])


@settings(deadline=None)
@given(before=st.binary(max_size=200), after=st.binary(max_size=200), topic=topics)
@example(before=b"\xff\xfe", after=b"", topic=Topic.COMPARISON)
@example(before=b"[" * DEPTH, after=b"]" * DEPTH, topic=Topic.RESULT)
@example(before=b'{"data":' * DEPTH, after=b"}" * DEPTH, topic=Topic.COMPLETED)
@example(before=b"9" * 10_000, after=b"", topic=Topic.FAILED)
@example(before=b"NaN", after=b"-Infinity", topic=Topic.RESULT)
def test_arbitrary_bytes_that_hold_our_id_are_rejected(before, after, topic):
    assert isinstance(verdict(before + OURS + after, topic=topic), Rejected)


@given(value=st.binary(max_size=500), topic=topics)
def test_arbitrary_bytes_without_our_id_are_foreign(value, topic):
    assert verdict(value, topic=topic) == Foreign()


@settings(deadline=None)
@given(
    values=st.lists(st.binary(max_size=9) | st.text("ab", max_size=9).map(str.encode), max_size=9),
    texts=st.sets(st.text("ab", max_size=3).map(str.encode), max_size=3),
)
@example(values=[b"a", b"b"], texts={b"ab"})  # no value holds what two hold together
@example(values=[b"a", b"bab"], texts={b"ab"})
@example(values=[b"", b"b"], texts={b""})
def test_one_search_of_all_values_finds_those_in_which_a_search_of_each_finds_something(values, texts):
    assert mentioning(values, texts) == [place for place, value in enumerate(values) if mentions(value, texts)]


def test_values_too_large_to_be_copied_are_searched_where_they_are():
    assert mentioning([b"a" * (5 << 20), b"", b"a", b"b"], [b"b", b"aa"]) == [0, 3]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(str(RUN_ID)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)
@given(value=json_values, topic=topics)
def test_arbitrary_json_with_our_id_is_classified(value, topic):
    raw = json.dumps({"data": value, "batch": str(RUN_ID)}).encode()
    assert isinstance(verdict(raw, topic=topic), Rejected)


def places(value: object, here: tuple = ()) -> list[tuple]:
    """The path of every value in a message."""
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        found += places(inner, (*here, step))
    return found


@settings(deadline=None, max_examples=300)
@given(callback=st.sampled_from(STORY), data=st.data(), new=json_values)
def test_a_message_of_ours_with_anything_in_any_field_is_classified(callback, data, new):
    message = json.loads(callback.value)
    path = data.draw(st.sampled_from(places(message)))
    where = message
    for step in path[:-1]:
        where = where[step]
    where[path[-1]] = new
    raw = json.dumps(message).encode()
    assert isinstance(verdict(raw, topic=callback.topic), Accepted | Rejected | Foreign)


@settings(deadline=None, max_examples=300)
@given(callback=st.sampled_from(STORY), data=st.data())
def test_a_message_of_ours_with_any_byte_altered_is_classified(callback, data):
    raw = bytearray(callback.value)
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = verdict(bytes(raw), topic=callback.topic)
    if isinstance(found, Accepted):
        bytes(raw).decode()  # what is accepted goes into the ledger as text


@pytest.mark.parametrize("callback", STORY, ids=lambda callback: callback.topic)
def test_ours_is_accepted_once_and_then_repeated(callback):
    first = verdict(callback.value, topic=callback.topic)
    assert isinstance(first, Accepted)
    again = verdict(callback.value, topic=callback.topic, known={first.key: first.fingerprint})
    assert again == Repeated(key=first.key, conflict=False)


CLAIMS = [
    (("winner",), "Essay B"),
    (("cost_estimate",), 0.5),
    (("token_usage", "prompt_tokens"), 7),
    (("request_metadata", "essay_a_id"), "ANCHOR_1_0badcafe"),
]


@pytest.mark.parametrize(("path", "value"), CLAIMS)
def test_another_claim_under_a_known_id_is_a_conflict(path, value):
    first = verdict(STORY[0].value)
    again = verdict(altered(*path, value=value), known={first.key: first.fingerprint})
    assert again == Repeated(key=first.key, conflict=True)


def test_a_message_of_another_batch_that_mentions_ours_is_foreign():
    other = "deadbeef-1111-4222-8333-444455556666"
    message = json.loads(altered("request_metadata", "bos_batch_id", value=other))
    message["data"]["justification"] = f"see {RUN_ID}"
    assert verdict(messages.raw(message)) == Foreign()


def test_the_older_name_of_the_batch_field_is_understood():
    message = json.loads(STORY[0].value)
    message["data"]["request_metadata"]["batch_id"] = message["data"]["request_metadata"].pop("bos_batch_id")
    assert isinstance(verdict(messages.raw(message)), Accepted)


def test_a_record_at_the_limit_is_read_and_one_above_it_is_not():
    padding = b" " * (LARGEST_MESSAGE_BYTES - len(STORY[0].value))
    assert isinstance(verdict(STORY[0].value + padding), Accepted)
    assert "a callback has at most" in verdict(STORY[0].value + padding + b" ").reason


UNUSABLE = [
    (("request_metadata", "essay_a_id"), "stranger", "stranger"),
    (("request_metadata", "essay_a_id"), "ANCHOR_3_0badcafe", "ANCHOR_3"),
    (("request_metadata", "essay_a_id"), f"ANCHOR_{'9' * 5000}_ab", "not among"),
    (("request_metadata", "essay_a_id"), "ANCHOR_1_ab\n", "not among"),
    (("request_metadata", "essay_a_id"), "ANCHOR_١_ab", "not among"),  # a digit, though not ours
    (("request_metadata", "essay_a_id"), "anchor-a1", "not among"),  # with an assignment anchors are CJ's
    (("request_metadata", "essay_a_id"), messages.SENT["cleo"], "itself"),
    (("winner",), None, "neither"),
    (("winner",), "Essay C", "winner"),
]
FLAWED = [
    (("provider",), "", "provider does not make sense"),
    (("model",), None, "model is missing"),
    (("cost_estimate",), 1e308, "cost_estimate does not make sense: 0.0 stands for it"),
    (("cost_estimate",), -0.1, "cost_estimate does not make sense"),
    (("token_usage",), "many", "prompt_tokens is missing: 0 stands for it; completion_tokens is missing"),
    (("token_usage", "prompt_tokens"), 10**30, "prompt_tokens does not make sense"),
    (("token_usage", "completion_tokens"), FIGURE_LIMIT + 1, "completion_tokens does not make sense"),
    (("requested_at",), "yesterday", "requested_at does not make sense: another time of the message stands for it"),
    (("completed_at",), None, "completed_at is missing"),
    (("response_time_ms",), -1, "response_time_ms does not make sense: none stands for it"),
    (("response_time_ms",), 10**12, "response_time_ms does not make sense"),
    (("request_id",), "", "request_id does not make sense: the event's id stands for it"),
    (("request_metadata", "prompt_sha256"), "0" * 64, "prompt_sha256 is one digit repeated"),
    (("request_metadata", "prompt_sha256"), "1" * 64, "prompt_sha256 is one digit repeated"),
    (("request_metadata", "prompt_sha256"), "ab" * 31, "prompt_sha256 is no SHA-256"),
    (("request_metadata", "prompt_sha256"), 1, "prompt_sha256 is no SHA-256"),
    (("request_metadata", "prompt_sha256"), None, "prompt_sha256 is no SHA-256"),
]


@pytest.mark.parametrize(("path", "value", "reason"), UNUSABLE)
def test_a_comparison_that_could_not_be_stated_is_rejected_with_its_reason(path, value, reason):
    found = verdict(altered(*path, value=value))
    assert isinstance(found, Rejected)
    assert reason in found.reason


def test_an_anchor_compared_with_itself_under_two_rows_is_rejected():
    """The service may have one text registered twice."""
    message = json.loads(STORY[0].value)
    message["data"]["request_metadata"] |= {"essay_a_id": "ANCHOR_1_aa", "essay_b_id": "ANCHOR_2_bb"}
    assert verdict(messages.raw(message)) == Rejected("it compares anchor-a1 with itself, under two names")


@pytest.mark.parametrize(("path", "value", "flaw"), FLAWED)
def test_a_judgement_that_was_paid_for_is_accepted_with_its_flaw(path, value, flaw):
    found = verdict(altered(*path, value=value))
    assert isinstance(found, Accepted)
    assert found.judged
    assert flaw in found.note


def test_a_flawed_message_that_comes_again_is_a_repeat():
    raw = altered("cost_estimate", value=-1)
    first = verdict(raw)
    assert verdict(raw, known={first.key: first.fingerprint}) == Repeated(key=first.key, conflict=False)


def test_the_flaws_of_one_message_are_all_named_and_sound_messages_have_none():
    message = json.loads(altered("cost_estimate", value=None))
    message["data"]["model"] = ""
    assert len(verdict(messages.raw(message)).note.split("; ")) == 2
    assert verdict(STORY[0].value).note == verdict(STORY[1].value).note == ""


def test_a_comparison_without_any_time_or_id_is_rejected():
    """Nothing of the message could stand for them."""
    message = json.loads(STORY[0].value)
    message["data"] |= {"requested_at": None, "completed_at": "soon"}
    message["event_timestamp"] = None
    assert "requested_at" in verdict(messages.raw(message)).reason
    message = json.loads(STORY[0].value)
    message["data"]["request_id"] = message["event_id"] = None
    assert "request_id" in verdict(messages.raw(message)).reason


@pytest.mark.parametrize("error", [{}, {"error_code": ""}, {"message": "Slow down."}, "broken"])
def test_an_error_without_a_code_is_a_failed_comparison_with_a_flaw(error):
    found = verdict(altered("error_detail", value=error, winner=None))
    assert isinstance(found, Accepted)
    assert not found.judged
    assert found.note.startswith("error_code ")


def test_a_rejection_never_shows_what_the_message_said():
    """It can hold an essay."""
    found = verdict(altered("winner", value="the secret text of an essay"))
    assert "secret" not in found.reason


@pytest.mark.parametrize("price", [None, -1, 1e300, "free"])
def test_a_price_that_makes_no_sense_counts_as_the_most_that_a_call_can_cost(price: object) -> None:
    value = altered("cost_estimate", value=price)
    record = RawRecord(topic=Topic.COMPARISON, partition=0, offset=0, value=value)
    accepted = classify(record, of=batches(RUN_ID), names=NAMES, known={}.get, at_most_usd=0.25)
    assert isinstance(accepted, Accepted)
    assert accepted.cost_usd == 0.25 and "cost_estimate" in accepted.note


@pytest.mark.parametrize(("told", "counts"), [(0.0, 0.25), (0.1, 0.1)])
def test_a_cost_that_the_service_does_not_know_counts_as_what_it_can_be_at_most(told: float, counts: float) -> None:
    message = messages.comparison_message(RUN_ID, 1, PAIR, winner="Essay A")
    message["data"]["cost_estimate"] = told
    message["data"]["request_metadata"]["cost_known"] = False
    record = RawRecord(topic=Topic.COMPARISON, partition=0, offset=0, value=messages.raw(message))
    accepted = classify(record, of=batches(RUN_ID), names=NAMES, known={}.get, at_most_usd=0.25)
    assert isinstance(accepted, Accepted) and accepted.cost_usd == counts


def read(message: dict[str, object], topic: str, *, of: Batches | None = None) -> Verdict:
    """The verdict on a message of a run with these batches."""
    record = RawRecord(topic=topic, partition=0, offset=0, value=messages.raw(message))
    return classify(record, of=batches(RUN_ID) if of is None else of, names=NAMES, known={}.get)


def test_a_record_that_lacks_the_stacks_signature_is_rejected() -> None:
    forged = RawRecord(topic=Topic.COMPARISON, partition=0, offset=0, value=STORY[0].value, forged=True)
    found = classify(forged, of=batches(RUN_ID), names=NAMES, known={}.get)
    assert found == Rejected("it does not have the stack's signature: somebody else wrote it")
    of_another = batches(UUID(int=1))
    assert classify(forged, of=of_another, names=NAMES, known={}.get) == Foreign(), "no business of this run"


def test_what_is_accepted_of_a_comparison() -> None:
    found = verdict(STORY[0].value)
    wire = (messages.SENT["birk"], messages.SENT["cleo"])
    claim = f"{wire[0]}|{wire[1]}|Essay A||0.0011|TokenUsage(prompt_tokens=601, completion_tokens=40, total_tokens=641)"
    assert found == Accepted(
        kind="comparison",
        key="comparison:queue-0001",
        fingerprint=hashlib.sha256(claim.encode()).hexdigest()[:16],
        judged=True,
        cost_usd=0.0011,
        note="",
        about=f"{wire[0]}|{wire[1]}|0",
    )
    repeat = verdict(altered("request_metadata", "repeat_index", value=2))
    assert isinstance(repeat, Accepted)
    assert repeat.about == f"{wire[0]}|{wire[1]}|2"


def test_what_is_accepted_of_an_end_of_a_batch() -> None:
    """Its fingerprint is its kind alone: the services may repeat it with another time stamp."""
    nothing = {"judged": False, "cost_usd": 0.0}
    at = datetime(2027, 3, 2, 10, tzinfo=UTC)
    assert verdict(messages.completed(RUN_ID).value, topic=Topic.COMPLETED) == Accepted(
        kind="completed",
        key="completed",
        fingerprint="completed",
        note="completed_successfully",
        happened_at=at,
        **nothing,
    )
    reason = f"{messages.SENT['birk']} is unknown"
    assert verdict(messages.failed(RUN_ID, reason).value, topic=Topic.FAILED) == Accepted(
        kind="failed", key="failed", fingerprint="failed", note="birk is unknown", **nothing
    )
    assert verdict(STORY[4].value, topic=Topic.RESULT) == Accepted(
        kind="result", key="result", fingerprint="result", note="", **nothing
    )


STOP = {"max_cost_usd": 0.5, "spent_usd": 0.4, "next_at_most_usd": 0.2, "comparisons": 3, "comparisons_wanted": 9}


def test_a_stop_at_a_cost_limit_is_a_callback_of_its_own() -> None:
    """A higher limit continues the batch, which then completes again."""
    message = json.loads(messages.completed(RUN_ID).value)
    message["data"]["system_metadata"] = {"error_info": {"reason": "cost_limit", "details": STOP}}
    found = read(message, Topic.COMPLETED)
    assert isinstance(found, Accepted)
    assert (found.key, found.fingerprint, found.limit_usd) == ("completed@0.5", "completed", 0.5)


LOOK = {
    "round": 1,
    "comparisons": 8,
    "judgements": 8.0,
    "fewest": 2.0,
    "components": 1,
    "reliability": 0.5,
    "standard_error_90": 0.5,
}
DECIDED = {"pairs": 1, "comparisons": 6, "comparisons_wanted": 8}


@pytest.mark.parametrize(
    ("metadata", "note", "counted", "limit"),
    [
        ({"comparison_count": 7}, "", 7, None),
        ({"comparison_count": 3}, "", None, None),  # all pairs of three essays, which says nothing
        ({"decided": DECIDED}, "pairs decided", None, None),
        (
            {"stopping_looks": [LOOK | {"verdict": "go on"}, LOOK | {"verdict": "precise enough"}], "decided": DECIDED},
            "precise enough",
            None,
            None,
        ),
        ({"cost_stop": STOP, "comparison_count": 4}, "", 4, 0.5),
    ],
)
def test_what_is_accepted_of_a_results_figures(
    metadata: dict[str, object], note: str, counted: int | None, limit: float | None
) -> None:
    message = json.loads(messages.result(RUN_ID, ["birk", "cleo", "dag"]).value)
    message["data"]["assessment_metadata"] = metadata
    found = read(message, Topic.RESULT)
    assert isinstance(found, Accepted)
    assert (found.note, found.counted, found.limit_usd) == (note, counted, limit)
    assert found.key == ("result" if limit is None else "result@0.5")


def test_a_further_batch_has_its_own_ends_and_shares_the_ids_of_comparisons() -> None:
    other = UUID("deadbeef-1111-4222-8333-444455556666")
    both = batches(RUN_ID, other)
    end = read(json.loads(messages.completed(other).value), Topic.COMPLETED, of=both)
    assert isinstance(end, Accepted)
    assert (end.key, end.batch_id) == (f"completed:{other}", other)
    judged = read(messages.comparison_message(other, 1, PAIR, winner="Essay A"), Topic.COMPARISON, of=both)
    assert isinstance(judged, Accepted)
    assert (judged.key, judged.batch_id) == ("comparison:queue-0001", other)
    stranger = messages.comparison_message(other, 1, ("birk", "nobody"), winner="Essay A")
    reason = "it compares 'nobody', not among the run's essays"
    assert read(stranger, Topic.COMPARISON, of=both) == Rejected(reason)


def test_both_readers_of_a_comparison_give_the_same_arrival() -> None:
    """Nearly all messages have the plain form, for which there is a reader of its own."""
    message = messages.comparison_message(RUN_ID, 1, PAIR, winner="Essay B")
    message["data"]["request_metadata"] |= {"repeat_index": 1}
    for raw in (messages.raw(message), altered("request_metadata", "prompt_sha256", value="1" * 64)):
        assert plain_arrival(raw) is not None
        received, flaws = receive_comparison(raw)
        assert arrived(raw) == of_result(received.data, stamped_at=received.event_timestamp, flaws=flaws)


def test_a_comparison_of_strangers_names_them_up_to_forty_characters() -> None:
    message = json.loads(STORY[0].value)
    message["data"]["request_metadata"] |= {"essay_a_id": "x" * 41, "essay_b_id": "y"}
    assert verdict(messages.raw(message)) == Rejected(f"it compares {'x' * 40!r} and 'y', not among the run's essays")
