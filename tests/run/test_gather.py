"""How a run listens: nothing is lost, nothing is believed that should not be, and the end is told honestly."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from eng5_runner.canonical import sha256_hex
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.topics import CALLBACK_TOPICS, LARGEST_MESSAGE_BYTES, Topic
from eng5_runner.core.events import CallbackAccepted, CallbackRejected, CallbackRepeated, DeadlineReached
from eng5_runner.core.next_step import SILENCE
from eng5_runner.core.spec import Budget, Timeouts
from eng5_runner.core.state import RunState
from tests.support.run import messages
from tests.support.run.memory_kafka import Log
from tests.support.run.messages import Callback
from tests.support.run.runs import RUN_ID, Run, make_spec
from tests.support.run.world import World, whole_story

PAIR = ("birk", "cleo")
OTHER = UUID("deadbeef-1111-4222-8333-444455556666")


def answering(*callbacks: Callback, story: bool = False) -> World:
    """A world whose CJ service says just this, after the whole story if wanted."""
    world = World()
    world.cj.script = lambda run_id, essays: [*(whole_story(run_id, essays) if story else ()), *callbacks]
    return world


def ended(world: World, directory: Path, **spec: object) -> tuple[RunState, int]:
    state = Run(directory / "run", world, make_spec(**spec)).start()
    return state, exit_code(state)


def reordered(order: str):
    """The whole story with completion and result first, in the middle, or last, told one a poll or at once."""

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        *comparisons, completed, result = whole_story(run_id, essays)
        endings = {"completion": completed, "result": result}
        half = len(comparisons) // 2
        parts = {"first half": comparisons[:half], "second half": comparisons[half:]}
        told: list[Callback] = []
        for part in order.split(", "):
            told += parts.get(part) or [endings[part]]
        return told

    return script


ORDERS = [
    "completion, result, first half, second half",
    "result, completion, first half, second half",
    "first half, completion, result, second half",
    "completion, first half, result, second half",
    "result, first half, second half, completion",
    "completion, first half, second half, result",
]


@pytest.mark.parametrize("poll_records", [1, 500])
@pytest.mark.parametrize("order", ORDERS)
def test_a_completion_that_overtakes_comparisons_loses_none(order, poll_records, tmp_path):
    """All that the topics held when the last ending was read is read too."""
    world = World(poll_records=poll_records)
    world.cj.script = reordered(order)
    state, code = ended(world, tmp_path)
    assert (state.judged, state.closed.outcome, code) == (15, "complete", 0)


@pytest.mark.parametrize("order", ORDERS[-2:])
def test_comparisons_that_come_between_completion_and_result_are_kept(order, tmp_path):
    """One message a poll; the run waits for the second ending."""
    world = World()
    world.cj.script = reordered(order)
    world.cj.stepwise = True
    state, code = ended(world, tmp_path)
    assert (state.judged, code) == (15, 0)


@pytest.mark.parametrize(("judgements", "code"), [(0, 69), (3, 3)])
def test_a_failed_event_ends_the_run_at_once_with_its_reason(judgements, code, tmp_path):
    told = [messages.comparison(RUN_ID, n, PAIR, winner="Essay A") for n in range(judgements)]
    world = answering(messages.failed(RUN_ID, "Nobody knows\n the task."), *told)
    state, found = ended(world, tmp_path)
    assert (state.closed.outcome, found) == ("failed", code)
    assert state.closed.reasons[0] == "the CJ service reported a failure: Nobody knows the task."
    assert state.judged == judgements
    assert world.clock.elapsed == 0


def comparing_for_ever(world: World) -> None:
    """A comparison of ours every ten seconds."""
    pairs = [messages.comparison(RUN_ID, n, PAIR, winner="Essay A") for n in range(100)]

    def say(one: Callback) -> None:
        world.clock.advance(10)
        world.say(one)

    world.later([lambda one=one: say(one) for one in pairs])


def test_the_total_deadline_ends_a_run_that_never_completes(tmp_path):
    world = answering()
    comparing_for_ever(world)
    state, code = ended(world, tmp_path)
    assert (state.closed.outcome, code, state.judged) == ("partial", 3, 12)
    assert state.closed.reasons[0] == "total deadline after 120 s"


@pytest.mark.parametrize(("judgements", "code"), [(0, 75), (2, 3)])
def test_the_idle_deadline_ends_a_run_that_hears_nothing_more(judgements, code, tmp_path):
    told = [messages.comparison(RUN_ID, n, PAIR, winner="Essay B") for n in range(judgements)]
    state, found = ended(answering(*told), tmp_path)
    assert (state.closed.outcome, found) == ("partial", code)
    silence = () if judgements else (SILENCE,)
    assert state.closed.reasons[: 1 + len(silence)] == ("idle deadline after 60 s", *silence)


def test_other_batches_messages_are_silence(tmp_path):
    """They do not put off the idle deadline."""
    world = answering()
    foreign = messages.comparison(OTHER, 1, PAIR, winner="Essay A")

    def say() -> None:
        world.clock.advance(5)
        world.say(foreign)

    world.later([say] * 100)
    state, code = ended(world, tmp_path)
    assert (state.closed.reasons, code) == (("idle deadline after 60 s", SILENCE), 75)


def test_the_result_deadline_follows_a_completion_without_result(tmp_path):
    """The estimates are our own, marked partial."""
    world = World()
    world.cj.script = lambda run_id, essays: whole_story(run_id, essays)[:-1]
    run = Run(tmp_path / "run", world)
    state = run.start()
    assert (state.closed.outcome, exit_code(state)) == ("partial", 3)
    assert state.closed.reasons == ("result deadline after 20 s",)
    assert sum(isinstance(event, DeadlineReached) for event in run.events) == 1


def test_a_result_that_comes_while_the_rest_is_read_makes_up_for_its_deadline(tmp_path):
    """Between the deadline and the topics' ends there is still a chance."""
    world = World(poll_records=1)
    run = Run(tmp_path / "run", world)

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        return whole_story(run_id, essays)[:-1]

    world.cj.script = script

    def observe(told: object) -> None:
        if isinstance(told, DeadlineReached):
            world.say(whole_story(RUN_ID, ["birk", "cleo", "dag"])[-1])

    state = run.start(observe=observe)
    assert (state.request.has_result, state.closed.outcome, state.closed.reasons) == (True, "complete", ())


