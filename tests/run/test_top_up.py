"""A run is complete when what it asked for is there; where the service ends early, it sends further requests."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.stopping import PROCESSING_FAILED
from eng5_runner.core.events import RequestPrepared, RequestPublished
from eng5_runner.core.spec import Budget
from eng5_runner.core.state import RunState
from eng5_runner.reports.terminal.status import next_steps
from eng5_runner.run.verify import verify
from tests.support.run import messages
from tests.support.run.habits import Habits
from tests.support.run.kills import Killed, dies_after
from tests.support.run.memory_kafka import Cluster
from tests.support.run.messages import Callback
from tests.support.run.runs import EMBEDDED, RUN_ID, Run, claims, make_spec
from tests.support.run.world import World, whole_story

ALL = 15
"""Pairs of the six essays; what the runs here ask for."""


def run_against(directory: Path, habits: Habits, *, top_up: bool = True, **budget: object) -> Run:
    world = World(poll_records=1)
    world.cj.habits = habits
    settled: dict[str, object] = {"max_comparisons": ALL, "top_up": top_up} | budget
    return Run(directory / "run", world, make_spec(budget=Budget.model_validate(settled)))


def totals(run: Run) -> list[int]:
    """What each request asked for."""
    return [json.loads(value)["metadata"]["max_comparisons"] for value in run.world.cluster.requests]


def counts(state: RunState) -> tuple[int | None, int, int, int | None]:
    return state.asked, state.judged, state.failed, state.missing


def request_ids(run: Run) -> list[str]:
    return [row["request_id"] for row in run.artefact()["llm_comparisons"]]


def test_a_capped_service_is_asked_again_until_the_total_is_there(tmp_path):
    """Each request has its own batch, ids and names, and asks only for what is missing."""
    run = run_against(tmp_path, Habits(cap=6), seed=7)
    state = run.start()
    assert (state.closed.outcome, state.closed.reasons, exit_code(state)) == ("complete", (), 0)
    assert counts(state) == (ALL, ALL, 0, 0)
    assert totals(run) == [15, 9, 3]
    sent = [json.loads(value) for value in run.world.cluster.requests]
    assert sent[0]["data"]["entity_id"] == str(RUN_ID)
    for distinct in (
        [one["event_id"] for one in sent],
        [one["correlation_id"] for one in sent],
        [one["data"]["entity_id"] for one in sent],
        [one["data"]["essays_for_cj"][0]["essay_id"] for one in sent],
        [one["metadata"]["seed"] for one in sent],
    ):
        assert len(set(distinct)) == 3
    assert all(one["metadata"]["reads_to_end"] for one in sent)
    assert [essay["text_storage_id"] for essay in sent[0]["data"]["essays_for_cj"]] == [
        essay["text_storage_id"] for essay in sent[2]["data"]["essays_for_cj"]
    ]


def test_the_requests_are_one_study_in_the_outputs(tmp_path):
    run = run_against(tmp_path, Habits(cap=6))
    run.start()
    hydrated = run.finish()
    assert len([name for name in hydrated.files if name.startswith("requests/")]) == 3
    artefact = run.artefact()
    status = artefact["runner_status"]
    assert status["comparisons"] == {"asked": ALL, "judged": ALL, "failed": 0, "missing": 0}
    assert [one["comparisons"]["judged"] for one in status["requests"]] == [6, 6, 3]
    assert status["requests"][0]["batch_uuid"] == artefact["metadata"]["batch_uuid"]
    assert artefact["stopping"]["ended_by"] == "all comparisons asked for"
    assert sum(entry["comparison_count"] for entry in artefact["bt_summary"]) == 2 * ALL
    # The service's figures cover one request each.
    assert (artefact["service_result"], artefact["comparison_with_service"]) == (None, None)
    assert "service's own figures cover one request each" in hydrated.files["report.html"].decode().replace(
        "&#x27;", "'"
    )
    assert verify(run.directory).comparisons == ALL


def test_without_a_top_up_fewer_than_asked_is_never_complete(tmp_path):
    run = run_against(tmp_path, Habits(cap=6), top_up=False)
    state = run.start()
    assert (state.closed.outcome, exit_code(state), counts(state)) == ("partial", 3, (ALL, 6, 0, 9))
    missing, why, worth = state.closed.reasons
    assert missing.startswith("9 of the 15 comparisons asked for are missing: the service ended the batch after 6")
    assert why == "no further request was sent: further requests are off (--no-top-up)"
    assert worth.startswith("6 comparisons buy a reliability of 0.00 to 0.00")
    artefact = run.artefact()
    assert artefact["runner_status"]["partial_data"] is True
    assert artefact["runner_status"]["comparisons"]["missing"] == 9
    assert artefact["stopping"]["ended_by"] == "the service, before all comparisons asked for were made"
    assert "requests" not in artefact["runner_status"]


CAUSES = [
    (Habits(loses=range(5), counts=True), "the service counts 14 in its batch, so callbacks were lost on their way"),
    (Habits(cap=9, counts=True), "the service ended the batch after 9, by a rule of its own"),
    (
        Habits(loses=range(5)),
        "the service ended the batch after 9, by a rule of its own as it seems: all that is in Kafka was read",
    ),
]


@pytest.mark.parametrize(("habits", "words"), CAUSES)
def test_what_is_known_about_missing_comparisons_is_said(habits, words, tmp_path):
    """A count of all pairs, 15 here, is what the field's service says however many it compared."""
    state = run_against(tmp_path, habits, top_up=False, max_comparisons=14).start()
    assert state.closed.reasons[0] == f"5 of the 14 comparisons asked for are missing: {words}"
    assert exit_code(state) == 3


