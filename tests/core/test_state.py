"""The transition table: what it allows happens, whatever else is refused."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    Event,
    RunClosed,
    event_from_json,
    event_to_json,
)
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import ImpossibleLedgerError, LiveState, RunState, fold, fold_into
from tests.support.run.events import AT, ONE_OF_EACH, SPEC, WAYS, place

# What may follow: written here a second time, from the drawing and not from the table.
_SESSION = "RunResumed RunClosed"
ALLOWED = {
    "new": {"RunStarted": "started"},
    "started": {"PreflightPassed": "cleared", "RequestPrepared": "prepared", "BudgetRaised": "started"},
    "cleared": {
        "PreflightPassed": "cleared",
        "EssayUploaded": "cleared",
        "ListeningFrom": "listening",
        "RequestPrepared": "prepared",
        "BudgetRaised": "cleared",
    },
    "listening": {"ListeningFrom": "listening", "RequestPrepared": "prepared", "BudgetRaised": "listening"},
    "prepared": {"ListeningFrom": "prepared", "RequestPublished": "gathering", "BudgetRaised": "raised"},
    "raised": {"ListeningFrom": "raised", "RequestPrepared": "prepared", "BudgetRaised": "raised"},
    "gathering": {"ListeningFrom": "prepared", "BudgetRaised": "raised", "RequestPrepared": "prepared"}
    | dict.fromkeys(
        ("CallbackAccepted", "CallbackRepeated", "CallbackRejected", "OffsetsLost", "DeadlineReached"), "gathering"
    ),
    "closed": {"RunResumed": "started"},
}


def reached(stage: str) -> RunState:
    return fold(ONE_OF_EACH[name] for name in WAYS[stage].split())


def test_there_is_one_of_each_event():
    assert {event.__class__ for event in ONE_OF_EACH.values()} == set(get_args(Event))


def legal_next(stage: str, event: str) -> str | None:
    """The stage that follows, None where nothing may."""
    if event in _SESSION.split() and stage not in ("new", "closed"):
        return stage
    if event in ("HumanJudgementsAdded", "CheckGradesAdded") and stage != "new":
        return "started" if stage == "closed" else stage
    return ALLOWED[stage].get(event)


@pytest.mark.parametrize(("stage", "event"), list(product(WAYS, ONE_OF_EACH)))
def test_every_pair_of_stage_and_event_is_in_the_table_or_refused(stage, event):
    """A refused event leaves the state as it was."""
    state = reached(stage)
    after = legal_next(stage, event)
    if after is not None:
        state.advance(ONE_OF_EACH[event])
        assert state.stage == after
        return
    before = vars(reached(stage))
    with pytest.raises(ImpossibleLedgerError, match=event):
        state.advance(ONE_OF_EACH[event])
    assert vars(state) == before


@pytest.mark.parametrize("stage", [stage for stage in WAYS if stage not in ("new", "closed")])
def test_closing_and_resuming_leaves_a_run_where_it_was(stage):
    state = reached(stage)
    state.advance(ONE_OF_EACH["RunClosed"])
    with pytest.raises(ImpossibleLedgerError, match="closed"):
        state.advance(ONE_OF_EACH["RunClosed"])
    state.advance(ONE_OF_EACH["RunResumed"])
    assert (state.stage, state.closed, state.sessions) == (stage, None, 2)


@given(st.lists(st.sampled_from(sorted(ONE_OF_EACH)), max_size=30))
def test_any_sequence_of_events_is_folded_or_refused(names):
    """Nothing else is ever raised, and positions never go back but to a new beginning."""
    state = RunState()
    for name in names:
        before = state.positions.get(("t", 0), 0)
        try:
            state.advance(ONE_OF_EACH[name])
        except ImpossibleLedgerError:
            continue
        if name == "RunClosed":
            assert state.positions.get(("t", 0), 0) >= before


@pytest.mark.parametrize("event", list(ONE_OF_EACH.values()), ids=lambda event: event.type)
def test_every_event_comes_back_from_its_line(event):
    assert event_from_json(event_to_json(event)) == event


def test_a_new_broker_resets_positions_and_losses_but_not_what_is_known():
    state = fold_into(LiveState(), (ONE_OF_EACH[name] for name in WAYS["gathering"].split()))
    for name in ("CallbackAccepted", "OffsetsLost", "ListeningFrom"):
        state.advance(ONE_OF_EACH[name])
    assert (state.stage, state.request.published, state.lost) == ("prepared", None, 0)
    assert state.read_to() == (place(5),)
    assert state.fingerprints == {"k": "f"}


def test_a_run_that_listens_again_was_not_left_in_silence():
    state = reached("gathering")
    for name in ("DeadlineReached", "RunClosed", "RunResumed"):
        state.advance(ONE_OF_EACH[name])
    assert state.left_in_silence is True
    state.advance(ONE_OF_EACH["ListeningFrom"])
    assert state.left_in_silence is False


def test_reading_goes_on_after_what_was_read():
    state = reached("gathering")
    state.advance(ONE_OF_EACH["CallbackRejected"])
    assert state.read_to() == (place(9),)
    state.advance(RunClosed(at=AT, outcome="partial", read_to=(place(40),)))
    assert state.read_to() == (place(40),)


def test_each_message_after_the_request_counts_as_heard():
    state = reached("gathering")
    for heard in (1, 2):
        state.advance(ONE_OF_EACH["CallbackRejected"])
        assert state.request.heard == heard


def test_reading_goes_on_after_what_was_lost():
    state = reached("gathering")
    state.advance(ONE_OF_EACH["OffsetsLost"])
    assert (state.read_to(), state.lost) == ((place(9),), 4)


def test_a_close_that_names_an_earlier_offset_does_not_take_reading_back():
    state = reached("gathering")
    state.advance(ONE_OF_EACH["CallbackRejected"])
    state.advance(RunClosed(at=AT, outcome="interrupted", read_to=(place(2),)))
    assert state.read_to() == (place(9),)


def test_a_state_without_a_start_has_no_spec():
    with pytest.raises(ImpossibleLedgerError):
        _ = RunState().spec


@pytest.mark.parametrize("field", ["total", "idle", "result", "publish"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.0, -1.0])
def test_patience_is_a_number_that_the_ledger_can_give_back(field, value):
    """Infinity would be written as null and the ledger could never be read again."""
    with pytest.raises(ValueError, match=field):
        RunSpec.model_validate(SPEC.model_dump() | {"patience": {field: value}})


def stopped(kind: str, limit: float | None, *, offset: int) -> CallbackAccepted:
    key = f"{kind}@{limit}"
    return CallbackAccepted(
        at=AT, position=place(offset), raw="{}", kind=kind, key=key, fingerprint=kind, limit_usd=limit
    )


def endings(state: RunState) -> tuple[bool, bool, bool]:
    request = state.request
    return request.at_limit, request.has_result, request.is_over


def test_a_stop_at_the_present_limit_counts_and_one_at_a_lower_limit_does_not():
    state = reached("gathering")
    for name in ("BudgetRaised", "RequestPrepared", "RequestPublished"):
        state.advance(ONE_OF_EACH[name])
    assert state.spec.budget.max_cost_usd == 2.0
    for event in (stopped("completed", 1.0, offset=10), stopped("result", 1.0, offset=11)):
        state.advance(event)
    assert endings(state) == (False, False, False)
    for event in (stopped("completed", 2.0, offset=12), stopped("result", 2.0, offset=13)):
        state.advance(event)
    assert (*endings(state), state.request.completed) == (True, True, True, None)
    state.advance(BudgetRaised(at=AT, max_cost_usd=3.0))
    assert endings(state) == (False, False, False)