def outage(world: World, seconds: int) -> None:
    """The broker goes away for so long, then tells the whole story."""

    def go() -> None:
        world.broker_is_down = True

    def come() -> None:
        world.broker_is_down = False
        for one in whole_story(RUN_ID, list(messages.SENT.values())):
            world.say(one)

    world.later([go, *[lambda: None] * seconds, come])


def test_an_outage_of_the_broker_is_not_silence(tmp_path):
    """The idle clock stands still for longer than its patience; trouble and relief are told."""
    world = answering()
    outage(world, 100)
    run = Run(tmp_path / "run", world)
    state = run.start()
    assert (state.closed.outcome, state.judged) == ("complete", 15)
    assert any("unreachable for" in notice for notice in run.notices)
    assert any("is back after" in notice for notice in run.notices)


def test_the_total_deadline_runs_on_during_an_outage(tmp_path):
    world = answering()
    outage(world, 1000)
    state, code = ended(world, tmp_path)
    assert (state.closed.reasons, code) == (("total deadline after 120 s", SILENCE), 75)


def test_an_outage_after_the_last_ending_only_delays_the_end(tmp_path):
    """The topics' ends are asked for again when the broker is back."""
    world = World()
    run = Run(tmp_path / "run", world)

    def come_back() -> None:
        world.broker_is_down = False

    def observe(told: object) -> None:
        if isinstance(told, CallbackAccepted) and told.kind == "result":
            world.broker_is_down = True
            world.later([*[lambda: None] * 30, come_back])

    state = run.start(observe=observe)
    assert (state.closed.outcome, state.judged) == ("complete", 15)