def test_lost_callbacks_are_made_up_for(tmp_path):
    run = run_against(tmp_path, Habits(loses=(3, 4, 9)))
    assert exit_code(run.start()) == 0
    assert totals(run) == [15, 3]
    assert len(set(request_ids(run))) == ALL


def test_no_more_requests_than_allowed(tmp_path):
    run = run_against(tmp_path, Habits(cap=5), max_requests=2)
    state = run.start()
    assert (exit_code(state), counts(state)) == (3, (ALL, 10, 0, 5))
    assert "no further request was sent: 2 were sent, as many as --max-requests allows" in state.closed.reasons
    assert exit_code(run.resume()) == 3
    assert len(totals(run)) == 2


def test_a_service_that_brings_nothing_new_is_not_asked_for_ever(tmp_path):
    """Each session asks once more, as a person who resumes the run wants it; none asks twice in vain."""
    habits = Habits(cap=6, brings={2: 0, 3: 0})
    run = run_against(tmp_path, habits)
    state = run.start()
    assert (exit_code(state), state.judged, len(totals(run))) == (3, 6, 2)
    assert "no further request was sent: the last one brought no comparison" in state.closed.reasons
    assert (exit_code(run.resume()), len(totals(run))) == (3, 3)
    state = run.resume()
    assert (exit_code(state), state.judged) == (0, ALL)


def test_a_target_that_is_reached_before_the_total_is_complete(tmp_path):
    run = run_against(tmp_path, Habits(brings={1: 9}, precise=True), target_reliability=0.8)
    run.world.cj.supports = frozenset({"target_reliability"})
    state = run.start()
    assert (state.closed.outcome, state.closed.reasons) == ("complete", ())
    assert (counts(state), len(totals(run))) == ((ALL, 9, 0, 0), 1)
    assert run.artefact()["stopping"]["ended_by"] == "look 1: precise enough"


@pytest.mark.parametrize("heard", [0, 4])
def test_a_batch_that_the_service_has_lost_is_asked_for_again_by_resume(heard, tmp_path):
    """The first session waits in vain, the second one too; then the rest is asked for."""
    habits = Habits(brings={1: heard}, silent={1})
    run = run_against(tmp_path, habits)
    state = run.start()
    assert (state.closed.outcome, exit_code(state)) == ("partial", 3 if heard else 75)
    state = run.resume()
    assert (state.closed.outcome, state.closed.reasons, exit_code(state)) == ("complete", (), 0)
    assert any("the service has lost this batch" in notice for notice in run.notices)
    assert json.loads(run.world.cluster.requests[-1])["metadata"]["max_comparisons"] == ALL - heard
    assert sorted(request_ids(run)) == sorted(habits.made)


def test_without_a_top_up_a_lost_batch_is_named_and_not_waited_for_silently(tmp_path):
    run = run_against(tmp_path, Habits(brings={1: 4}, silent={1}), top_up=False)
    run.start()
    state = run.resume()
    assert exit_code(state) == 3
    assert any("the service has lost this batch: it was silent in two sessions" in one for one in state.closed.reasons)


def test_late_callbacks_of_the_first_request_count_and_are_not_taken_for_the_second(tmp_path):
    habits = Habits(cap=9, late=3, doubles=True)
    run = run_against(tmp_path, habits)
    state = run.start()
    assert (exit_code(state), totals(run)) == (0, [15, 9])
    assert [request.judged for request in state.requests] == [9, 9]
    assert (state.judged, state.missing) == (18, 0)
    assert sorted(request_ids(run)) == sorted(habits.made)
    assert state.conflicts == 0


