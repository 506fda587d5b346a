"""A run that stopped at its cost limit goes on with a higher one, wherever it is killed, and pays nothing twice."""

from __future__ import annotations

import json
from itertools import combinations
from uuid import UUID

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.core.events import BudgetRaised, RequestPrepared
from eng5_runner.core.spec import Budget
from eng5_runner.errors import TemporaryFailure
from eng5_runner.run.ports import Notice
from tests.support.run import messages
from tests.support.run.kills import Killed, dies_after
from tests.support.run.memory_kafka import Cluster
from tests.support.run.messages import Callback
from tests.support.run.runs import Run, claims, make_spec
from tests.support.run.world import FakeCJ, World

LIMIT, HIGHER = 0.01, 1.0
COST_LIMIT_ONLY = frozenset({"max_cost_usd"})


class ThriftyCJ(FakeCJ):
    """It asks as long as the limit in the request's metadata pays the next comparison, and remembers what it asked.

    Attributes:
        paid: each comparison that was paid for, in turn.
        keeps: whether it supports the limit at all.
    """

    def __init__(self, world: World, *, keeps: bool = True) -> None:
        super().__init__(world)
        self.supports = COST_LIMIT_ONLY
        self.paid: list[Callback] = []
        self.keeps = keeps
        self.limits: list[float | None] = []

    def receive(self, request: bytes) -> None:
        envelope = json.loads(request)
        limit = envelope["metadata"].get("max_cost_usd")
        self.limits.append(limit)
        run_id = UUID(envelope["data"]["entity_id"])
        essays = sorted(essay["essay_id"] for essay in envelope["data"]["essays_for_cj"])
        wanted = [
            messages.comparison(run_id, number, pair, winner="Essay A")
            for number, pair in enumerate(combinations(essays, 2))
        ]
        while len(self.paid) < len(wanted):
            spent = sum(cost(one) for one in self.paid)
            following = wanted[len(self.paid)]
            if self.keeps and limit is not None and spent + cost(following) > limit:
                break
            self.paid.append(following)
        stop = limit if len(self.paid) < len(wanted) else None
        endings = [messages.completed(run_id), messages.result(run_id, essays)]
        for callback in [*self.paid, *(endings if stop is None else (stopped(one, stop) for one in endings))]:
            self._world.say(callback)


def cost(callback: Callback) -> float:
    return json.loads(callback.value)["data"]["cost_estimate"]


def stopped(ending: Callback, limit: float) -> Callback:
    """The same message of a batch that stopped at its limit."""
    told = json.loads(ending.value)
    stop = {"max_cost_usd": limit, "spent_usd": 0.009, "next_at_most_usd": 0.002}
    stop |= {"comparisons": 7, "comparisons_wanted": 15}
    if "status" in told["data"]:
        told["data"]["status"] = "completed_with_failures"
        told["data"]["system_metadata"] = {"error_info": {"reason": "cost_limit", "details": stop}}
    else:
        told["data"]["assessment_metadata"] = {"cost_stop": stop}
    return Callback(ending.topic, messages.raw(told), ending.partition)


def limited(directory, *, keeps: bool = True, limit: float | None = LIMIT) -> Run:
    world = World(poll_records=1)
    world.cj = ThriftyCJ(world, keeps=keeps)
    return Run(directory, world, make_spec(budget=Budget(max_cost_usd=limit, max_comparisons=15)))


def thrifty(run: Run) -> ThriftyCJ:
    assert isinstance(run.world.cj, ThriftyCJ)
    return run.world.cj


def payloads(run: Run) -> list[dict]:
    return [json.loads(event.payload) for event in run.events if isinstance(event, RequestPrepared)]


@pytest.fixture(scope="module")
def free(tmp_path_factory) -> Run:
    run = limited(tmp_path_factory.mktemp("free") / "run", limit=None)
    assert exit_code(run.start()) == 0
    return run


def test_it_stops_at_the_limit_with_a_valid_artefact_that_says_so(tmp_path):
    run = limited(tmp_path / "run")
    state = run.start()
    assert (state.closed.outcome, exit_code(state)) == ("budget", 4)
    artefact = run.artefact()
    assert artefact["runner_status"]["partial_data"] is True
    assert "0.01 USD" in artefact["runner_status"]["reasons"][0]
    assert artefact["stopping"]["ended_by"] == "the cost limit"
    assert artefact["costs"]["total_usd"] <= LIMIT