def test_partitions_added_while_the_run_listens_are_read_from_their_first_record(tmp_path):
    """Also when the completion in an old partition comes before the new one was noticed."""
    world = World()

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        world.cluster.logs[Topic.COMPARISON, 2] = Log()
        *comparisons, completed, result = whole_story(run_id, essays)
        return [completed, result, *(Callback(one.topic, one.value, partition=2) for one in comparisons)]

    world.cj.script = script
    state, code = ended(world, tmp_path)
    assert (state.judged, code) == (15, 0)


def test_a_conflicting_duplicate_is_kept_aside_and_makes_the_run_partial(tmp_path):
    """The first claim counts; the second is kept raw."""
    other = messages.comparison(RUN_ID, 0, ("anchor-b1", "anchor-a1"), winner="Essay A")
    run = Run(tmp_path / "run", answering(other, story=True))
    state = run.start()
    (kept,) = [event for event in run.events if isinstance(event, CallbackRepeated)]
    assert (kept.conflict, kept.raw) == (True, other.value.decode())
    assert (state.closed.outcome, exit_code(state), state.judged) == ("partial", 3, 15)
    assert state.closed.reasons == ("1 message contradicts an earlier one with the same id",)


REJECTED = [
    (messages.comparison(RUN_ID, 99, ("birk", "stranger"), winner="Essay A"), "stranger"),
    (Callback(Topic.COMPARISON, f'{{"batch": "{RUN_ID}"'.encode()), "JSON"),
    (Callback(Topic.RESULT, b"\xff\xfe" + str(RUN_ID).encode()), "JSON"),
    (Callback(Topic.COMPLETED, str(RUN_ID).encode() + b" " * LARGEST_MESSAGE_BYTES), "a callback has at most"),
    (Callback(Topic.COMPARISON, str(RUN_ID).encode() + b"x" * (16 << 10)), "JSON"),
    (Callback(Topic.COMPARISON, str(RUN_ID).encode() + b"x" * ((16 << 10) - 36)), "JSON"),
]


@pytest.mark.parametrize(("callback", "reason"), REJECTED)
def test_a_message_of_ours_that_cannot_be_used_is_kept_raw_and_makes_the_run_partial(callback, reason, tmp_path):
    run = Run(tmp_path / "run", answering(callback, story=True))
    state = run.start()
    (kept,) = [event for event in run.events if isinstance(event, CallbackRejected)]
    raw = kept.raw.encode() if kept.raw is not None else base64.b64decode(kept.raw_base64)
    assert raw == callback.value[: 16 << 10]
    assert kept.sha256 == (sha256_hex(callback.value) if len(callback.value) > 16 << 10 else None)
    assert reason in kept.reason
    assert (state.closed.outcome, exit_code(state), state.judged) == ("partial", 3, 15)


def test_foreign_messages_leave_no_trace_in_the_ledger(tmp_path):
    """Not even those of five megabytes, those that are no JSON, and those that only mention our batch."""
    about_us = messages.comparison_message(OTHER, 1, PAIR, winner="Essay A")
    about_us["data"]["justification"] = f"better than all of {RUN_ID}"
    foreign = [
        *(messages.comparison(OTHER, n, PAIR, winner="Essay A") for n in range(2000)),
        Callback(Topic.RESULT, b"x" * (5 << 20)),
        Callback(Topic.COMPLETED, b"[" * 100_000),
        Callback(Topic.COMPARISON, json.dumps(about_us).encode()),
        Callback(Topic.FAILED, b""),
    ]
    world = World()
    world.cj.script = lambda run_id, essays: [*foreign, *whole_story(run_id, essays)]
    run = Run(tmp_path / "run", world)
    assert exit_code(run.start()) == 0
    assert len(run.events) == 30


def test_failed_comparisons_are_no_judgements_and_the_run_is_complete_with_the_others(tmp_path):
    failures = [messages.comparison(RUN_ID, 50 + n, PAIR[::-1], winner=None) for n in range(2)]
    state, code = ended(answering(*failures, story=True), tmp_path)
    assert (state.judged, state.failed, code) == (15, 1, 0), "two attempts at one comparison"


