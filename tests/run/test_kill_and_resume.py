"""A run that was killed anywhere and resumed states what an undisturbed one states, and asks nothing twice."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.events import (
    CallbackAccepted,
    CallbackRepeated,
    OffsetsLost,
    RequestPrepared,
    RequestPublished,
    RunClosed,
)
from eng5_runner.effects.ledger import LEDGER_NAME, LedgerReading
from eng5_runner.errors import InputsInvalid, TemporaryFailure
from eng5_runner.run.ports import Notice
from tests.support.run.kills import Killed, dies_after
from tests.support.run.memory_kafka import Cluster
from tests.support.run.runs import Run, claims, essence
from tests.support.run.world import World

FROM_FIXTURE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENTS = 30
"""Of an undisturbed run: started, preflight, 7 uploads, listening, prepared, published, 17 callbacks, closed."""


def killed(directory: Path, count: int, kind: type[object] = object, *, world: World | None = None) -> Run:
    run = Run(directory, world or World())
    with pytest.raises(Killed):
        run.start(observe=dies_after(count, kind))
    return run


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("count", range(1, EVENTS))
def test_killed_after_every_event_in_turn_then_resumed(count, stepwise, plain, tmp_path):
    """One request on the broker, each text uploaded once, no comparison asked twice, the same claims."""
    world = World(poll_records=1)
    world.cj.stepwise = stepwise
    run = killed(tmp_path / "run", count, world=world)
    assert exit_code(run.resume()) == 0
    assert len(world.cluster.requests) == 1
    assert set(world.cj.asked.values()) == {1}
    assert world.content.requests == len(run.texts)
    assert claims(run) == claims(plain)


def test_killed_twice_gives_the_same_artefact_but_for_times_and_bookkeeping(plain_artefact, tmp_path):
    run = killed(tmp_path / "run", 20, world=World(poll_records=1))
    with pytest.raises(Killed):
        run.resume(observe=dies_after(3))
    run.resume()
    artefact = run.artefact()
    assert essence(artefact) == essence(plain_artefact)
    assert artefact["runner_status"]["sessions"] == 3


def cut(original: Run, directory: Path, at: int) -> Run:
    """A copy of a finished run whose ledger ends at this byte, in the world as it was left."""
    shutil.copytree(original.directory, directory)
    with (directory / LEDGER_NAME).open("r+b") as ledger:
        ledger.truncate(at)
    return Run(directory, original.world)


def resumed_claims(original: Run, at: int, folder: Path) -> tuple[object, ...]:
    run = cut(original, folder / "run", at)
    before = len(original.world.cluster.requests)
    was_prepared = any(isinstance(event, RequestPrepared) for event in run.events)
    assert exit_code(run.resume()) == 0
    if was_prepared:
        assert len(original.world.cluster.requests) == before
    return claims(run)


def test_cut_after_any_line_and_resumed_against_the_same_broker(plain, tmp_path):
    """And the request is not sent again wherever the ledger still knows that it was prepared."""
    lines = (plain.directory / LEDGER_NAME).read_bytes().splitlines(keepends=True)
    at = 0
    for number, line in enumerate(lines, start=1):
        at += len(line)
        with TemporaryDirectory(dir=tmp_path) as folder:
            assert resumed_claims(plain, at, Path(folder)) == claims(plain), f"after line {number}"


@settings(FROM_FIXTURE, max_examples=35)
@given(data=st.data())
def test_cut_at_any_byte_after_the_first_line(data, plain, tmp_path):
    ledger = (plain.directory / LEDGER_NAME).read_bytes()
    at = data.draw(st.integers(min_value=ledger.index(b"\n") + 1, max_value=len(ledger)))
    with TemporaryDirectory(dir=tmp_path) as folder:
        assert resumed_claims(plain, at, Path(folder)) == claims(plain)


def test_cut_inside_a_line_gives_the_same_artefact_but_for_times_and_bookkeeping(plain, plain_artefact, tmp_path):
    size = (plain.directory / LEDGER_NAME).stat().st_size
    run = cut(plain, tmp_path / "run", size // 2)
    run.resume()
    assert essence(run.artefact()) == essence(plain_artefact)
    assert list(run.directory.glob("ledger.torn.*"))


@settings(FROM_FIXTURE, max_examples=150)
@given(data=st.data())
def test_a_flipped_bit_never_adds_or_alters_an_event(data, plain, tmp_path):
    """What can be read of a damaged ledger is a part of what was written, or it is refused."""
    ledger = bytearray((plain.directory / LEDGER_NAME).read_bytes())
    ledger[data.draw(st.integers(0, len(ledger) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with TemporaryDirectory(dir=tmp_path) as folder:
        (Path(folder) / LEDGER_NAME).write_bytes(ledger)
        try:
            found = tuple(LedgerReading(Path(folder)))
        except InputsInvalid:
            return
        assert found == tuple(islice(plain.events, len(found)))


@pytest.mark.parametrize("cluster_id", ["cluster-2", "cluster-1"])
@pytest.mark.parametrize("seen", [1, 8, 16])
def test_a_new_empty_broker_gets_the_identical_bytes_and_doubles_are_dropped(seen, cluster_id, plain, tmp_path):
    """The embedded broker forgets when it ends; that its log is shorter tells it even under the same cluster id."""
    world = World(poll_records=1)
    run = killed(tmp_path / "run", seen, CallbackAccepted, world=world)
    first = world.cluster
    world.cluster = Cluster(cluster_id)
    assert exit_code(run.resume()) == 0
    assert world.cluster.requests == first.requests
    assert sum(isinstance(event, CallbackRepeated) for event in run.events) == seen
    assert not any(event.conflict for event in run.events if isinstance(event, CallbackRepeated))
    assert claims(run) == claims(plain)
    assert any("same request" in notice for notice in run.notices)


@pytest.mark.parametrize("kind", [RequestPrepared, RequestPublished])
def test_a_new_broker_right_after_the_request_was_prepared_or_published(kind, plain, tmp_path):
    world = World()
    run = killed(tmp_path / "run", 1, kind, world=world)
    world.cluster = Cluster("cluster-2")
    assert exit_code(run.resume()) == 0
    prepared = [event.payload.encode() for event in run.events if isinstance(event, RequestPrepared)]
    assert world.cluster.requests == prepared
    assert claims(run) == claims(plain)


def test_another_cluster_is_known_by_its_id_though_its_topics_are_longer(plain, tmp_path):
    """Other runs' records in it say nothing about ours."""
    world = World(poll_records=1)
    run = killed(tmp_path / "run", 5, CallbackAccepted, world=world)
    world.cluster = Cluster("cluster-2")
    for topic, partition in world.cluster.logs:
        for _ in range(50):
            world.cluster.append(topic, b"somebody else's", partition=partition)
    assert exit_code(run.resume()) == 0
    assert len(world.cluster.requests) == 51
    assert claims(run) == claims(plain)