def test_with_a_higher_limit_the_same_request_goes_out_again_and_the_rest_is_done(tmp_path, free):
    run = limited(tmp_path / "run")
    run.start()
    state = run.resume(max_cost=HIGHER)
    assert (state.closed.outcome, exit_code(state)) == ("complete", 0)
    assert thrifty(run).limits == [LIMIT, HIGHER]
    first, second = payloads(run)
    assert first.pop("metadata") | {"max_cost_usd": HIGHER} == second.pop("metadata")
    assert first == second
    assert claims(run)[:3] == claims(free)[:3]
    assert run.artefact()["stopping"]["ended_by"] == "all comparisons asked for"
    assert run.artefact()["stopping"]["max_cost_usd"] == HIGHER


@pytest.mark.parametrize("new_broker", [False, True])
@pytest.mark.parametrize("count", range(1, 24))
def test_killed_after_every_event_of_the_second_session(count, new_broker, tmp_path, free):
    run = limited(tmp_path / "run")
    run.start()
    if new_broker:
        run.world.cluster = Cluster("cluster-2")
    try:
        run.resume(max_cost=HIGHER, observe=dies_after(count))
    except Killed:
        if count == 1:  # the limit was durable with the session's beginning
            assert isinstance(run.events[-1], BudgetRaised)
        state = run.resume()
        assert exit_code(state) == 0
    assert claims(run)[:3] == claims(free)[:3]
    assert len(thrifty(run).paid) == 15
    assert thrifty(run).limits in ([LIMIT, HIGHER], [LIMIT, HIGHER, HIGHER])


def test_a_second_stop_at_a_higher_limit_is_a_stop_too(tmp_path):
    run = limited(tmp_path / "run")
    run.start()
    state = run.resume(max_cost=0.015)
    assert (state.closed.outcome, exit_code(state)) == ("budget", 4)
    assert run.artefact()["stopping"]["cost_stop"]["max_cost_usd"] == 0.015
    assert exit_code(run.resume(max_cost=HIGHER)) == 0


def test_an_unknown_outcome_of_the_second_sending_is_looked_up_by_its_bytes(tmp_path, free):
    run = limited(tmp_path / "run")
    run.start()
    run.world.publish_fault = "never arrives"
    with pytest.raises(TemporaryFailure):
        run.resume(max_cost=HIGHER)
    run.world.publish_fault = None
    assert exit_code(run.resume()) == 0
    assert thrifty(run).limits == [LIMIT, HIGHER], "the first request, with the same id, is not taken for the second"
    assert claims(run)[:3] == claims(free)[:3]


def test_a_service_that_spends_more_than_it_said_is_told_loudly(tmp_path):
    run = limited(tmp_path / "run", keeps=False)
    state = run.start()
    told = [one for one in run.told if isinstance(one, Notice) and "does not enforce it" in one.text]
    assert [one.kind for one in told] == ["overspent"], "the broker is not to blame"
    assert (state.closed.outcome, exit_code(state)) == ("partial", 3)
    assert "more than the cost limit" in " ".join(state.closed.reasons)


@pytest.mark.parametrize("figure", [10**30, -1, 2.5, None])
def test_figures_of_a_stop_that_cannot_be_are_left_out_and_break_nothing(figure, tmp_path):
    run = limited(tmp_path / "run", limit=None)

    def story(run_id: UUID, essays: list[str]) -> list[Callback]:
        *others, last = World().cj.script(run_id, essays)
        told = json.loads(last.value)
        stop = {"max_cost_usd": 1.0, "spent_usd": 0.5, "next_at_most_usd": 0.6, "comparisons": figure}
        look = {"round": figure, "comparisons": 15, "judgements": 15, "fewest": 5, "components": 1}
        look |= {"reliability": 0.8, "standard_error_90": 0.5, "verdict": "go on"}
        told["data"]["assessment_metadata"] = {
            "cost_stop": stop | {"comparisons_wanted": 15},
            "stopping_looks": [look],
        }
        return [*others, Callback(last.topic, messages.raw(told), last.partition)]

    run.world.cj = FakeCJ(run.world)
    run.world.cj.script = story
    assert exit_code(run.start()) == 0
    stopping = run.artefact()["stopping"]
    assert stopping["cost_stop"] is None and not stopping["looks"]
    assert run.hydrate().violations == []