@pytest.mark.parametrize("failures", [0, 2])
def test_a_completion_without_any_judgement_is_not_complete(failures, tmp_path):
    """Whatever the service says, there is nothing to state."""
    told = [messages.comparison(RUN_ID, n, PAIR, winner=None) for n in range(failures)]
    state, code = ended(answering(*told, messages.completed(RUN_ID), messages.result(RUN_ID, ["birk"])), tmp_path)
    assert (state.closed.outcome, code) == ("partial", 75)
    assert state.closed.reasons == ("the CJ service completed, but no comparison with a winner arrived",)


def test_a_completion_with_failures_is_partial(tmp_path):
    world = World()

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        *comparisons, _, result = whole_story(run_id, essays)
        return [*comparisons, messages.completed(run_id, "completed_with_failures"), result]

    world.cj.script = script
    state, code = ended(world, tmp_path)
    assert (state.closed.reasons, code) == (("the CJ service completed with the status completed_with_failures",), 3)


def test_late_callbacks_are_added_by_resume(tmp_path):
    """The first session ends with what there is; the second starts where it stopped reading."""
    world = World()
    late: list[Callback] = []

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        told = whole_story(run_id, essays)
        late.extend(told[10:])
        return told[:10]

    world.cj.script = script
    run = Run(tmp_path / "run", world)
    assert exit_code(run.start()) == 3
    for one in late:
        world.say(one)
    state = run.resume()
    assert (exit_code(state), state.judged, state.repeated) == (0, 15, 0)
    assert len(world.cluster.requests) == 1


def test_a_run_that_does_not_wait_is_closed_when_the_request_is_out_and_gathered_when_resumed(tmp_path):
    """What was paid for is not out of reach."""
    world = World()
    run = Run(tmp_path / "run", world, make_spec(timeouts=Timeouts(await_completion=False)))
    state = run.start()
    assert (state.closed.outcome, exit_code(state), state.judged) == ("not-awaited", 0, 0)
    state = run.resume()
    assert (state.closed.outcome, exit_code(state), state.judged) == ("complete", 0, 15)
    assert len(world.cluster.requests) == 1


def test_a_run_that_does_not_wait_and_was_killed_before_the_request_still_does_not(tmp_path):
    world = World()
    run = Run(tmp_path / "run", world, make_spec(timeouts=Timeouts(await_completion=False)))

    def observe(told: object) -> None:
        raise RuntimeError(str(told))

    with pytest.raises(RuntimeError):
        run.start(observe=observe)
    assert run.resume().closed.outcome == "not-awaited"


def test_the_artefact_names_up_to_where_each_partition_was_read(tmp_path):
    world = World()
    world.cluster.append(Topic.COMPARISON, b"older", partition=1)
    run = Run(tmp_path / "run", world)
    run.start()
    closed = run.events[-1]
    ends = {where: world.cluster.end(where) for where in world.cluster.logs if where[0] in CALLBACK_TOPICS}
    assert {(p.topic, p.partition): p.offset for p in closed.read_to} == ends


def in_order(ready: Sequence[tuple[str, int]]) -> tuple[str, int]:
    return ready[-1]


def test_callbacks_that_arrive_before_the_send_returns_are_kept(tmp_path):
    """The topics' ends are taken before the request is out."""
    world = World(choose=in_order)
    world.cluster.append(Topic.COMPARISON, b"old", partition=0)
    state, code = ended(world, tmp_path)
    assert (state.judged, code) == (15, 0)


def numbered(one: Callback, request_id: str, **changes: object) -> Callback:
    """The message under another id, with other data; `repeat` is its number."""
    message = json.loads(one.value)
    if "repeat" in changes:
        message["data"]["request_metadata"]["repeat_index"] = changes.pop("repeat")
    message["data"] |= {"request_id": request_id, **changes}
    return Callback(one.topic, messages.raw(message), one.partition)


