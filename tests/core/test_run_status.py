"""Where a run stands: each figure is the state's, and what is left follows from the rate."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import RunClosed
from eng5_runner.core.run_status import RunStatus, status_of
from eng5_runner.core.spec import Budget
from eng5_runner.core.state import RunState, fold
from tests.support.run.events import AT, ONE_OF_EACH, WAYS, place
from tests.support.run.runs import RUN_ID, make_inputs, make_spec

INPUTS, _ = make_inputs()
CALLBACK = ONE_OF_EACH["CallbackAccepted"]
BUDGET = Budget(max_comparisons=15, max_cost_usd=2.0)


def gathering(*, asked: int | None = 9) -> RunState:
    """A run of which something of each kind came."""
    comparison = replace(CALLBACK, kind="comparison", cost_usd=0.12345678)
    facts: list[dict[str, object]] = [
        {"key": "1", "judged": True, "note": "a flaw"},
        {"key": "2", "judged": True, "objection": "late"},
        {"key": "3", "judged": True, "objection": "judge"},
        {"key": "4"},
    ]
    came = [replace(comparison, **fact | {"position": place(6)}) for fact in facts]
    changed = {
        "RunStarted": ONE_OF_EACH["RunStarted"].model_copy(update={"spec": make_spec(budget=BUDGET)}),
        "RequestPrepared": ONE_OF_EACH["RequestPrepared"].model_copy(update={"asked": asked, "comparisons": asked}),
    }
    start = [changed.get(name, ONE_OF_EACH[name]) for name in WAYS["gathering"].split()]
    start.insert(2, ONE_OF_EACH["EssayUploaded"])
    return fold([*start, *came, ONE_OF_EACH["CallbackRepeated"], ONE_OF_EACH["CallbackRejected"]])


def status(
    state: RunState, *, rate: float | None = 0.33333, is_running: bool = True, seconds: float = 4.04
) -> RunStatus:
    return status_of(state, INPUTS, rate=rate, is_running=is_running, now=AT + timedelta(seconds=seconds))


def test_a_run_that_gathers_is_told_by_its_figures() -> None:
    assert asdict(status(gathering())) == {
        "run": str(RUN_ID),
        "label": "a label",
        "mode": "execute",
        "stage": "gathering",
        "outcome": "open",
        "reasons": (),
        "sessions": 1,
        "texts_stored": 1,
        "comparisons_asked": 9,
        "comparisons_judged": 3,
        "comparisons_failed": 1,
        "comparisons_missing": 5,
        "requests": 1,
        "cost_usd": 0.493827,
        "unpriced": 0,
        "max_cost_usd": 2.0,
        "duplicates": 1,
        "rejected": 1,
        "flawed": 1,
        "doubtful": {"judge": 1, "late": 1},
        "completed": None,
        "result": False,
        "uploads_left": 7,
        "next": "gather",
        "is_running": True,
        "comparisons_per_second": 0.333,
        "seconds_left": 15.0,
        "silent_seconds": 4.0,
        "is_written": True,
    }
    assert list(status(gathering()).doubtful) == ["judge", "late"], "in a fixed order"


def test_what_the_service_ended_and_how_the_run_was_closed() -> None:
    state = gathering()
    for kind, note in (("completed", "completed_successfully"), ("result", "")):
        state.advance(replace(CALLBACK, kind=kind, key=kind, note=note))
    state.advance(RunClosed(at=AT, outcome="partial", reasons=("why",)))
    told = status(state)
    assert (told.completed, told.result) == ("completed_successfully", True)
    assert (told.outcome, told.reasons, told.next) == ("partial", ("why",), None)


@pytest.mark.parametrize(("asked", "wanted", "left"), [(None, 15, 22.0), (9, 9, 10.0), (3, 3, 0.0)])
def test_where_no_total_is_on_record_it_is_the_one_that_the_run_is_made_for(
    asked: int | None, wanted: int, left: float
) -> None:
    told = status(gathering(asked=asked), rate=0.5)
    assert (told.comparisons_asked, told.seconds_left) == (wanted, left)


def test_without_a_process_or_a_rate_nobody_knows_when_it_is_done() -> None:
    assert status(gathering(), is_running=False).seconds_left is None
    without = status(gathering(), rate=None)
    assert (without.seconds_left, without.comparisons_per_second) == (None, None)


def test_a_run_that_has_only_begun_has_nothing_yet() -> None:
    told = status(fold([ONE_OF_EACH["RunStarted"].model_copy(update={"spec": make_spec()})]))
    assert (told.completed, told.result, told.requests, told.comparisons_missing) == (None, False, 0, None)
    assert told.silent_seconds == 4.0


@pytest.mark.parametrize(("seconds", "told"), [(4.04, 4.0), (4.06, 4.1), (65.44, 65.4)])
def test_silence_is_told_to_a_tenth_of_a_second(seconds: float, told: float) -> None:
    assert status(gathering(), seconds=seconds).silent_seconds == told


def test_after_the_clock_was_set_back_nothing_has_been_silent_for_less_than_no_time() -> None:
    assert status(gathering(), seconds=-86_400.0).silent_seconds == 0.0
