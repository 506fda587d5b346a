"""How complete a run is: partial unless it is known to be whole, with every reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import (
    CallbackRejected,
    CallbackRepeated,
    DeadlineReached,
    OffsetsLost,
    Position,
    PreflightPassed,
    RequestPublished,
    RunClosed,
)
from eng5_runner.core.state import fold
from eng5_runner.results.runner_status import MessageRecord, runner_status
from tests.support.results import NOON, arrived, at, ledger, plain, sent
from tests.support.run import messages
from tests.support.run.runs import RUN_ID, make_spec

COMPARISON = messages.comparison_message(RUN_ID, 1, ("birk", "cleo"), winner="Essay A")
PLACE = Position(topic="some.topic", partition=1, offset=7)


def status(*events: object) -> object:
    """Of a run that sent its request, after these events."""
    state, messages = sent(), MessageRecord()
    for event in messages.noting([*ledger(), *events]):
        if event in events:
            state.advance(event)
    return runner_status(state, messages)


@pytest.mark.parametrize(
    ("outcome", "partial"),
    [("complete", False), ("not-sent", False)]
    + [(outcome, True) for outcome in ("partial", "budget", "failed", "interrupted", "not-awaited")],
)
def test_only_what_is_whole_is_not_partial(outcome, partial):
    block = status(RunClosed(at=NOON, outcome=outcome, reasons=("because",)))
    assert (at(block, "outcome"), at(block, "partial_data")) == (outcome, partial)
    assert list(at(block, "reasons")) == ["because"]


def test_a_run_that_is_not_closed_is_open_and_partial():
    block = status()
    assert (at(block, "outcome"), at(block, "partial_data")) == ("open", True)
    assert list(at(block, "reasons")) == ["the run is not closed"]


def test_what_came_is_counted():
    failed = arrived("comparison", messages.comparison_message(RUN_ID, 2, ("birk", "cleo"), winner=None))
    judged = replace(arrived("comparison", COMPARISON), judged=True)
    block = plain(status(judged, failed, OffsetsLost(at=NOON, position=PLACE, resumed_at=9)))
    assert block["comparisons"] == {"judged": 1, "failed": 1}
    assert block["offsets_lost"] == 2
    assert block["event_counts"]["CallbackAccepted"] == 2
    assert list(block["event_counts"]) == sorted(block["event_counts"])


def test_what_could_not_be_used_is_named_by_place_and_reason():
    block = plain(status(CallbackRejected(at=NOON, position=PLACE, reason="no JSON", raw="x")))
    assert block["rejected"] == [{"topic": "some.topic", "partition": 1, "offset": 7, "reason": "no JSON"}]


def test_a_comparison_with_a_flaw_or_an_objection_is_named_by_its_request():
    """With both it is named twice; a note on another message is no flaw."""
    flawed = replace(
        arrived("comparison", COMPARISON), position=PLACE, note="no hash", key=f"{RUN_ID}/comparison:queue-1"
    )
    both = replace(flawed, objection="surplus", key="comparison:queue-2")
    late = replace(flawed, objection="late", note="", key="comparison:queue-3")
    done = replace(arrived("completed", {}), note="completed_successfully")
    block = plain(status(flawed, both, late, done))
    place = {"topic": "some.topic", "partition": 1, "offset": 7}
    assert block["flawed"] == [
        place | {"request_id": "queue-1", "flaws": "no hash"},
        place | {"request_id": "queue-2", "flaws": "no hash"},
    ]
    assert block["doubtful"] == [
        place | {"request_id": "queue-2", "objection": "surplus", "counts": False},
        place | {"request_id": "queue-3", "objection": "late", "counts": True},
    ]
    assert plain(status(done)).keys().isdisjoint(("flawed", "doubtful", "requests"))


def test_each_of_several_requests_has_its_own_counts_and_end():
    batch = make_spec().batch_id(2)
    first = sent().request.prepared
    judged = replace(arrived("comparison", COMPARISON), judged=True)
    done = replace(arrived("completed", {}), note="completed_successfully")
    second = [
        first.model_copy(update={"batch_id": batch, "payload": "{}"}),
        RequestPublished(at=NOON, position=PLACE, found=True),
        replace(arrived("comparison", COMPARISON), key="2", batch_id=batch),
        replace(arrived("failed", {}), batch_id=batch, note="why"),
    ]
    block = plain(status(judged, done, *second))
    one, two = block["requests"]
    assert block["request"] == one["request"]
    assert (one["batch_uuid"], two["batch_uuid"]) == (str(RUN_ID), str(batch))
    assert one["comparisons"] == {"judged": 1, "failed": 0}
    assert two["comparisons"] == {"judged": 0, "failed": 1}
    assert (one["completion_status"], two.get("completion_status")) == ("completed_successfully", None)
    assert (one.get("failure"), two["failure"]) == (None, "why")
    assert two["request"] == {
        "event_id": str(first.event_id),
        "bytes": 2,
        "topic": "some.topic",
        "partition": 1,
        "offset": 7,
        "found_after_a_crash": True,
    }


def test_the_other_counts_are_those_of_the_state():
    again = CallbackRepeated(at=NOON, position=PLACE, key="k", conflict=True, raw="x")
    result = arrived("result", {})
    block = status(again, result)
    assert (at(block, "sessions"), at(block, "duplicates"), at(block, "conflicts")) == (1, 1, 1)
    assert (at(block, "has_service_result"), at(status(), "has_service_result")) == (True, False)
    assert at(status(replace(arrived("failed", {}), note="why")), "failure") == "why"
    passed = PreflightPassed(at=NOON, checks=("c",), warnings=("w",))
    state = fold([ledger()[0], passed])
    bare = plain(runner_status(state, MessageRecord()))
    assert (bare["preflight"], bare["offsets"]) == ({"checks": ["c"], "warnings": ["w"]}, [])
    assert [bare.get(key) for key in ("request", "completion_status", "has_service_result")] == [None, None, False]


def test_deadlines_are_told_to_a_tenth_of_a_second():
    block = plain(status(DeadlineReached(at=NOON, kind="idle", waited=61.4499)))
    assert block["deadlines"] == [{"kind": "idle", "waited_seconds": 61.4}]


def test_a_stop_at_the_cost_limit_is_the_completion_s_status():
    stopped = arrived("completed", {}, limit_usd=1.0)
    assert at(status(stopped), "completion_status") == "cost_limit"
    whole = replace(arrived("completed", {}), note="completed_successfully")
    assert at(status(stopped, whole), "completion_status") == "completed_successfully"
    assert at(status(), "completion_status") is None


def test_the_request_is_named_by_its_bytes_and_its_place():
    block = plain(status())
    assert block["request"]["bytes"] == len(sent().request.prepared.payload.encode())
    assert (block["request"]["partition"], block["request"]["offset"]) == (0, 0)
    assert block["request"]["found_after_a_crash"] is False


def test_each_partition_is_told_from_where_to_where_it_was_read():
    """Also one of which nothing was read."""
    ends = tuple(Position(topic="results", partition=partition, offset=5) for partition in (0, 1))
    listening = sent(callback_ends=ends)
    came = arrived("comparison", COMPARISON)
    listening.advance(replace(came, position=Position(topic="results", partition=1, offset=8)))
    block = plain(runner_status(listening, MessageRecord()))
    assert [(one["partition"], one["from"], one["to"]) for one in block["offsets"]] == [(0, 5, 5), (1, 5, 9)]