def test_what_the_request_cannot_have_caused_is_left_out_counted_and_kept(tmp_path):
    """Five come again under other ids, and one has times that cannot be: the study is as if they had not come."""
    world, honest = World(), World()

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        *told, completed, result = whole_story(run_id, essays)
        told = [numbered(one, f"true-{n}", repeat=0) for n, one in enumerate(told)]
        more = [numbered(one, f"forged-{n}") for n, one in enumerate(told[:5])]
        odd = numbered(told[7], "forged-5", requested_at="0001-01-01T00:00:00Z", completed_at="9999-12-31T00:00:00Z")
        return [odd, *told, *more, completed, result]

    world.cj.script = script
    run, clean = Run(tmp_path / "run", world), Run(tmp_path / "clean", honest)
    state, whole = run.start(), clean.start()
    assert (state.judged, state.missing, state.closed.outcome, exit_code(state)) == (15, 0, "partial", 3)
    assert state.closed.reasons == (
        "comparisons left out because they are more than were asked for: 5",
        "comparisons left out because their times cannot be: 1",
    )
    artefact = run.artefact()
    assert artefact["bt_summary"] == clean.artefact()["bt_summary"]
    doubtful = artefact["runner_status"]["doubtful"]
    assert sorted((one["request_id"], one["objection"], one["counts"]) for one in doubtful) == [
        *((f"forged-{n}", "surplus", False) for n in range(5)),
        ("forged-5", "time", False),
    ]
    kept = [one.raw for one in run.events if isinstance(one, CallbackAccepted) and one.is_left_out]
    assert len(kept) == 6
    assert whole.cost_usd < state.cost_usd == pytest.approx(artefact["costs"]["total_usd"])


def test_a_false_message_with_a_true_id_does_not_push_the_true_one_out(tmp_path):
    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        told = whole_story(run_id, essays)
        forged = numbered(told[0], "queue-0000", requested_at="0001-01-01T00:00:00Z")
        return [forged, forged, *told]

    world = World()
    world.cj.script = script
    state, code = ended(world, tmp_path)
    assert (state.judged, state.conflicts, state.repeated, state.objections, code) == (15, 0, 1, {"time": 1}, 3)


def test_a_completion_is_not_believed_while_its_comparisons_still_come(tmp_path):
    """Somebody else completes the batch after five; the service goes on with one a second, and the run waits for it."""
    world = World()
    world.clock.advance(3600)  # to the hour at which the messages say that they were made

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        *told, _completed, result = whole_story(run_id, essays)
        ending = json.loads(messages.completed(run_id).value)
        ending["data"]["timestamp"] = "2027-03-02T08:00:00Z"
        forged = Callback(Topic.COMPLETED, messages.raw(ending))

        def say(one: Callback) -> None:
            world.clock.advance(1)
            world.say(one)

        world.later([lambda one=one: say(one) for one in told[5:]])
        return [*told[:5], forged, result]

    world.cj.script = script
    state, code = ended(world, tmp_path)
    assert (state.judged, state.missing, state.closed.outcome, code) == (15, 0, "partial", 3)
    assert state.closed.reasons == (
        "comparisons that count although they were made after the completion, which came too early: 9",
    )
    assert len(world.cluster.requests) == 1


def test_a_study_by_another_judge_than_was_asked_for_is_partial_and_says_so(tmp_path):
    world = World()
    world.cj.script = lambda run_id, essays: [
        numbered(one, f"other-{n}", provider="openai", model="gpt-5.1") if n < 4 else one
        for n, one in enumerate(whole_story(run_id, essays))
    ]
    judge = LLMConfigOverrides.model_validate({"provider_override": "mock", "model_override": messages.JUDGE[1]})
    state, code = ended(world, tmp_path, judge=judge)
    assert (state.judged, state.closed.outcome, code) == (15, "partial", 3)
    assert state.closed.reasons == ("comparisons that count although they name another judge than the request does: 4",)


def test_where_false_messages_came_no_further_request_is_paid_for(tmp_path):
    world = World()

    def script(run_id: UUID, essays: list[str]) -> list[Callback]:
        told = whole_story(run_id, essays)
        return [numbered(told[0], "forged", requested_at="0001-01-01T00:00:00Z"), *told[:6], *told[-2:]]

    world.cj.script = script
    state, code = ended(world, tmp_path, budget=Budget(max_comparisons=15, top_up=True))
    assert (state.judged, len(world.cluster.requests), code) == (6, 1, 3)
    assert "no further request was sent: messages came that the requests cannot have caused" in state.closed.reasons
