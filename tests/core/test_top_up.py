"""When a run sends a further request, what that asks for, and what a run says of comparisons that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import CallbackAccepted, DeadlineReached, Event, JudgeCheck, PreflightPassed, RunResumed
from eng5_runner.core.next_step import ending, is_at_cost_limit, verdict, worth_of_a_part
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.state import RunState, fold
from eng5_runner.core.top_up import ended_short, hindrance, is_due, is_out_of_money, request_spec, would_follow
from eng5_runner.measure.design.planning import expected_precision
from tests.support.run.events import AT, ONE_OF_EACH, VERSIONS, WAYS, place
from tests.support.run.runs import RUN_ID, make_spec

TOP_UP = Budget(max_comparisons=8, top_up=True)
DONE = "completed_successfully"


def callback(kind: str, number: int = 0, **facts: object) -> CallbackAccepted:
    one = ONE_OF_EACH["CallbackAccepted"]
    assert isinstance(one, CallbackAccepted)
    told = {"kind": kind, "key": f"{kind}:{number}", "about": f"a|b|{number}", "position": place(9 + number)}
    return replace(one, **told | facts)


def judged(number: int, **facts: object) -> CallbackAccepted:
    return callback("comparison", number, judged=True, **facts)


def completed(**facts: object) -> CallbackAccepted:
    return callback("completed", note=DONE, **facts)


def sent(
    *events: Event, asked: int | None = 8, budget: Budget = TOP_UP, passed: PreflightPassed | None = None
) -> RunState:
    """A run that has sent a request for so many comparisons, after these events."""
    changed: dict[str, Event] = {
        "RunStarted": ONE_OF_EACH["RunStarted"].model_copy(update={"spec": make_spec(budget=budget)}),
        "RequestPrepared": ONE_OF_EACH["RequestPrepared"].model_copy(update={"asked": asked, "comparisons": asked}),
    }
    if passed is not None:
        changed["PreflightPassed"] = passed
    return fold([*(changed.get(name, ONE_OF_EACH[name]) for name in WAYS["gathering"].split()), *events])


def spec_of(state: RunState, number: int) -> RunSpec:
    return request_spec(state, number, asked=8)


def again(number: int) -> list[Event]:
    """The events with which request `number` is sent."""
    batch = make_spec().batch_id(number)
    update = {"batch_id": batch, "asked": 8, "comparisons": 1}
    return [ONE_OF_EACH["RequestPrepared"].model_copy(update=update), ONE_OF_EACH["RequestPublished"]]


def test_a_further_request_follows_an_end_with_comparisons_missing() -> None:
    for last in (completed(), callback("failed", note="why")):
        assert ended_short(sent(judged(0), last))
    silence = DeadlineReached(at=AT, kind="idle", waited=60.0)
    assert not ended_short(sent(judged(0), silence)), "the next session may hear of it"
    assert ended_short(sent(judged(0), silence, RunResumed(at=AT, versions=VERSIONS), silence)), "the batch is lost"
    assert not ended_short(sent(judged(0)))
    assert not ended_short(sent(*(judged(number) for number in range(8)), completed()))
    assert not ended_short(fold([]))
    assert is_due(sent(judged(0), completed()))


WHY_NOT = [
    ([judged(0), completed()], {"top_up": False}, "further requests are off (--no-top-up)"),
    (
        [judged(0), completed()],
        {"design": "boundary", "pairs": (("a", "b"),)},
        "a boundary design cannot be limited to the pairs that are missing",
    ),
    (
        [judged(0, objection="judge"), completed()],
        {},
        "messages came that the requests cannot have caused",
    ),
    (
        [judged(0, cost_usd=0.6), completed()],
        {"max_cost_usd": 1.0},
        "what is left of the cost limit may not pay for one more comparison",
    ),
    ([judged(0), callback("failed", note="why")], {}, "the service failed the last one"),
    ([completed()], {}, "the last one brought no comparison"),
    ([judged(0), completed()], {"max_requests": 1}, "1 were sent, as many as --max-requests allows"),
]


@pytest.mark.parametrize(("events", "budget", "why"), WHY_NOT)
def test_what_keeps_a_run_from_asking_again_is_said(events: list[Event], budget: dict[str, object], why: str) -> None:
    state = sent(*events, budget=Budget.model_validate(TOP_UP.model_dump() | budget))
    assert hindrance(state) == why
    assert not is_due(state)
    if state.judged:
        assert f"no further request was sent: {why}" in verdict(state)[1]


def test_nothing_keeps_a_run_with_money_and_requests_left() -> None:
    budget = TOP_UP.model_copy(update={"max_cost_usd": 1.0, "max_requests": 2})
    assert hindrance(sent(judged(0, cost_usd=0.5), completed(), budget=budget)) is None
    with pytest.raises(AssertionError, match="only if a request was sent"):
        hindrance(fold([ONE_OF_EACH["RunStarted"]]))


def test_after_a_failure_a_person_has_to_resume_a_run_and_it_needs_a_judgement() -> None:
    resumed = RunResumed(at=AT, versions=VERSIONS)
    failed = sent(judged(0), callback("failed", note="why"))
    assert would_follow(failed)
    failed.advance(resumed)
    assert hindrance(failed) is None
    nothing = sent(callback("failed", note="why"), resumed)
    assert hindrance(nothing) == "the service failed the last one"
    empty = sent(completed())
    assert would_follow(empty)
    assert hindrance(empty, session=2) is None
    assert not would_follow(sent(judged(0)))


@pytest.mark.parametrize(
    ("spent", "at_most", "out"),
    [(0.4, None, False), (0.5, None, False), (0.6, None, True), (0.6, 0.3, False), (0.4, 0.7, True), (1.0, None, True)],
)
def test_money_is_out_where_the_rest_may_not_pay_for_one_more(spent: float, at_most: float | None, out: bool) -> None:
    """At the known upper bound, and else at the dearest price so far."""
    passed = PreflightPassed(at=AT, checks=(), comparison_at_most_usd=at_most)
    budget = TOP_UP.model_copy(update={"max_cost_usd": 1.0})
    assert is_out_of_money(sent(judged(0, cost_usd=spent), budget=budget, passed=passed)) is out
    assert not is_out_of_money(sent(judged(0, cost_usd=spent), passed=passed)), "without a limit it never is"
    assert is_out_of_money(sent(*(judged(n, cost_usd=0.25) for n in range(4)), budget=budget)), "nothing is left"


def test_a_further_request_asks_for_the_rest_with_the_rest_of_the_money() -> None:
    budget = Budget(comparisons_per_essay=4, top_up=True, max_cost_usd=2.0, seed=7)
    first = [judged(0, cost_usd=0.25), judged(1, cost_usd=0.25), callback("comparison", 2), completed()]
    state = sent(*first, budget=budget)
    assert spec_of(state, 1) == state.spec
    second = spec_of(state, 2)
    rest = {"max_comparisons": 5, "comparisons_per_essay": None, "max_cost_usd": 1.5, "seed": 8}
    assert second == state.spec.model_copy(
        update={"run_id": state.spec.batch_id(2), "budget": budget.model_copy(update=rest)}
    )
    for event in again(2):
        state.advance(event)
    state.advance(judged(3, cost_usd=0.5, batch_id=state.spec.batch_id(2)))
    assert spec_of(state, 2) == second, "what it brought itself is no reason to ask it for less"
    third = spec_of(state, 3).budget
    assert (third.max_comparisons, third.max_cost_usd, third.seed) == (4, 1.0, 9)
    unseeded = sent(*first, budget=budget.model_copy(update={"seed": None, "max_cost_usd": None}))
    assert (spec_of(unseeded, 2).budget.seed, spec_of(unseeded, 2).budget.max_cost_usd) == (None, None)
    assert spec_of(sent(*(judged(n) for n in range(8))), 2).budget.max_comparisons == 1, "none asks for nothing"


def test_what_the_check_of_the_judge_cost_is_taken_from_the_first_request() -> None:
    passed = PreflightPassed(at=AT, checks=(), judge_check=JudgeCheck(usd=0.5))
    budget = TOP_UP.model_copy(update={"max_cost_usd": 2.0})
    state = sent(judged(0, cost_usd=0.25), budget=budget, passed=passed)
    first = spec_of(state, 1)
    assert first.run_id == RUN_ID
    assert first.budget == budget.model_copy(update={"max_cost_usd": 1.5})
    assert spec_of(state, 2).budget.max_cost_usd == 1.25


RESULT = callback("result")
SILENT = DeadlineReached(at=AT, kind="idle", waited=60.0)
RESUMED = RunResumed(at=AT, versions=VERSIONS)
ENDINGS = [
    ([SILENT, RESUMED, SILENT], "the service has lost this batch: it was silent in two sessions"),
    ([callback("failed", note="why")], "the service failed the batch"),
    ([], "the service has not ended the batch"),
    (
        [completed(), callback("result", counted=3)],
        "the service counts 3 in its batch, so callbacks were lost on their way",
    ),
    (
        [completed(), ONE_OF_EACH["OffsetsLost"]],
        "the service ended the batch, and callbacks were lost or could not be used",
    ),
    (
        [completed(), ONE_OF_EACH["CallbackRejected"]],
        "the service ended the batch, and callbacks were lost or could not be used",
    ),
    ([completed(), callback("result", counted=2)], "the service ended the batch after 2, by a rule of its own"),
    (
        [completed(), RESULT],
        "the service ended the batch after 2, by a rule of its own as it seems: all that is in Kafka was read",
    ),
]


@pytest.mark.parametrize(("events", "how"), ENDINGS)
def test_how_a_request_ended_with_comparisons_missing_is_told_as_far_as_messages_tell(
    events: list[Event], how: str
) -> None:
    state = sent(judged(0), judged(1), *events)
    assert ending(state) == how
    failed = state.failure is not None
    told = "6 of the 8 comparisons asked for are missing" + ("" if failed else f": {how}")
    assert told in verdict(state)[1]


def test_what_is_missing_is_said_only_of_a_run_that_brought_something() -> None:
    assert not any("missing" in reason for reason in verdict(sent(completed(), RESULT))[1])
    whole = sent(*(judged(number) for number in range(8)), completed(), RESULT)
    assert verdict(whole) == ("complete", ())
    with pytest.raises(AssertionError, match="only a request that was sent"):
        ending(fold([ONE_OF_EACH["RunStarted"]]))


def test_at_the_cost_limit_the_limit_is_the_reason_and_the_outcome() -> None:
    budget = TOP_UP.model_copy(update={"max_cost_usd": 1.0})
    stopped = sent(judged(0, cost_usd=0.9), completed(limit_usd=1.0), budget=budget)
    assert is_at_cost_limit(stopped)
    assert verdict(stopped) == (
        "budget",
        (
            "the cost limit of 1.0 USD is reached: the next comparison may cost more than is left",
            "7 of the 8 comparisons asked for are missing",
        ),
    )
    by_us = sent(judged(0, cost_usd=0.9), completed(), budget=budget)
    assert is_at_cost_limit(by_us), "the service is done, and the run cannot pay for a further request"
    assert verdict(by_us)[0] == "budget"
    assert not is_at_cost_limit(sent(judged(0, cost_usd=0.9), budget=budget)), "it has not ended"
    assert not is_at_cost_limit(fold([ONE_OF_EACH["RunStarted"]]))


def test_what_earlier_requests_brought_is_a_study_though_the_last_one_failed() -> None:
    events = [judged(0), completed(), *again(2)]
    failed = callback("failed", note="why", batch_id=make_spec().batch_id(2))
    assert verdict(sent(*events, failed))[0] == "partial"
    assert verdict(sent(judged(0), callback("failed", note="why")))[0] == "failed"


@pytest.mark.parametrize("swap", ["none", "all"])
@pytest.mark.parametrize("design", ["balanced", "adaptive"])
def test_what_came_is_weighed_against_what_all_would_have_bought(swap: str, design: str) -> None:
    budget = Budget.model_validate({"max_comparisons": 100, "design": design, "swap": swap})

    def reliability(comparisons: int) -> str:
        pairs = comparisons / (2 if swap == "all" else 1)
        both = [
            expected_precision(essays=6, comparisons=pairs, spread=spread, adaptive=design == "adaptive").reliability
            for spread in (1.0, 6.0)
        ]
        return f"{both[0]:.2f} to {both[1]:.2f}"

    state = sent(*(judged(number) for number in range(60)), asked=100, budget=budget)
    (told,) = worth_of_a_part(state, essays=6)
    assert told == (
        f"60 comparisons buy a reliability of {reliability(60)}, if the essays' spread is 1 to 6 logits; "
        f"100 would buy {reliability(100)}"
    )


def test_a_whole_run_or_one_of_named_pairs_or_of_nothing_has_no_worth_of_a_part() -> None:
    named = Budget(design="boundary", pairs=(("a", "b"),))
    for state in (
        sent(*(judged(number) for number in range(8))),
        sent(),
        sent(judged(0), asked=None),
        sent(judged(0), budget=named),
    ):
        assert worth_of_a_part(state, essays=6) == ()


def test_each_request_has_a_batch_of_its_own() -> None:
    spec: RunSpec = make_spec()
    assert spec.batch_id(1) == spec.run_id
    assert len({spec.run_id, spec.batch_id(2), spec.batch_id(3)}) == 3
    assert isinstance(spec.batch_id(2), UUID)


def of_judges(judges: int, asked: int, brought: Sequence[tuple[int, int]]) -> RunState:
    """A run of several judges: for each request its judge and how many comparisons it brought."""
    further = [{"provider": "anthropic", "model": f"m{n}"} for n in range(1, judges)]
    spec = make_spec(
        budget=TOP_UP, judge={"provider_override": "openai", "model_override": "m0"}, further_models=further
    )
    assert len(spec.judges) == judges
    changed: dict[str, Event] = {"RunStarted": ONE_OF_EACH["RunStarted"].model_copy(update={"spec": spec})}
    way = [name for name in WAYS["gathering"].split() if name not in {"RequestPrepared", "RequestPublished"}]
    events = [changed.get(name, ONE_OF_EACH[name]) for name in way]
    for number, (judge, count) in enumerate(brought, start=1):
        batch = None if number == 1 else spec.batch_id(number)
        prepared = {"batch_id": batch, "asked": asked, "comparisons": asked, "judge": judge}
        events += [ONE_OF_EACH["RequestPrepared"].model_copy(update=prepared), ONE_OF_EACH["RequestPublished"]]
        events += [judged(100 * number + n, batch_id=batch) for n in range(count)]
        events.append(completed(batch_id=batch))
    return fold(events)


def asked_next(state: RunState, *, asked: int) -> tuple[str | None, int | None]:
    """The model of the next request and how many comparisons it asks for."""
    spec = request_spec(state, len(state.requests) + 1, asked=asked)
    assert spec.judge is not None
    return spec.judge.model_override, spec.budget.max_comparisons


@pytest.mark.parametrize(
    ("brought", "model", "comparisons"),
    [
        ([], "m0", 4),
        ([(0, 4)], "m1", 4),
        ([(0, 4), (1, 4)], "m2", 3),
        ([(0, 4), (1, 3), (2, 3)], "m1", 1),
        ([(0, 3), (1, 4), (2, 1)], "m2", 2),
        ([(0, 1), (1, 2), (2, 3), (0, 2)], "m1", 2),
        ([(0, 3), (1, 3), (2, 2)], "m0", 1),
    ],
)
def test_judges_have_equal_shares_and_the_one_that_lacks_most_is_asked_again(
    brought: list[tuple[int, int]], model: str, comparisons: int
) -> None:
    """Of 11 comparisons the first two of three judges have four each, the last one three."""
    assert asked_next(of_judges(3, 11, brought), asked=11) == (model, comparisons)