def test_a_new_broker_twice(plain, tmp_path):
    world = World(poll_records=1)
    run = killed(tmp_path / "run", 5, CallbackAccepted, world=world)
    world.cluster = Cluster("cluster-2")
    with pytest.raises(Killed):
        run.resume(observe=dies_after(7, CallbackRepeated | CallbackAccepted))
    world.cluster = Cluster("cluster-3")
    assert exit_code(run.resume()) == 0
    assert len(world.cluster.requests) == 1
    assert claims(run) == claims(plain)


def test_retention_on_the_same_cluster_is_loud_and_the_request_is_not_sent_again(tmp_path):
    """Comparisons that nobody read are gone for good: partial, exit 3, with the number."""
    world = World(poll_records=1)
    run = killed(tmp_path / "run", 1, CallbackAccepted, world=world)
    world.cluster.drop_before(Topic.COMPARISON, 3, partition=0)
    world.cluster.drop_before(Topic.COMPARISON, 2, partition=1)
    state = run.resume()
    assert (state.closed.outcome, exit_code(state)) == ("partial", 3)
    assert "5 records were dropped by the broker before they were read" in state.closed.reasons
    assert state.closed.reasons[0].startswith("5 of the 15 comparisons asked for are missing: ")
    assert "callbacks were lost" in state.closed.reasons[0]
    assert sum(event.count for event in run.events if isinstance(event, OffsetsLost)) == 5
    assert len(world.cluster.requests) == 1
    status = run.artefact()["runner_status"]
    assert (status["offsets_lost"], status["partial_data"], status["comparisons"]["judged"]) == (5, True, 10)