def test_a_second_request_that_fails_leaves_what_the_first_brought(tmp_path):
    run = run_against(tmp_path, Habits(cap=6, brings={2: 0}, fails={2}))
    state = run.start()
    assert (state.closed.outcome, exit_code(state), state.judged) == ("partial", 3, 6)
    assert state.closed.reasons[0] == "the CJ service reported a failure: the judge is away"
    assert "no further request was sent: the service failed the last one" in state.closed.reasons
    status = run.artefact()["runner_status"]
    assert status["failure"] == status["requests"][1]["failure"] == "the judge is away"
    assert status["requests"][0]["failure"] is None
    assert exit_code(run.resume()) == 0
    assert totals(run) == [15, 9, 9, 3]


@pytest.mark.parametrize("fails_again", [False, True])
def test_a_failed_request_that_a_new_broker_gets_again_is_heard_before_a_further_one_follows(fails_again, tmp_path):
    """The embedded services begin each session with a new broker. The old request and a new one would both be paid."""
    world = World()

    def failing(run_id: UUID, essays: list[str]) -> list[Callback]:
        return [*whole_story(run_id, essays)[:6], messages.failed(run_id)]

    world.cj.script = failing
    run = Run(tmp_path / "run", world, make_spec(budget=Budget(max_comparisons=15, top_up=True)))
    assert run.start().closed.outcome == "failed"
    world.cluster = Cluster("cluster-2")

    def slow(run_id: UUID, essays: list[str]) -> list[Callback]:
        told = failing(run_id, essays) if fails_again and run_id == RUN_ID else whole_story(run_id, essays)
        world.later([lambda one=one: world.say(one) for one in told])
        return []

    world.cj.script = slow
    state = run.resume()
    assert len(world.cluster.requests) == (2 if fails_again else 1)
    if not fails_again:
        assert (state.judged, state.missing, exit_code(state)) == (15, 0, 0)


def test_embedded_services_go_on_with_a_batch_that_failed_again_and_no_further_request_pays_for_it_twice(tmp_path):
    """They judge its comparisons that wait, whatever the run asks for beside them."""
    world = World()

    def failing(run_id: UUID, essays: list[str]) -> list[Callback]:
        reason = f"{PROCESSING_FAILED}a cost limit needs a model whose price is known"
        return [*whole_story(run_id, essays)[:6], messages.failed(run_id, reason)]

    world.cj.script = failing
    spec = make_spec(target=EMBEDDED, budget=Budget(max_comparisons=15, top_up=True))
    run = Run(tmp_path / "run", world, spec)
    for session in range(1, 4):
        world.cluster = Cluster(f"cluster-{session}")
        state = run.start() if session == 1 else run.resume()
        assert (state.closed.outcome, len(state.requests)) == ("failed", 1)
        assert "no further request was sent: the services go on with the last one when the run is resumed" in (
            state.closed.reasons
        )
        (advice,) = next_steps(state, tmp_path / "run")
        assert advice.startswith("fix the problem that the CJ service reported, then eng5-runner resume")
    world.cluster = Cluster("cluster-4")
    world.cj.script = whole_story
    state = run.resume()
    assert (len(state.requests), state.judged, state.missing, exit_code(state)) == (1, 15, 0, 0)


def test_a_refusal_of_the_first_request_is_not_repeated(tmp_path):
    run = run_against(tmp_path, Habits(brings={1: 0}, fails={1}))
    assert exit_code(run.start()) == 69
    assert exit_code(run.resume()) == 69
    assert len(totals(run)) == 1


def test_a_further_request_has_only_the_money_that_is_left(tmp_path):
    run = run_against(tmp_path, Habits(cap=6), max_cost_usd=1.0)
    run.world.cj.supports = frozenset({"max_cost_usd"})
    state = run.start()
    assert exit_code(state) == 0
    limits = [json.loads(value)["metadata"]["max_cost_usd"] for value in run.world.cluster.requests]
    spent = [request.cost_usd for request in state.requests]
    assert limits == [1.0, pytest.approx(1.0 - spent[0]), pytest.approx(1.0 - spent[0] - spent[1])]


