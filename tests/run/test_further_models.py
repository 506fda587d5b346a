"""A study of several judges: each has a request of its own, and an equal share of comparisons and of the cost limit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.events import CallbackAccepted, RequestPrepared, RequestPublished
from eng5_runner.core.next_step import is_at_cost_limit
from eng5_runner.core.spec import Budget
from eng5_runner.core.state import RunState, fold
from eng5_runner.core.top_up import is_due, request_spec
from eng5_runner.run.verify import verify
from tests.support.run.events import AT, ONE_OF_EACH, WAYS, place
from tests.support.run.habits import Habits
from tests.support.run.kills import Killed, dies_after
from tests.support.run.runs import Run, make_spec
from tests.support.run.world import World

FIRST, SECOND = "openai-judge", "anthropic-judge"
JUDGES = {
    "judge": LLMConfigOverrides(provider_override="openai", model_override=FIRST, temperature_override=0.5),
    "further_models": [{"provider": "anthropic", "model": SECOND}],
}


def run_against(directory: Path, habits: Habits, *, top_up: bool = True, **budget: object) -> Run:
    world = World(poll_records=1)
    world.cj.habits = habits
    settled: dict[str, object] = {"max_comparisons": 15, "top_up": top_up} | budget
    spec = make_spec(budget=Budget.model_validate(settled), **JUDGES)
    return Run(directory / "run", world, spec)


def requests(run: Run) -> list[tuple[str, int]]:
    """The model that each request names, and what it asks for."""
    sent = [json.loads(value) for value in run.world.cluster.requests]
    return [(one["data"]["llm_config_overrides"]["model_override"], one["metadata"]["max_comparisons"]) for one in sent]


def test_each_judge_is_asked_for_its_share_even_without_top_ups(tmp_path):
    run = run_against(tmp_path, Habits(), top_up=False)
    state = run.start()
    assert requests(run) == [(FIRST, 8), (SECOND, 7)]
    assert (state.closed.outcome, state.closed.reasons, exit_code(state)) == ("complete", (), 0)
    assert "8 of 15 comparisons came; request 2 asks anthropic-judge for 7" in run.notices
    first, second = [json.loads(value)["data"]["llm_config_overrides"] for value in run.world.cluster.requests]
    assert first["temperature_override"] == second["temperature_override"] == 0.5, "only the model differs"
    run.finish()
    artefact = run.artefact()
    assert Counter(row["model"] for row in artefact["llm_comparisons"]) == {FIRST: 8, SECOND: 7}
    assert {judge["model"] for judge in artefact["metadata"]["judges"]} == {FIRST, SECOND}
    assert verify(run.directory).comparisons == 15


def test_top_ups_follow_for_the_judge_that_lacks_most(tmp_path):
    run = run_against(tmp_path, Habits(cap=6))
    state = run.start()
    assert requests(run) == [(FIRST, 8), (SECOND, 7), (FIRST, 2), (SECOND, 1)]
    assert (state.closed.outcome, state.judged) == ("complete", 15)


def test_an_answer_of_the_other_judge_is_objected_to(tmp_path):
    state = run_against(tmp_path, Habits(answers_as=FIRST)).start()
    assert state.objections == {"judge": 7}, "the second request names the second judge"
    assert state.closed.outcome == "partial"


@pytest.mark.parametrize("kind", [RequestPrepared, RequestPublished])
def test_a_run_that_is_killed_between_its_judges_asks_each_once(kind, tmp_path):
    run = run_against(tmp_path, Habits())
    with pytest.raises(Killed):
        run.start(observe=dies_after(2, kind))
    run.resume()
    assert requests(run) == [(FIRST, 8), (SECOND, 7)]
    assert [event.judge for event in run.events if isinstance(event, RequestPrepared)] == [0, 1]


def at_its_share(spent: float, limit: float = 1.0) -> RunState:
    """The first judge has reached its half of the limit after one comparison."""
    spec = make_spec(budget=Budget(max_comparisons=15, max_cost_usd=limit, top_up=True), **JUDGES)
    events = [ONE_OF_EACH[name] for name in WAYS["gathering"].split()]
    events[0] = events[0].model_copy(update={"spec": spec})
    events = [
        event.model_copy(update={"asked": 15, "comparisons": 8}) if isinstance(event, RequestPrepared) else event
        for event in events
    ]
    about = {"at": AT, "raw": "{}", "fingerprint": "f"}
    judged = CallbackAccepted(position=place(8), kind="comparison", key="1", judged=True, cost_usd=spent, **about)
    stop = CallbackAccepted(position=place(9), kind="completed", key="2", limit_usd=limit / 2, **about)
    return fold([*events, judged, stop])


def test_a_judge_that_has_spent_its_share_leaves_the_rest_to_the_next():
    state = at_its_share(0.4)
    assert state.limit_of(1) == 0.5
    assert (is_due(state), is_at_cost_limit(state)) == (True, False)
    following = request_spec(state, 2, asked=15)
    assert following.judge.model_override == SECOND
    assert (following.budget.max_comparisons, following.budget.max_cost_usd) == (7, pytest.approx(0.6))