def test_a_broker_that_loses_offsets_while_the_run_reads_is_a_temporary_failure_and_resume_helps(plain, tmp_path):
    """Its place is taken by a new one in the middle of a session."""
    world = World(poll_records=1)
    run = killed(tmp_path / "run", 4, CallbackAccepted, world=world)
    world.cluster.logs[Topic.COMPARISON, 0].values.clear()
    world.cluster.logs[Topic.COMPARISON, 1].values.clear()

    def lose() -> None:
        world.cluster.logs[Topic.RESULT, 0].values.clear()

    world.later([lose])
    with pytest.raises(TemporaryFailure):
        run.resume()
    world.cluster = Cluster("cluster-2")
    assert exit_code(run.resume()) == 0
    assert claims(run) == claims(plain)


def test_the_ledger_of_a_resumed_run_says_how_it_ended_each_time(tmp_path):
    world = World()
    world.cj.script = lambda _run_id, _essays: []
    run = Run(tmp_path / "run", world)
    assert exit_code(run.start()) == 75
    envelope = json.loads(world.cluster.requests[0])
    world.cj.script = World().cj.script
    world.cj.receive(json.dumps(envelope).encode())
    assert exit_code(run.resume()) == 0
    outcomes = [event.outcome for event in run.events if isinstance(event, RunClosed)]
    assert outcomes == ["partial", "complete"]


def deaf(directory: Path) -> Run:
    """A run whose request the CJ service never read: it was not listening yet."""
    run = Run(directory, World())
    run.world.cj.skips_repeats = True
    hears, run.world.cj.receive = run.world.cj.receive, lambda _request: None
    assert exit_code(run.start()) == 75
    run.world.cj.receive = hears
    return run


# The status behind the judgements names the first session's deadline.
def test_a_request_that_nobody_heard_is_sent_again_with_identical_bytes(plain, tmp_path):
    run = deaf(tmp_path / "run")
    assert exit_code(run.resume()) == 0
    first, second = run.world.cluster.requests
    assert first == second
    assert claims(run)[:3] == claims(plain)[:3]


def test_answers_that_came_after_the_patience_was_over_are_not_skipped_by_sending_again(plain, tmp_path):
    run = deaf(tmp_path / "run")
    run.world.cj.receive(run.world.cluster.requests[0])
    assert exit_code(run.resume()) == 0
    assert claims(run)[:3] == claims(plain)[:3]
    assert set(run.world.cj.asked.values()) == {1}


def test_what_might_be_paid_twice_by_now_is_not_sent_again(tmp_path):
    """The service remembers a request for a day from the first time that it hears it, not from the last."""
    run = deaf(tmp_path / "run")
    run.world.clock.advance(12 * 3600)
    run.world.cj.script = lambda _run_id, _essays: []
    assert exit_code(run.resume()) == 75
    run.world.clock.advance(12 * 3600)
    assert exit_code(run.resume()) == 75
    assert len(run.world.cluster.requests) == 2
    assert any("the service has lost it" in one.text for one in run.told if isinstance(one, Notice))


def test_a_session_that_heard_something_does_not_ask_again(tmp_path):
    run = Run(tmp_path / "run", World())
    run.world.cj.script = lambda run_id, essays: World().cj.script(run_id, essays)[:3]
    assert exit_code(run.start()) == 3
    assert exit_code(run.resume()) == 3
    assert len(run.world.cluster.requests) == 1
