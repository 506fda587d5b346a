"""What came back of a request: an attempt that was made again stands for no comparison."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import CallbackAccepted, RequestPrepared
from eng5_runner.core.state import RunState, fold
from tests.support.run.events import ONE_OF_EACH, WAYS, place


def sent(asked: int) -> RunState:
    """A run that has sent a request for so many comparisons."""
    state = RunState()
    for name in WAYS["gathering"].split():
        event = ONE_OF_EACH[name]
        state.advance(event.model_copy(update={"asked": asked}) if isinstance(event, RequestPrepared) else event)
    return state


def attempt(number: int, about: str | None, *, judged: bool) -> CallbackAccepted:
    one = ONE_OF_EACH["CallbackAccepted"]
    assert isinstance(one, CallbackAccepted)
    facts = {"kind": "comparison", "key": f"comparison:{number}", "about": about, "judged": judged}
    return replace(one, position=place(number), **facts)


ATTEMPTS = [("a|b|0", False), ("a|b|0", False), ("a|b|0", True), ("b|c|0", False), ("a|c|0", True)]


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_failed_attempts_hide_no_missing_comparison_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    """Four asked for; three messages are of one comparison, and the callback of the fourth is lost."""
    state = sent(4)
    for number in order:
        about, judged = ATTEMPTS[number]
        state.advance(attempt(number, about, judged=judged))
    assert (state.judged, state.failed, state.missing) == (2, 1, 1)
    assert state.asked == state.judged + state.failed + state.missing


def test_repeats_of_a_pair_are_comparisons_of_their_own() -> None:
    state = sent(3)
    for number, (about, judged) in enumerate([("a|b|0", True), ("a|b|1", False)]):
        state.advance(attempt(number, about, judged=judged))
    assert (state.judged, state.failed, state.missing) == (1, 1, 1)


def test_a_ledger_of_before_counts_its_messages() -> None:
    state = sent(3)
    for number, judged in enumerate((False, False, True)):
        state.advance(attempt(number, None, judged=judged))
    assert (state.judged, state.failed, state.missing) == (1, 2, 0)


def test_a_run_without_a_request_has_no_failed_comparison() -> None:
    assert fold([]).failed == 0


def test_only_what_ends_a_request_says_in_which_session_it_ended() -> None:
    state = sent(3)
    one = ONE_OF_EACH["CallbackAccepted"]
    assert state.request is not None
    state.advance(attempt(1, "a|b|0", judged=True))
    assert state.request.ended_in == 0
    state.advance(replace(one, kind="failed", key="failed", note="why"))
    state.advance(ONE_OF_EACH["RunResumed"])
    state.advance(attempt(2, "b|c|0", judged=True))
    assert (state.request.ended_in, state.sessions) == (1, 2)


def test_a_request_whose_limit_is_raised_lies_nowhere_until_it_is_sent_again() -> None:
    state = sent(3)
    assert state.request is not None
    before = state.request.published
    assert before == ONE_OF_EACH["RequestPublished"]
    state.request.raise_limit()
    assert state.request.published is None
