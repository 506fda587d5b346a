"""What speaks against a message that can be read, and what the field's services may do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.arrival import Arrival, of_result
from eng5_runner.core.classify import Accepted, RawRecord, batches, classify
from eng5_runner.core.credibility import Credibility, without_version
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import CallbackAccepted, Event, Objection, RequestPrepared, RunStarted
from eng5_runner.core.spec import Budget
from eng5_runner.core.state import RunState
from tests.support.run.events import AT, ONE_OF_EACH, WAYS, place
from tests.support.run.messages import SENT, comparison_message, raw
from tests.support.run.runs import RUN_ID, make_spec

NAMED = LLMConfigOverrides.model_validate({"provider_override": "openai", "model_override": "gpt-5.1"})
BOUNDARY = Budget.model_validate({"design": "boundary", "pairs": (("birk", "cleo"),), "repeats": 2})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def waiting(*more: Event, comparisons: int | None = 3, **spec: object) -> RunState:
    """A run whose request, for so many comparisons, was prepared at `AT`."""
    state = RunState()
    for name in WAYS["gathering"].split():
        event = ONE_OF_EACH[name]
        if isinstance(event, RequestPrepared):
            event = event.model_copy(update={"comparisons": comparisons})
        if isinstance(event, RunStarted):
            event = event.model_copy(update={"spec": make_spec(**spec)})
        state.advance(event)
    for event in more:
        state.advance(event)
    return state


def judged(number: int, about: str) -> CallbackAccepted:
    one = ONE_OF_EACH["CallbackAccepted"]
    assert isinstance(one, CallbackAccepted)
    facts = {"kind": "comparison", "key": f"comparison:{number}", "about": about, "judged": True}
    return replace(one, position=place(number), **facts)


def completed(when: datetime) -> CallbackAccepted:
    one = ONE_OF_EACH["CallbackAccepted"]
    assert isinstance(one, CallbackAccepted)
    return replace(one, kind="completed", note="completed_successfully", happened_at=when)


def came(
    *, pair: tuple[str, str] = ("birk", "cleo"), winner: str | None = "Essay A", **changes: object
) -> tuple[Arrival, tuple[str, str]]:
    """A comparison that was asked for and answered at `AT`, with changes; `repeat` is its number."""
    data = comparison_message(RUN_ID, 1, pair, winner=winner)["data"]
    assert isinstance(data, dict)
    metadata: Mapping[str, object] = data["request_metadata"] | {"repeat_index": changes.pop("repeat", None)}
    times = {"requested_at": AT, "completed_at": AT}
    result = LLMComparisonResult.model_validate(data | times | changes | {"request_metadata": metadata}, extra="ignore")
    return of_result(result, stamped_at=AT), pair


def objection(
    credibility: Credibility,
    message: tuple[Arrival, tuple[str, str]],
    *,
    stamped_at: datetime | None = AT,
    batch: UUID | None = None,
) -> Objection | None:
    arrival, pair = message
    arrival = replace(arrival, stamped_at=stamped_at)
    return credibility.objection(arrival, pair=pair, about=f"{'|'.join(pair)}|{arrival.repeat or 0}", batch=batch)


def test_an_answer_to_what_was_asked_is_believed() -> None:
    assert objection(Credibility(waiting(), at=AT), came(repeat=0)) is None


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (came(pair=("birk", "dag")), "unasked"),
        (came(pair=("birk", "dag"), winner=None), "unasked"),
        (came(pair=("cleo", "birk"), repeat=1), None),
        (came(repeat=2), "surplus"),
    ],
)
def test_a_boundary_design_has_its_pairs_in_both_orders_as_often_as_asked(message, found) -> None:
    assert objection(Credibility(waiting(budget=BOUNDARY, comparisons=4), at=AT), message) == found


def test_a_pair_that_was_not_asked_is_told_by_the_names_of_the_wire() -> None:
    names = EssayNames.of({SENT["birk"]: "birk", SENT["cleo"]: "cleo", "9-essay-c0ffee00": "dag"}, rows=[])
    credibility = Credibility(waiting(budget=BOUNDARY, comparisons=4), at=AT)

    def found(second: str) -> Objection | None:
        message = comparison_message(RUN_ID, 1, ("birk", "cleo"), winner="Essay A")
        data = message["data"]
        assert isinstance(data, dict)
        data["request_metadata"]["essay_b_id"] = second
        record = RawRecord(topic=Topic.COMPARISON, partition=0, offset=0, value=raw(message))
        verdict = classify(record, of=batches(RUN_ID), names=names, known={}.get, credibility=credibility)
        assert isinstance(verdict, Accepted)
        return verdict.objection

    assert [found(SENT["cleo"]), found("9-essay-c0ffee00")] == [None, "unasked"]


def test_a_numbered_comparison_comes_once_whether_read_before_or_together() -> None:
    state = waiting(judged(8, "birk|cleo|0"))
    assert objection(Credibility(state, at=AT), came(repeat=0)) == "surplus"
    together = Credibility(waiting(), at=AT)
    assert [objection(together, came(repeat=0)) for _ in range(2)] == [None, "surplus"]
    assert objection(together, came(repeat=1)) is None
    assert objection(together, came(repeat=0, winner=None)) is None  # an attempt that failed before


def test_a_record_is_held_against_those_of_its_own_number() -> None:
    """Two calls for one number are one too many; a call for the next number is another comparison."""
    names = EssayNames.of({SENT["birk"]: "birk", SENT["cleo"]: "cleo"}, rows=[])
    credibility = Credibility(waiting(comparisons=9), at=AT)

    def found(number: int, repeat: int) -> Objection | None:
        message = comparison_message(RUN_ID, number, ("birk", "cleo"), winner="Essay A")
        data = message["data"]
        assert isinstance(data, dict)
        data["request_metadata"]["repeat_index"] = repeat
        record = RawRecord(topic=Topic.COMPARISON, partition=0, offset=number, value=raw(message))
        verdict = classify(record, of=batches(RUN_ID), names=names, known={}.get, credibility=credibility)
        assert isinstance(verdict, Accepted)
        return verdict.objection

    assert [found(1, 0), found(2, 1), found(3, 1), found(4, 0)] == [None, None, "surplus", "surplus"]


def test_a_service_that_numbers_nothing_may_ask_a_pair_again_but_not_make_more_than_asked() -> None:
    together = Credibility(waiting(judged(8, "birk|cleo|0")), at=AT)
    assert [objection(together, came()) for _ in range(4)] == [None, None, "surplus", "surplus"]
    of_before = Credibility(waiting(judged(8, "birk|cleo|0"), comparisons=None), at=AT)
    assert [objection(of_before, came()) for _ in range(4)] == [None] * 4


def test_a_request_that_was_sent_to_a_new_broker_may_be_answered_again() -> None:
    again = [ONE_OF_EACH[name] for name in ("ListeningFrom", "RequestPublished")]
    state = waiting(*[judged(n, f"birk|cleo|{n}") for n in range(3)], *again)
    assert objection(Credibility(state, at=AT), came(repeat=0)) is None


@pytest.mark.parametrize(
    ("asked", "answered", "waited", "found"),
    [
        (datetime.fromisoformat("0001-01-01T00:00:00+00:00"), AT, DAY, "time"),
        (AT, datetime.fromisoformat("9999-12-31T00:00:00+00:00"), DAY, "time"),
        (AT - 2 * HOUR, AT, timedelta(0), "time"),
        (AT - 2 * HOUR, AT, 2 * HOUR, None),  # the request was sent two hours ago
        (AT - 2 * HOUR, AT, -DAY, "time"),  # our clock was set back; the message still says two hours
        (AT, AT, -DAY, None),
        (AT + DAY, AT, timedelta(0), None),  # its clock was set back while the model answered
        (AT + 2 * DAY, AT, timedelta(0), "time"),
    ],
)
def test_a_call_cannot_be_older_than_the_request_nor_end_after_its_message(asked, answered, waited, found) -> None:
    message = came(requested_at=asked, completed_at=answered)
    assert objection(Credibility(waiting(), at=AT + waited), message) == found


def test_a_clock_that_leaps_ahead_and_back_while_a_model_answers_makes_nothing_impossible() -> None:
    asked_before, asked_meanwhile = came(completed_at=AT + DAY), came(requested_at=AT + DAY, completed_at=AT + DAY)
    for message in (asked_before, asked_meanwhile):
        credibility = Credibility(waiting(completed(AT)), at=AT + timedelta(seconds=9))
        assert objection(credibility, message, stamped_at=AT + DAY) is None


@pytest.mark.parametrize("shift", [-5 * DAY, 400 * DAY])
def test_a_service_on_a_wrong_clock_is_believed(shift: timedelta) -> None:
    message = came(requested_at=AT + shift, completed_at=AT + shift)
    assert objection(Credibility(waiting(), at=AT), message, stamped_at=AT + shift) is None
    assert objection(Credibility(waiting(), at=AT), message, stamped_at=None) is None


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [
        ("openai", "gpt-5.1", None),
        ("OpenAI", "gpt-5.1-2025-11-13", None),
        ("openai", "gpt-5", "judge"),
        ("openai", "gpt-5.1-mini", "judge"),
        ("anthropic", "gpt-5.1", "judge"),
        ("mock", "mock-judge", None),
    ],
)
def test_the_judge_is_the_one_that_the_request_names(provider: str, model: str, found: str | None) -> None:
    credibility = Credibility(waiting(judge=NAMED), at=AT)
    assert objection(credibility, came(provider=provider, model=model)) == found
    failed = came(provider=provider, model="unknown", winner=None)
    assert objection(credibility, failed) is None
    assert objection(Credibility(waiting(), at=AT), came(provider=provider, model=model)) is None


@pytest.mark.parametrize(
    "names",
    [
        ("claude-3-5-sonnet", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
        ("claude-opus-4-0", "claude-opus-4-20250514"),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002", "google/gemini-1.5-pro:free"),
        ("gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"),
    ],
)
def test_names_of_one_model(names: tuple[str, ...]) -> None:
    assert len({without_version(name) for name in names}) == 1


def test_different_models_keep_different_names() -> None:
    names = ("gpt-4", "gpt-4o", "gpt-5", "gpt-5.1", "gpt-5-mini", "claude-opus-4-1", "claude-opus-4", "claude-3-opus")
    assert len({without_version(name) for name in names}) == len(names)


def test_a_call_after_the_completion_is_late_and_one_before_it_is_not() -> None:
    credibility = Credibility(waiting(completed(AT)), at=AT)
    assert objection(credibility, came(requested_at=AT + timedelta(seconds=4))) is None
    assert objection(credibility, came(requested_at=AT + timedelta(seconds=6), winner=None)) == "late"
    assert objection(credibility, came(requested_at=AT - HOUR)) is None
