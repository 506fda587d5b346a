"""A person may end a run in any stage; it is closed in order and can be resumed."""

from __future__ import annotations

import asyncio

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.core.events import (
    CallbackAccepted,
    EssayUploaded,
    ListeningFrom,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunStarted,
)
from eng5_runner.run.ports import Notice
from tests.support.run.runs import Run, claims
from tests.support.run.world import World

STAGES = [
    RunStarted,
    Notice,
    PreflightPassed,
    EssayUploaded,
    ListeningFrom,
    RequestPrepared,
    RequestPublished,
    CallbackAccepted,
]


@pytest.mark.parametrize("kind", STAGES)
def test_stopped_in_any_stage_a_run_is_closed_as_interrupted_and_resumes(kind, plain, tmp_path):
    world = World(poll_records=1)
    run = Run(tmp_path / "run", world)
    stop = asyncio.Event()

    def observe(told: object) -> None:
        if isinstance(told, kind):
            stop.set()

    state = run.start(observe=observe, stop=stop)
    assert isinstance(run.events[-1], RunClosed)
    assert (state.closed.outcome, exit_code(state)) == ("interrupted", 75)
    assert run.artefact()["runner_status"]["outcome"] == "interrupted"
    assert exit_code(run.resume()) == 0
    assert len(world.cluster.requests) == 1
    assert world.content.requests == len(run.texts)
    assert claims(run) == claims(plain)


@pytest.mark.parametrize("kind", [ListeningFrom, RequestPrepared])
def test_stopped_before_the_request_is_out_a_run_sends_none(kind, tmp_path):
    """Between the request's bytes in the ledger and the request on the wire lies the last moment that costs nothing."""
    run, stop = Run(tmp_path / "run"), asyncio.Event()

    def observe(told: object) -> None:
        if isinstance(told, kind):
            stop.set()

    run.start(observe=observe, stop=stop)
    assert run.world.cluster.requests == []
    assert [type(event) for event in run.events[-2:]] == [RequestPrepared, RunClosed]


def test_stopped_while_nothing_comes(tmp_path):
    """The poll under way is the last one."""
    world = World()
    world.cj.script = lambda _run_id, _essays: []
    stop = asyncio.Event()
    world.later([lambda: None, lambda: None, stop.set])
    state = Run(tmp_path / "run", world).start(stop=stop)
    assert state.closed.outcome == "interrupted"
    assert not world.timeline


def test_stopped_before_it_began_a_session_does_nothing(tmp_path):
    stop = asyncio.Event()
    stop.set()
    world = World()
    run = Run(tmp_path / "run", world)
    assert run.start(stop=stop).closed.outcome == "interrupted"
    assert [event.type for event in run.events] == ["RunStarted", "RunClosed"]
    assert run.resume(stop=stop).closed.outcome == "interrupted"
    assert (world.content.requests, world.cluster.requests) == (0, [])