def test_the_run_ends_at_its_cost_limit_when_the_rest_pays_for_no_comparison_and_goes_on_with_a_higher_one(tmp_path):
    """The invented judge takes .001 USD and a ten-thousandth more each time."""
    run = run_against(tmp_path, Habits(cap=6), max_cost_usd=0.008)
    run.world.cj.supports = frozenset({"max_cost_usd"})
    state = run.start()
    assert (state.closed.outcome, exit_code(state), state.judged) == ("budget", 4, 6)
    assert "the cost limit of 0.008 USD is reached" in state.closed.reasons[0]
    state = run.resume(max_cost=1.0)
    assert (exit_code(state), state.judged) == (0, ALL)
    assert json.loads(run.world.cluster.requests[1])["metadata"]["max_cost_usd"] == pytest.approx(
        1.0 - state.requests[0].cost_usd
    )


EVENTS = 38
"""Of the run below: 12 until the first request is sent, two for each further one, 15 + 6 callbacks, closed."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = run_against(tmp_path_factory.mktemp("whole"), Habits(cap=6))
    assert exit_code(run.start()) == 0
    return run


@pytest.mark.parametrize("count", range(10, EVENTS, 2))
def test_killed_anywhere_and_resumed_every_request_is_sent_once_and_nothing_is_lost_or_doubled(count, whole, tmp_path):
    run = run_against(tmp_path, Habits(cap=6))
    with pytest.raises(Killed):
        run.start(observe=dies_after(count))
    assert exit_code(run.resume()) == 0
    assert run.world.cluster.requests == _as_prepared(run)
    assert totals(run) == [15, 9, 3]
    assert claims(run)[:2] == claims(whole)[:2]


def _as_prepared(run: Run) -> list[bytes]:
    return [event.payload.encode() for event in run.events if isinstance(event, RequestPrepared)]


@pytest.mark.parametrize("kind", [RequestPrepared, RequestPublished])
def test_killed_between_two_requests(kind, whole, tmp_path):
    run = run_against(tmp_path, Habits(cap=6))
    with pytest.raises(Killed):
        run.start(observe=dies_after(2, kind))
    assert exit_code(run.resume()) == 0
    assert run.world.cluster.requests == _as_prepared(run)
    assert claims(run)[:2] == claims(whole)[:2]


def test_the_test_s_kills_reach_to_the_end_of_the_run(whole):
    assert len(whole.events) == EVENTS


def test_every_minute_of_silence_is_said_with_what_is_there_and_when_waiting_ends(tmp_path):
    run = run_against(tmp_path, Habits(brings={1: 4}, silent={1}))
    run.spec = run.spec.model_copy(
        update={"timeouts": run.spec.timeouts.model_copy(update={"idle": 200.0, "total": 900.0})}
    )
    run.start()
    said = [notice for notice in run.notices if "silent for" in notice]
    assert said == [f"4 of 15; silent for {60 * n} s, gives up in {200 - 60 * n} s" for n in (1, 2, 3)]


def test_runs_of_before_have_no_total_and_end_as_they_did(tmp_path):
    """Their ledgers do not say how many comparisons were asked for."""
    run = run_against(tmp_path, Habits(cap=6), top_up=False)
    with pytest.raises(Killed):
        run.start(observe=dies_after(1, RequestPrepared))
    spec = run.spec.model_dump_json()
    assert "top_up" not in spec and "max_requests" not in spec
    old = [
        event.model_copy(update={"asked": None}) if isinstance(event, RequestPrepared) else event
        for event in run.events
    ]
    assert "asked" not in next(event for event in old if isinstance(event, RequestPrepared)).model_dump_json()
    state = RunState()
    for event in old:
        state.advance(event)
    assert (state.asked, state.missing) == (None, None)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"max_comparisons": 440}, "further requests for what is missing: 4 in all, or some more."),
        ({"max_comparisons": 440, "top_up": False}, "With --no-top-up, 120 or fewer may come."),
        ({"max_comparisons": 440, "max_requests": 2}, "--max-requests 2 may allow 240 of them; 4 requests are needed."),
    ],
)
def test_preflight_says_that_a_service_without_study_options_may_cap(budget, words, tmp_path):
    run = run_against(tmp_path, Habits(), **budget)
    state = run.start()
    (warning,) = [one for one in state.preflight.warnings if "at most 120 comparisons a request" in one]
    assert words in warning and "this run asks for 440" in warning
    assert "CJ_ASSESSMENT_SERVICE_MAX_PAIRWISE_COMPARISONS" in warning


def test_a_service_with_study_options_is_not_said_to_cap(tmp_path):
    run = run_against(tmp_path, Habits())
    run.world.cj.supports = frozenset({"design"})
    assert not [one for one in run.start().preflight.warnings if "a request" in one]
